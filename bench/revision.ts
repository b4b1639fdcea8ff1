import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { OptionError } from "./options.ts"

/** A checkout of the gateway, and the command of its `npm start`. */
export interface Checkout {
  folder: string
  /** The path of the module that starts it. */
  main: string
  /** Node's flags. */
  flags: string[]
}

/** Reads the start script, but not the file `.env`, which has the settings of another environment. */
export function checkoutAt(folder: string): Checkout {
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
  const script: string = scripts?.start ?? ""
  const words = / node (.*)$/.exec(` ${script}`)?.[1]?.trim().split(/\s+/) ?? []
  const main = words.find((word) => !word.startsWith("-"))
  if (main === undefined || !existsSync(join(folder, main)))
    throw new Error(`its start script does not run a module of the checkout with node: "${script}"`)
  const flags = words.filter((word) => word.startsWith("-") && !word.startsWith("--env-file"))
  return { folder, main: join(folder, main), flags }
}

/** Checks the revision out into a temporary folder, which is removed when this process exits. */
export function checkOut(revision: string, repository: string): Checkout & { commit: string } {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: repository, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim()
  try {
    git("rev-parse", "--git-dir")
  } catch {
    throw new OptionError("--compare needs git, and a checkout with its history")
  }
  let commit: string
  try {
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`)
  } catch {
    throw new OptionError(
      `--compare: no revision "${revision}" in this repository. Give a commit, branch or tag that \`git log\` knows.`,
    )
  }
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"))
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true })
    git("worktree", "prune")
  })
  git("worktree", "add", "--detach", folder, commit)
  const lock = (checkout: string) => readFileSync(join(checkout, "package-lock.json"), "utf8")
  if (lock(folder) === lock(repository)) {
    symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "junction")
  } else {
    console.error(`Installing the packages of ${revision}.`)
    const options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    try {
      execFileSync("npm", ["ci", ...options], { cwd: folder, stdio: ["ignore", 2, 2] })
    } catch {
      throw new OptionError(`--compare: npm ci failed for revision "${revision}". Its output is above.`)
    }
  }
  try {
    return { ...checkoutAt(folder), commit: commit.slice(0, 12) }
  } catch (error) {
    throw new OptionError(`--compare: revision "${revision}" can't be started: ${(error as Error).message}`)
  }
}
