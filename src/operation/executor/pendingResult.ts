/** A promise or a PendingResult. */
export interface Thenable {
  then(resolve: (value: unknown) => unknown, reject?: (error: unknown) => unknown): Thenable
}

export function isThenable(value: unknown): value is Thenable {
  return typeof value === "object" && value !== null && typeof (value as Thenable).then === "function"
}

/** The work that is left when a pending value arrives. */
export interface Continuation {
  /** Returns the completed value, or a promise of it. Throws if the value cannot be completed. */
  complete(value: unknown): unknown
  /** Returns the value that replaces a failed one. If it throws, the whole result fails at once. */
  recover(error: unknown): unknown
}

interface Subscriber {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/**
 * An object or list of the response with values that are still pending: a thenable that allows one subscriber and calls it
 * synchronously. Native promises for each object on each level would take longer than the rest of the execution.
 */
export class PendingResult {
  private readonly values: Record<string | number, unknown>
  private pendingCount = 0
  private deferredError: unknown
  private outcome: { value: unknown } | { error: unknown } | undefined
  private subscriber: Subscriber | undefined

  constructor(values: object) {
    this.values = values as Record<string | number, unknown>
  }

  /** Adds a value that has to be completed when it arrives. */
  await(key: string | number, value: Thenable, continuation: Continuation): void {
    completeWhenResolved(value, this.addSlot(key, continuation))
  }

  /** Adds a value that is completed already, but has pending values itself. */
  awaitCompleted(key: string | number, value: Thenable | PendingResult, continuation: Continuation): void {
    this.addSlot(key, continuation).subscribeTo(value)
  }

  private addSlot(key: string | number, continuation: Continuation): Slot {
    this.pendingCount += 1
    // Reserves the key's position in the response.
    this.values[key] = undefined
    return new Slot(this, key, continuation)
  }

  /** Rejects with this error once all pending values have settled. */
  failWhenSettled(error: unknown): this {
    this.deferredError = error
    return this
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a thenable.
  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.subscribe({ resolve, reject })
  }

  subscribe(subscriber: Subscriber): void {
    this.subscriber = subscriber
    this.notify()
  }

  settle(key: string | number, value: unknown): void {
    this.values[key] = value
    this.pendingCount -= 1
    if (this.pendingCount > 0) return
    this.finish(this.deferredError === undefined ? { value: this.values } : { error: this.deferredError })
  }

  reject(error: unknown): void {
    this.finish({ error: this.deferredError ?? error })
  }

  private finish(outcome: { value: unknown } | { error: unknown }): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.notify()
  }

  private notify(): void {
    if (this.subscriber === undefined || this.outcome === undefined) return
    if ("value" in this.outcome) this.subscriber.resolve(this.outcome.value)
    else this.subscriber.reject(this.outcome.error)
  }
}

// Kept out of line: a function that contains a closure allocates its context on every call.
function completeWhenResolved(value: Thenable, slot: Slot): void {
  value.then(
    (resolved) => slot.complete(resolved),
    (error) => slot.reject(error),
  )
}

function subscribeToPromise(promise: Thenable, subscriber: Subscriber): void {
  promise.then(
    (value) => subscriber.resolve(value),
    (error) => subscriber.reject(error),
  )
}

/** The position of one pending value in a PendingResult. */
class Slot implements Subscriber {
  private readonly result: PendingResult
  private readonly key: string | number
  private readonly continuation: Continuation

  constructor(result: PendingResult, key: string | number, continuation: Continuation) {
    this.result = result
    this.key = key
    this.continuation = continuation
  }

  complete(value: unknown): void {
    let completed: unknown
    try {
      completed = this.continuation.complete(value)
    } catch (error) {
      this.reject(error)
      return
    }
    if (isThenable(completed)) this.subscribeTo(completed)
    else this.resolve(completed)
  }

  subscribeTo(value: Thenable | PendingResult): void {
    if (value instanceof PendingResult) value.subscribe(this)
    else subscribeToPromise(value, this)
  }

  resolve(value: unknown): void {
    this.result.settle(this.key, value)
  }

  reject(cause: unknown): void {
    let replacement: unknown
    try {
      replacement = this.continuation.recover(cause)
    } catch (error) {
      this.result.reject(error)
      return
    }
    this.resolve(replacement)
  }
}
