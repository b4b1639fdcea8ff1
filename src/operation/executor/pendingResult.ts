/** What can be waited for: a promise, or an Unfinished. */
export interface Thenable {
  then(finish: (value: unknown) => unknown, fail?: (error: unknown) => unknown): Thenable
}

export function isThenable(value: unknown): value is Thenable {
  return typeof value === "object" && value !== null && typeof (value as Thenable).then === "function"
}

/** What becomes of a value that is still to come. */
export interface Course {
  /** What is put in its place, or a promise of that; throws where it fails. */
  complete(value: unknown): unknown
  /** What is put in its place when it fails. What this throws fails the whole, at once. */
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

  /** Keeps a place for a value until it comes and is completed. */
  await(key: string | number, value: Thenable, course: Course): void {
    whenThere(value, this.keep(key, course))
  }

  /** Keeps a place for what is completed already, as soon as all of it is there. */
  awaitCompleted(key: string | number, value: Thenable | Unfinished, course: Course): void {
    this.keep(key, course).follow(value)
  }

  private keep(key: string | number, course: Course): Place {
    this.missing += 1
    this.values[key] = undefined
    return new Place(this, key, course)
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

// These stand apart because a function that makes a closure anywhere pays for it on every way through.
function whenThere(value: Thenable, place: Place): void {
  value.then(
    (there) => place.complete(there),
    (error) => place.fail(error),
  )
}

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
  private readonly course: Course

  constructor(whole: Unfinished, key: string | number, course: Course) {
    this.whole = whole
    this.key = key
    this.course = course
  }

  complete(value: unknown): void {
    let completed: unknown
    try {
      completed = this.course.complete(value)
    } catch (error) {
      this.fail(error)
      return
    }
    if (isThenable(completed)) this.follow(completed)
    else this.finish(completed)
  }

  follow(value: Thenable | Unfinished): void {
    if (value instanceof Unfinished) value.tellTo(this)
    else whenSettled(value, this)
  }

  finish(value: unknown): void {
    this.whole.arrive(this.key, value)
  }

  fail(cause: unknown): void {
    let instead: unknown
    try {
      instead = this.course.recover(cause)
    } catch (error) {
      this.whole.fail(error)
      return
    }
    this.finish(instead)
  }
}
