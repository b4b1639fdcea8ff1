import { fork } from "node:child_process"
import { once } from "node:events"
import { compiled } from "../support/compiled.ts"
import type { Look, Question, Reply } from "./gateway.ts"

export interface GatewayProcess {
  url: string
  look(): Promise<Look>
  /** Tells it to stop. Resolves with whether it finished, when the process has ended and all of its output has been read. */
  stop(): Promise<boolean>
  /** Kills it with SIGKILL. Resolves when all of its output has been read. */
  kill(): Promise<void>
}

/**
 * Starts a gateway in a process of its own, with these settings.
 * @param onOutput gets all that the process writes. Without it, its log is only counted
 */
export async function startGateway(
  env: Record<string, string>,
  onOutput?: (chunk: Buffer) => void,
): Promise<GatewayProcess> {
  const child = fork(new URL("gateway.ts", import.meta.url), onOutput ? ["print"] : [], {
    execArgv: ["--expose-gc"],
    env: { PATH: process.env.PATH, PORT: "0", ...compiled, ...env },
    silent: onOutput !== undefined,
  })
  if (onOutput !== undefined) for (const stream of [child.stdout, child.stderr]) stream?.on("data", onOutput)
  const end = () => void child.kill("SIGKILL")
  process.once("exit", end)
  const exited = once(child, "close").then(() => void process.off("exit", end))
  const ended = exited.then(() => Promise.reject(new Error("the gateway's process has ended")))
  // It exits at the end.
  ended.catch(() => undefined)
  const heard = async () => (await Promise.race([once(child, "message"), ended]))[0] as Reply
  const ask = (question: Question) => {
    const reply = heard()
    child.send(question)
    return reply
  }
  const { url } = (await heard()) as { url: string }
  return {
    url,
    look: async () => ((await ask("look")) as { look: Look }).look,
    async stop() {
      const { stopped } = (await ask("stop")) as { stopped: boolean }
      await exited
      return stopped
    },
    async kill() {
      end()
      await exited
    },
  }
}
