import type { ExecutionResult, OperationDefinitionNode } from "graphql"
import { presentError } from "../errors.ts"
import { type RequestCost, requestIdOf } from "../graph/context.ts"
import { type LineLog, type Log, RequestLog } from "../log.ts"
import { mostErrors, othersLeftOut } from "../operation/responseSize.ts"
import type { Caller } from "../upstream/call.ts"
import type { Upstream } from "../upstream/client.ts"

/** What the gateway knows of one HTTP request while it lasts. */
export interface RequestState {
  requestId: string
  /** For what happens in the request; the request's own line goes to the gateway's log. */
  readonly log: LineLog
  /** How many lines its log has left out, if any. */
  readonly linesLeftOut: number | undefined
  started: number
  operationName?: string
  operation?: OperationDefinitionNode | null | undefined
  upstream?: Upstream
  cost: RequestCost
  /** Whether the client wants to know the cost. */
  showsCost: boolean
  isSubscription: boolean
  /** Set for an answer that comes in parts: how many have come. */
  parts?: number
  /** How many errors of each code the client got, if any. */
  errorCodes: Record<string, number> | undefined
}

/** An answer, or one of the parts in which it comes; with `@defer` and `@stream` a part may hold several. */
export interface Part extends ExecutionResult {
  incremental?: readonly Part[]
}

/** What is the same for every request, on whichever path it is answered. */
export interface Requests {
  /** The state of a request that was just received. */
  begin(request: Headed): RequestState
  /** The state of a request that may be known already. */
  stateOf(request: Headed): RequestState
  /** Notes which operation is asked for, for the request's line. */
  noteOperation(state: RequestState, operation: OperationDefinitionNode | null | undefined): void
  /** The answer as its client may see it: errors presented and counted, the cost with it where that was asked for. */
  present<R extends Part>(state: RequestState, result: R): R
  /**
   * Writes the request's line.
   * @param cut why the answer didn't come as asked, if it didn't
   */
  writeLine(state: RequestState, message: string, cut: string | undefined, more: object): void
}

/** What plugins look at of a request, whoever made it. */
export interface Headed {
  headers: { get(name: string): string | null }
  /** What is in its Authorization header, if that was read already. */
  token?: Caller["token"]
}

/** With the value 1, the answer tells in `extensions.cost` what the request cost. */
const costHeader = "x-upstream-cost"

const isYes = (value: string | null) => value === "1" || value === "true"

const longestOperationName = 100

// A class, since an object that is written with a getter takes V8 as long as all else that is done for a small request.
class State implements RequestState {
  readonly requestId: string
  readonly showsCost: boolean
  readonly started = performance.now()
  readonly cost: RequestCost = { estimatedUpstreamCalls: null, upstreamCalls: 0, sharedCalls: 0 }
  errorCodes: Record<string, number> | undefined
  operationName?: string
  operation?: OperationDefinitionNode | null | undefined
  upstream?: Upstream
  isSubscription = false
  parts?: number
  readonly #common: Log
  #log: RequestLog | undefined

  constructor(log: Log, requestId: string, showsCost: boolean) {
    this.#common = log
    this.requestId = requestId
    this.showsCost = showsCost
  }

  /** Most requests have nothing to say but their one line: a log for each would take longer than that. */
  get log(): LineLog {
    this.#log ??= new RequestLog(this.#common, this.requestId)
    return this.#log
  }

  get linesLeftOut(): number | undefined {
    return this.#log?.linesLeftOut || undefined
  }
}

export function createRequests(log: Log): Requests {
  const states = new WeakMap<Headed, RequestState>()

  const begin = ({ headers }: Headed) =>
    new State(log, requestIdOf(headers.get("x-request-id")), isYes(headers.get(costHeader)))

  function presentErrors<R extends Part>(state: RequestState, result: R): R {
    if (result.incremental !== undefined) {
      return { ...result, incremental: result.incremental.map((part) => presentErrors(state, part)) }
    }
    if (!result.errors?.length) return result
    const left = result.errors.length - mostErrors
    // One more may stand for those that the executor has left out.
    const shown = left > 1 ? [...result.errors.slice(0, mostErrors), othersLeftOut(left)] : result.errors
    const errors = shown.map((error) => presentError(error, state.requestId, state.log))
    state.errorCodes ??= {}
    for (const { extensions } of errors) {
      const code = String(extensions.code)
      state.errorCodes[code] = (state.errorCodes[code] ?? 0) + 1
    }
    return { ...result, errors }
  }

  return {
    begin,
    stateOf(request) {
      const state = states.get(request) ?? begin(request)
      states.set(request, state)
      return state
    },
    noteOperation(state, operation) {
      state.operation = operation
      state.operationName = operation?.name?.value.slice(0, longestOperationName)
    },
    present(state, result) {
      const presented = presentErrors(state, result)
      if (!state.showsCost) return presented
      return { ...presented, extensions: { ...presented.extensions, cost: { ...state.cost } } }
    },
    writeLine(state, message, cut, more) {
      const { errorCodes } = state
      log.info(
        {
          requestId: state.requestId,
          operation: state.operationName,
          durationMs: Math.round(performance.now() - state.started),
          upstreamCalls: state.cost.upstreamCalls,
          sharedCalls: state.cost.sharedCalls || undefined,
          outcome: cut ?? (errorCodes === undefined ? "ok" : "errors"),
          errorCodes,
          linesLeftOut: state.linesLeftOut,
          ...more,
        },
        message,
      )
    },
  }
}
