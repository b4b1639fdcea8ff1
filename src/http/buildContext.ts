import type { YogaInitialContext } from "graphql-yoga"
import { TwoGenerationCache } from "../collections/twoGenerationCache.ts"
import { agentIdOf, type Context, digestOf, noToken, tokenOf } from "../graph/context.ts"
import type { Log } from "../log.ts"
import type { Pollers } from "../polling/pollers.ts"
import type { Tasks } from "../polling/tasks.ts"
import type { Caller, Token } from "../upstream/call.ts"
import type { Upstream } from "../upstream/client.ts"
import type { UpstreamPool } from "../upstream/pool.ts"
import { createRedaction } from "../upstream/redaction.ts"
import { pollAgainAfterMs } from "../upstream/retry.ts"
import type { Headed, RequestState } from "./requestState.ts"

const mostTypes = 100_000

/**
 * Puts into a context what resolvers find there, and gives the request's state its upstream. Throws a GraphQLError for
 * headers that can't be used.
 */
export type FillContext = (context: object, request: Headed, state: RequestState) => void

/** What the contexts of all requests have in common. */
export function createContexts(options: {
  log: Log
  pool: UpstreamPool
  pollers: Pollers
  tasks: Tasks
  fallbackToken: string | undefined
  bulkCapsuleReads: boolean
}): FillContext {
  const { pool, pollers, tasks, bulkCapsuleReads } = options
  const unrecognized = warnOnce(options.log)
  const types = new TwoGenerationCache(mostTypes)

  /** What callers have who bring no token. */
  const fallback: Token = options.fallbackToken === undefined ? noToken : { value: options.fallbackToken }

  return (context, request, state) => {
    const { requestId, cost } = state
    const token = request.token ?? tokenOf(request.headers.get("authorization"))
    const agentId = agentIdOf(request.headers.get("agent-id"))
    const caller = new RequestCaller(token === noToken ? fallback : token, agentId, state)
    const upstream = pool.forCaller(caller)
    state.upstream = upstream
    const own: Omit<Context, keyof YogaInitialContext> = {
      upstream,
      caller,
      requestId,
      cost,
      made: undefined,
      bulkCapsuleReads,
      unrecognized,
      types,
      follow: ({ kind, id, read, slowestMs }) =>
        pollers.watch(JSON.stringify([caller.key, kind, id]), {
          read: (signal) => readOnce(pool.forCaller(caller, { retryReads: false }), read, signal),
          retryAfterMs: pollAgainAfterMs,
          slowestMs,
        }),
      renew() {
        state.upstream?.end()
        state.upstream = pool.forCaller(caller)
        Object.assign(context, { upstream: state.upstream, made: undefined })
      },
      finish: (key, wanted, work) =>
        // The owner of the token must not do the same twice at once, whichever agents act, but agents share no outcome.
        tasks.run(caller.tokenDigest, JSON.stringify(key), JSON.stringify([caller.key, wanted]), async (memo) => {
          const anew = () => ({ upstream: pool.forCaller(caller), made: undefined })
          const own: Context = {
            ...(context as Context),
            ...anew(),
            renew() {
              own.upstream.end()
              Object.assign(own, anew())
            },
          }
          try {
            return await work(own, memo)
          } finally {
            own.upstream.end()
          }
        }),
    }
    Object.assign(context, own)
  }
}

class RequestCaller implements Caller {
  readonly token: Token
  readonly agentId: Caller["agentId"]
  readonly #state: RequestState
  #key: string | undefined

  constructor(token: Token, agentId: Caller["agentId"], state: RequestState) {
    this.token = token
    this.agentId = agentId
    this.#state = state
  }

  /** Where nobody has read the header before, the digest is computed when it is first asked for: many requests make no call. */
  get tokenDigest() {
    if ("missing" in this.token) return ""
    this.token.digest ??= digestOf(this.token.value)
    return this.token.digest
  }
  /** A digest has a length of its own, so no two callers come to the same. */
  get key() {
    this.#key ??= this.agentId === undefined ? this.tokenDigest : `${this.tokenDigest} ${this.agentId}`
    return this.#key
  }
  get requestId() {
    return this.#state.requestId
  }
  get log() {
    return this.#state.log
  }
  get cost() {
    return this.#state.cost
  }
}

/** One read with an upstream of its own, which ends with it. */
async function readOnce<T>(
  upstream: Upstream,
  read: (upstream: Upstream) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const end = () => upstream.end()
  signal.addEventListener("abort", end, { once: true })
  try {
    return await read(upstream)
  } finally {
    signal.removeEventListener("abort", end)
    upstream.end()
  }
}

const mostWarnings = 1000

function warnOnce(log: Log): Context["unrecognized"] {
  const seen = new Set<string>()
  return ({ token }, enumName, sent) => {
    if (seen.size >= mostWarnings) return
    const value = ("value" in token ? createRedaction(token.value)(sent) : sent).slice(0, 100)
    const key = `${enumName} ${value}`
    if (seen.has(key)) return
    seen.add(key)
    log.warn({ enum: enumName, value }, "Code Ocean sent an enum value that the gateway doesn't know")
  }
}
