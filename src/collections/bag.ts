/** What can lie in a bag; it writes down here where. */
export interface Baggable {
  bagged?: number | undefined
}

/**
 * Things that come and go all the time, in no order. A Set would do, but for V8's collector: a Set that was often added to has
 * left old tables behind, each of which leads to the next, and once one of them is of old age all that was ever in the
 * Set stays until the next full collection.
 */
export class Bag<T extends Baggable> implements Iterable<T> {
  readonly #things: T[] = []

  get size(): number {
    return this.#things.length
  }

  add(thing: T): void {
    thing.bagged = this.#things.push(thing) - 1
  }

  /** Does nothing for what isn't here. */
  delete(thing: T): void {
    const { bagged } = thing
    if (bagged === undefined || this.#things[bagged] !== thing) return
    const last = this.#things.pop() as T
    thing.bagged = undefined
    if (last === thing) return
    last.bagged = bagged
    this.#things[bagged] = last
  }

  /** Goes through what is here now, whatever comes or goes meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return [...this.#things][Symbol.iterator]()
  }
}
