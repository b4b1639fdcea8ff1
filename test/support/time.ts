import { setImmediate } from "node:timers/promises"
import { onTestFinished, vi } from "vitest"

const realSetTimeout = setTimeout

export interface StoppedTime {
  /** Lets so many milliseconds pass. */
  pass(ms: number): void
  /** Lets time pass until the condition holds, which only this process brings about. */
  passUntil(holds: () => boolean): Promise<void>
  /**
   * Like `passUntil`, for what another process brings about. Its work takes real time, and the stopped clock would run far ahead in
   * the meantime: 10 ms pass in each real millisecond. Even so it is not certain how much passes.
   */
  passUntilOther(holds: () => boolean): Promise<void>
  /** Lets time pass until the promise settles. */
  passDuring<T>(promise: Promise<T>): Promise<T>
}

/**
 * Stops the clock of deadlines, timeouts and retries until the test ends; it begins at `now`. Sockets work as always, so nothing
 * depends on the speed of the machine. The deadline of a request uses this clock only if the request is sent later. While
 * `expect.poll`, `vi.waitFor` or `vi.waitUntil` waits, the clock goes on with the real one.
 */
export function stopTime(now: Date = new Date()): StoppedTime {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"], fakeNodeBuiltins: true, now })
  onTestFinished(() => void vi.useRealTimers())
  const passBy = async (holds: () => boolean, turn: () => Promise<unknown>) => {
    while (!holds()) {
      vi.advanceTimersByTime(10)
      await turn()
    }
  }
  const passUntil: StoppedTime["passUntil"] = (holds) => passBy(holds, setImmediate)
  return {
    pass: (ms) => void vi.advanceTimersByTime(ms),
    passUntil,
    passUntilOther: (holds) => passBy(holds, () => new Promise((resolve) => realSetTimeout(resolve, 1))),
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
