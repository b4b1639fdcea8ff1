import type { Dispatcher } from "undici"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import type { CallSpan } from "../telemetry/tracer.ts"
import type { Breaker } from "./breaker.ts"
import type { Caller } from "./call.ts"
import type { Connections } from "./connections.ts"
import type { FairSemaphore, QueuedCall } from "./fairSemaphore.ts"
import { isRetryableStatus, parseRetryAfterMs, type RetryBudget, retryDelayMs } from "./retry.ts"
import type { JoinableRead, SharedReads } from "./singleFlight.ts"
import {
  type HttpRequest,
  type HttpResponse,
  headerOf,
  type InFlight,
  type ResponseHandler,
  send,
  TransportError,
} from "./transport.ts"

/** The result of a call: a response of any status, or an error, which is a TransportError or a bug. */
export type CallOutcome =
  | { response: HttpResponse; retryAfterMs: number | undefined; error?: never }
  | { response?: never; retryAfterMs?: never; error: unknown }

/** One request's part in a flight. */
export interface Waiter {
  /** Its position among the waiters. */
  readonly flightLink: Link<Waiter>
  /** In milliseconds of `performance.now()`. */
  readonly deadline: number
  /** Whether it waits for a retry after a temporary failure. */
  readonly retries: boolean
  /** Called for each attempt that is sent, on the first waiter only. */
  onSent(): void
  /** Called with the size of each chunk of the response, on the first waiter only. */
  onData(bytes: number): void
  /** Called once with the result, unless it has left before. */
  settle(outcome: CallOutcome): void
}

/**
 * A call from its first attempt to the final response, and the requests that wait for it. Each waiter can leave without harm to
 * the others. When the last one leaves, the call is cancelled.
 */
export abstract class Flight implements ResponseHandler {
  /** The span of the first request that waits for it and is recorded. */
  span: CallSpan | undefined
  /** How long its attempts have waited in the queue, in milliseconds. Measured for metrics and traces only. */
  queuedMs = 0
  readonly #budget: RetryBudget
  /** In the order in which they joined. */
  #waiters = new LinkedList<Waiter>()
  #attempts = 0
  #isAttempting = false
  #retryTimer: NodeJS.Timeout | undefined

  constructor(budget: RetryBudget) {
    this.#budget = budget
  }

  /** Starts one attempt, which ends with `onResponse` or `onError`. May throw. */
  protected abstract attempt(): void

  /** Cancels the attempt. Returns whether its request may have reached the server. */
  protected abstract cancelAttempt(): boolean

  /** Sets the header of its requests. To be called before the first waiter joins. Downloads have no such header. */
  setTraceparent(_traceparent: string): void {}

  /** Called when no further waiter may join. */
  protected onClosed(): void {}

  /** The number of attempts so far. */
  get attempts(): number {
    return this.#attempts
  }

  /** Whether all waiters have left. */
  get isOver(): boolean {
    return this.#waiters.size === 0
  }

  join(waiter: Waiter): void {
    this.#waiters.add(waiter.flightLink)
    if (this.#waiters.size > 1) return
    this.#budget.deposit()
    this.#startAttempt()
  }

  /** Returns true if this was the last waiter and the call that is cancelled may have reached the server. */
  leave(waiter: Waiter): boolean {
    // A waiter that is about to be settled is in another list.
    waiter.flightLink.list?.delete(waiter.flightLink)
    if (!this.isOver) return false
    this.onClosed()
    clearTimeout(this.#retryTimer)
    return this.#isAttempting && this.cancelAttempt()
  }

  /** Records that a request is being sent. */
  protected onSent(): void {
    this.#waiters.first?.onSent()
  }

  onData(bytes: number): void {
    this.#waiters.first?.onData(bytes)
  }

  onResponse(response: HttpResponse): void {
    this.#endAttempt({ response, retryAfterMs: parseRetryAfterMs(headerOf(response, "retry-after")) })
  }

  onError(error: unknown): void {
    this.#endAttempt({ error })
  }

  static #retry(flight: Flight): void {
    flight.#startAttempt()
  }

  #startAttempt(): void {
    this.#attempts += 1
    this.#isAttempting = true
    try {
      this.attempt()
    } catch (error) {
      // A bug, or a request that cannot be sent. When called from a timer, nothing else would catch it.
      this.onError(error)
    }
  }

  #endAttempt(outcome: CallOutcome): void {
    if (!this.#isAttempting) return
    this.#isAttempting = false
    if (this.isOver) return
    const retryAt = this.#retryAt(outcome)
    this.#settle(outcome, retryAt)
    if (this.isOver) return
    this.#retryTimer = setTimeout(Flight.#retry, Math.max(0, retryAt - performance.now()), this)
  }

  /** When to send the next attempt, in milliseconds of `performance.now()`. Infinity for never. */
  #retryAt({ response, retryAfterMs, error }: CallOutcome): number {
    const isTemporary = response
      ? isRetryableStatus(response.status)
      : error instanceof TransportError && retryableKinds.has(error.kind)
    if (!isTemporary) return Number.POSITIVE_INFINITY
    const now = performance.now()
    let latestDeadline = now
    for (const waiter of this.#waiters) {
      if (waiter.retries && waiter.deadline > latestDeadline) latestDeadline = waiter.deadline
    }
    const delayMs = retryDelayMs(this.#attempts, latestDeadline - now, retryAfterMs)
    return delayMs !== undefined && this.#budget.tryWithdraw() ? now + delayMs : Number.POSITIVE_INFINITY
  }

