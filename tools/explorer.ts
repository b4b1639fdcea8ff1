import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const root = join(import.meta.dirname, "..")
const folder = join(root, "explorer")
const built = join(folder, "dist")
const stamp = join(built, ".source")
const lock = join(folder, ".building")

/** The digest of everything that the build reads. */
function digestOfSource(): string {
  const sources = globSync("{*.*,build/**/*.*,src/**/*.*}", { cwd: folder }).filter(
    (path) => !/\.generated\.ts$/.test(path),
  )
  const hash = createHash("sha256").update(readFileSync(join(root, "schema.graphql")))
  for (const path of sources.toSorted()) hash.update(path).update(readFileSync(join(folder, path)))
  return hash.digest("hex")
}

const isBuilt = (digest: string) => existsSync(stamp) && readFileSync(stamp, "utf8") === digest

/**
 * Builds the explorer if it is not built, or if its sources or the schema have changed since. The first time, its packages are
 * installed. Processes that need it at the same time build it once. Throws if it can't be built.
 * @param say is called before work that takes seconds
 */
export async function buildExplorer(say: (message: string) => void = () => {}): Promise<void> {
  const digest = digestOfSource()
  if (isBuilt(digest)) return
  while (!takeLock()) await sleep(200)
  try {
    if (isBuilt(digest)) return
    const wanted = createHash("sha256")
      .update(readFileSync(join(folder, "package-lock.json")))
      .digest("hex")
    const installed = join(folder, "node_modules", ".installed")
    if (!existsSync(installed) || readFileSync(installed, "utf8") !== wanted) {
      say("Installing the explorer's packages, once…")
      run("npm", "ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
      writeFileSync(installed, wanted)
    }
    say("Building the explorer…")
    // Beside the last build, which may be served meanwhile.
    const next = `${built}.next`
    run("npm", "run", "--silent", "build", "--", "--outDir", next, "--emptyOutDir")
    writeFileSync(join(next, ".source"), digest)
    rmSync(built, { recursive: true, force: true })
    renameSync(next, built)
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

/** Whether this process may build. The lock of a process that no longer runs is taken over. */
function takeLock(): boolean {
  const owner = join(lock, "pid")
  try {
    mkdirSync(lock)
    writeFileSync(owner, String(process.pid))
    return true
  } catch {
    const pid = existsSync(owner) ? Number(readFileSync(owner, "utf8")) : 0
    if (pid > 0 && !isRunning(pid)) rmSync(lock, { recursive: true, force: true })
    return false
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

function run(command: string, ...parameters: string[]): void {
  // A test runner sets NODE_ENV to "test", and the build would be one for development.
  const env = { ...process.env, NODE_ENV: "production" }
  const { status, error } = spawnSync(command, parameters, {
    cwd: folder,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${parameters.join(" ")} in explorer/ ended with ${status}.`)
}

if (import.meta.main) await buildExplorer(console.log)
