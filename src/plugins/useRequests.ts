import { initContextCache } from "@pothos/core"
import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from "graphql"
import type { Plugin, YogaInitialContext } from "graphql-yoga"
import { agentIdOf, type Context, tokenOf } from "../context.ts"
import { operationsVary } from "../http/refusals.ts"
import type { Part, RequestState, Requests } from "../http/requests.ts"
import type { Live } from "../live/poller.ts"
import type { Tasks } from "../live/tasks.ts"
import type { Log } from "../log.ts"
import { createMemory } from "../memory.ts"
import type { Caller, Upstream, UpstreamPool } from "../upstream/client.ts"
import { UpstreamError } from "../upstream/error.ts"
import { passesAfterMs } from "../upstream/retry.ts"

const longestOperationName = 100
const mostTypes = 100_000

/**
 * Gives each request its id, its log and its upstream, ends that with the request, presents errors to the client, and
 * writes one line for each GraphQL request: for a subscription when it ends.
 */
export function useRequests(options: {
  endpoint: string
  requests: Requests
  log: Log
  pool: UpstreamPool
  live: Live
  tasks: Tasks
  fallbackToken: string | undefined
  bulkCapsuleReads: boolean
}): Plugin<Context> {
  const { pool, live, tasks } = options
  const { stateOf, present, writeLine } = options.requests
  const unrecognized = warnOnce(options.log)
  const types = createMemory(mostTypes)

  const noteOperation = ({ args }: { args: ExecutionArgs }) => {
    const { request } = args.contextValue as Context
    const name = getOperationAST(args.document, args.operationName)?.name?.value
    if (name !== undefined) stateOf(request).operationName = name.slice(0, longestOperationName)
  }

  return {
    onRequest({ request }) {
      stateOf(request)
    },
    onContextBuilding({ context, extendContext }) {
      const { request } = context as YogaInitialContext
      const state = stateOf(request)
      const { requestId, log } = state
      const caller: Caller = {
        token: tokenOf(request.headers.get("authorization"), options.fallbackToken),
        agentId: agentIdOf(request.headers.get("agent-id")),
        requestId,
        log,
        called() {
          state.cost.upstreamCalls += 1
        },
        shared() {
          state.cost.sharedCalls += 1
        },
      }
      const upstream = pool.forCaller(caller)
      state.upstream = upstream
      request.signal.addEventListener("abort", () => state.upstream?.end(), { once: true })
      extendContext({
        upstream,
        log,
        requestId,
        cost: state.cost,
        bulkCapsuleReads: options.bulkCapsuleReads,
        unrecognized,
        types,
        follow: ({ kind, id, read, slowestMs }) =>
          live.follow(JSON.stringify([caller.token, kind, id]), {
            read: (signal) => readOnce(pool.forCaller(caller, { readsOnce: true }), read, signal),
            retryAfterMs: (error) => (error instanceof UpstreamError ? passesAfterMs(error) : undefined),
            slowestMs,
          }),
        renew() {
          state.upstream?.end()
          state.upstream = pool.forCaller(caller)
          Object.assign(context, { upstream: state.upstream }, initContextCache())
        },
        finish: (key, wanted, work) =>
          tasks.run(JSON.stringify([caller.token, key]), JSON.stringify(wanted), async (note) => {
            const anew = () => ({ upstream: pool.forCaller(caller), ...initContextCache() })
            const own: Context = {
              ...(context as Context),
              ...anew(),
              renew() {
                own.upstream.end()
                Object.assign(own, anew())
              },
            }
            try {
              return await work(own, note)
            } finally {
              own.upstream.end()
            }
          }),
      })
    },
    onExecute: noteOperation,
    onSubscribe(payload) {
      noteOperation(payload)
      const { request } = payload.args.contextValue as Context
      stateOf(request).isSubscription = true
    },
    onResultProcess({ request, result, setResult, resultProcessor }) {
      const state = stateOf(request)
      if (isSingleResult(result)) {
        setResult(present(state, result))
      } else if (isStream(result)) {
        if (resultProcessor === undefined) throw notAcceptable(state)
        state.parts = 0
        const isNews = unlessRepeated()
        const stream = streamOf(result, {
          part(result) {
            if (state.isSubscription) state.upstream?.end()
            const part = present(state, result)
            if (state.isSubscription && !isNews(part)) return undefined
            state.parts = (state.parts ?? 0) + 1
            return part
          },
          ended(left) {
            state.upstream?.end()
            const cut = left ? "cancelled" : live.closed ? "stopped" : undefined
            if (state.isSubscription) writeLine(state, "subscription", cut, { events: state.parts })
            else writeLine(state, "request", left ? "cancelled" : undefined, { status: 200, parts: state.parts })
          },
        })
        request.signal.addEventListener("abort", () => void stream.return(), { once: true })
        if (request.signal.aborted) void stream.return()
        setResult(stream as AsyncIterable<ExecutionResult>)
      }
    },
    onResponse({ request, response }) {
      const state = stateOf(request)
      const { headers } = response
      if (/^(text\/event-stream|multipart\/mixed)/.test(headers.get("content-type") ?? "")) {
        headers.set("cache-control", "private, no-store")
        // Proxies that collect answers before they hand them on would hold events back.
        headers.set("x-accel-buffering", "no")
      }
      headers.set("x-request-id", state.requestId)
      if (state.parts === undefined) state.upstream?.end()
      if (!headers.has("cache-control")) headers.set("cache-control", "private, no-store")
      const { pathname } = new URL(request.url)
      if (pathname !== options.endpoint && pathname !== `${options.endpoint}/`) return
      headers.set("vary", operationsVary)
      if (state.parts === undefined && request.method !== "OPTIONS") {
        writeLine(state, "request", request.signal.aborted ? "cancelled" : undefined, { status: response.status })
      }
    },
  }
}

