import { constants, fstatSync, openSync, write, writeSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

/** Lines are written in batches: after this many characters, or this many milliseconds. */
const batchLength = 64 * 1024
const batchMs = 100
/** Bytes that wait for the descriptor. Further lines are dropped. */
const maxWaitingBytes = 16 * 1024 * 1024

/** The delay before another attempt on a full pipe, which doubles from the first to the second, and after any other error. */
const minRetryMs = 2
const maxRetryMs = 100
const errorRetryMs = 1_000
/** How often the exit waits `minRetryMs` for a write that began just before the end of a flush. */
const maxFinalWaits = 50
/** A write that has made no progress for so long counts as a failure. */
const stuckAfterMs = 5_000

/**
 * Writes lines to a file descriptor without blocking and without throwing. Lines that cannot be written are kept, up to a
 * limit, and tried again. Why it is not a stream of a library: docs/decisions/log-output.md.
 */
export class LogOutput {
  /** Called with the cause when writing begins to fail. */
  onFailure: (cause: string) => void = () => {}
  /** Called with the number of dropped lines, once the lines that waited are written. */
  onDropped: (lines: number) => void = () => {}
  /** The code of the failure, such as ENOSPC; undefined if lines can be written. */
  failure: string | undefined
  /** Whether a write is in progress. */
  isWriting = false
  /** Replaces the text of each line. */
  format: ((line: string) => string) | undefined
  readonly #fd: number
  /** The newest lines. */
  #text = ""
  /** Older lines, oldest first. As strings, which V8 keeps in the pieces that they were made of, they take ten times as much. */
  readonly #chunks: Buffer[] = []
  #chunkBytes = 0
  /** The rest of the chunk that is being written. */
  #current: Buffer | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = minRetryMs
  /** The time of the first attempt since the last success. */
  #tryingSince: number | undefined
  #dropped = 0

  constructor(fd: number) {
    this.#fd = nonBlocking(fd)
    setInterval(() => {
      if (this.#isIdle && this.#hasLines) this.#writeNext()
      else if (performance.now() - (this.#tryingSince ?? Number.POSITIVE_INFINITY) > stuckAfterMs) {
        this.#fail("stuck", "its reader or its disk hangs")
      }
    }, batchMs).unref()
    process.on("exit", () => this.#writeLast())
  }

  write(json: string): void {
    const line = this.format === undefined ? json : this.format(json)
    if (this.#chunkBytes + this.#text.length + line.length > maxWaitingBytes) {
      this.#dropped += 1
      return
    }
    this.#text += line
    if (this.#text.length < batchLength) return
    if (this.#isIdle) this.#writeNext()
    else this.#endChunk()
  }

  /** Resolves once everything is written, writing fails, or the time is over. */
  async flush(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    const isPending = () => this.isWriting || (this.#hasLines && this.failure === undefined)
    while (isPending() && performance.now() < deadline) {
      if (this.#isIdle) this.#writeNext()
      await sleep(minRetryMs)
    }
    // A write that began at the last moment and does not hang returns soon.
    for (let waits = 0; this.isWriting && waits < maxFinalWaits; waits++) await sleep(minRetryMs)
  }

  get #isIdle(): boolean {
    return !this.isWriting && this.#retry === undefined
  }

  get #hasLines(): boolean {
    return this.#chunkBytes > 0 || this.#text !== ""
  }

  #endChunk(): void {
    const chunk = Buffer.from(this.#text)
    this.#chunks.push(chunk)
    this.#chunkBytes += chunk.length
    this.#text = ""
  }

  #nextBytes(): Buffer {
    if (this.#current === undefined) {
      if (this.#chunks.length === 0) this.#endChunk()
      this.#current = this.#chunks.shift() as Buffer
    }
    return this.#current
  }

  #advance(bytes: number): void {
    const current = this.#current as Buffer
    this.#chunkBytes -= bytes
    this.#current = bytes < current.length ? current.subarray(bytes) : undefined
  }

  #writeNext(): void {
    this.#retry = undefined
    this.isWriting = true
    this.#tryingSince ??= performance.now()
    write(this.#fd, this.#nextBytes(), this.#onWritten)
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, bytes: number): void => {
    this.isWriting = false
    if (error !== null) {
      const isFull = error.code === "EAGAIN"
      if (!isFull) this.#fail(error.code ?? "unknown", error.message)
      this.#retry = setTimeout(() => this.#writeNext(), isFull ? this.#retryMs : errorRetryMs).unref()
      this.#retryMs = Math.min(this.#retryMs * 2, maxRetryMs)
      return
    }
    this.#advance(bytes)
    this.#retryMs = minRetryMs
    this.#tryingSince = undefined
    this.failure = undefined
    if (this.#chunkBytes > 0 || this.#text.length >= batchLength) this.#writeNext()
    else if (this.#dropped > 0) {
      const dropped = this.#dropped
      this.#dropped = 0
      this.onDropped(dropped)
    }
  }

  #fail(failure: string, cause: string): void {
    if (this.failure !== undefined) return
    this.failure = failure
    this.onFailure(cause)
  }

  /** Writes synchronously when the process exits. */
  #writeLast(): void {
    // A write that hangs would make this one hang too.
    if (this.isWriting) return
    try {
      while (this.#hasLines) this.#advance(writeSync(this.#fd, this.#nextBytes()))
    } catch {
      // The lines are lost.
    }
  }
}

/**
 * Returns a descriptor of the same file on which a write does not wait for a reader. A write that blocks holds a thread of
 * Node's pool, and a process cannot exit before all of these are free.
 */
function nonBlocking(fd: number): number {
  try {
    if (fstatSync(fd).isFile()) return fd
    // A new open file description, because other processes share the flags of the old one.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    // A socket or another user's pipe cannot be opened. Node's own stream makes it non-blocking, unless it is a terminal.
    if (fd === 1) void process.stdout
    if (fd === 2) void process.stderr
    return fd
  }
}
