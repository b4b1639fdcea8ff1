import type { ExecutionResult } from "graphql"
import type { Context, RequestCost } from "../graph/context.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import type { Upstream } from "../upstream/client.ts"
import { type CallerChanges, type JoinableRead, SharedReads } from "../upstream/singleFlight.ts"
import type { Cancellation } from "./executor/execution.ts"

/**
 * How long after its start a query may be joined, in milliseconds. Whoever joins has the deadline of the first request, so this is
 * also the most by which it can be too early.
 */
const joinableForMs = 100

/** The request of a query. */
export interface QueryRequest {
  readonly tokenDigest: string
  readonly key: string
  readonly requestId: string
  readonly cost: RequestCost
  readonly upstream: Upstream | undefined
  readonly metrics?: Metrics | undefined
}

/** A query that is executed, and the requests that wait for its result. It is the cancellation of its execution. */
export class RunningQuery implements Cancellation, JoinableRead {
  readonly caller: string
  readonly callerKey: string
  readonly readKey: string
  readonly startedAt: number
  /** How many changes the gateway knew of when it started. */
  readonly changesBefore: number
  /** Undefined until it is executed, and if nothing had to be waited for. */
  result: Promise<ExecutionResult> | undefined
  cancelled = false
  readonly #first: QueryRequest
  readonly #sharedIn: SharedReads<RunningQuery>
  #requests = 1

  /** @param readKey the body of its request */
  constructor(
    first: QueryRequest,
    readKey: string,
    startedAt: number,
    changesBefore: number,
    sharedIn: SharedReads<RunningQuery>,
  ) {
    this.caller = first.tokenDigest
    this.callerKey = first.key
    this.readKey = readKey
    this.startedAt = startedAt
    this.changesBefore = changesBefore
    this.#first = first
    this.#sharedIn = sharedIn
  }

  /** The id of the request under which its calls are sent and logged. Undefined for that request itself. */
  sharedWith(request: QueryRequest): string | undefined {
    return request === this.#first ? undefined : this.#first.requestId
  }

  /** Whether it has used something that Code Ocean answered: a request that begins now could miss a change since then. */
  get hasAnswers(): boolean {
    return this.#first.upstream?.hasAnswers ?? true
  }

  /** Lets others join until the result is there. */
  share(result: Promise<ExecutionResult>): void {
    this.result = result
    this.#sharedIn.add(this)
  }

  join(): void {
    this.#requests += 1
  }

  /** To be called once by each request, when it has the result or is cancelled. The last one ends the execution. */
  leave(request: QueryRequest): void {
    if (request !== this.#first) this.#countCalls(request)
    this.#requests -= 1
    if (this.#requests > 0) return
    this.cancelled = true
    this.endCalls()
    this.#sharedIn.remove(this)
  }

  endCalls(): void {
    this.#first.upstream?.end()
  }

  #countCalls({ cost, metrics }: QueryRequest): void {
    const { upstreamCalls, sharedCalls } = this.#first.cost
    cost.sharedCalls = upstreamCalls + sharedCalls
    metrics?.onSharedReads(cost.sharedCalls)
  }
}

/**
 * Equal queries of one caller and agent that arrive together are executed once. A request joins only while none of the query's calls
 * has been answered, so that it gets nothing older than by joining these calls.
 */
export class SharedQueries {
  readonly #running: SharedReads<RunningQuery>

  constructor(changes: CallerChanges) {
    this.#running = new SharedReads(changes, joinableForMs)
  }

  /** The equal query that is being executed, which the request joins, or a new one without a result. */
  joinOrCreate(request: QueryRequest, text: string, { recentChanges }: Pick<Context, "recentChanges">): RunningQuery {
    const now = performance.now()
    const { count } = recentChanges
    const running = this.#running.get(request.key, text, now)
    if (running === undefined || running.changesBefore !== count || running.hasAnswers) {
      return new RunningQuery(request, text, now, count, this.#running)
    }
    running.join()
    return running
  }
}
