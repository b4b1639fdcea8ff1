import { setTimeout as sleep } from "node:timers/promises"
import { type Exchange, ExchangeError, type Reply } from "./exchange.ts"
import { isPassing, parseRetryAfterMs, type RetryBudget, retryDelayMs } from "./retry.ts"
import type { Place } from "./turns.ts"

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
export class Flight {
  readonly #attempt: (flight: Flight) => Promise<Reply>
  readonly #budget: RetryBudget
  readonly #ended: (() => void) | undefined
  #waiters: Waiter[] = []
  #attempts = 0
  #abort: (() => boolean) | undefined

  /**
   * @param attempt sends the call once, by way of `send`; rejects with ExchangeError
   * @param budget what repeats are paid from
   * @param ended called when nobody may join any more
   */
  constructor(attempt: (flight: Flight) => Promise<Reply>, budget: RetryBudget, ended?: () => void) {
    this.#attempt = attempt
    this.#budget = budget
    this.#ended = ended
  }

  /** How many attempts were made. */
  get attempts(): number {
    return this.#attempts
  }

  join(waiter: Waiter): void {
    this.#waiters.push(waiter)
    if (this.#waiters.length === 1) void this.#fly()
  }

  /** Says whether, with the last one's leaving, a call was cut off that may have reached upstream. */
  leave(waiter: Waiter): boolean {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
    if (this.#waiters.length > 0) return false
    this.#ended?.()
    return this.#abort?.() ?? false
  }

  /** Waits in line, as long as somebody waits for the call. Rejects with ExchangeError. */
  stand({ turn, giveUp }: Place): Promise<void> {
    this.#abort = () => {
      giveUp()
      return false
    }
    return turn
  }

  /** Begins an exchange, which ends when nobody waits for the call any more. Rejects with ExchangeError. */
  send(begin: () => Exchange): Promise<Reply> {
    const [first] = this.#waiters
    if (first === undefined) return Promise.reject(new ExchangeError("cancelled", false, "given up"))
    const exchange = begin()
    this.#abort = exchange.abort
    first.called()
    return exchange.reply
  }

  async #fly(): Promise<void> {
    this.#budget.earn()
    for (;;) {
      const outcome = await this.#outcome()
      const nextAt = this.#nextAt(outcome)
      this.#settle(outcome, nextAt)
      if (this.#waiters.length === 0) return
      await this.#pause(nextAt - performance.now())
      if (this.#waiters.length === 0) return
    }
  }

  async #outcome(): Promise<Outcome> {
    this.#attempts += 1
    try {
      const reply = await this.#attempt(this)
      return { reply, retryAfterMs: parseRetryAfterMs(headerOf(reply, "retry-after")) }
    } catch (error) {
      return { error }
    }
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
    if (this.#waiters.length === 0) this.#ended?.()
    for (const waiter of waiters) if (!this.#waiters.includes(waiter)) waiter.settle(outcome)
  }

  async #pause(ms: number): Promise<void> {
    const over = new AbortController()
    this.#abort = () => {
      over.abort()
      return false
    }
    await sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)
  }
}

const passingKinds: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "lost", "broken"])

/** The first value of an answer's header; its name in lower case. */
export function headerOf(reply: Reply, name: string): string | undefined {
  const value = reply.headers[name]
  return Array.isArray(value) ? value[0] : value
}

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
  readonly #flights = new Map<string, Shared>()
  readonly #budget: RetryBudget

  constructor(budget: RetryBudget) {
    this.#budget = budget
  }

  /** The flight to join for this read, if there is one. */
  get(key: string, now: number): Flight | undefined {
    const known = this.#flights.get(key)
    return known !== undefined && now - known.since < joinableForMs ? known.flight : undefined
  }

  /** A new flight, for others to join. */
  begin(credential: string, key: string, now: number, attempt: (flight: Flight) => Promise<Reply>): Flight {
    const flight = new Flight(attempt, this.#budget, () => {
      if (this.#flights.get(key)?.flight === flight) this.#flights.delete(key)
    })
    this.#flights.set(key, { credential, flight, since: now })
    return flight
  }

  /** To be told when a change of this caller begins and when it ends: what is under way is not for those who come later. */
  changed(credential: string): void {
    for (const [key, entry] of this.#flights) if (entry.credential === credential) this.#flights.delete(key)
  }
}
