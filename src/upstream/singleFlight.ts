import { isRetryableStatus, parseRetryAfterMs, type RetryBudget, retryDelayMs } from "./retry.ts"
import { type Exchange, ExchangeError, headerOf, type Receiver, type Reply } from "./transport.ts"

/** What came of a call: an answer of whatever status, or why there is none, which is an ExchangeError or a bug. */
export type Outcome =
  | { reply: Reply; retryAfterMs: number | undefined; error?: never }
  | { reply?: never; retryAfterMs?: never; error: unknown }

/** Somebody who waits for a call. */
export interface Waiter {
  /** Where it stands among those who wait; the flight writes it down here. */
  place: number | undefined
  /** Until when it waits, in milliseconds of performance.now(). */
  readonly deadline: number
  /** Whether it would rather wait for a repeat than hear of a failure that passes. */
  readonly repeats: boolean
  /** Told of each time that the call is sent, while it is the one who has waited longest. */
  called(): void
  /** Told how many bytes of an answer have come, while it is the one who has waited longest. */
  received(bytes: number): void
  /** Told what came of the call, once, unless it left before. */
  settle(outcome: Outcome): void
}

/**
 * A call from its first attempt to the answer that needs no repeat, and those who wait for it. Each of them can leave
 * without harm to the others; with the last one it ends.
 */
export class Flight implements Receiver {
  readonly #attempt: (flight: Flight) => void
  readonly #budget: RetryBudget
  readonly #ended: (() => void) | undefined
  /** In the order in which they joined; those who left are undefined. */
  #waiters: (Waiter | undefined)[] = []
  /** How many still wait. */
  #count = 0
  /** Where the one stands who has waited longest. */
  #first = 0
  #attempts = 0
  #isTrying = false
  #underWay: Exchange | undefined

  /**
   * @param attempt tries the call once: tells `sent` of each request, and the flight what came of it
   * @param budget what repeats are paid from
   * @param ended called when nobody may join any more
   */
  constructor(attempt: (flight: Flight) => void, budget: RetryBudget, ended?: () => void) {
    this.#attempt = attempt
    this.#budget = budget
    this.#ended = ended
  }

  /** How many attempts were made. */
  get attempts(): number {
    return this.#attempts
  }

  /** Whether nobody waits for the call any more. */
  get isOver(): boolean {
    return this.#count === 0
  }

