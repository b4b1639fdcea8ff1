import type { Log } from "../log/log.ts"
import type { Store } from "../store/store.ts"
import type { RejectionReason } from "../telemetry/metrics.ts"
import { guarded } from "./logging.ts"
import type { Rejection } from "./rejection.ts"
import { type RatedCaller, SharedRates } from "./sharedRates.ts"

/** The limits for one client and for all together. 0 disables a limit. */
export interface AdmissionLimits {
  /** Sustained requests per second of one client. */
  callerRequestsPerSecond: number
  callerConcurrentRequests: number
  callerSubscriptions: number
  /** Concurrent requests of all clients, not counting subscriptions. */
  concurrentRequests: number
  eventLoopLagMs: number
}

/** An admitted request, counted until it is released. */
export interface AdmissionTicket {
  /** Counts the request as a subscription from now on. Returns a rejection if the client has too many of them. */
  subscribe(): Rejection | undefined
  /** To be called when the response has been sent completely. Idempotent. */
  release(): void
}

export interface Admission {
  /** Returns the rejection that a request would get now. Counts nothing. */
  check(key: string): Rejection | undefined
  /** Admits or rejects a request. Reads only counters, so that a rejection costs next to nothing. */
  admit(key: string): { ticket: AdmissionTicket; rejection?: never } | { ticket?: never; rejection: Rejection }
  /**
   * Adapts the concurrency limit; to be called ten times a second.
   * @param lagMs how late the event loop is. Above the configured limit, the concurrency limit is halved.
   * @param memoryShortage a sentence that describes the shortage. While there is one, requests are admitted one at a time.
   */
  onEventLoopLag(lagMs: number, memoryShortage?: string): void
  /** Returns why requests of any client are rejected at present. */
  overloadReason(): string | undefined
  /** How many requests may be in flight at present. Infinity if there is no limit. */
  readonly concurrencyLimit: number
  readonly stats: { requests: number; subscriptions: number; callers: number }
}

/** After a pause, a client may send as many requests at once as it may send in this time. */
const burstSeconds = 10

/** Above this number, new clients share one entry, until entries of idle clients are evicted. */
const maxCallers = 10_000
/** How many entries each new client examines for eviction. */
const evictionSteps = 16

interface Caller extends RatedCaller {
  requests: number
  subscriptions: number
}

/** The lower bound of the concurrency limit: lag can have other causes than the number of requests. */
const minConcurrencyLimit = 8

/**
 * @param now a monotonic clock in milliseconds
 * @param store what replicas share: rates, but not the numbers of requests in flight. Undefined if there is one replica
 */
