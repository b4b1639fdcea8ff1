import type { ErrorCode } from "../errors.ts"

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

/** A request that isn't let in. */
export interface Refusal {
  status: 429 | 503
  code: ErrorCode & ("RATE_LIMITED" | "OVERLOADED")
  message: string
  retryAfterSeconds: number
}

/** A request that is let in. */
export interface Permit {
  /** Makes a subscription of the request, which is counted apart from then on; a refusal if the caller holds too many. */
  subscribe(): Refusal | undefined
  /** Gives the place back; to be called when nothing of the answer is left to send. A second call does nothing. */
  leave(): void
}

export interface Admission {
  /** Looks at the numbers alone: a refusal costs next to nothing. */
  enter(caller: string): { permit: Permit; refusal?: never } | { permit?: never; refusal: Refusal }
  /** Is told, ten times a second, how late the event loop is: when it is too late, fewer requests are let in at once. */
  adapt(lateMs: number): void
  /** Why requests are turned away at the moment, whoever sends them; undefined when they aren't. */
  overload(): string | undefined
  /** For diagnostics. */
  readonly counts: { requests: number; subscriptions: number; callers: number }
}

/** How many seconds' worth of requests a caller may send in one go, after a pause. */
const burstSeconds = 10

/** Beyond this many callers, those who have been away for longest are forgotten: they begin anew. */
const mostCallers = 10_000

interface Caller {
  /** When it last sent a request. */
  seenAt: number
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
  const msPerRequest = limits.callerRequestsPerSecond === 0 ? 0 : 1000 / limits.callerRequestsPerSecond

  function callerNamed(name: string): Caller {
    let caller = callers.get(name)
    if (caller === undefined) {
      if (callers.size >= mostCallers) forgetTheLongestAway()
      caller = { seenAt: 0, paidUntil: 0, requests: 0, subscriptions: 0 }
      callers.set(name, caller)
    }
    return caller
  }

  /** Of those who have nothing under way, the half that has been away for longest. */
  function forgetTheLongestAway() {
    const idle = [...callers].filter(([, { requests, subscriptions }]) => requests === 0 && subscriptions === 0)
    idle.sort(([, a], [, b]) => a.seenAt - b.seenAt)
    for (const [name] of idle.slice(0, Math.ceil(idle.length / 2))) callers.delete(name)
  }

  function overload(): string | undefined {
    if (all.requests < room) return undefined
    return room === mostRoom
      ? `The gateway is at work on ${all.requests} requests, the most that it takes at once.`
      : `The gateway was ${Math.round(lastLateMs)} ms late with its work, more than ${limits.eventLoopLagMs} ms, and takes no more than ${Math.floor(room)} requests at once until it has caught up.`
  }

  function refusalOf(caller: Caller, at: number): Refusal | undefined {
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
    enter(name) {
      const caller = callerNamed(name)
      const at = now()
      caller.seenAt = at
      const problem = overload()
      if (problem !== undefined && (all.requests >= mostRoom || hasItsShare(caller))) {
        return { refusal: { status: 503, code: "OVERLOADED", message: again(problem, 1), retryAfterSeconds: 1 } }
      }
      const refusal = refusalOf(caller, at)
      if (refusal !== undefined) return { refusal }
      caller.paidUntil = Math.max(caller.paidUntil, at) + msPerRequest
      return { permit: new Place(caller) }
    },
    adapt(lateMs) {
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
export function measureLag(tell: (lateMs: number) => void): { stop(): void } {
  let due = performance.now() + lagMeasuredMs
  const timer = setInterval(() => {
    const now = performance.now()
    tell(Math.max(0, now - due))
    due = now + lagMeasuredMs
  }, lagMeasuredMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