/** One read with an upstream of its own, which ends with it. */
async function readOnce<T>(
  upstream: Upstream,
  read: (upstream: Upstream) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.addEventListener("abort", upstream.end, { once: true })
  try {
    return await read(upstream)
  } finally {
    signal.removeEventListener("abort", upstream.end)
    upstream.end()
  }
}

/**
 * An answer's parts as the client gets them.
 * @param on.part what to send of each of them; undefined for nothing
 * @param on.ended called once; `left` when nobody wanted the rest
 */
function streamOf(
  results: AsyncIterable<Part>,
  on: { part(result: Part): Part | undefined; ended(left: boolean): void },
) {
  const iterator = results[Symbol.asyncIterator]()
  let ended = false
  const end = (left: boolean) => {
    if (!ended) on.ended(left)
    ended = true
  }
  const stream = {
    async next(): Promise<IteratorResult<Part>> {
      for (;;) {
        const step = await iterator.next()
        if (step.done || ended) {
          end(false)
          return { done: true, value: undefined }
        }
        const value = on.part(step.value)
        if (value !== undefined) return { done: false, value }
      }
    },
    async return(): Promise<IteratorResult<Part>> {
      end(true)
      await iterator.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => stream,
  }
  return stream
}

/** Tells of each event whether it says anything else than the one before. */
function unlessRepeated(): (event: Part) => boolean {
  let before: string | undefined
  return ({ data, errors }) => {
    const text = JSON.stringify({ data, errors })
    const isNews = text !== before
    before = text
    return isNews
  }
}

function isSingleResult(result: unknown): result is ExecutionResult & { errors?: readonly GraphQLError[] } {
  return typeof result === "object" && result !== null && !Array.isArray(result) && !(Symbol.asyncIterator in result)
}

function isStream(result: unknown): result is AsyncIterable<Part> {
  return typeof result === "object" && result !== null && Symbol.asyncIterator in result
}

function notAcceptable({ isSubscription }: RequestState): GraphQLError {
  const message = isSubscription
    ? "A subscription is answered with server-sent events: send `Accept: text/event-stream`."
    : "An answer to @defer or @stream comes in parts: send `Accept: multipart/mixed` or `text/event-stream`."
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT", http: { status: 406 } } })
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
