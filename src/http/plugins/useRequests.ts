import { hash } from "node:crypto"
import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getOperationAST } from "graphql"
import type { Plugin } from "graphql-yoga"
import type { Context } from "../../graph/context.ts"
import type { Pollers } from "../../polling/pollers.ts"
import type { BuildContext } from "../buildContext.ts"
import type { Compress } from "../compression.ts"
import type { RequestState, ServerContext } from "../requestState.ts"
import {
  completeHeaders,
  limitSize,
  type MediaType,
  negotiate,
  notAcceptable,
  presentOnlyPart,
  presentPart,
  type ResultPart,
  renderResult,
} from "../respond.ts"

/**
 * Does on Yoga's path what the fast path does itself: builds the context, presents results, completes headers, ends the
 * request's calls with the request, and writes its log line. The line of a subscription is written when the subscription ends.
 */
export function useRequests(options: {
  endpoint: string
  buildContext: BuildContext
  pollers: Pollers
  /** The maximum size of a response, or of one part of it. */
  maxResponseBytes: number
  compress: Compress
}): Plugin<Context, ServerContext> {
  const { pollers, maxResponseBytes } = options

  const setOperation = ({ args: { document, operationName, contextValue } }: { args: ExecutionArgs }) => {
    const { state } = contextValue as ServerContext
    state.setOperation(getOperationAST(document, operationName))
    return state
  }

  return {
    onContextBuilding({ context }) {
      const { state } = context as unknown as ServerContext
      Object.assign(context, options.buildContext(state))
      state.onCancelled = () => state.endCalls()
    },
    onExecute(payload) {
      setOperation(payload)
    },
    onSubscribe(payload) {
      setOperation(payload).isSubscription = true
    },
    onResultProcess({ request, serverContext, result, setResult, resultProcessor, setResultProcessor }) {
      const { state } = serverContext
      if (isSingleResult(result)) {
        const type = negotiate(request.headers.get("accept"))
        if (type === undefined) setResult(presentOnlyPart(state, result, maxResponseBytes))
        else {
          setResultProcessor((result, fetchAPI) => {
            const limited = limitSize(state, result as ExecutionResult, maxResponseBytes)
            const rendered = renderResult(state, type, limited, maxResponseBytes)
            const acceptEncoding = request.headers.get("accept-encoding") ?? undefined
            return new Promise((resolve) => {
              // Yoga needs a response for a client that has left, too.
              options.compress(
                rendered,
                acceptEncoding,
                () => true,
                ({ headers, body }) => {
                  const init = { status: rendered.status, headers } as ResponseInit
                  resolve(new fetchAPI.Response(body as BodyInit, init))
                },
              )
            })
          }, type satisfies MediaType)
        }
      } else if (isStream(result)) {
        if (resultProcessor === undefined) throw notAcceptable(state)
        setResult(presentStream(state, result) as AsyncIterable<ExecutionResult>)
      }
    },
    onResponse({ request, response, serverContext: { state } }) {
      const { pathname } = new URL(request.url)
      const isOperation = pathname === options.endpoint || pathname === `${options.endpoint}/`
      completeHeaders(response.headers, state, isOperation)
      if (state.parts !== undefined) return
      state.endCalls()
      if (!isOperation || request.method === "OPTIONS") return
      state.writeLine("request", state.cancelled ? "cancelled" : undefined, { status: response.status })
    },
  }

  /** Presents the events of a subscription or the parts of an incremental response. */
  function presentStream(state: RequestState, results: AsyncIterable<ResultPart>): AsyncIterable<ResultPart> {
    state.parts = 0
    const isChanged = createChangeDetector()
    const stream = mapStream(results, {
      part(result) {
        if (state.isSubscription) state.endCalls()
        const part = presentPart(state, result, maxResponseBytes)
        if (state.isSubscription && !state.sendsEqualEvents && !isChanged(part)) return undefined
        state.parts = (state.parts ?? 0) + 1
        return part
      },
      ended(cancelled) {
        state.endCalls()
        if (state.isSubscription) {
          const interruption = cancelled ? "cancelled" : pollers.closed ? "stopped" : undefined
          state.writeLine("subscription", interruption, { events: state.parts })
        } else state.writeLine("request", cancelled ? "cancelled" : undefined, { status: 200, parts: state.parts })
      },
    })
    const cancel = () => {
      stream.return().catch((error: unknown) => state.log.error({ err: error }, "unexpected error"))
    }
    state.signal.addEventListener("abort", cancel, { once: true })
    if (state.cancelled) cancel()
    return stream
  }
}

/**
 * Maps the parts of a response.
 * @param on.part returns the part to send; undefined to send nothing
 * @param on.ended called once. `cancelled` is true if the client did not read the stream to its end.
 */
function mapStream(
  results: AsyncIterable<ResultPart>,
  on: { part(result: ResultPart): ResultPart | undefined; ended(cancelled: boolean): void },
) {
  const iterator = results[Symbol.asyncIterator]()
  let isEnded = false
  const end = (cancelled: boolean) => {
    if (!isEnded) on.ended(cancelled)
    isEnded = true
  }
  const stream = {
    async next(): Promise<IteratorResult<ResultPart>> {
      for (;;) {
        const step = await iterator.next()
        if (step.done || isEnded) {
          end(false)
          return { done: true, value: undefined }
        }
        const value = on.part(step.value)
        if (value !== undefined) return { done: false, value }
      }
    },
    async return(): Promise<IteratorResult<ResultPart>> {
      end(true)
      await iterator.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => stream,
  }
  return stream
}

/** Returns whether an event differs from the one before. */
function createChangeDetector(): (event: ResultPart) => boolean {
  // A digest, since events may be large and subscriptions many.
  let before: string | undefined
  return ({ data, errors }) => {
    const digest = hash("sha256", JSON.stringify({ data, errors }))
    const isChanged = digest !== before
    before = digest
    return isChanged
  }
}

function isSingleResult(result: unknown): result is ExecutionResult & { errors?: readonly GraphQLError[] } {
  return typeof result === "object" && result !== null && !Array.isArray(result) && !(Symbol.asyncIterator in result)
}

function isStream(result: unknown): result is AsyncIterable<ResultPart> {
  return typeof result === "object" && result !== null && Symbol.asyncIterator in result
}
