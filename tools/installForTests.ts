import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { buildExplorer } from "./explorer.ts"

/*
 * Builds the explorer, and installs the packages of each example, and those of deploy/, if they are not installed yet, or if the lock file has changed. The
 * tests start the examples with these packages, and check the Helm chart and the compose file.
 */

const root = join(import.meta.dirname, "..")

for (const lock of globSync("{examples/*,deploy}/package-lock.json", { cwd: root })) {
  const folder = join(root, lock, "..")
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, lock)))
    .digest("hex")
  const installed = join(folder, "node_modules", ".installed")
  if (existsSync(installed) && readFileSync(installed, "utf8") === wanted) continue
  console.log(`npm ci in ${folder}`)
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    stdio: "inherit",
  })
  if (status !== 0) process.exit(1)
  writeFileSync(installed, wanted)
}

await buildExplorer(console.log)
