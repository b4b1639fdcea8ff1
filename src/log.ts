import { type DestinationStream, type Logger, pino } from "pino"
import { Output } from "./collections/output.ts"

export type Log = Logger

const toldAgainAfterMs = 60_000

/**
 * The gateway's log: one JSON object a line, of some 8 KiB at the most. Nothing logs headers or bodies; should a line ever
 * hold a credential under a key that says so, it is redacted here. To log never throws.
 * @param level the least severe lines to write
 * @param destination where they go, if not to standard output
 */
export function createLog(level: string, destination: Output | DestinationStream = new Output(1)): Log {
  const log = pino(
    {
      level,
      base: undefined,
      timestamp: createTimestamp(),
      // Pino's own redaction would take as long as all else in writing a line.
      formatters: { level: (label: string) => ({ level: label }), log: loggable },
      serializers: { err: (value: unknown) => value },
    },
    destination,
  )
  limitSevere(log)
  if (destination instanceof Output) {
    const stderr = new Output(2)
    let toldAt = Number.NEGATIVE_INFINITY
    destination.onFailing = (cause) => {
      if (performance.now() - toldAt < toldAgainAfterMs) return
      toldAt = performance.now()
      stderr.write(`The log can't be written: ${cause}. The gateway goes on without it, and tries again.\n`)
    }
    destination.onDropped = (dropped) => log.warn({ dropped }, "lines are missing: they could not be written in time")
  }
  return log
}

/** The time of day as a line has it. Written out once for each millisecond: that takes longer than half of the rest of a line. */
function createTimestamp(): () => string {
  let writtenAt = Number.NaN
  let written = ""
  return () => {
    const now = Date.now()
    if (now !== writtenAt) {
      writtenAt = now
      written = `,"time":"${new Date(now).toISOString()}"`
    }
    return written
  }
}

type Write = (line: object, message: string) => void

/** What is logged on behalf of one request. */
export interface LineLog {
  debug: Write
  warn: Write
  error: Write
}

const mostLines = 20
const renewedAfterMs = 60_000

/**
 * The lines of one request beside its own: at most twenty a minute, since one request may fail in thousands of places. A
 * subscription may last for hours, so it gets another twenty every minute.
 */
export class RequestLog implements LineLog {
  /** How many lines were left out. */
  leftOut = 0
  readonly #log: Log
  readonly #requestId: string
  #lines = 0
  #renewedAt = performance.now()

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
    if (this.#lines === mostLines && performance.now() - this.#renewedAt > renewedAfterMs) {
      this.#lines = 0
      this.#renewedAt = performance.now()
    }
    if (this.#lines === mostLines) {
      this.leftOut += 1
      return
    }
    this.#lines += 1
    this.#log[level]({ requestId: this.#requestId, ...line }, message)
  }
}

const limitPeriodMs = 10_000

/** Tells of each line whether it may be written: so many may in ten seconds. After these, `tell` is told how many more came. */
function createLineLimit(most: number, tell: (leftOut: number) => void): () => boolean {
  let lines = 0
  const begin = () => {
    const leftOut = lines - most
    lines = 0
    if (leftOut > 0) tell(leftOut)
  }
  return () => {
    if (lines === 0) setTimeout(begin, limitPeriodMs).unref()
    lines += 1
    return lines <= most
  }
}

const leftOutMessage = "more came than were logged"
/** Of all requests together, in ten seconds: whoever finds what makes the gateway or upstream fail can repeat it. */
const mostSevere = 1_000
/** Of what nothing has caught. */
const mostErrors = 5

function limitSevere(log: Log): void {
  const { warn } = log
  const mayWrite = createLineLimit(mostSevere, (linesLeftOut) => warn.call(log, { linesLeftOut }, leftOutMessage))
  for (const level of ["warn", "error"] as const) {
    const write: (...line: Parameters<Write>) => void = log[level].bind(log)
    log[level] = (...line: unknown[]) => {
      if (mayWrite()) write(...(line as Parameters<Write>))
    }
  }
}

