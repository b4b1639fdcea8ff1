import { isatty } from "node:tty"
import { type DestinationStream, type Logger, pino } from "pino"
import { LogOutput } from "./logOutput.ts"
import { cleanJson, sanitize } from "./sanitize.ts"

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
  const timestamp = createTimestamp()
  const log = pino(
    {
      level,
      base: undefined,
      timestamp,
      // Pino's own redaction takes as long as the rest of a line: docs/decisions/log-output.md.
      formatters: { level: (label: string) => ({ level: label }), log: sanitize },
      serializers: { err: (value: unknown) => value },
    },
    destination,
  )
  formatUsualLines(log, destination, timestamp)
  limitWarningsAndErrors(log)
  if (destination instanceof LogOutput) {
    const stderr = new LogOutput(2)
    let noticeAt = Number.NEGATIVE_INFINITY
    destination.onFailure = (cause) => {
      if (performance.now() - noticeAt < noticeIntervalMs) return
      noticeAt = performance.now()
      stderr.write(`The log can't be written: ${cause}. The gateway goes on without it, and tries again.\n`)
    }
    destination.onDropped = (dropped) =>
      log.warn({ dropped }, "lines were dropped because they could not be written in time")
  }
  return log
}

/**
 * Formats lines like the one that each request gets, which are most of the log, without Pino, in the same form:
 * docs/decisions/log-output.md.
 */
function formatUsualLines(log: Log, destination: DestinationStream, timestamp: () => string): void {
  const info: (...line: Parameters<Write>) => void = log.info.bind(log)
  log.info = (...line: unknown[]) => {
    const [fields, message] = line as Parameters<Write>
    const json = typeof fields === "object" && typeof message === "string" ? cleanJson(fields) : undefined
    if (json === undefined) info(fields, message)
    else if (log.isLevelEnabled("info")) {
      const separator = json === "{}" ? "" : ","
      destination.write(
        `{"level":"info"${timestamp()}${separator}${json.slice(1, -1)},"msg":${JSON.stringify(message)}}\n`,
      )
    }
  }
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

/** Escapes the control characters in the strings of a line, because text from others could control the terminal with them. */
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
  readonly #traceId: string | undefined
  #lines = 0
  #resetAt = performance.now()

  /** @param traceId undefined while traces are off */
  constructor(log: Log, requestId: string, traceId?: string) {
    this.#log = log
    this.#requestId = requestId
    this.#traceId = traceId
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
    this.#log[level]({ requestId: this.#requestId, trace_id: this.#traceId, ...line }, message)
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
