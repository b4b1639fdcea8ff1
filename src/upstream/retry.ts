import type { UpstreamError } from "./error.ts"

/** How often one read is sent at the most. */
export const mostAttempts = 4

const firstDelayMs = 100
const longestDelayMs = 2_000

/** Whether a read that got this status may be sent again: upstream is overloaded or was away for a moment. */
export function isPassing(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504
}

const passingFailures: ReadonlySet<UpstreamError["failure"]> = new Set([
  "timeout",
  "unreachable",
  "lost",
  "invalid",
  "suspended",
  "crowded",
])

/**
 * For reads that are repeated over minutes: how long upstream wants to be left alone after this failure, in milliseconds;
 * undefined when the failure won't pass by itself.
 */
export function passesAfterMs(error: UpstreamError): number | undefined {
  const { failure, status = 0, retryAfterSeconds = 0 } = error
  const passes = failure === "status" ? status === 408 || status === 429 || status >= 500 : passingFailures.has(failure)
  return passes ? retryAfterSeconds * 1000 : undefined
}

/**
 * How long to wait before attempt number `attempt + 1`, in milliseconds; undefined when there should be none.
 * Doubles from 100 ms up to 2 s, half of it random, so that callers who failed together don't come back together. What
 * upstream asks for in `Retry-After` is the least wait. No attempt is planned that could only start after the deadline.
 * @param attempt how many attempts were made, at least 1
 * @param remainingMs how much of the request's time is left
 * @param retryAfterMs what upstream asked for
 * @param random from 0 to 1
 */
export function retryDelayMs(
  attempt: number,
  remainingMs: number,
  retryAfterMs: number | undefined,
  random: number = Math.random(),
): number | undefined {
  if (attempt >= mostAttempts) return undefined
  const backoffMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1)) * (0.5 + random / 2)
  const delayMs = Math.max(backoffMs, retryAfterMs ?? 0)
  return delayMs < remainingMs ? delayMs : undefined
}

/** How many repeats there are beside the share, at the start and after a while of peace. */
const mostSaved = 50

/**
 * What all reads together may spend on repeats: a share of their number, and a little for whoever asks rarely. While
 * upstream is failing this runs out, and repeats don't multiply what it has to bear.
 */
export class RetryBudget {
  readonly #share: number
  readonly #now: () => number
  #saved = mostSaved
  #savedAt: number

  /**
   * @param percent how many repeats a hundred calls pay for; at 0 there are none at all
   * @param now milliseconds that only ever grow
   */
  constructor(percent: number, now: () => number = () => performance.now()) {
    this.#share = percent / 100
    this.#now = now
    this.#savedAt = now()
  }

  /** To be told of each call's first attempt. */
  earn(): void {
    this.#saved = Math.min(mostSaved, this.#saved + this.#share)
  }

  /** Whether there may be a repeat; it is paid for then. */
  spend(): boolean {
    if (this.#share === 0) return false
    const now = this.#now()
    this.#saved = Math.min(mostSaved, this.#saved + (now - this.#savedAt) / 1000)
    this.#savedAt = now
    if (this.#saved < 1) return false
    this.#saved -= 1
    return true
  }
}

/** No wait is said to be longer than a day: some servers write the moment where the seconds belong. */
const longestRetryAfterMs = 86_400_000

/**
 * Reads a `Retry-After` header, seconds or an HTTP date, as milliseconds from `nowMs`, a day at the most; undefined when it
 * is neither.
 */
export function parseRetryAfterMs(header: string | undefined, nowMs: number = Date.now()): number | undefined {
  if (header === undefined) return undefined
  const afterMs = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(afterMs) ? undefined : Math.min(Math.max(0, afterMs), longestRetryAfterMs)
}
