import type { OperationHandler } from "../http/fastPath.ts"
import type { McpOptions } from "./mcp.ts"

/** The way in for agents. Its packages are loaded by `ready`. */
export interface Mcp {
  /** Loads what answers requests. Rejects if a tool cannot be used. */
  ready(): Promise<void>
  /** Answers a request to `/mcp` that was admitted. */
  readonly answer: OperationHandler
  close(): Promise<void>
}

export function openMcp(options: McpOptions): Mcp {
  let loaded: Awaited<ReturnType<typeof load>> | undefined

  async function load() {
    const { createMcp } = await import("./mcp.ts")
    return createMcp(options)
  }

  return {
    async ready() {
      loaded ??= await load()
    },
    answer(request, response, state, body) {
      if (loaded === undefined) throw new Error("a request for agents came before the gateway listened")
      loaded.answer(request, response, state, body)
    },
    async close() {
      await loaded?.close()
    },
  }
}
