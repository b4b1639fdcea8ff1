import type { Dispatcher } from "undici"

/**
 * The most connections of one undici pool, which looks through all of them for every call. Not 1: a pool with a connection that can no
 * longer be used has others.
 */
const maxOfPool = 16

/** The connections to Code Ocean, in several pools. Each call has a connection in the pool that it takes. */
export class Connections {
  readonly #pools: Dispatcher[] = []
  /** Each pool as often as it has connections without a call. */
  readonly #free: Dispatcher[] = []

  /** @param createPool creates a pool of this many connections */
  constructor(count: number, createPool: (connections: number) => Dispatcher) {
    while (this.#free.length < count) {
      const size = Math.min(maxOfPool, count - this.#free.length)
      const pool = createPool(size)
      this.#pools.push(pool)
      for (let index = 0; index < size; index++) this.#free.push(pool)
    }
  }

  /** The pool for a call that has a permit. To be given back before the permit. */
  take(): Dispatcher {
    return this.#free.pop() as Dispatcher
  }

  giveBack(pool: Dispatcher): void {
    this.#free.push(pool)
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()))
  }
}
