/** A place in a list, made once by what is in it: to come and to go allocates nothing. */
export class Link<T> {
  readonly owner: T
  list: LinkedList<T> | undefined
  previous: Link<T> | undefined
  next: Link<T> | undefined

  constructor(owner: T) {
    this.owner = owner
  }
}

/** A doubly linked list in the order in which its members came. */
export class LinkedList<T> {
  #first: Link<T> | undefined
  #last: Link<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): T | undefined {
    return this.#first?.owner
  }

  /** Puts it last, also if it is in the list already. */
  add(link: Link<T>): void {
    link.list?.delete(link)
    link.list = this
    link.previous = this.#last
    if (this.#last === undefined) this.#first = link
    else this.#last.next = link
    this.#last = link
    this.#size += 1
  }

  /** Does nothing for what isn't here. */
  delete(link: Link<T>): void {
    if (link.list !== this) return
    const { previous, next } = link
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    link.list = undefined
    link.previous = undefined
    link.next = undefined
    this.#size -= 1
  }

  /** From first to last; the member at hand may leave meanwhile, others may not. */
  forEach(visit: (member: T) => void): void {
    for (let link = this.#first; link !== undefined; ) {
      const { next, owner } = link
      visit(owner)
      link = next
    }
  }
}