  join(waiter: Waiter): void {
    waiter.place = this.#waiters.push(waiter) - 1
    this.#count += 1
    if (this.#count > 1) return
    this.#budget.deposit()
    this.#begin()
  }

  /** Says whether, with the last one's leaving, a call was cut off that may have reached upstream. */
  leave(waiter: Waiter): boolean {
    const { place } = waiter
    if (place !== undefined && this.#waiters[place] === waiter) {
      this.#waiters[place] = undefined
      waiter.place = undefined
      this.#count -= 1
    }
    if (!this.isOver) {
      while (this.#waiters[this.#first] === undefined) this.#first += 1
      return false
    }
    this.#waiters = []
    this.#first = 0
    this.#ended?.()
    return this.#underWay?.abort() ?? false
  }

  /** Notes what has begun, to end it when nobody waits for the call any more. It may be over already. */
  begun(underWay: Exchange): void {
    if (this.#isTrying) this.#underWay = underWay
  }

  /** Notes a request that is sent. */
  sent(): void {
    this.#waiters[this.#first]?.called()
  }

  /** Notes bytes of an answer that have come. */
  received(bytes: number): void {
    this.#waiters[this.#first]?.received(bytes)
  }

  answered(reply: Reply): void {
    this.#tried({ reply, retryAfterMs: parseRetryAfterMs(headerOf(reply, "retry-after")) })
  }

  failed(error: unknown): void {
    this.#tried({ error })
  }

  #begin(): void {
    this.#attempts += 1
    this.#isTrying = true
    try {
      this.#attempt(this)
    } catch (error) {
      // A bug, or a request that can't be sent. It may come from a timer, where nobody else would catch it.
      this.failed(error)
    }
  }

  #tried(outcome: Outcome): void {
    if (!this.#isTrying) return
    this.#isTrying = false
    this.#underWay = undefined
    if (this.isOver) return
    const nextAt = this.#nextAt(outcome)
    this.#settle(outcome, nextAt)
    if (!this.isOver) this.#pause(Math.max(0, nextAt - performance.now()))
  }

  /** When to try again, in milliseconds of performance.now(); Infinity for never. */
  #nextAt({ reply, retryAfterMs, error }: Outcome): number {
    const passes = reply
      ? isRetryableStatus(reply.status)
      : error instanceof ExchangeError && retryableKinds.has(error.kind)
    if (!passes) return Number.POSITIVE_INFINITY
    const now = performance.now()
    let latest = now
    for (const waiter of this.#waiters) if (waiter?.repeats && waiter.deadline > latest) latest = waiter.deadline
    const delayMs = retryDelayMs(this.#attempts, latest - now, retryAfterMs)
    return delayMs !== undefined && this.#budget.tryWithdraw() ? now + delayMs : Number.POSITIVE_INFINITY
  }

  /** Tells all who don't wait for another attempt at that moment. */
  #settle(outcome: Outcome, nextAt: number): void {
    const waiters = this.#waiters
    this.#waiters = []
    this.#count = 0
    this.#first = 0
    if (nextAt < Number.POSITIVE_INFINITY) {
      for (const [index, waiter] of waiters.entries()) {
        if (!waiter?.repeats || waiter.deadline <= nextAt) continue
        waiters[index] = undefined
        waiter.place = this.#waiters.push(waiter) - 1
        this.#count += 1
      }
    }
    if (this.isOver) this.#ended?.()
    for (const waiter of waiters) {
      if (waiter === undefined) continue
      waiter.place = undefined
      waiter.settle(outcome)
    }
  }

  #pause(ms: number): void {
    const timer = setTimeout(() => this.#begin(), ms)
    this.#underWay = {
      abort() {
        clearTimeout(timer)
        return false
      },
    }
  }
}

const retryableKinds: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "connectionLost", "truncated"])

/** A call that has been under way for longer may be one that hangs: who comes then does better to send it anew. */
const joinableForMs = 1_000

interface Shared {
  caller: string
  flight: Flight
  since: number
}

/**
 * The reads under way that others may join. Only equal reads of one caller are shared, and none that was sent before a
 * change of the same caller: whoever reads after a change sees it.
 */
export class SharedReads {
  /** By key. An object and no Map, for the reason that bag.ts gives. */
  readonly #flights: Record<string, Shared> = Object.create(null)
  readonly #budget: RetryBudget
  /**
   * When each caller last changed something, of those who did so lately: reads that are older than `joinableForMs` aren't
   * joined anyway. Two maps by turns, so that a change costs the same however many callers and reads there are.
   */
  #changes = new Map<string, number>()
  #changesBefore = new Map<string, number>()
  #changesSince = Number.NEGATIVE_INFINITY

  constructor(budget: RetryBudget) {
    this.#budget = budget
  }

  /** The flight to join for this read, if there is one. */
  get(key: string, now: number): Flight | undefined {
    const known = this.#flights[key]
    if (known === undefined || now - known.since >= joinableForMs) return undefined
    const changedAt = this.#changes.get(known.caller) ?? this.#changesBefore.get(known.caller)
    return changedAt === undefined || known.since > changedAt ? known.flight : undefined
  }

  /**
   * A new flight, for others to join.
   * @param caller whose changes end the sharing
   */
  begin(caller: string, key: string, now: number, attempt: (flight: Flight) => void): Flight {
    const flight = new Flight(attempt, this.#budget, () => {
      if (this.#flights[key]?.flight === flight) delete this.#flights[key]
    })
    this.#flights[key] = { caller, flight, since: now }
    return flight
  }

  /** To be told when a change of this caller begins and when it ends: what is under way is not for those who come later. */
  changed(caller: string, now: number): void {
    if (now - this.#changesSince >= joinableForMs) {
      this.#changesBefore = now - this.#changesSince < 2 * joinableForMs ? this.#changes : new Map()
      this.#changes = new Map()
      this.#changesSince = now
    }
    this.#changes.set(caller, now)
  }
}
