/** What can be waited for: a promise, or an Unfinished. */
export interface Thenable {
  then(finish: (value: unknown) => unknown, fail?: (error: unknown) => unknown): Thenable
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
  private listener: { finish: (value: unknown) => void; fail: (error: unknown) => void } | undefined

  constructor(values: object) {
    this.values = values as Record<string | number, unknown>
  }

  /**
   * Keeps a place for a value until it comes.
   * @param recover what to put there if it fails instead; what that throws fails the whole, at once
   */
  await(key: string | number, value: Thenable | Unfinished, recover: (error: unknown) => unknown): void {
    this.missing += 1
    this.values[key] = undefined
    const finish = (there: unknown) => this.arrive(key, there)
    value.then(finish, (cause) => {
      let instead: unknown
      try {
        instead = recover(cause)
      } catch (error) {
        this.end({ error: this.heldError ?? error })
        return
      }
      this.arrive(key, instead)
    })
  }

  /** It has failed, but is to end only when all that is under way has come. */
  failAtLast(error: unknown): this {
    this.heldError = error
    return this
  }

  // biome-ignore lint/suspicious/noThenProperty: it is there to be waited for.
  then(finish: (value: unknown) => void, fail: (error: unknown) => void): void {
    this.listener = { finish, fail }
    this.tell()
  }

  private arrive(key: string | number, value: unknown): void {
    this.values[key] = value
    this.missing -= 1
    if (this.missing > 0) return
    this.end(this.heldError === undefined ? { value: this.values } : { error: this.heldError })
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
