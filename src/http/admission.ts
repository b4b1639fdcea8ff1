import type { Log } from "../log.ts"
import { guarded, type Refusal } from "./respond.ts"

/** What one caller, and all together, may ask of the gateway at once. 0 sets no limit. */
export interface AdmissionLimits {
  /** How many requests a second one caller may send in the long run. */
  callerRequestsPerSecond: number
  callerConcurrentRequests: number
  callerSubscriptions: number
  /** Requests of all callers under way at once, subscriptions not counted. */
  concurrentRequests: number
  eventLoopLagMs: number
}

/** A request that is let in. */
export interface Permit {
  /** Makes a subscription of the request, which is counted apart from then on; a refusal if the caller holds too many. */
  subscribe(): Refusal | undefined
  /** Gives the place back; to be called when nothing of the answer is left to send. A second call does nothing. */
  leave(): void
}

export interface Admission {
  /** Why a request of this caller's would be refused now. Counts nothing. */
  refusalOf(caller: string): Refusal | undefined
  /** Looks at the numbers alone: a refusal costs next to nothing. */
  enter(caller: string): { permit: Permit; refusal?: never } | { permit?: never; refusal: Refusal }
  /**
   * To be called ten times a second.
   * @param lateMs how late the event loop is; when it is too late, fewer requests are let in at once
   * @param shortage a sentence that says how little memory is left; while there is one, requests are let in one at a time
   */
  adapt(lateMs: number, shortage?: string): void
  /** Why requests are turned away at the moment, whoever sends them; undefined when they aren't. */
  overload(): string | undefined
  /** For diagnostics. */
  readonly counts: { requests: number; subscriptions: number; callers: number }
}

/** How many seconds' worth of requests a caller may send in one go, after a pause. */
const burstSeconds = 10

/** Beyond this many callers, new ones share one entry, unless others are forgotten whose next request would be let in anyway. */
const mostCallers = 10_000
/** How many entries are looked at for one to forget, for each new caller. */
const lookedAt = 16

interface Caller {
  /** When the caller's requests so far will have been sent at the limit's own pace: a bucket of tokens in one number. */
  paidUntil: number
  requests: number
  subscriptions: number
}

/** So many requests are let in however late the event loop is: it may be late by something else than their number. */
const leastRoom = 8

