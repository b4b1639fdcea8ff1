import { type Exchange, ExchangeError, headerOf, type Receiver, type Reply } from "./exchange.ts"
import { isPassing, parseRetryAfterMs, type RetryBudget, retryDelayMs } from "./retry.ts"

/** What came of a call: an answer of whatever status, or why there is none, which is an ExchangeError or a bug. */
export type Outcome =
  | { reply: Reply; retryAfterMs: number | undefined; error?: never }
  | { reply?: never; retryAfterMs?: never; error: unknown }

/** Somebody who waits for a call. */
export interface Waiter {
  /** Until when it waits, in milliseconds of performance.now(). */
  readonly deadline: number
  /** Whether it would rather wait for a repeat than hear of a failure that passes. */
  readonly repeats: boolean
  /** Told of each time that the call is sent, while it is the one who has waited longest. */
  called(): void
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
  #waiters: Waiter[] = []
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
    return this.#waiters.length === 0
  }

  join(waiter: Waiter): void {
    this.#waiters.push(waiter)
    if (this.#waiters.length > 1) return
    this.#budget.earn()
    this.#begin()
  }

  /** Says whether, with the last one's leaving, a call was cut off that may have reached upstream. */
  leave(waiter: Waiter): boolean {
    this.#waiters = this.#waiters.filter((other) => other !== waiter)
    if (!this.isOver) return false
    this.#ended?.()
    return this.#underWay?.abort() ?? false
  }

  /** Notes what has begun, to end it when nobody waits for the call any more. It may be over already. */
  begun(underWay: Exchange): void {
    if (this.#isTrying) this.#underWay = underWay
  }

  /** Notes a request that is sent. */
  sent(): void {
    this.#waiters[0]?.called()
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
    this.#attempt(this)
  }

  #tried(outcome: Outcome): void {
    this.#isTrying = false
    this.#underWay = undefined
    if (this.isOver) return
    const nextAt = this.#nextAt(outcome)
    this.#settle(outcome, nextAt)
    if (!this.isOver) this.#pause(nextAt - performance.now())
  }

  /** When to try again, in milliseconds of performance.now(); Infinity for never. */
  #nextAt({ reply, retryAfterMs, error }: Outcome): number {
    const passes = reply ? isPassing(reply.status) : error instanceof ExchangeError && passingKinds.has(error.kind)
    if (!passes) return Number.POSITIVE_INFINITY
    const now = performance.now()
    const latest = Math.max(...this.#waiters.map(({ repeats, deadline }) => (repeats ? deadline : now)))
    const delayMs = retryDelayMs(this.#attempts, latest - now, retryAfterMs)
    return delayMs !== undefined && this.#budget.spend() ? now + delayMs : Number.POSITIVE_INFINITY
  }

  /** Tells all who don't wait for another attempt at that moment. */
  #settle(outcome: Outcome, nextAt: number): void {
    const waiters = this.#waiters
    const stays = ({ repeats, deadline }: Waiter) => repeats && deadline > nextAt
    this.#waiters = nextAt === Number.POSITIVE_INFINITY ? [] : waiters.filter(stays)
    if (this.isOver) this.#ended?.()
    for (const waiter of waiters) if (!this.#waiters.includes(waiter)) waiter.settle(outcome)
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

const passingKinds: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "lost", "broken"])

/** A call that has been under way for longer may be one that hangs: who comes then does better to send it anew. */
const joinableForMs = 1_000

interface Shared {
  credential: string
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

  constructor(budget: RetryBudget) {
    this.#budget = budget
  }

  /** The flight to join for this read, if there is one. */
  get(key: string, now: number): Flight | undefined {
    const known = this.#flights[key]
    return known !== undefined && now - known.since < joinableForMs ? known.flight : undefined
  }

  /** A new flight, for others to join. */
  begin(credential: string, key: string, now: number, attempt: (flight: Flight) => void): Flight {
    const flight = new Flight(attempt, this.#budget, () => {
      if (this.#flights[key]?.flight === flight) delete this.#flights[key]
    })
    this.#flights[key] = { credential, flight, since: now }
    return flight
  }

  /** To be told when a change of this caller begins and when it ends: what is under way is not for those who come later. */
  changed(credential: string): void {
    for (const key in this.#flights) if (this.#flights[key]?.credential === credential) delete this.#flights[key]
  }
}
