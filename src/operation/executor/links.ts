import { executeFields } from "./execute.ts"
import type { Data, Execution, Path, SelectedField } from "./execution.ts"
import { isPending, type PendingResult, type PendingValue, type Receiver, whenSettled } from "./pendingResult.ts"

/** How many promises and how many results for one field are kept at the same time. They are found by comparing. */
const maxKept = 64

/**
 * The objects that the links of a response lead to. Many links of a large response lead to the same object: they wait for its
 * promise together, and their fields are executed once. Arrays and not Maps, for the reason given in collections/linkedList.ts.
 */
export class Links {
  private readonly waiting = [] as WaitingLinks[]
  private nextWaiting = 0
  private readonly results: LinkedResults[] = []

  /** Completes the value when the promise has resolved, in the order of the calls. */
  await(promise: Promise<unknown>, pending: PendingValue): void {
    for (const waiting of this.waiting) {
      if (waiting.promise !== promise) continue
      waiting.add(pending)
      return
    }
    const first = new WaitingLinks(promise, pending)
    this.waiting[this.nextWaiting] = first
    this.nextWaiting = (this.nextWaiting + 1) % maxKept
    whenSettled(promise, first)
  }

  /** The fields of an object that is linked. A result without pending values and errors is used again for the same fields. */
  execute(
    execution: Execution,
    fields: readonly SelectedField[],
    object: object,
    path: Path | undefined,
  ): Data | PendingResult {
    const results = this.resultsFor(fields)
    const index = results.objects.indexOf(object)
    if (index >= 0) {
      execution.size += results.sizes[index] as number
      return results.data[index] as Data
    }
    const { size, errors } = execution
    const failures = errors.count
    const data = executeFields(execution, fields, object, path)
    if (!isPending(data) && errors.count === failures) results.add(object, data, execution.size - size)
    return data
  }

  private resultsFor(fields: readonly SelectedField[]): LinkedResults {
    for (const results of this.results) if (results.fields === fields) return results
    const results = new LinkedResults(fields)
    this.results.push(results)
    return results
  }
}

/** The results for one selection: the last ones, by the index of their object. */
class LinkedResults {
  readonly fields: readonly SelectedField[]
  readonly objects: object[] = []
  readonly data: Data[] = []
  readonly sizes: number[] = []
  private next = 0

  constructor(fields: readonly SelectedField[]) {
    this.fields = fields
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
  private readonly first: PendingValue
  private last: PendingValue

  constructor(promise: Promise<unknown>, first: PendingValue) {
    this.promise = promise
    this.first = first
    this.last = first
  }

  add(pending: PendingValue): void {
    this.last.next = pending
    this.last = pending
  }

  onValue(value: unknown): void {
    this.promise = undefined
    for (let link: PendingValue | undefined = this.first; link !== undefined; link = link.next) link.onValue(value)
  }

  onError(error: unknown): void {
    this.promise = undefined
    for (let link: PendingValue | undefined = this.first; link !== undefined; link = link.next) link.onError(error)
  }
}
