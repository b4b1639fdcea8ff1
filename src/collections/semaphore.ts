import { Link, LinkedList } from "./linkedList.ts"

/** Limits how many pieces of work run at the same time. The others wait, first come, first served. */
export class Semaphore {
  #permits: number
  readonly #waiting = new LinkedList<() => void>()

  constructor(permits: number) {
    this.#permits = permits
  }

  /** Runs the work as soon as there is a permit. Settles as the work does. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#permits > 0) this.#permits -= 1
    else await new Promise<void>((resolve) => this.#waiting.add(new Link(resolve)))
    try {
      return await work()
    } finally {
      // The permit goes to the next in line directly, so that no newcomer can take it first.
      const next = this.#waiting.shift()
      if (next === undefined) this.#permits += 1
      else next()
    }
  }
}

/** Maps the items with at most `limit` calls of `work` at the same time. The results are in the items' order. */
export function mapLimit<T, R>(items: readonly T[], limit: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const semaphore = new Semaphore(limit)
  return Promise.all(items.map((item) => semaphore.run(() => work(item))))
}