  /** Settles all waiters that do not wait for an attempt at that time. */
  #settle(outcome: CallOutcome, retryAt: number): void {
    let settled = this.#waiters
    if (retryAt === Number.POSITIVE_INFINITY) this.#waiters = new LinkedList()
    else {
      settled = new LinkedList()
      for (const waiter of this.#waiters) {
        if (!waiter.retries || waiter.deadline <= retryAt) settled.add(waiter.flightLink)
      }
    }
    if (this.isOver) this.onClosed()
    for (let waiter = settled.shift(); waiter !== undefined; waiter = settled.shift()) waiter.settle(outcome)
  }
}

const retryableKinds: ReadonlySet<TransportError["kind"]> = new Set(["unreachable", "connectionLost", "truncated"])

/** What all calls to the API share. */
export interface ApiRoute {
  /** One for each permit of `semaphore`. */
  readonly connections: Connections
  readonly semaphore: FairSemaphore
  readonly breaker: Breaker
  readonly budget: RetryBudget
  readonly timeoutMs: number
  /** Undefined while metrics are off. */
  readonly metrics: Metrics | undefined
  /** Whether the time in the queue is measured. */
  readonly isMeasured?: boolean
}

/** The flight of one API call: an attempt is sent if the circuit breaker is closed, and when the semaphore has a permit. */
export class ApiFlight extends Flight implements QueuedCall, JoinableRead {
  readonly caller: string
  readonly callerKey: string
  readonly startedAt: number
  readonly readKey: string
  readonly #route: ApiRoute
  readonly #request: HttpRequest
  #inFlight: InFlight | undefined
  /** Set while the attempt has a permit. */
  #pool: Dispatcher | undefined
  #isQueued = false
  /** When the attempt was sent, or queued before that. Set only if it is measured. */
  #since = 0
  #queueLink: Link<QueuedCall> | undefined
  readonly #sharedIn: SharedReads<ApiFlight> | undefined

  /** @param sharedIn where equal reads find this one until the call is over */
  constructor(
    route: ApiRoute,
    { tokenDigest, key }: Pick<Caller, "tokenDigest" | "key">,
    request: HttpRequest,
    readKey: string,
    startedAt: number,
    sharedIn?: SharedReads<ApiFlight>,
  ) {
    super(route.budget)
    this.#route = route
    this.caller = tokenDigest
    this.callerKey = key
    this.#request = request
    this.readKey = readKey
    this.startedAt = startedAt
    this.#sharedIn = sharedIn
  }

  override setTraceparent(traceparent: string): void {
    this.#request.headers = [...this.#request.headers, "traceparent", traceparent]
  }

  protected override onClosed(): void {
    this.#sharedIn?.remove(this)
  }

  protected override attempt(): void {
    const { semaphore, breaker, metrics, isMeasured } = this.#route
    this.#inFlight = undefined
    if (isMeasured) this.#since = performance.now()
    if (this.attempts > 1) metrics?.onRetry(this.#request.method, this.#request.template)
    if (breaker.isOpen) this.onError(breaker.openError())
    else if (semaphore.tryAcquire()) this.run()
    else {
      this.#queueLink ??= new Link<QueuedCall>(this)
      this.#isQueued = true
      const queueFull = semaphore.enqueue(this.caller, this.#queueLink)
      if (queueFull !== undefined) this.onError(queueFull)
    }
  }

  protected override cancelAttempt(): boolean {
    const queueLink = this.#queueLink
    if (queueLink?.list === undefined) return this.#inFlight?.abort() ?? false
    this.#route.semaphore.remove(this.caller, queueLink)
    if (this.#route.isMeasured) this.#onDequeued()
    return false
  }

  /** Sends the request. Never throws: the call that released the permit has nothing to do with this one. */
  run(): void {
    const { connections, breaker, timeoutMs, isMeasured } = this.#route
    const pool = connections.take()
    this.#pool = pool
    if (isMeasured && this.#isQueued) this.#onDequeued()
    if (breaker.isOpen) {
      this.onError(breaker.openError())
      return
    }
    try {
      this.onSent()
      this.#inFlight = send(pool, this.#request, timeoutMs, this)
    } catch (error) {
      this.onError(error)
    }
  }

  override onResponse(response: HttpResponse): void {
    this.#endSending()
    this.#route.metrics?.onAttempt(this.#request.method, this.#request.template, response.status, this.#since)
    this.#route.breaker.onResponse(response)
    super.onResponse(response)
  }

  override onError(error: unknown): void {
    this.#endSending()
    if (error instanceof TransportError) {
      this.#route.metrics?.onAttempt(this.#request.method, this.#request.template, error.kind, this.#since)
      this.#route.breaker.onError(error)
    }
    super.onError(error)
  }

  #onDequeued(): void {
    const now = performance.now()
    const waitedMs = now - this.#since
    this.#isQueued = false
    this.#since = now
    this.queuedMs += waitedMs
    this.#route.metrics?.onQueued(waitedMs)
  }

  /** Drops the response, because the flight can stay in memory for longer than its call: docs/decisions/memory.md. */
  #endSending(): void {
    this.#inFlight = undefined
    const pool = this.#pool
    if (pool === undefined) return
    this.#pool = undefined
    this.#route.connections.giveBack(pool)
    this.#route.semaphore.release()
  }
}