export function createAdmission(
  limits: AdmissionLimits,
  now: () => number = () => performance.now(),
  store?: Store,
): Admission {
  const callers = new Map<string, Caller>()
  const total = { requests: 0, subscriptions: 0 }
  /** How many callers have requests in flight. */
  let activeCallers = 0
  const maxConcurrencyLimit = limits.concurrentRequests || Number.POSITIVE_INFINITY
  /** Halved when the event loop lags, then increased by a quarter at a time. */
  let concurrencyLimit = maxConcurrencyLimit
  let lastLagMs = 0
  let memoryShortage: string | undefined
  /** The entry of all new callers while the table is full. */
  const overflow: Caller = { theoreticalArrivalMs: 0, requests: 0, subscriptions: 0 }
  /** The position at which eviction continues. */
  let evictionCursor = callers.entries()
  const msPerRequest = limits.callerRequestsPerSecond === 0 ? 0 : 1000 / limits.callerRequestsPerSecond
  const rates = store && msPerRequest > 0 ? new SharedRates(store, limits.callerRequestsPerSecond, now) : undefined

  function callerOf(key: string, at: number): Caller {
    let caller = callers.get(key)
    if (caller === undefined) {
      if (callers.size >= maxCallers) evictIdle(at)
      if (callers.size >= maxCallers) return overflow
      caller = { theoreticalArrivalMs: 0, requests: 0, subscriptions: 0 }
      callers.set(key, caller)
    }
    return caller
  }

  /** Evicts callers that are in the same state as a new one: nothing in flight, and the full burst available. */
  function evictIdle(at: number) {
    for (let step = 0; step < evictionSteps; step++) {
      const { value, done } = evictionCursor.next()
      if (done) {
        evictionCursor = callers.entries()
        return
      }
      const [key, { requests, subscriptions, theoreticalArrivalMs }] = value
      if (requests === 0 && subscriptions === 0 && theoreticalArrivalMs <= at) callers.delete(key)
    }
  }

  function overloadReason(): string | undefined {
    if (memoryShortage !== undefined) return memoryShortage
    if (total.requests < concurrencyLimit) return undefined
    return concurrencyLimit === maxConcurrencyLimit
      ? `The gateway is processing ${total.requests} requests, its limit.`
      : `The gateway's event loop was ${Math.round(lastLagMs)} ms late, more than ${limits.eventLoopLagMs} ms. Until it has caught up, at most ${Math.floor(concurrencyLimit)} requests are processed at once.`
  }

  /** Which limit of all clients is reached. */
  function overload(): RejectionReason {
    if (memoryShortage !== undefined) return "memory"
    return concurrencyLimit === maxConcurrencyLimit ? "requests" : "event_loop_lag"
  }

  function rejectionFor(caller: Caller | undefined, at: number): Rejection | undefined {
    const reason = overloadReason()
    if (reason !== undefined && !isExemptFromOverload(caller)) {
      const message = tryAgain(reason, 1)
      return { reason: overload(), status: 503, code: "OVERLOADED", message, retryAfterSeconds: 1 }
    }
    return caller && callerLimitReached(caller, at)
  }

  /** Whether a request is admitted in spite of overload. */
  function isExemptFromOverload(caller: Caller | undefined): boolean {
    // With no request in flight, nothing else would free memory: rejecting the only request would not help.
    if (memoryShortage !== undefined) return total.requests === 0
    return total.requests < maxConcurrencyLimit && (caller === undefined || !hasFairShare(caller))
  }

  function callerLimitReached(caller: Caller, at: number): Rejection | undefined {
    if (isReached(caller.requests, limits.callerConcurrentRequests)) {
      return rateLimited("caller_requests", `You have ${caller.requests} requests in flight, the limit for one caller.`)
    }
    const waitMs = caller.theoreticalArrivalMs + msPerRequest - burstSeconds * 1000 - at
    if (msPerRequest > 0 && waitMs > 0) {
      const rate = limits.callerRequestsPerSecond
      return rateLimited(
        "caller_rate",
        `You have sent ${rate * burstSeconds} requests at a higher rate than ${rate} a second, the limit for one caller.`,
        Math.ceil(waitMs / 1000),
      )
    }
    return undefined
  }

  /** A reduced concurrency limit is divided equally among the active callers, so that one caller can't starve the others. */
  const hasFairShare = (caller: Caller) => caller.requests >= concurrencyLimit / Math.max(1, activeCallers)

  function count(caller: Caller, what: "requests" | "subscriptions", change: 1 | -1) {
    const before = caller.requests
    caller[what] += change
    total[what] += change
    activeCallers += Math.sign(caller.requests) - Math.sign(before)
  }

  class Ticket implements AdmissionTicket {
    readonly #caller: Caller
    #countedAs: "requests" | "subscriptions" | undefined = "requests"

    constructor(caller: Caller) {
      this.#caller = caller
      count(caller, "requests", 1)
    }

    subscribe(): Rejection | undefined {
      const { subscriptions } = this.#caller
      if (isReached(subscriptions, limits.callerSubscriptions)) {
        return rateLimited(
          "caller_subscriptions",
          `You have ${subscriptions} open subscriptions, the limit for one caller. Close one before you open another.`,
        )
      }
      if (this.#countedAs === "requests") {
        this.release()
        this.#countedAs = "subscriptions"
        count(this.#caller, this.#countedAs, 1)
      }
      return undefined
    }

    release(): void {
      if (this.#countedAs !== undefined) count(this.#caller, this.#countedAs, -1)
      this.#countedAs = undefined
    }
  }

  return {
    check: (key) => rejectionFor(callers.get(key), now()),
    admit(key) {
      const at = now()
      const caller = callerOf(key, at)
      const rejection = rejectionFor(caller, at)
      if (rejection !== undefined) return { rejection }
      caller.theoreticalArrivalMs = Math.max(caller.theoreticalArrivalMs, at) + msPerRequest
      if (caller !== overflow) rates?.count(key, caller, at)
      return { ticket: new Ticket(caller) }
    },
    onEventLoopLag(lagMs, shortage) {
      memoryShortage = shortage
      if (limits.eventLoopLagMs > 0 && lagMs > limits.eventLoopLagMs) {
        lastLagMs = lagMs
        concurrencyLimit = Math.max(minConcurrencyLimit, Math.min(concurrencyLimit, total.requests) / 2)
      } else concurrencyLimit = Math.min(maxConcurrencyLimit, concurrencyLimit * 1.25)
    },
    overloadReason,
    get concurrencyLimit() {
      return concurrencyLimit
    },
    get stats() {
      return { ...total, callers: callers.size }
    },
  }
}

function isReached(count: number, limit: number): boolean {
  return limit > 0 && count >= limit
}

function rateLimited(reason: RejectionReason, problem: string, retryAfterSeconds = 1): Rejection {
  return { reason, status: 429, code: "RATE_LIMITED", message: tryAgain(problem, retryAfterSeconds), retryAfterSeconds }
}

function tryAgain(problem: string, seconds: number): string {
  return `${problem} Try again in ${seconds} s.`
}

const lagIntervalMs = 100

/** Reports ten times a second by how many milliseconds the event loop is late, until it is stopped. */
export function measureLag(log: Log, report: (lagMs: number) => void): { stop(): void } {
  let due = performance.now() + lagIntervalMs
  const measure = guarded(log, () => {
    const now = performance.now()
    const lagMs = Math.max(0, now - due)
    due = now + lagIntervalMs
    report(lagMs)
  })
  const timer = setInterval(measure, lagIntervalMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
