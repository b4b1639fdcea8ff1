import { isatty } from "node:tty"
import { LogOutput } from "./logOutput.ts"
import { toJson } from "./sanitize.ts"

/** The levels, the least severe first. `silent` is above all lines. */
const severities = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, fatal: 5, silent: 6 } as const

type Level = keyof typeof severities
type LineLevel = Exclude<Level, "trace" | "silent">
type Write = (line: object, message: string) => void

/** The log of the work on one request. */
export interface LineLog {
  debug: Write
  warn: Write
  error: Write
}

/** Receives complete lines. */
interface LineOutput {
  write(line: string): void
}

/**
 * The gateway's log: one JSON object a line, at most 8 KiB. Headers and bodies are never logged. As a second guard, a value whose
 * key names a credential is redacted. Logging never throws. Why it is not a library's: docs/decisions/log-output.md.
 */
export class Log implements LineLog {
  readonly #minSeverity: number
  readonly #output: LineOutput
  readonly #isAllowed: () => boolean
  #timestamp = ""
  #timestampMs = 0

  constructor(level: Level, output: LineOutput) {
    this.#minSeverity = severities[level]
    this.#output = output
    this.#isAllowed = createRateLimit(maxWarningsAndErrors, (linesLeftOut) =>
      this.#write("warn", { linesLeftOut }, leftOutMessage),
    )
  }

  isLevelEnabled(level: LineLevel): boolean {
    return severities[level] >= this.#minSeverity
  }

  debug(line: object, message: string): void {
    this.#write("debug", line, message)
  }

  info(line: object, message: string): void {
    this.#write("info", line, message)
  }

  warn(line: object, message: string): void {
    if (this.#isAllowed()) this.#write("warn", line, message)
  }

  error(line: object, message: string): void {
    if (this.#isAllowed()) this.#write("error", line, message)
  }

  fatal(line: object, message: string): void {
    this.#write("fatal", line, message)
  }

  #write(level: LineLevel, line: object, message: string): void {
    if (!this.isLevelEnabled(level)) return
    const fields = toJson(line)
    const separator = fields === "{}" ? "" : ","
    this.#output.write(
      `{"level":"${level}","time":"${this.#time()}"${separator}${fields.slice(1, -1)},"msg":${JSON.stringify(message)}}\n`,
    )
  }

  /** Formatted once for each millisecond, because formatting takes longer than the rest of a line. */
  #time(): string {
    const now = Date.now()
    if (now !== this.#timestampMs) {
      this.#timestampMs = now
      this.#timestamp = new Date(now).toISOString()
    }
    return this.#timestamp
  }
}

/** The minimum time between two notices on standard error that the log cannot be written. */
const noticeIntervalMs = 60_000

/**
 * Creates the gateway's log.
 * @param level the least severe level that is written
 * @param output standard output by default
 */
export function createLog(level: Level, output: LogOutput | LineOutput = new LogOutput(1)): Log {
  const log = new Log(level, output)
  if (output instanceof LogOutput) {
    const stderr = new LogOutput(2)
    let noticeAt = Number.NEGATIVE_INFINITY
    output.onFailure = (cause) => {
      if (performance.now() - noticeAt < noticeIntervalMs) return
      noticeAt = performance.now()
      stderr.write(`The log can't be written: ${cause}. The gateway goes on without it, and tries again.\n`)
    }
    output.onDropped = (dropped) =>
      log.warn({ dropped }, "lines were dropped because they could not be written in time")
  }
  return log
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

/** Escapes the control characters in the strings of a line, because text from others could control the terminal with them. */
function withoutControls(line: string): string {
  const shown = line.replace(/\\(u00[01][0-9a-f]|.)/g, (found) => (found.length > 2 ? `\\${found}` : found))
  return shown.replace(/[\u007f-\u009f]/g, "�")
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
const leftOutMessage = "further lines were left out"

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

/** Creates a log for errors that can come in any number: five in ten seconds, and how many more there were. */
export function createErrorLog(log: Log): (level: "warn" | "error", error: unknown, message: string) => void {
  const isAllowed = createRateLimit(maxUncaughtErrors, (linesLeftOut) => log.error({ linesLeftOut }, leftOutMessage))
  return (level, error, message) => {
    if (isAllowed()) log[level]({ err: error }, message)
  }
}
