import { expect, onTestFinished } from "vitest"
import type { SandboxOptions } from "../../sandbox/options.ts"
import type { RecordedRequest } from "../../sandbox/request.ts"
import { tokens } from "../../sandbox/seed.ts"
import { type Sandbox, startSandbox } from "../../sandbox/server.ts"
import { type Config, readConfig } from "../../src/config/config.ts"
import { createLog } from "../../src/log/log.ts"
import { createGateway, type Gateway, type GatewayOptions } from "../../src/server.ts"
import { post } from "./post.ts"

/** A GraphQL response, loosely typed. Tests check its shape. */
export type Result = {
  data?: Anything
  errors?: { message: string; path?: (string | number)[]; extensions: Anything }[]
  extensions?: Anything
}

// biome-ignore lint/suspicious/noExplicitAny: responses have any shape, and tests read nested values.
type Anything = any

export interface World {
  sandbox: Sandbox
  gateway: Gateway
  /** Sends an operation over HTTP as Ada, or with these headers instead of hers. */
  ask(query: string, variables?: Record<string, unknown>, headers?: Record<string, string>): Promise<Result>
  /** The log's lines so far, parsed. */
  lines: Record<string, unknown>[]
}

interface Options extends Omit<GatewayOptions, "limits"> {
  /** Settings other than their defaults, and limits on operations, the fixed ones too. */
  config?: Partial<Omit<Config, "limits">> & Pick<GatewayOptions, "limits">
}

/** A sandbox and a gateway on it, over real HTTP between them; both close when the test ends. */
export async function startGateway(options: Options & { sandbox?: SandboxOptions } = {}): Promise<World> {
  const sandbox = await startSandbox(options.sandbox)
  const world = startGatewayOn(sandbox.url, options)
  onTestFinished(async () => {
    await sandbox.close()
    // The sandbox takes a null for a field that isn't there, as the official client sends it; the gateway sends none.
    const withNull = sandbox.requests.filter(({ body }) => JSON.stringify(body ?? {}).includes(":null"))
    expect(withNull.map(({ method, path, body }) => ({ method, path, body }))).toEqual([])
  })
  return { sandbox, ...world }
}

/** From the environment, so that all tests can run on the other path: `FAST_PATH=false COMPILED_EXECUTOR=false npx vitest run`. */
const switches = {
  fastPath: process.env.FAST_PATH !== "false",
  compiledExecutor: process.env.COMPILED_EXECUTOR !== "false",
}

/** A gateway on any upstream. */
export function startGatewayOn(url: string, options: Options = {}): Omit<World, "sandbox"> {
  const lines: Record<string, unknown>[] = []
  const log = createLog("debug", { write: (line) => void lines.push(JSON.parse(line)) })
  const { limits = {}, ...settings } = options.config ?? {}
  const config = { ...readConfig({ CODEOCEAN_URL: url, PORT: "0" }), ...settings }
  // Clients of tests notice at once that the gateway stops.
  const clientTimeouts = { idleGraceMs: 0, ...options.clientTimeouts }
  // Unless a test is about the wait for Redis, it must not depend on how fast Redis answers on a loaded machine.
  const gateway = createGateway(config, log, { ...switches, limits, storeWaitMs: 60_000, ...options, clientTimeouts })
  const { listen } = gateway
  let listening: Promise<string> | undefined
  gateway.listen = () => {
    listening ??= listen()
    return listening
  }
  onTestFinished(async () => {
    await gateway.close()
  })
  const ask: World["ask"] = async (query, variables, headers = { authorization: `Bearer ${tokens.ada}` }) => {
    // Compression has its own tests, and would take a tenth of the time of those with large responses.
    const sent = { "accept-encoding": "identity", ...headers }
    return JSON.parse(await post(`${await gateway.listen()}/graphql`, JSON.stringify({ query, variables }), sent))
  }
  return { gateway, ask, lines }
}

/** The upstream calls of a query, in no order: "GET /capsules/{id}" and how often, ids by themselves. */
export function callsOf(requests: readonly Pick<RecordedRequest, "method" | "path">[]): Record<string, number> {
  const calls: Record<string, number> = {}
  for (const { method, path } of requests) {
    const call = `${method} ${path}`
    calls[call] = (calls[call] ?? 0) + 1
  }
  return calls
}
