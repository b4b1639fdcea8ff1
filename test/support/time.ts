import { setImmediate } from "node:timers/promises"
import { onTestFinished, vi } from "vitest"

export interface StoppedTime {
  /** Lets so many milliseconds pass. */
  pass(ms: number): void
  /** Lets time pass until the condition holds. */
  passUntil(holds: () => boolean): Promise<void>
}

/**
 * Stops the clock of deadlines, timeouts and retries until the test ends; it begins at `now`. Sockets work as always, so nothing
 * depends on the speed of the machine. The deadline of a request uses this clock only if the request is sent later.
 */
export function stopTime(now: Date = new Date()): StoppedTime {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"], now })
  onTestFinished(() => void vi.useRealTimers())
  return {
    pass: (ms) => void vi.advanceTimersByTime(ms),
    async passUntil(holds) {
      while (!holds()) {
        vi.advanceTimersByTime(10)
        await setImmediate()
      }
    },
  }
}
