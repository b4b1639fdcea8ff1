import { constants, fstatSync, openSync, write, writeSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

/** Lines are written together: after so many characters, or so many milliseconds. */
const batchLength = 4096
const batchedForMs = 100
/** The most that is written at once. */
const chunkLength = 16 * 1024
/** The most bytes that wait while nothing can be written: they must not fill the memory. */
const mostWaiting = 16 * 1024 * 1024

/** A full pipe is tried again after these, doubling; anything else that fails, after `failedRetryMs`. */
const shortestRetryMs = 2
const longestRetryMs = 100
const failedRetryMs = 1_000
/** When nothing is taken for so long, the reader or the disk hangs. */
const hangsAfterMs = 5_000

/**
 * Writes lines to a file descriptor. Nobody waits for that, and whatever happens to the descriptor, nothing is thrown:
 * what can't be written is kept up to a limit and tried again.
 *
 * Pipes, sockets and terminals are made non-blocking where that is possible. A write that blocks would hold a thread of
 * Node's pool, and a process can't exit before all of these are free.
 */
export class Output {
  /** Called when lines can't be written any more. */
  onFailing: (cause: string) => void = () => {}
  /** Called when what waited is written, and lines were dropped before. */
  onDropped: (lines: number) => void = () => {}
  readonly #fd: number
  /** The newest lines. */
  #text = ""
  /** Older ones, oldest first. As strings, which V8 keeps in the pieces they were made of, they would take ten times as much. */
  readonly #chunks: Buffer[] = []
  #chunkBytes = 0
  /** What is left of the chunk that is written now. */
  #current: Buffer | undefined
  #isWriting = false
  #retry: NodeJS.Timeout | undefined
  #retryMs = shortestRetryMs
  /** Since when something is tried that hasn't succeeded. */
  #tryingSince: number | undefined
  #failure: string | undefined
  #dropped = 0

  constructor(fd: number) {
    this.#fd = withoutBlocking(fd)
    setInterval(() => {
      if (this.#isIdle && this.#isWaiting) this.#writeNext()
      else if (performance.now() - (this.#tryingSince ?? Number.POSITIVE_INFINITY) > hangsAfterMs) {
        this.#fails("stuck", "whoever reads it hangs, or its disk does")
      }
    }, batchedForMs).unref()
    process.on("exit", () => this.#writeLast())
  }

  /** Why nothing can be written at present, such as ENOSPC. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Whether a write has begun and not come back. */
  get isWriting(): boolean {
    return this.#isWriting
  }

  write(line: string): void {
    if (this.#chunkBytes + this.#text.length + line.length > mostWaiting) {
      this.#dropped += 1
      return
    }
    this.#text += line
    if (this.#text.length < batchLength) return
    if (this.#isIdle) this.#writeNext()
    else if (this.#text.length >= chunkLength) this.#endChunk()
  }

  /** Resolves when everything is written, when nothing can be written, or after so many milliseconds. */
  async flush(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    const isWanted = () => this.#isWriting || (this.#isWaiting && this.#failure === undefined)
    while (isWanted() && performance.now() < deadline) {
      if (this.#isIdle) this.#writeNext()
      await sleep(shortestRetryMs)
    }
  }

  get #isIdle(): boolean {
    return !this.#isWriting && this.#retry === undefined
  }

  get #isWaiting(): boolean {
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

  #took(count: number): void {
    const current = this.#current as Buffer
    this.#chunkBytes -= count
    this.#current = count < current.length ? current.subarray(count) : undefined
  }

  #writeNext(): void {
    this.#retry = undefined
    this.#isWriting = true
    this.#tryingSince ??= performance.now()
    write(this.#fd, this.#nextBytes(), this.#written)
  }

  readonly #written = (error: NodeJS.ErrnoException | null, count: number): void => {
    this.#isWriting = false
    if (error !== null) {
      this.#failed(error)
      return
    }
    this.#took(count)
    this.#retryMs = shortestRetryMs
    this.#tryingSince = undefined
    this.#failure = undefined
    if (this.#chunkBytes > 0 || this.#text.length >= batchLength) this.#writeNext()
    else if (this.#dropped > 0) {
      const dropped = this.#dropped
      this.#dropped = 0
      this.onDropped(dropped)
    }
  }

  #failed(error: NodeJS.ErrnoException): void {
    const isFull = error.code === "EAGAIN"
    if (!isFull) this.#fails(error.code ?? "unknown", error.message)
    this.#retry = setTimeout(() => this.#writeNext(), isFull ? this.#retryMs : failedRetryMs).unref()
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
  }

  #fails(failure: string, cause: string): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.onFailing(cause)
  }

  /** At the process's end: as much as can be written at once. */
  #writeLast(): void {
    // Not beside another write, which may hang, as this one would.
    if (this.#isWriting) return
    try {
      while (this.#isWaiting) this.#took(writeSync(this.#fd, this.#nextBytes()))
    } catch {
      // It is lost: there is no one left to tell.
    }
  }
}

/** The descriptor, or another one for the same file, such that a write to it never waits for a reader. */
function withoutBlocking(fd: number): number {
  try {
    if (fstatSync(fd).isFile()) return fd
    // Opened anew, so that other processes with the same pipe or terminal don't find theirs changed.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    // Sockets can't be opened, nor can another user's pipe. Node's own stream makes it non-blocking, unless it is a terminal.
    if (fd === 1) void process.stdout
    if (fd === 2) void process.stderr
    return fd
  }
}
