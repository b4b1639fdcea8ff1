import { hash } from "node:crypto"
import type { YogaInitialContext } from "graphql-yoga"
import { TwoGenerationCache } from "../collections/twoGenerationCache.ts"
import { badUserInput } from "../errors.ts"
import type { Context } from "../graph/context.ts"
import { RecentChanges } from "../graph/recentChanges.ts"
import type { Log } from "../log/log.ts"
import type { Pollers } from "../polling/pollers.ts"
import type { Task, Tasks } from "../polling/tasks.ts"
import type { Store } from "../store/store.ts"
import type { Upstream } from "../upstream/client.ts"
import type { UpstreamPool } from "../upstream/pool.ts"
import { createRedaction } from "../upstream/redaction.ts"
import { pollAgainAfterMs } from "../upstream/retry.ts"
import type { RequestState } from "./requestState.ts"

const maxTypes = 100_000

/** What the gateway adds to Yoga's context. */
type OwnContext = Omit<Context, keyof YogaInitialContext>

/**
 * Creates what resolvers need, and gives the request's state its upstream. Throws a GraphQLError for headers that can't be used.
 * It may be assigned to another object, which then is the context.
 */
export type BuildContext = (state: RequestState) => OwnContext

/** @param options what the contexts of all requests share */
export function createContextBuilder(options: {
  log: Log
  pool: UpstreamPool
  pollers: Pollers
  tasks: Tasks
  store: Store
}): BuildContext {
  const { pool, pollers, tasks } = options
  const warnUnknownEnum = createEnumWarnings(options.log)
  const typeById = new TwoGenerationCache(maxTypes)
  const recentChanges = new RecentChanges(options.store)

  // The same functions for all contexts: closures for each request take as long as the rest of its context.
  const watch: OwnContext["watch"] = function (this: OwnContext, { kind, id, read, minWaitMs, slowestMs }, polling) {
    const { state } = this
    return pollers.watch(JSON.stringify([state.key, kind, id]), {
      read: (signal) => readOnce(pool.forCaller(state, { retryReads: false }), read, signal),
      retryAfterMs: pollAgainAfterMs,
      minWaitMs,
      slowestMs,
      ...polling,
    })
  }
  function reset(this: OwnContext) {
    const state = this.state as RequestState
    state.upstream?.end()
    state.upstream = pool.forCaller(state)
    this.upstream = state.upstream
    this.perRequest = undefined
  }
  const runToCompletion: OwnContext["runToCompletion"] = function (this: OwnContext, key, wanted, work) {
    return runTask((this.state as RequestState).forTask(), key, wanted, work)
  }

  const build: BuildContext = (state) => {
    if (state.isAgentIdInvalid) throw badUserInput("Agent-Id must be 1 to 256 printable ASCII characters.")
    const upstream = pool.forCaller(state)
    state.upstream = upstream
    return {
      state,
      upstream,
      callTimeoutMs: pool.timeoutMs,
      perRequest: undefined,
      recentChanges,
      warnUnknownEnum,
      typeById,
      watch,
      reset,
      runToCompletion,
    }
  }

  /** Not a part of `runToCompletion`, so that no closure of a task refers to the request that began it: a task can take a day. */
  function runTask<T>(
    state: RequestState,
    key: readonly string[],
    wanted: unknown,
    work: (context: Context, task: Task) => Promise<T>,
  ): Promise<T> {
    // Agents do not share an outcome.
    const { tokenDigest, storeWait } = state
    const run = async (task: Task) => {
      try {
        return await work(build(state) as Context, task)
      } finally {
        state.endCalls()
      }
    }
    return tasks.run(tokenDigest, JSON.stringify(key), JSON.stringify([state.key, wanted]), run, storeWait)
  }

  return build
}

/** Reads once, with an upstream of its own that ends with the read. */
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

const maxWarnings = 1000

/** Logs each unknown enum value once in the life of the process. */
const maxLogged = 100
/**
 * A value is cut to this length before its redaction. A token at the cut is not recognized, but is never among the logged
 * characters: these contain at most ten `[redacted]`, each in place of at most 6,144 characters.
 */
const maxRedacted = 100_000

function createEnumWarnings(log: Log): Context["warnUnknownEnum"] {
  const seen = new Set<string>()
  return ({ token }, enumName, sent) => {
    if (seen.size >= maxWarnings) return
    // Looked up before the redaction, which takes long for a long value. A digest, since the value may hold a token.
    const key = hash("sha256", `${enumName} ${sent.slice(0, maxLogged)}`)
    if (seen.has(key)) return
    seen.add(key)
    const read = sent.slice(0, maxRedacted)
    const value = ("value" in token ? createRedaction(token.value)(read) : read).slice(0, maxLogged)
    log.warn({ enum: enumName, value }, "Code Ocean sent an unknown enum value")
  }
}
