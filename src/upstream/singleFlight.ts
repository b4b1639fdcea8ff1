/** A read that has been in flight for longer may hang, so a new caller does not join it. */
const joinableForMs = 1_000

/** A read that others may join. */
export interface JoinableRead {
  /** The digest of its caller's token. */
  readonly caller: string
  /** Identifies its caller's token and agent together. */
  readonly callerKey: string
  /** Identifies the read among those of its caller. */
  readonly readKey: string
  /** When it started, in milliseconds of `performance.now()`. */
  readonly startedAt: number
}

/**
 * When each caller last changed something. Kept in two maps that are replaced alternately: changes older than the reads that can be
 * joined do not matter, and recording a change takes the same time however many callers and reads there are.
 */
export class CallerChanges {
  #changes = new Map<string, number>()
  #previousChanges = new Map<string, number>()
  #changesSince = Number.NEGATIVE_INFINITY

  /** Ends the sharing of all reads of this caller that have started. Call it when a change begins and when it ends. */
  add(caller: string, now: number): void {
    if (now - this.#changesSince >= joinableForMs) {
      this.#previousChanges = now - this.#changesSince < 2 * joinableForMs ? this.#changes : new Map()
      this.#changes = new Map()
      this.#changesSince = now
    }
    this.#changes.set(caller, now)
  }

  /** Whether the caller has changed nothing since the read started, which is at most a second ago. */
  noneSince({ caller, startedAt }: JoinableRead): boolean {
    const changedAt = this.#changes.get(caller) ?? this.#previousChanges.get(caller)
    return changedAt === undefined || startedAt > changedAt
  }
}

/**
 * The reads in flight. Only equal reads of one caller are shared, and none that was sent before a change by the same caller: a
 * read that starts after a change sees the change.
 */
export class SharedReads<F extends JoinableRead> {
  /**
   * By `callerKey`, then by `readKey`. One map for all would be rehashed all the time: V8 keeps the old table until the next full
   * collection, and with it whatever its flights still refer to. docs/decisions/memory.md has the figures.
   */
  readonly #flights = new Map<string, Map<string, F>>()
  readonly #changes: CallerChanges
  readonly #joinableForMs: number

  /** @param forMs how old a read may be that others join, in milliseconds. Default, and most: a second */
  constructor(changes: CallerChanges, forMs = joinableForMs) {
    this.#changes = changes
    this.#joinableForMs = forMs
  }

  /** The read to join, if there is one. */
  get(callerKey: string, readKey: string, now: number): F | undefined {
    const flight = this.#flights.get(callerKey)?.get(readKey)
    if (flight === undefined || now - flight.startedAt >= this.#joinableForMs) return undefined
    return this.#changes.noneSince(flight) ? flight : undefined
  }

  /** Lets others join this read. Replaces an equal one. */
  add(flight: F): void {
    let ofCaller = this.#flights.get(flight.callerKey)
    if (ofCaller === undefined) {
      ofCaller = new Map()
      this.#flights.set(flight.callerKey, ofCaller)
    }
    ofCaller.set(flight.readKey, flight)
  }

  /** Does nothing if another read has replaced this one. */
  remove(flight: F): void {
    const ofCaller = this.#flights.get(flight.callerKey)
    if (ofCaller?.get(flight.readKey) !== flight) return
    ofCaller.delete(flight.readKey)
    if (ofCaller.size === 0) this.#flights.delete(flight.callerKey)
  }
}
