import { constants, fstatSync, openSync, write, writeSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { isatty } from "node:tty"
import { type DestinationStream, type Logger, pino } from "pino"

export type Log = Logger

/** The minimum time between two notices on standard error that the log cannot be written. */
const noticeIntervalMs = 60_000

/**
 * Creates the gateway's log: one JSON object a line, at most 8 KiB. Headers and bodies are never logged. As a second guard, a
 * value whose key names a credential is redacted. Logging never throws.
 * @param level the least severe level that is written
 * @param destination standard output by default
 */
export function createLog(level: string, destination: LogOutput | DestinationStream = new LogOutput(1)): Log {
  const log = pino(
    {
      level,
      base: undefined,
      timestamp: createTimestamp(),
      // Pino's own redaction takes as long as the rest of a line: docs/decisions/log-output.md.
      formatters: { level: (label: string) => ({ level: label }), log: sanitize },
      serializers: { err: (value: unknown) => value },
    },
    destination,
  )
  limitWarningsAndErrors(log)
  if (destination instanceof LogOutput) {
    const stderr = new LogOutput(2)
    let noticeAt = Number.NEGATIVE_INFINITY
    destination.onFailure = (cause) => {
      if (performance.now() - noticeAt < noticeIntervalMs) return
      noticeAt = performance.now()
      stderr.write(`The log can't be written: ${cause}. The gateway goes on without it, and tries again.\n`)
    }
    destination.onDropped = (dropped) => log.warn({ dropped }, "lines are missing: they could not be written in time")
  }
  return log
}

/** Formats the time once for each millisecond, because formatting takes longer than half of the rest of a line. */
function createTimestamp(): () => string {
  let formattedAt = Number.NaN
  let formatted = ""
  return () => {
    const now = Date.now()
    if (now !== formattedAt) {
      formattedAt = now
      formatted = `,"time":"${new Date(now).toISOString()}"`
    }
    return formatted
  }
}

/** Loads what turns a line of JSON into one that is read easily. Undefined if the development dependencies are missing. */
export async function loadPrettify(): Promise<((line: string) => string) | undefined> {
  try {
    const { prettyFactory } = await import("pino-pretty")
    const prettify = prettyFactory({
      colorize: isatty(1),
      translateTime: "SYS:HH:MM:ss.l",
      singleLine: true,
      errorLikeObjectKeys: ["err"],
    })
    return (line) => prettify(withoutControls(line))
  } catch {
    return undefined
  }
}

/** Shows the control characters in the strings of a line, with which texts of others could command the terminal, as escapes. */
function withoutControls(line: string): string {
  const shown = line.replace(/\\(u00[01][0-9a-f]|.)/g, (found) => (found.length > 2 ? `\\${found}` : found))
  return shown.replace(/[\u007f-\u009f]/g, "�")
}

type Write = (line: object, message: string) => void

/** The log of the work on one request. */
export interface LineLog {
  debug: Write
  warn: Write
  error: Write
}

const maxRequestLines = 20
const requestLinesResetMs = 60_000

/**
 * Writes the lines of one request with its id, beside the line that each request gets. At most 20 a minute, because one
 * request can fail in thousands of places. The limit is by the minute, because a subscription can last for hours.
 */
export class RequestLog implements LineLog {
  /** The number of lines that were not written. */
  linesLeftOut = 0
  readonly #log: Log
  readonly #requestId: string
  #lines = 0
  #resetAt = performance.now()

  constructor(log: Log, requestId: string) {
    this.#log = log
    this.#requestId = requestId
  }

  debug(line: object, message: string): void {
    this.#write("debug", line, message)
  }

  warn(line: object, message: string): void {
    this.#write("warn", line, message)
  }

  error(line: object, message: string): void {
    this.#write("error", line, message)
  }

  #write(level: keyof LineLog, line: object, message: string): void {
    if (!this.#log.isLevelEnabled(level)) return
    if (this.#lines === maxRequestLines && performance.now() - this.#resetAt > requestLinesResetMs) {
      this.#lines = 0
      this.#resetAt = performance.now()
    }
    if (this.#lines === maxRequestLines) {
      this.linesLeftOut += 1
      return
    }
    this.#lines += 1
    this.#log[level]({ requestId: this.#requestId, ...line }, message)
  }
}

const rateWindowMs = 10_000
/** Warnings and errors of all requests in one window, so that a client that causes failures cannot flood the log. */
const maxWarningsAndErrors = 1_000
/** Lines of one log for uncaught errors in one window. */
const maxUncaughtErrors = 5
const leftOutMessage = "more came than were logged"

/** Returns whether a line may be written. At the end of a window `onLeftOut` gets the number of lines beyond the limit. */
function createRateLimit(maxLines: number, onLeftOut: (lines: number) => void): () => boolean {
  let lines = 0
  const endWindow = () => {
    const leftOut = lines - maxLines
    lines = 0
    if (leftOut > 0) onLeftOut(leftOut)
  }
  return () => {
    if (lines === 0) setTimeout(endWindow, rateWindowMs).unref()
    lines += 1
    return lines <= maxLines
  }
}

function limitWarningsAndErrors(log: Log): void {
  const { warn } = log
  const isAllowed = createRateLimit(maxWarningsAndErrors, (linesLeftOut) => {
    warn.call(log, { linesLeftOut }, leftOutMessage)
  })
  for (const level of ["warn", "error"] as const) {
    const write: (...line: Parameters<Write>) => void = log[level].bind(log)
    log[level] = (...line: unknown[]) => {
      if (isAllowed()) write(...(line as Parameters<Write>))
    }
  }
}

/** Creates a log for errors that can come in any number: five in ten seconds, and how many more there were. */
export function createErrorLog(log: Log): (level: "warn" | "error", error: unknown, message: string) => void {
  const isAllowed = createRateLimit(maxUncaughtErrors, (linesLeftOut) => log.error({ linesLeftOut }, leftOutMessage))
  return (level, error, message) => {
    if (isAllowed()) log[level]({ err: error }, message)
  }
}

/** Bytes of JSON of one string, of a stack, and of all strings of a line together. */
const maxStringBytes = 1_000
const maxStackBytes = 4_000
const maxLineBytes = 7_000
const maxKeys = 50
const maxDepth = 4
/** JSON writes some characters as six: \u0000. */
const bytesPerEscape = 6
const bytesPerNumber = 24
const ellipsis = "…"

const secretKey = /token|authorization|headers|cookie|password|secret|credential|api_?key/i
/** Whether a key is secret, for the keys of the gateway's own lines. */
const knownKeys = new Map<string, boolean>()

function isSecret(key: string): boolean {
  let secret = knownKeys.get(key)
  if (secret === undefined) {
    secret = secretKey.test(key)
    if (knownKeys.size < 1_000) knownKeys.set(key, secret)
  }
  return secret
}

/** Redacts credentials and cuts what is too long. */
function sanitize(line: Record<string, unknown>): Record<string, unknown> {
  try {
    return isClean(line) ? line : cleanObject(line, { bytesLeft: maxLineBytes }, 0)
  } catch {
    // A getter or a Proxy threw.
    return { unreadable: true }
  }
}

/** Whether the line holds no secret key, no object and no long string. That is so for nearly all lines. */
function isClean(line: Record<string, unknown>): boolean {
  for (const key in line) {
    const value = line[key]
    if (typeof value === "string") {
      if (value.length > maxStringBytes / bytesPerEscape) return false
    } else if (typeof value === "object" && value !== null) return false
    if (isSecret(key)) return false
  }
  return true
}

interface Budget {
  bytesLeft: number
}

/** Copies the object, because it belongs to the caller. */
function cleanObject(object: object, budget: Budget, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  let keys = 0
  for (const [key, value] of Object.entries(object)) {
    keys += 1
    if (keys > maxKeys || budget.bytesLeft <= 0) {
      clean[ellipsis] = ellipsis
      break
    }
    const name = cut(key, maxStringBytes, budget)
    clean[name] = secretKey.test(key) ? "[redacted]" : cleanValue(value, budget, depth)
  }
  return clean
}

function cleanValue(value: unknown, budget: Budget, depth: number): unknown {
  if (typeof value === "string") return cut(value, maxStringBytes, budget)
  if (typeof value === "bigint") return cut(String(value), maxStringBytes, budget)
  budget.bytesLeft -= bytesPerNumber
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Error) return cleanError(value, budget)
  if (depth === maxDepth) return ellipsis
  if (Array.isArray(value)) {
    const items = value.slice(0, maxKeys)
    const clean = items.map((item) => (budget.bytesLeft > 0 ? cleanValue(item, budget, depth + 1) : ellipsis))
    return value.length > maxKeys ? [...clean, ellipsis] : clean
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return cleanValue(value.toJSON(), budget, depth + 1)
  return cleanObject(value, budget, depth + 1)
}

/** Leaves out an error's other properties, because some libraries attach whole requests. */
function cleanError(error: Error & { code?: unknown }, budget: Budget): Record<string, unknown> {
  const causes = [error]
  for (let { cause } = error; cause instanceof Error && causes.length < maxDepth; { cause } = cause) causes.push(cause)
  return {
    type: cut(String(error.constructor?.name ?? error.name), 100, budget),
    code: typeof error.code === "string" ? cut(error.code, 100, budget) : undefined,
    message: cut(causes.map(({ message }) => message).join(": "), maxStringBytes, budget),
    stack: cut(causes.map(({ stack }) => stack).join("\ncaused by: "), maxStackBytes, budget),
  }
}

/** Cuts the string to a number of bytes in JSON, and to what the line's budget has left. */
function cut(text: string, maxBytes: number, budget: Budget): string {
  const max = Math.max(0, Math.min(maxBytes, budget.bytesLeft))
  let kept = text.slice(0, max)
  let bytes = jsonBytes(kept)
  while (bytes > max) {
    kept = kept.slice(0, Math.floor((kept.length * max) / bytes))
    bytes = jsonBytes(kept)
  }
  budget.bytesLeft -= bytes
  return kept.length < text.length ? kept + ellipsis : kept
}

const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2

/** Lines are written in batches: after so many characters, or so many milliseconds. */
const batchLength = 4096
const batchMs = 100
/** Lines that wait for the descriptor are kept in chunks of so many characters. */
const chunkLength = 16 * 1024
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
  /** Whether a write has begun and not returned. */
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
    else if (this.#text.length >= chunkLength) this.#endChunk()
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
