import { hash } from "node:crypto"
import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from "graphql"
import type { Plugin, YogaInitialContext } from "graphql-yoga"
import type { Context } from "../../graph/context.ts"
import { allChanges, isLargerThan, tooLarge } from "../../operation/responseSize.ts"
import type { Pollers } from "../../polling/pollers.ts"
import type { FillContext } from "../buildContext.ts"
import type { Part, RequestState, Requests } from "../requestState.ts"
import { operationsVary } from "../respond.ts"

/**
 * Gives each request its id, its log and its upstream, ends that with the request, presents errors to the client, and
 * writes one line for each GraphQL request: for a subscription when it ends.
 */
export function useRequests(options: {
  endpoint: string
  requests: Requests
  fillContext: FillContext
  pollers: Pollers
  /** The most bytes of an answer, or of one of its parts. */
  largestAnswer: number
}): Plugin<Context> {
  const { pollers, largestAnswer } = options
  const { stateOf, writeLine, noteOperation } = options.requests

  function present<R extends Part>(state: RequestState, result: R): R {
    const { present } = options.requests
    const presented = present(state, result)
    if (presented.data == null && presented.incremental === undefined) return presented
    if (!isLargerThan(largestAnswer, presented)) return presented
    const error = tooLarge(largestAnswer, allChanges(state.operation))
    return present(state, { ...result, errors: [error], data: null, incremental: undefined })
  }

  const note = ({ args: { document, operationName, contextValue } }: { args: ExecutionArgs }) => {
    const state = stateOf((contextValue as Context).request)
    noteOperation(state, getOperationAST(document, operationName))
    return state
  }

  return {
    onRequest({ request }) {
      stateOf(request)
    },
    onContextBuilding({ context }) {
      const { request } = context as YogaInitialContext
      const state = stateOf(request)
      options.fillContext(context, request, state)
      request.signal.addEventListener("abort", () => state.upstream?.end(), { once: true })
    },
    onExecute(payload) {
      note(payload)
    },
    onSubscribe(payload) {
      note(payload).isSubscription = true
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
            const cut = left ? "cancelled" : pollers.closed ? "stopped" : undefined
            if (state.isSubscription) writeLine(state, "subscription", cut, { events: state.parts })
            else writeLine(state, "request", left ? "cancelled" : undefined, { status: 200, parts: state.parts })
          },
        })
        const leave = () => {
          stream.return().catch((error: unknown) => state.log.error({ err: error }, "unexpected error"))
        }
        request.signal.addEventListener("abort", leave, { once: true })
        if (request.signal.aborted) leave()
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
      headers.set("x-content-type-options", "nosniff")
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
  // A digest, since events may be large and subscriptions many.
  let before: string | undefined
  return ({ data, errors }) => {
    const digest = hash("sha256", JSON.stringify({ data, errors }))
    const isNews = digest !== before
    before = digest
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