/** @param now milliseconds that only ever grow */
export function createAdmission(limits: AdmissionLimits, now: () => number = () => performance.now()): Admission {
  const callers = new Map<string, Caller>()
  const all = { requests: 0, subscriptions: 0 }
  /** How many callers have requests under way. */
  let atWork = 0
  const mostRoom = limits.concurrentRequests || Number.POSITIVE_INFINITY
  /** How many requests are let in at once: halved when the event loop is late, then growing again by a quarter at a time. */
  let room = mostRoom
  let lastLateMs = 0
  let shortage: string | undefined
  /** Whoever is new when there is no room for another caller. */
  const overflow: Caller = { paidUntil: 0, requests: 0, subscriptions: 0 }
  /** Where the search for callers to forget goes on. */
  let looking = callers.entries()
  const msPerRequest = limits.callerRequestsPerSecond === 0 ? 0 : 1000 / limits.callerRequestsPerSecond

  function callerNamed(name: string, at: number): Caller {
    let caller = callers.get(name)
    if (caller === undefined) {
      if (callers.size >= mostCallers) forgetSome(at)
      if (callers.size >= mostCallers) return overflow
      caller = { paidUntil: 0, requests: 0, subscriptions: 0 }
      callers.set(name, caller)
    }
    return caller
  }

  /** Forgets callers who lose nothing by that: they have nothing under way, and may send as many requests as a new one. */
  function forgetSome(at: number) {
    for (let times = 0; times < lookedAt; times++) {
      const { value, done } = looking.next()
      if (done) {
        looking = callers.entries()
        return
      }
      const [name, { requests, subscriptions, paidUntil }] = value
      if (requests === 0 && subscriptions === 0 && paidUntil <= at) callers.delete(name)
    }
  }

  function overload(): string | undefined {
    if (shortage !== undefined) return shortage
    if (all.requests < room) return undefined
    return room === mostRoom
      ? `The gateway is at work on ${all.requests} requests, the most that it takes at once.`
      : `The gateway was ${Math.round(lastLateMs)} ms late with its work, more than ${limits.eventLoopLagMs} ms, and takes no more than ${Math.floor(room)} requests at once until it has caught up.`
  }

  /** @param caller undefined for one who isn't known */
  function refusalFor(caller: Caller | undefined, at: number): Refusal | undefined {
    const problem = overload()
    if (problem !== undefined && !hasRoomFor(caller)) {
      return { status: 503, code: "OVERLOADED", message: again(problem, 1), retryAfterSeconds: 1 }
    }
    return caller && limitedFor(caller, at)
  }

  /** Whether a request may enter all the same while others are turned away. */
  function hasRoomFor(caller: Caller | undefined): boolean {
    // Nothing else could free any memory, so waiting would help nobody.
    if (shortage !== undefined) return all.requests === 0
    return all.requests < mostRoom && (caller === undefined || !hasItsShare(caller))
  }

  function limitedFor(caller: Caller, at: number): Refusal | undefined {
    if (reached(caller.requests, limits.callerConcurrentRequests)) {
      return limited(`${caller.requests} requests of yours are under way, the most that one caller may have at once.`)
    }
    const waitMs = caller.paidUntil + msPerRequest - burstSeconds * 1000 - at
    if (msPerRequest > 0 && waitMs > 0) {
      const rate = limits.callerRequestsPerSecond
      return limited(
        `You have sent ${rate * burstSeconds} requests faster than the ${rate} a second that one caller may.`,
        Math.ceil(waitMs / 1000),
      )
    }
    return undefined
  }

  /** Of what room is left when it has shrunk, everybody at work has the same share: one caller can't keep the others out. */
  const hasItsShare = (caller: Caller) => caller.requests >= room / Math.max(1, atWork)

  function count(caller: Caller, what: "requests" | "subscriptions", change: 1 | -1) {
    const before = caller.requests
    caller[what] += change
    all[what] += change
    atWork += Math.sign(caller.requests) - Math.sign(before)
  }

  class Place implements Permit {
    readonly #caller: Caller
    #held: "requests" | "subscriptions" | undefined = "requests"

    constructor(caller: Caller) {
      this.#caller = caller
      count(caller, "requests", 1)
    }

    subscribe(): Refusal | undefined {
      const { subscriptions } = this.#caller
      if (reached(subscriptions, limits.callerSubscriptions)) {
        return limited(`You hold ${subscriptions} subscriptions, the most that one caller may: close one first.`)
      }
      if (this.#held === "requests") {
        this.leave()
        this.#held = "subscriptions"
        count(this.#caller, this.#held, 1)
      }
      return undefined
    }

    leave(): void {
      if (this.#held !== undefined) count(this.#caller, this.#held, -1)
      this.#held = undefined
    }
  }

  return {
    refusalOf: (name) => refusalFor(callers.get(name), now()),
    enter(name) {
      const at = now()
      const caller = callerNamed(name, at)
      const refusal = refusalFor(caller, at)
      if (refusal !== undefined) return { refusal }
      caller.paidUntil = Math.max(caller.paidUntil, at) + msPerRequest
      return { permit: new Place(caller) }
    },
    adapt(lateMs, short) {
      shortage = short
      if (limits.eventLoopLagMs > 0 && lateMs > limits.eventLoopLagMs) {
        lastLateMs = lateMs
        room = Math.max(leastRoom, Math.min(room, all.requests) / 2)
      } else room = Math.min(mostRoom, room * 1.25)
    },
    overload,
    get counts() {
      return { ...all, callers: callers.size }
    },
  }
}

function reached(count: number, limit: number): boolean {
  return limit > 0 && count >= limit
}

function limited(problem: string, retryAfterSeconds = 1): Refusal {
  return { status: 429, code: "RATE_LIMITED", message: again(problem, retryAfterSeconds), retryAfterSeconds }
}

function again(problem: string, seconds: number): string {
  return `${problem} Try again in ${seconds} s.`
}

const lagMeasuredMs = 100

/** Tells ten times a second how many milliseconds the event loop is late, until it is stopped. */
export function measureLag(log: Log, tell: (lateMs: number) => void): { stop(): void } {
  let due = performance.now() + lagMeasuredMs
  const measure = guarded(log, () => {
    const now = performance.now()
    const lateMs = Math.max(0, now - due)
    due = now + lagMeasuredMs
    tell(lateMs)
  })
  const timer = setInterval(measure, lagMeasuredMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
