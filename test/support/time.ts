import { createRequire } from "node:module"
import { setImmediate } from "node:timers/promises"
import { onTestFinished, vi } from "vitest"

const realSetTimeout = setTimeout
/** undici has one timer for all its timeouts, which it starts again and again. A timer of one clock never ends on another. */
const undiciTimers = createRequire(import.meta.url)("undici/lib/util/timers.js") as { reset(): void }

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
  // A whole number, so that the difference of two times is exact.
  const stoppedAt = Math.ceil(performance.now())
  undiciTimers.reset()
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"], fakeNodeBuiltins: true, now })
  onTestFinished(() => {
    undiciTimers.reset()
    vi.useRealTimers()
  })
  // It would begin at 0, which is long before the start of a gateway that was started earlier.
  const passed = performance.now.bind(performance)
  performance.now = () => stoppedAt + passed()
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