/** Logs errors that may come in any number: five in ten seconds, and of more than that how many. */
export function createErrorLog(log: Log): (level: "warn" | "error", error: unknown, message: string) => void {
  const mayWrite = createLineLimit(mostErrors, (linesLeftOut) => log.error({ linesLeftOut }, leftOutMessage))
  return (level, error, message) => {
    if (mayWrite()) log[level]({ err: error }, message)
  }
}

/** A text that a line may hold, and a stack, in bytes of JSON. */
const longestText = 1_000
const longestStack = 4_000
/** All the texts of a line together. */
const longestLine = 7_000
const mostKeys = 50
const deepest = 4
const cut = "…"
const censor = "[redacted]"

const secretKey = /token|authorization|headers|cookie|password|secret|credential|api_?key/i
/** Which of the keys that lines are made with are secret. */
const known = new Map<string, boolean>()

function isSecret(key: string): boolean {
  let secret = known.get(key)
  if (secret === undefined) {
    secret = secretKey.test(key)
    if (known.size < 1_000) known.set(key, secret)
  }
  return secret
}

function loggable(line: Record<string, unknown>): Record<string, unknown> {
  try {
    return isPlain(line) ? line : objectFrom(line, { left: longestLine }, 0)
  } catch {
    // A getter that throws, or a Proxy.
    return { unreadable: true }
  }
}

/** Whether there is nothing in the line that could be or hold a credential, nor a long text: so it is with nearly all. */
function isPlain(line: Record<string, unknown>): boolean {
  for (const key in line) {
    const value = line[key]
    if (typeof value === "string") {
      if (value.length > longestText / longestEscape) return false
    } else if (typeof value === "object" && value !== null) return false
    if (isSecret(key)) return false
  }
  return true
}

/** How many bytes the text of a line may still take. */
interface Room {
  left: number
}

/** What a line may hold of an object: a copy, since the object is somebody else's. */
function objectFrom(object: object, room: Room, depth: number): Record<string, unknown> {
  const safe: Record<string, unknown> = {}
  let keys = 0
  for (const [key, value] of Object.entries(object)) {
    keys += 1
    if (keys > mostKeys || room.left <= 0) {
      safe[cut] = cut
      break
    }
    const name = textFrom(key, longestText, room)
    safe[name] = secretKey.test(key) ? censor : valueFrom(value, room, depth)
  }
  return safe
}

function valueFrom(value: unknown, room: Room, depth: number): unknown {
  if (typeof value === "string") return textFrom(value, longestText, room)
  if (typeof value === "bigint") return textFrom(String(value), longestText, room)
  room.left -= mostDigits
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Error) return errorFrom(value, room)
  if (depth === deepest) return cut
  if (Array.isArray(value)) {
    const items = value.slice(0, mostKeys).map((item) => (room.left > 0 ? valueFrom(item, room, depth + 1) : cut))
    return value.length > mostKeys ? [...items, cut] : items
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return valueFrom(value.toJSON(), room, depth + 1)
  return objectFrom(value, room, depth + 1)
}

/** An error's other properties are left aside: some libraries hang whole requests on them. */
function errorFrom(error: Error & { code?: unknown }, room: Room): Record<string, unknown> {
  const causes = [error]
  for (let { cause } = error; cause instanceof Error && causes.length < deepest; { cause } = cause) causes.push(cause)
  return {
    type: textFrom(String(error.constructor?.name ?? error.name), 100, room),
    code: typeof error.code === "string" ? textFrom(error.code, 100, room) : undefined,
    message: textFrom(causes.map(({ message }) => message).join(": "), longestText, room),
    stack: textFrom(causes.map(({ stack }) => stack).join("\ncaused by: "), longestStack, room),
  }
}

/** JSON writes some characters as six. */
const longestEscape = 6
const mostDigits = 24

/** As much of a text as there is room for, in bytes of JSON. */
function textFrom(text: string, longest: number, room: Room): string {
  const most = Math.max(0, Math.min(longest, room.left))
  let kept = text.slice(0, most)
  let bytes = sizeOf(kept)
  while (bytes > most) {
    kept = kept.slice(0, Math.floor((kept.length * most) / bytes))
    bytes = sizeOf(kept)
  }
  room.left -= bytes
  return kept.length < text.length ? kept + cut : kept
}

const sizeOf = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2
