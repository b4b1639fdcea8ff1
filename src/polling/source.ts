/** The shortest wait between two reads of an object, and the first one, in milliseconds, unless its source has another. */
export const minWaitMs = 5_000

/** The result of one read of an object. */
export interface Snapshot<T> {
  value: T
  /** The poll interval backs off while this stays the same, even if other fields change (`run_time`). */
  stage: string
  /** Whether the object will not change any more. */
  isFinal: boolean
}

/** How one listener reads an object. */
export interface Source<T> {
  /** Reads the object once. */
  read(signal: AbortSignal): Promise<Snapshot<T>>
  /** The shortest wait after this error, in milliseconds. Undefined if the error is permanent. */
  retryAfterMs(error: unknown): number | undefined
  /** The shortest wait between two reads of this object, whoever listens, in milliseconds. All its sources have the same. */
  minWaitMs?: number | undefined
  /** The longest wait between two reads, in milliseconds, unless the shortest is longer. */
  slowestMs: number
  /** The shortest wait between two reads that this listener wants, in milliseconds. Of several listeners the shortest counts. */
  fastestMs?: number | undefined
  /** Whether this listener has just read the object: the first read for it comes after the shortest wait. */
  justRead?: boolean | undefined
  /** How long this listener follows the object, in milliseconds. Checked between two reads. Undefined without a limit. */
  timeLimitMs?: number | undefined
}

/** What a listener receives: the object as it is now, or the error that ended the polling. */
export type Update<T> = { value: T; isFinal: boolean } | { error: unknown }
