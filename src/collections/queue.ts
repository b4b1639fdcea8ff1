/** What can stand in a queue; it writes down here where. */
export interface Queued {
  place: number | undefined
}

/** The room of those who have left is given up in steps of so many. */
const leastGivenUp = 64

/** A queue that can be left from anywhere, at no cost for how long it is. */
export class Queue<T extends Queued> {
  /** Those who left are undefined. */
  #slots: (T | undefined)[] = []
  /** Where the first one stands in the slots, if anyone does. */
  #first = 0
  /** How many slots were given up before the first one of those that there are. */
  #givenUp = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    item.place = this.#givenUp + this.#slots.push(item) - 1
    this.#size += 1
  }

  /** Takes the one who has stood for longest. */
  shift(): T | undefined {
    while (this.#first < this.#slots.length) {
      const item = this.#slots[this.#first]
      if (item !== undefined) {
        this.delete(item)
        return item
      }
      this.#first += 1
    }
    return undefined
  }

  /** Whether it stood here. */
  delete(item: T): boolean {
    if (item.place === undefined) return false
    const slot = item.place - this.#givenUp
    if (this.#slots[slot] !== item) return false
    this.#slots[slot] = undefined
    item.place = undefined
    this.#size -= 1
    if (slot === this.#first) this.#first += 1
    this.#giveUpRoom()
    return true
  }

  #giveUpRoom(): void {
    if (this.#size === 0) this.#first = this.#slots.length
    if (this.#first < leastGivenUp || this.#first < this.#slots.length / 2) return
    this.#slots = this.#slots.slice(this.#first)
    this.#givenUp += this.#first
    this.#first = 0
  }
}
