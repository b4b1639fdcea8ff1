/** What can be waited for: a promise, or an Unfinished. */
export interface Thenable {
  then(finish: (value: unknown) => unknown, fail?: (error: unknown) => unknown): Thenable
}

/** What is put in the place of a value that fails. */
export interface Recovery {
  /** What this throws fails the whole, at once. */
  recover(error: unknown): unknown
}

/**
 * An object or a list of an answer, some of whose values are still to come: a promise of itself, but for one listener, who
 * is told at once. Promises for each object on each level would take longer than all else in making an answer.
 */
export class Unfinished {
  private readonly values: Record<string | number, unknown>
  private missing = 0
  private heldError: unknown
  private outcome: { value: unknown } | { error: unknown } | undefined
  private listener: Listener | undefined

  constructor(values: object) {
    this.values = values as Record<string | number, unknown>
  }

  /** Keeps a place for a value until it comes. */
  await(key: string | number, value: Thenable | Unfinished, recovery: Recovery): void {
    this.missing += 1
    this.values[key] = undefined
    const place = new Place(this, key, recovery)
    if (value instanceof Unfinished) value.tellTo(place)
    else whenSettled(value, place)
  }

  /** It has failed, but is to end only when all that is under way has come. */
  failAtLast(error: unknown): this {
    this.heldError = error
    return this
  }

  // biome-ignore lint/suspicious/noThenProperty: it is there to be waited for.
  then(finish: (value: unknown) => void, fail: (error: unknown) => void): void {
    this.tellTo({ finish, fail })
  }

  tellTo(listener: Listener): void {
    this.listener = listener
    this.tell()
  }

  arrive(key: string | number, value: unknown): void {
    this.values[key] = value
    this.missing -= 1
    if (this.missing > 0) return
    this.end(this.heldError === undefined ? { value: this.values } : { error: this.heldError })
  }

  fail(error: unknown): void {
    this.end({ error: this.heldError ?? error })
  }

  private end(outcome: { value: unknown } | { error: unknown }): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.tell()
  }

  private tell(): void {
    if (this.listener === undefined || this.outcome === undefined) return
    if ("value" in this.outcome) this.listener.finish(this.outcome.value)
    else this.listener.fail(this.outcome.error)
  }
}

// This stands apart because a function that makes a closure anywhere pays for it on every way through.
function whenSettled(value: Thenable, listener: Listener): void {
  value.then(
    (there) => listener.finish(there),
    (error) => listener.fail(error),
  )
}

interface Listener {
  finish(value: unknown): void
  fail(error: unknown): void
}

/** The place of one value that is still to come. */
class Place implements Listener {
  private readonly whole: Unfinished
  private readonly key: string | number
  private readonly recovery: Recovery

  constructor(whole: Unfinished, key: string | number, recovery: Recovery) {
    this.whole = whole
    this.key = key
    this.recovery = recovery
  }

  finish(value: unknown): void {
    this.whole.arrive(this.key, value)
  }

  fail(cause: unknown): void {
    let instead: unknown
    try {
      instead = this.recovery.recover(cause)
    } catch (error) {
      this.whole.fail(error)
      return
    }
    this.finish(instead)
  }
}
