import { setImmediate } from "node:timers/promises"
import { onTestFinished, vi } from "vitest"

export interface StoppedTime {
  /** Lets so many milliseconds pass. */
  pass(ms: number): void
  /** Lets time pass until the condition holds. */
  passUntil(holds: () => boolean): Promise<void>
  /** Lets time pass until the promise settles. */
  passDuring<T>(promise: Promise<T>): Promise<T>
}

/**
 * Stops the clock of deadlines, timeouts and retries until the test ends; it begins at `now`. Sockets work as always, so nothing
 * depends on the speed of the machine. The deadline of a request uses this clock only if the request is sent later.
 */
export function stopTime(now: Date = new Date()): StoppedTime {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"], fakeNodeBuiltins: true, now })
  onTestFinished(() => void vi.useRealTimers())
  const passUntil: StoppedTime["passUntil"] = async (holds) => {
    while (!holds()) {
      vi.advanceTimersByTime(10)
      await setImmediate()
    }
  }
  return {
    pass: (ms) => void vi.advanceTimersByTime(ms),
    passUntil,
    async passDuring(promise) {
      let settled = false
      const settling = promise.finally(() => {
        settled = true
      })
      const [value] = await Promise.all([settling, passUntil(() => settled)])
      return value
    },
  }
}
