/**
 * An item's position in a list. An item creates one link for each list that it can be in, so that adding and removing
 * allocates nothing.
 */
export class Link<T> {
  readonly item: T
  list: LinkedList<T> | undefined
  previous: Link<T> | undefined
  next: Link<T> | undefined

  constructor(item: T) {
    this.item = item
  }
}

/**
 * A doubly linked list in insertion order. Any item is removed in constant time. Used in place of a Set: a Set that is rehashed
 * keeps its old backing store linked to the new one, and once a backing store is in V8's old generation, every entry survives
 * until the next full collection. A removed link refers to no other link.
 */
export class LinkedList<T> implements Iterable<T> {
  #first: Link<T> | undefined
  #last: Link<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): T | undefined {
    return this.#first?.item
  }

  /** Appends the item. If it is in a list already, it is removed there first. */
  add(link: Link<T>): void {
    link.list?.delete(link)
    link.list = this
    link.previous = this.#last
    if (this.#last === undefined) this.#first = link
    else this.#last.next = link
    this.#last = link
    this.#size += 1
  }

  /** Removes the item. Returns false if it is not in this list. */
  delete(link: Link<T>): boolean {
    if (link.list !== this) return false
    const { previous, next } = link
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    link.list = undefined
    link.previous = undefined
    link.next = undefined
    this.#size -= 1
    return true
  }

  /** Removes and returns the first item. */
  shift(): T | undefined {
    const link = this.#first
    if (link === undefined) return undefined
    this.delete(link)
    return link.item
  }

  /** Iterates over a copy: items may be added and removed during the iteration. */
  [Symbol.iterator](): Iterator<T> {
    const items: T[] = []
    for (let link = this.#first; link !== undefined; link = link.next) items.push(link.item)
    return items[Symbol.iterator]()
  }
}
