import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { onTestFinished } from "vitest"
import { compiled } from "./compiled.ts"

export interface Running {
  child: ChildProcess
  /** Everything written so far, on both channels. */
  output(): string
  /** Resolves with the first part of the output that matches. */
  said(pattern: RegExp): Promise<string>
  /** Resolves with the exit code, when the process has ended and all of its output has been read. */
  exited: Promise<number | null>
}

/**
 * Runs a command with these variables and no others of the project's.
 * @param options.uid the user that runs it; only root can give another one
 * @param options.cleanUp registers the function that ends it; by default it ends with the test
 */
export function run(
  command: string,
  args: string[],
  env: Record<string, string>,
  { cwd, uid, cleanUp = onTestFinished }: { cwd?: URL; uid?: number; cleanUp?: (end: () => void) => void } = {},
): Running {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? "", ...compiled, ...env },
    detached: true,
    ...(cwd && { cwd }),
    ...(uid !== undefined && { uid }),
  })
  cleanUp(() => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
      process.kill(-child.pid, "SIGKILL")
  })
  let output = ""
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(output)
        if (match !== null) resolve(match[1] ?? match[0])
      }
      child.stdout.on("data", look)
      child.stderr.on("data", look)
      child.once("close", () => reject(new Error(`it ended without saying ${pattern}: ${output}`)))
      look()
    })
  child.stdout.on("data", (chunk) => (output += chunk))
  child.stderr.on("data", (chunk) => (output += chunk))
  return { child, output: () => output, said, exited: once(child, "close").then(([code]) => code) }
}
