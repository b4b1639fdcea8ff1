import { type DocumentNode, type ExecutionResult, type GraphQLError, getOperationAST } from "graphql"
import type { YogaServerInstance } from "graphql-yoga"
import type { ErrorCode } from "../errors.ts"
import type { RequestState } from "../http/requestState.ts"
import { presentPart } from "../http/respond.ts"
import { requestError } from "../operation/requestError.ts"
import type { Clock } from "../polling/clock.ts"
import type { Pollers } from "../polling/pollers.ts"

/** An operation that a tool requests. */
export interface OperationRequest {
  query: string
  operationName?: string | undefined
  variables: Record<string, unknown>
}

export interface Operations {
  /** Executes a query or mutation. The errors of the result are those that every client gets. Never rejects. */
  execute(state: RequestState, request: OperationRequest, allowed: "query" | "any"): Promise<ExecutionResult>
  /**
   * Follows a subscription until it ends, but at most for this time. Resolves with the last event. Never rejects.
   * @param onEvent called for each event, and at intervals while there is none
   */
  follow(
    state: RequestState,
    request: OperationRequest,
    seconds: number,
    onEvent: (event: ExecutionResult | undefined) => void,
  ): Promise<Followed>
}

export interface Followed {
  /** Undefined if there was no event. */
  last: ExecutionResult | undefined
  /** Whether the subscription ended by itself. */
  ended: boolean
}

/** The interval at which clients hear that the gateway is still waiting. */
const signalIntervalMs = 10_000

const timeLimitCode: ErrorCode = "TIME_LIMIT_REACHED"

interface Prepared {
  kind: string
  execute(): Promise<unknown>
}

/**
 * Executes operations in the process, with the same plugins, limits, errors and counts as operations that arrive at `/graphql`.
 * Each belongs to the HTTP request whose state is passed, which counts its calls and can cancel it.
 */
export function createOperations(options: {
  yoga: Pick<YogaServerInstance<object, object>, "getEnveloped">
  pollers: Pick<Pollers, "closed">
  clock: Clock
  maxResponseBytes: number
}): Operations {
  const { yoga, clock, maxResponseBytes } = options

  function prepare(state: RequestState, request: OperationRequest): Prepared {
    const { query, operationName, variables } = request
    const params = { query, variables, operationName }
    const { parse, validate, contextFactory, execute, subscribe, schema } = yoga.getEnveloped({
      state,
      params,
      request: { method: "POST" },
    })
    const document: DocumentNode = parse(query)
    const errors = validate(schema, document)
    if (errors.length > 0) throw errors
    const operation = getOperationAST(document, operationName)
    if (operation == null) {
      throw requestError("BAD_USER_INPUT", 400, "Send a document with one operation, or the `operationName` of one.")
    }
    return {
      kind: operation.operation,
      async execute() {
        const contextValue = await contextFactory()
        // Nothing is started for a cancelled request, least of all a mutation.
        state.signal.throwIfAborted()
        const args = { schema, document, operationName, variableValues: variables, contextValue }
        return operation.operation === "subscription" ? subscribe(args) : execute(args)
      },
    }
  }

  const present = (state: RequestState, result: ExecutionResult) => presentPart(state, result, maxResponseBytes)

  /** The result of something that was thrown before or during an execution. */
  function failed(state: RequestState, error: unknown): ExecutionResult {
    if (state.cancelled) return { data: null }
    return present(state, { errors: (Array.isArray(error) ? error : [error]) as GraphQLError[] })
  }

  return {
    async execute(state, request, allowed) {
      try {
        const { kind, execute } = prepare(state, request)
        if (allowed === "query" && kind !== "query") throw notAQuery(kind)
        return present(state, (await execute()) as ExecutionResult)
      } catch (error) {
        return failed(state, error)
      } finally {
        state.endCalls()
      }
    },

    async follow(state, request, seconds, onEvent) {
      let events: AsyncIterator<ExecutionResult>
      state.isSubscription = true
      try {
        const result = await prepare(state, request).execute()
        if (!isIterable(result)) return { last: present(state, result as ExecutionResult), ended: true }
        events = result[Symbol.asyncIterator]()
      } catch (error) {
        return { last: failed(state, error), ended: true }
      }
      const deadline = clock.now() + seconds * 1000
      const followed: Followed = { last: undefined, ended: false }
      state.parts = 0
      const stop = new AbortController()
      const { signal } = state
      const onAbort = () => stop.abort()
      signal.addEventListener("abort", onAbort, { once: true })
      if (signal.aborted) stop.abort()
      try {
        let next = events.next()
        while (!stop.signal.aborted && clock.now() < deadline) {
          const pause = new AbortController()
          const wake = () => pause.abort()
          stop.signal.addEventListener("abort", wake, { once: true })
          const waitMs = Math.min(signalIntervalMs, deadline - clock.now())
          const step = await Promise.race([next, clock.sleep(waitMs, pause.signal)]).finally(wake)
          stop.signal.removeEventListener("abort", wake)
          if (step === undefined) {
            if (!stop.signal.aborted && clock.now() < deadline) onEvent(undefined)
            continue
          }
          if (step.done) {
            followed.ended = !options.pollers.closed
            break
          }
          state.endCalls()
          state.parts += 1
          const event = present(state, step.value)
          next = events.next()
          if (isTimeLimit(event)) continue
          followed.last = event
          onEvent(event)
        }
      } catch (error) {
        followed.last = failed(state, error)
        followed.ended = true
      } finally {
        signal.removeEventListener("abort", onAbort)
        // Not awaited: a poll may be in flight, which ends with the subscription.
        void Promise.resolve(events.return?.()).catch(() => undefined)
        state.endCalls()
      }
      return followed
    },
  }
}

function isIterable(value: unknown): value is AsyncIterable<ExecutionResult> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value
}

/** Whether an event only says that the subscription's own time limit was reached. */
function isTimeLimit({ errors }: ExecutionResult): boolean {
  return errors?.every(({ extensions }) => extensions.code === timeLimitCode) ?? false
}

function notAQuery(kind: string): GraphQLError {
  return requestError(
    "BAD_USER_INPUT",
    400,
    `This tool runs queries, and the document has a ${kind}. Use another tool.`,
  )
}
