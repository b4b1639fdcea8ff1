import { UpstreamError } from "./error.ts"

/** The maximum number of attempts of one read. */
export const maxAttempts = 4

const firstDelayMs = 100
const maxDelayMs = 2_000

/** Whether a read with this status may be sent again: Code Ocean is overloaded or briefly unavailable. */
export function isRetryableStatus(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504
}

const temporaryFailures: ReadonlySet<UpstreamError["failure"]> = new Set([
  "timeout",
  "unreachable",
  "connectionLost",
  "invalid",
  "circuitOpen",
  "queueFull",
])

/**
 * How long a caller that polls should wait after this error, in milliseconds: what Code Ocean requested, or 0. Undefined if
 * the failure is permanent, or the error is not a failed call.
 */
export function pollAgainAfterMs(error: unknown): number | undefined {
  if (!(error instanceof UpstreamError)) return undefined
  const { failure, status = 0, retryAfterSeconds = 0 } = error
  const isTemporary =
    failure === "status" ? status === 408 || status === 429 || status >= 500 : temporaryFailures.has(failure)
  return isTemporary ? retryAfterSeconds * 1000 : undefined
}

/**
 * The delay before attempt `attempt + 1`, in milliseconds. Undefined if there should be none: the attempts are used up, or the
 * next one could start only after the deadline. Exponential backoff from 100 ms to 2 s, half of it random so that callers that
 * failed together do not retry together. Never shorter than `Retry-After`.
 * @param attempt the number of attempts so far, at least 1
 * @param remainingMs the time until the deadline
 * @param retryAfterMs the response's `Retry-After`
 * @param random from 0 to 1
 */
export function retryDelayMs(
  attempt: number,
  remainingMs: number,
  retryAfterMs: number | undefined,
  random: number = Math.random(),
): number | undefined {
  if (attempt >= maxAttempts) return undefined
  const backoffMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1)) * (0.5 + random / 2)
  const delayMs = Math.max(backoffMs, retryAfterMs ?? 0)
  return delayMs < remainingMs ? delayMs : undefined
}

/** Maximum number of retry tokens, and the initial balance. */
const maxTokens = 50

/**
 * Limits the retries of all callers together: a percentage of the calls, plus one per second for periods with few calls. While
 * Code Ocean is failing the budget runs out, so that retries do not multiply its load.
 */
export class RetryBudget {
  readonly #perCall: number
  readonly #now: () => number
  #tokens = maxTokens
  #updatedAt: number

  /**
   * @param percent the number of retries per hundred calls. 0 disables retries
   * @param now a monotonic clock in milliseconds
   */
  constructor(percent: number, now: () => number = () => performance.now()) {
    this.#perCall = percent / 100
    this.#now = now
    this.#updatedAt = now()
  }

  /** Records the first attempt of a call. */
  deposit(): void {
    this.#tokens = Math.min(maxTokens, this.#tokens + this.#perCall)
  }

  /** Takes a token for one retry. False if there is none. */
  tryWithdraw(): boolean {
    if (this.#perCall === 0) return false
    const now = this.#now()
    this.#tokens = Math.min(maxTokens, this.#tokens + (now - this.#updatedAt) / 1000)
    this.#updatedAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/** Some servers write a point in time where the number of seconds belongs. */
const maxRetryAfterMs = 86_400_000

/** Parses a `Retry-After` header, seconds or an HTTP date, as milliseconds from now. At most a day. Undefined if it is neither. */
export function parseRetryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const afterMs = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(afterMs) ? undefined : Math.min(Math.max(0, afterMs), maxRetryAfterMs)
}
