import { setTimeout as wait } from "node:timers/promises"

/** The time source of pollers and tasks. Tests replace it. */
export interface Clock {
  /** Milliseconds that never go backwards. */
  now(): number
  /** Milliseconds since 1970, by which replicas compare when they have read an object. */
  wallTime(): number
  /** Resolves after this many milliseconds, or when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: Date.now,
  sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined),
}

/** Resolves with the value of a promise, or with undefined after this many milliseconds. */
export async function settledWithin<T>(
  ms: number,
  promise: Promise<T> | undefined,
  clock: Clock = systemClock,
): Promise<T | undefined> {
  if (promise === undefined) return undefined
  const timer = new AbortController()
  try {
    return await Promise.race([promise, clock.sleep(ms, timer.signal).then(() => undefined)])
  } finally {
    timer.abort()
  }
}
