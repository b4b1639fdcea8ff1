import { hash } from "node:crypto"
import type { Store } from "../store/store.ts"

/** How often the requests of a caller are reported, in milliseconds. */
const intervalMs = 100
/** The shortest time between two reports. */
const minIntervalMs = 5
/** A caller's requests are reported earlier if they are as many as may be sent in this time, in milliseconds. */
const batchMs = 200
/** How many callers one command reports. */
const maxReported = 500

/** A caller as admission counts it. */
export interface RatedCaller {
  /** GCRA: theoretical arrival time of the next conforming request, in ms. */
  theoreticalArrivalMs: number
}

/** The admitted requests of a caller that the store does not know yet. */
interface Unreported {
  caller: RatedCaller
  count: number
}

/**
 * Makes the rate limits of callers hold for all replicas together. Each replica decides by itself, at once. It reports the requests
 * that it has admitted to the store, in the background. The answer has the theoretical arrival time of all replicas' requests, to
 * which the replica's own moves up. What several replicas admit before they know of each other delays later requests.
 */
export class SharedRates {
  readonly #store: Store
  readonly #msPerRequest: number
  readonly #batch: number
  readonly #now: () => number
  #unreported = new Map<string, Unreported>()
  /** The callers that have been reported in this interval and in the one before. */
  #recent = new Set<string>()
  #previous = new Set<string>()
  #reportedAt = Number.NEGATIVE_INFINITY
  #intervalAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(store: Store, requestsPerSecond: number, now: () => number) {
    this.#store = store
    this.#msPerRequest = 1000 / requestsPerSecond
    this.#batch = Math.max(2, Math.ceil((requestsPerSecond * batchMs) / 1000))
    this.#now = now
  }

  /** Counts an admitted request. */
  count(key: string, caller: RatedCaller, at: number): void {
    const unreported = this.#unreported.get(key)
    if (unreported !== undefined) {
      unreported.count += 1
      // Admission may have forgotten the caller in the meantime.
      unreported.caller = caller
      if (unreported.count === this.#batch) this.#reportAt(this.#reportedAt + minIntervalMs, at)
      return
    }
    this.#unreported.set(key, { caller, count: 1 })
    // Of a caller who comes back, this replica does not know what the others have admitted.
    const isKnown = this.#recent.has(key) || this.#previous.has(key)
    this.#reportAt(this.#reportedAt + (isKnown ? intervalMs : minIntervalMs), at)
  }

  #reportAt(dueAt: number, at: number): void {
    if (dueAt >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = dueAt
    this.#timer = setTimeout(() => this.#report(), Math.max(0, dueAt - at)).unref()
  }

  #report(): void {
    const sentAt = this.#now()
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#reportedAt = sentAt
    if (sentAt - this.#intervalAt >= intervalMs) {
      this.#intervalAt = sentAt
      this.#previous = this.#recent
      this.#recent = new Set()
    }
    const reported = [...this.#unreported]
    this.#unreported = new Map()
    for (let from = 0; from < reported.length; from += maxReported) {
      void this.#send(reported.slice(from, from + maxReported), sentAt)
    }
  }

  async #send(reported: readonly (readonly [key: string, Unreported])[], sentAt: number): Promise<void> {
    for (const [key] of reported) this.#recent.add(key)
    const counts = reported.map(([key, { count }]) => [nameOf(key), count] as const)
    const aheadMs = await this.#store.countRequests(counts, this.#msPerRequest)
    if (aheadMs === undefined) return
    for (const [index, [key, { caller }]] of reported.entries()) {
      const since = this.#unreported.get(key)?.count ?? 0
      const arrivalMs = sentAt + (aheadMs[index] ?? 0) + since * this.#msPerRequest
      caller.theoreticalArrivalMs = Math.max(caller.theoreticalArrivalMs, arrivalMs)
    }
  }
}

/** The key is the digest of a token, or an address. */
function nameOf(key: string): string {
  return hash("sha256", `rate of ${key}`, "base64url")
}
