import { ExchangeError } from "./exchange.ts"

/** A wait for a turn. */
export interface Place {
  /** Resolves when it is its turn. Rejects with ExchangeError when the line is full, or the wait was given up. */
  turn: Promise<void>
  giveUp(): void
}

/**
 * Bounds how many calls are under way at once. While some wait, the callers take turns, however many calls each of them
 * has brought: whoever asks for one thing doesn't wait for another's thousand.
 */
export class Turns {
  readonly #most: number
  #free: number
  #waiting = 0
  /** The calls of each caller that wait, in the order of their turns; the first caller's first is next. */
  readonly #lines = new Map<string, Set<() => void>>()

  /**
   * @param atOnce how many may be under way
   * @param mostWaiting how many may wait; Infinity for any number
   */
  constructor(atOnce: number, mostWaiting: number) {
    this.#free = atOnce
    this.#most = mostWaiting
  }

  /** Takes a turn if nobody has to be waited for. Every turn that was taken or waited for is to be given back. */
  take(): boolean {
    if (this.#free === 0) return false
    this.#free -= 1
    return true
  }

  wait(caller: string): Place {
    const { promise: turn, resolve, reject } = Promise.withResolvers<void>()
    const line = this.#lines.get(caller) ?? new Set()
    // No line may be longer than the room that is left: so one caller has half of it at the most, and there is always some.
    if (line.size >= this.#most - this.#waiting) {
      reject(new ExchangeError("crowded", false, `${this.#waiting} calls wait, ${line.size} of them the caller's`))
      return { turn, giveUp() {} }
    }
    if (line.size === 0) this.#lines.set(caller, line)
    line.add(resolve)
    this.#waiting += 1
    return {
      turn,
      giveUp: () => {
        if (!this.#leave(caller, line, resolve)) return
        reject(new ExchangeError("cancelled", false, "given up in line"))
      },
    }
  }

  giveBack(): void {
    const [next] = this.#lines
    if (next === undefined) {
      this.#free += 1
      return
    }
    const [caller, line] = next
    const [go] = line as Set<() => void> & [() => void]
    this.#leave(caller, line, go)
    if (line.size > 0) {
      this.#lines.delete(caller)
      this.#lines.set(caller, line)
    }
    go()
  }

  #leave(caller: string, line: Set<() => void>, go: () => void): boolean {
    if (!line.delete(go)) return false
    this.#waiting -= 1
    if (line.size === 0) this.#lines.delete(caller)
    return true
  }
}
