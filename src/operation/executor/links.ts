import type { Data, LinkedResults, Links, SelectedField, WaitingLink } from "./execution.ts"
import { type Receiver, whenSettled } from "./pending.ts"

/** How many promises, selections, and results for one selection are kept at the same time. They are found by comparing. */
const maxKept = 64

/** Arrays and not Maps, for the reason given in collections/linkedList.ts. */
export class ResponseLinks implements Links {
  private readonly waiting: WaitingLinks[] = []
  private nextWaiting = 0
  private readonly results: KeptResults[] = []
  private nextResults = 0

  await(promise: Promise<unknown>, link: WaitingLink): void {
    for (const waiting of this.waiting) {
      if (waiting.promise !== promise) continue
      waiting.add(link)
      return
    }
    const first = new WaitingLinks(promise, link)
    this.waiting[this.nextWaiting] = first
    this.nextWaiting = (this.nextWaiting + 1) % maxKept
    whenSettled(promise, first)
  }

  resultsFor(fields: readonly SelectedField[]): LinkedResults {
    for (const results of this.results) if (results.fields === fields) return results
    const results = new KeptResults(fields)
    this.results[this.nextResults] = results
    this.nextResults = (this.nextResults + 1) % maxKept
    return results
  }
}

class KeptResults implements LinkedResults {
  readonly fields: readonly SelectedField[]
  readonly data: Data[] = []
  readonly sizes: number[] = []
  private readonly objects: object[] = []
  private next = 0

  constructor(fields: readonly SelectedField[]) {
    this.fields = fields
  }

  indexOf(object: object): number {
    return this.objects.indexOf(object)
  }

  add(object: object, data: Data, size: number): void {
    this.objects[this.next] = object
    this.data[this.next] = data
    this.sizes[this.next] = size
    this.next = (this.next + 1) % maxKept
  }
}

/** The links that wait for the same promise. Once it has settled, it accepts no more. */
class WaitingLinks implements Receiver {
  promise: Promise<unknown> | undefined
  private first: WaitingLink | undefined
  private last: WaitingLink | undefined

  constructor(promise: Promise<unknown>, first: WaitingLink) {
    this.promise = promise
    this.first = first
    this.last = first
  }

  add(link: WaitingLink): void {
    if (this.last !== undefined) this.last.next = link
    this.last = link
  }

  onValue(value: unknown): void {
    for (let link = this.settle(); link !== undefined; link = link.next) link.onValue(value)
  }

  onError(error: unknown): void {
    for (let link = this.settle(); link !== undefined; link = link.next) link.onError(error)
  }

  /** Returns the first link, and refers to none any more: this object can be kept for longer than they are. */
  private settle(): WaitingLink | undefined {
    const { first } = this
    this.promise = undefined
    this.first = undefined
    this.last = undefined
    return first
  }
}
