import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { onTestFinished } from "vitest"
import { compiled } from "./compiled.ts"

export interface Replica {
  url: string
  kill(): Promise<void>
  suspend(): void
  resume(): void
  output(): string
}

/** A gateway in a process of its own, which ends with the test. */
export async function startReplica(env: Record<string, string>): Promise<Replica> {
  const child: ChildProcess = fork(new URL("replica.ts", import.meta.url), {
    env: { PATH: process.env.PATH, PORT: "0", LEASE_MS: "500", ...compiled, ...env },
    silent: true,
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text) => (output += text))
  const [{ url }] = (await Promise.race([
    once(child, "message"),
    once(child, "close").then(() => Promise.reject(new Error(output))),
  ])) as [{ url: string }]
  return {
    url,
    output: () => output,
    suspend: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async kill() {
      child.kill("SIGKILL")
      await once(child, "exit")
    },
  }
}
