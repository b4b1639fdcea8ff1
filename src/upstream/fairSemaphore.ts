import { Queue, type Queued } from "../collections/queue.ts"
import { ExchangeError } from "./transport.ts"

/** Who waits for a turn. */
export interface Waiting extends Queued {
  /** It has its turn, to be given back. */
  go(): void
}

/** The calls of one caller that wait, in their order. */
class Line extends Queue<Waiting> implements Queued {
  readonly caller: string
  place: number | undefined

  constructor(caller: string) {
    super()
    this.caller = caller
  }
}

/**
 * Bounds how many calls are under way at once. While some wait, the callers take turns, however many calls each of them
 * has brought: whoever asks for one thing doesn't wait for another's thousand.
 */
export class Turns {
  readonly #most: number
  #free: number
  #waiting = 0
  readonly #lines = new Map<string, Line>()
  /** The same lines in the order of their turns. */
  readonly #order = new Queue<Line>()
  #isCalling = false

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

  /** Puts it in its caller's line, until it is told to go; why not, when the line is full. */
  wait(caller: string, waiting: Waiting): ExchangeError | undefined {
    const line = this.#lines.get(caller) ?? new Line(caller)
    // No line may be longer than the room that is left: so one caller has half of it at the most, and there is always some.
    if (line.size >= this.#most - this.#waiting) {
      return new ExchangeError("queueFull", false, `${this.#waiting} calls wait, ${line.size} of them the caller's`)
    }
    if (line.size === 0) {
      this.#lines.set(caller, line)
      this.#order.push(line)
    }
    line.push(waiting)
    this.#waiting += 1
    return undefined
  }

  /** Leaves the line before it has its turn. */
  leave(caller: string, waiting: Waiting): void {
    const line = this.#lines.get(caller)
    if (!line?.delete(waiting)) return
    this.#waiting -= 1
    if (line.size > 0) return
    this.#lines.delete(caller)
    this.#order.delete(line)
  }

  giveBack(): void {
    this.#free += 1
    // Whoever goes may give back at once, and is followed by the next one then, not called by it.
    if (this.#isCalling) return
    this.#isCalling = true
    try {
      while (this.#free > 0 && this.#waiting > 0) this.#callNext()
    } finally {
      this.#isCalling = false
    }
  }

  #callNext(): void {
    const line = this.#order.shift() as Line
    const next = line.shift() as Waiting
    this.#waiting -= 1
    if (line.size > 0) this.#order.push(line)
    else this.#lines.delete(line.caller)
    this.#free -= 1
    next.go()
  }
}
