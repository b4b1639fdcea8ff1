import type { GraphQLOutputType, GraphQLResolveInfo } from "graphql"
import {
  type Complete,
  checkSize,
  type Execution,
  nullForError,
  type Path,
  type SelectedField,
  type WaitingLink,
} from "./execution.ts"

/** A promise, or another object with a method `then`. */
export interface Thenable {
  then(resolve: (value: unknown) => unknown, reject?: (error: unknown) => unknown): unknown
}

export function isThenable(value: unknown): value is Thenable {
  return typeof value === "object" && value !== null && typeof (value as Thenable).then === "function"
}

/** Whether a completed value still has pending values, or is a promise itself. */
export function isPending(completed: unknown): completed is PendingResult | Promise<unknown> {
  return completed instanceof PendingResult || completed instanceof Promise
}

/** A field or an item of a list whose value is pending, and what is needed to record its error. */
export interface Place {
  /** Where it is in the object or list that contains it. */
  readonly key: string | number
  readonly execution: Execution
  readonly field: SelectedField
  readonly type: GraphQLOutputType
  readonly path: Path
}

/**
 * An object or list of the response with values that are still pending. It counts them, and tells the object or list that contains
 * it when none is left. Native promises for each object on each level would take longer than the rest of the execution.
 */
export class PendingResult implements Thenable {
  readonly values: Record<string | number, unknown>
  private pendingCount = 0
  private deferredError: unknown
  private state: "pending" | "complete" | "failed" = "pending"
  private error: unknown
  /** Undefined until it is known what contains it. */
  private container: PendingResult | undefined
  private place: Place | undefined
  private subscriber: { resolve(value: unknown): void; reject(error: unknown): void } | undefined

  constructor(values: object) {
    this.values = values as Record<string | number, unknown>
  }

  /** Adds a value that has to be completed when it arrives. */
  await(value: Thenable, place: Place, info: GraphQLResolveInfo, complete: Complete): void {
    this.pendingCount += 1
    // Reserves the key's position in the response.
    this.values[place.key] = undefined
    const pending = new PendingValue(this, place, info, complete)
    if (place.field.isLink) place.execution.links.await(value as Promise<unknown>, pending)
    else whenSettled(value, pending)
  }

  /** Adds a value that is completed, but has pending values itself. */
  awaitCompleted(completed: PendingResult | Promise<unknown>, place: Place): void {
    this.pendingCount += 1
    this.values[place.key] = undefined
    this.settle(completed, place)
  }

  /** Rejects with this error once all pending values have settled. */
  failWhenSettled(error: unknown): this {
    this.deferredError = error
    return this
  }

  /** Allows one subscriber, which is called synchronously. */
  // biome-ignore lint/suspicious/noThenProperty: it is a thenable.
  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.subscriber = { resolve, reject }
    if (this.state !== "pending") this.notify()
  }

  /** Stores a completed value in its place. */
  settle(completed: unknown, place: Place): void {
    if (completed instanceof PendingResult) {
      // Its missing values are added to the same object later.
      this.values[place.key] = completed.values
      completed.container = this
      completed.place = place
      if (completed.state !== "pending") completed.notify()
    } else if (completed instanceof Promise) whenSettled(completed, new CompletedLater(this, place))
    else {
      this.values[place.key] = completed
      this.countDown()
    }
  }

  /** Stores null in place of a value that has failed, or fails if its type does not allow null. */
  fail(cause: unknown, { key, execution, field, type, path }: Place): void {
    try {
      this.values[key] = nullForError(execution, field, type, path, cause)
    } catch (error) {
      this.finish("failed", this.deferredError ?? error)
      return
    }
    this.countDown()
  }

  private countDown(): void {
    this.pendingCount -= 1
    if (this.pendingCount > 0) return
    if (this.deferredError === undefined) this.finish("complete", undefined)
    else this.finish("failed", this.deferredError)
  }

  private finish(state: "complete" | "failed", error: unknown): void {
    if (this.state !== "pending") return
    this.state = state
    this.error = error
    this.notify()
  }

  private notify(): void {
    const { container, place, subscriber } = this
    if (container !== undefined) {
      if (this.state === "complete") container.countDown()
      else container.fail(this.error, place as Place)
    } else if (this.state === "complete") subscriber?.resolve(this.values)
    else subscriber?.reject(this.error)
  }
}

/** What is called with the value or the error of a promise. */
export interface Receiver {
  onValue(value: unknown): void
  onError(error: unknown): void
}

// Kept out of line: a function that contains a closure allocates its context on every call.
export function whenSettled(value: Thenable, receiver: Receiver): void {
  try {
    value.then(
      (resolved) => receiver.onValue(resolved),
      (error) => receiver.onError(error),
    )
  } catch (error) {
    receiver.onError(error)
  }
}

/** A value that is completed already when its promise resolves. */
class CompletedLater implements Receiver {
  private readonly container: PendingResult
  private readonly place: Place

  constructor(container: PendingResult, place: Place) {
    this.container = container
    this.place = place
  }

  onValue(value: unknown): void {
    this.container.settle(value, this.place)
  }

  onError(error: unknown): void {
    this.container.fail(error, this.place)
  }
}

/** A value that has to be completed when it arrives. */
class PendingValue implements WaitingLink {
  next: WaitingLink | undefined
  private readonly container: PendingResult
  private readonly place: Place
  private readonly info: GraphQLResolveInfo
  private readonly complete: Complete

  constructor(container: PendingResult, place: Place, info: GraphQLResolveInfo, complete: Complete) {
    this.container = container
    this.place = place
    this.info = info
    this.complete = complete
  }

  onValue(value: unknown): void {
    const { container, place } = this
    const { execution, field, path } = place
    let completed: unknown = null
    try {
      if (execution.stopped === undefined) {
        completed = this.complete(execution, field, this.info, path, value)
        checkSize(execution)
      }
    } catch (error) {
      container.fail(error, place)
      return
    }
    container.settle(completed, place)
  }

  onError(error: unknown): void {
    this.container.fail(error, this.place)
  }
}
