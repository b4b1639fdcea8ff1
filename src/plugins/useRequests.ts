import { randomUUID } from "node:crypto"
import { type ExecutionResult, type GraphQLError, getOperationAST } from "graphql"
import type { Plugin, YogaInitialContext } from "graphql-yoga"
import { agentIdOf, type Context, tokenOf } from "../context.ts"
import { presentError } from "../errors.ts"
import type { Log } from "../log.ts"
import type { Upstream, UpstreamPool } from "../upstream/client.ts"

/** What the gateway knows of one HTTP request while it lasts. */
interface RequestState {
  requestId: string
  log: Log
  started: number
  operationName?: string
  upstream?: Upstream
  errorCodes?: string[]
}

const longestOperationName = 100

/**
 * Gives each request its id, its log and its upstream, ends that with the request, presents errors to the client, and
 * writes one line for each GraphQL request.
 */
export function useRequests(options: {
  endpoint: string
  log: Log
  pool: UpstreamPool
  fallbackToken: string | undefined
}): Plugin<Context> {
  const states = new WeakMap<Request, RequestState>()
  const stateOf = (request: Request): RequestState => {
    let state = states.get(request)
    if (state === undefined) {
      const requestId = requestIdOf(request.headers.get("x-request-id"))
      state = { requestId, log: options.log.child({ requestId }), started: performance.now() }
      states.set(request, state)
    }
    return state
  }
  const unrecognized = warnOnce(options.log)

  return {
    onRequest({ request }) {
      stateOf(request)
    },
    onContextBuilding({ context, extendContext }) {
      const { request } = context as YogaInitialContext
      const state = stateOf(request)
      const upstream = options.pool.forCaller({
        token: tokenOf(request.headers.get("authorization"), options.fallbackToken),
        agentId: agentIdOf(request.headers.get("agent-id")),
        requestId: state.requestId,
        log: state.log,
      })
      state.upstream = upstream
      request.signal.addEventListener("abort", upstream.end, { once: true })
      extendContext({ upstream, log: state.log, requestId: state.requestId, unrecognized })
    },
    onExecute({ args }) {
      const { request } = args.contextValue
      const name = getOperationAST(args.document, args.operationName)?.name?.value
      if (name !== undefined) stateOf(request).operationName = name.slice(0, longestOperationName)
    },
    onResultProcess({ request, result, setResult }) {
      if (!isSingleResult(result) || !result.errors?.length) return
      const state = stateOf(request)
      const errors = result.errors.map((error) => presentError(error, state.requestId, state.log))
      state.errorCodes = errors.map((error) => String(error.extensions.code))
      setResult({ ...result, errors })
    },
    onResponse({ request, response }) {
      const state = stateOf(request)
      state.upstream?.end()
      response.headers.set("x-request-id", state.requestId)
      if (new URL(request.url).pathname !== options.endpoint) return
      if (!response.headers.has("cache-control")) response.headers.set("cache-control", "private, no-store")
      response.headers.append("vary", "Authorization, Agent-Id, Accept")
      state.log.info(
        {
          operation: state.operationName,
          durationMs: Math.round(performance.now() - state.started),
          upstreamCalls: state.upstream?.calls ?? 0,
          outcome: request.signal.aborted ? "cancelled" : state.errorCodes === undefined ? "ok" : "errors",
          ...(state.errorCodes && { errorCodes: counted(state.errorCodes) }),
          status: response.status,
        },
        "request",
      )
    },
  }
}

/** The caller's own request id where it brought a usable one, else a new one. */
function requestIdOf(header: string | null): string {
  return header !== null && /^[\w.:-]{1,128}$/.test(header) ? header : randomUUID()
}

function isSingleResult(result: unknown): result is ExecutionResult & { errors?: readonly GraphQLError[] } {
  return typeof result === "object" && result !== null && !Array.isArray(result) && !(Symbol.asyncIterator in result)
}

function counted(codes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

const mostWarnings = 1000

function warnOnce(log: Log): Context["unrecognized"] {
  const seen = new Set<string>()
  return (enumName, value) => {
    const key = `${enumName} ${value.slice(0, 100)}`
    if (seen.has(key) || seen.size >= mostWarnings) return
    seen.add(key)
    log.warn(
      { enum: enumName, value: value.slice(0, 100) },
      "Code Ocean sent an enum value that the gateway doesn't know",
    )
  }
}
