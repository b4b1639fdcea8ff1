import type { UpstreamError } from "./error.ts"

/** How often one read is sent at the most. */
export const mostAttempts = 4

const firstDelayMs = 100
const longestDelayMs = 2_000

/** Whether a read that got this status may be sent again: upstream is overloaded or was away for a moment. */
export function isPassing(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504
}

/**
 * For reads that are repeated over minutes: how long upstream wants to be left alone after this failure, in milliseconds;
 * undefined when the failure won't pass by itself.
 */
export function passesAfterMs(error: UpstreamError): number | undefined {
  const { failure, status = 0, retryAfterSeconds = 0 } = error
  const passes =
    failure === "status"
      ? status === 408 || status === 429 || status >= 500
      : failure === "timeout" || failure === "unreachable" || failure === "lost" || failure === "invalid"
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

/**
 * Reads a `Retry-After` header, seconds or an HTTP date, as milliseconds from `nowMs`; undefined when it is neither.
 */
export function parseRetryAfterMs(header: string | undefined, nowMs: number = Date.now()): number | undefined {
  if (header === undefined) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Math.min(Number(header) * 1000, Number.MAX_SAFE_INTEGER)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}
