import { setTimeout as sleep } from "node:timers/promises"
import { type Exchange, ExchangeError, type Reply } from "./exchange.ts"
import { isPassing, parseRetryAfterMs, retryDelayMs } from "./retry.ts"

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
  readonly #ended: () => void
  readonly #waiters = new Set<Waiter>()
  #attempts = 0
  #abort: (() => boolean) | undefined

  /**
   * @param attempt sends the call once, by way of `send`; rejects with ExchangeError
   * @param ended called once, when nobody can join any more
   */
  constructor(attempt: (flight: Flight) => Promise<Reply>, ended: () => void) {
    this.#attempt = attempt
    this.#ended = ended
  }

  /** How many attempts were made. */
  get attempts(): number {
    return this.#attempts
  }

  join(waiter: Waiter): void {
    this.#waiters.add(waiter)
    if (this.#waiters.size === 1) void this.#fly()
  }

  /** Says whether, with the last one's leaving, a call was cut off that may have reached upstream. */
  leave(waiter: Waiter): boolean {
    this.#waiters.delete(waiter)
    if (this.#waiters.size > 0) return false
    this.#ended()
    return this.#abort?.() ?? false
  }

  /** Begins an exchange, which ends with the flight. Rejects with ExchangeError. */
  send(begin: () => Exchange): Promise<Reply> {
    const [first] = this.#waiters
    if (first === undefined) return Promise.reject(new ExchangeError("timeout", false, "given up"))
    const exchange = begin()
    this.#abort = exchange.abort
    first.called()
    return exchange.reply
  }

  async #fly(): Promise<void> {
    for (;;) {
      const outcome = await this.#outcome()
      if (this.#waiters.size === 0) return
      const delayMs = this.#delayMs(outcome)
      this.#settle(outcome, performance.now() + (delayMs ?? Number.POSITIVE_INFINITY))
      if (delayMs === undefined || this.#waiters.size === 0) return
      await this.#pause(delayMs)
      if (this.#waiters.size === 0) return
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

  /** How long to wait for the next attempt; undefined when there is to be none. */
  #delayMs({ reply, retryAfterMs, error }: Outcome): number | undefined {
    const passes = reply ? isPassing(reply.status) : error instanceof ExchangeError && passingKinds.has(error.kind)
    if (!passes) return undefined
    let latest = Number.NEGATIVE_INFINITY
    for (const { repeats, deadline } of this.#waiters) if (repeats && deadline > latest) latest = deadline
    return retryDelayMs(this.#attempts, latest - performance.now(), retryAfterMs)
  }

  /** Tells all who don't wait for another attempt at that moment. */
  #settle(outcome: Outcome, nextAt: number): void {
    const settled = [...this.#waiters].filter(({ repeats, deadline }) => !repeats || deadline <= nextAt)
    for (const waiter of settled) this.#waiters.delete(waiter)
    if (this.#waiters.size === 0) this.#ended()
    for (const waiter of settled) waiter.settle(outcome)
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

  /** The flight to join for this read, if there is one. */
  get(key: string, now: number): Flight | undefined {
    const known = this.#flights.get(key)
    return known !== undefined && now - known.since < joinableForMs ? known.flight : undefined
  }

  /** A new flight, for others to join. */
  begin(credential: string, key: string, now: number, attempt: (flight: Flight) => Promise<Reply>): Flight {
    const flight = new Flight(attempt, () => {
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
