import { type DestinationStream, type Logger, pino } from "pino"

export type Log = Logger

const secret: ReadonlySet<string> = new Set(["token", "authorization", "headers"])
const censor = "[redacted]"

/**
 * The gateway's log: one JSON object a line. Nothing logs headers or bodies; should a line ever carry a credential under
 * one of these keys, or an object that does, it is struck out here.
 * @param level the least severe lines to write
 * @param destination where they go: a file descriptor, standard output's unless a test listens, or a stream
 */
export function createLog(level: string, destination: number | DestinationStream = 1): Log {
  const options = {
    level,
    base: undefined,
    timestamp: createTimestamp(),
    // Pino's own redaction would take as long as all else in writing a line.
    formatters: { level: (label: string) => ({ level: label }), log: censored },
  }
  if (typeof destination !== "number") return pino(options, destination)
  const file = pino.destination({
    dest: destination,
    sync: false,
    minLength: gathered,
    periodicFlush,
    maxLength: mostWaiting,
  })
  const log = pino(options, file)
  let dropped = 0
  file.on("drop", () => {
    dropped += 1
  })
  file.on("drain", () => {
    if (dropped > 0) log.warn({ dropped }, "lines are missing: whoever reads the log was too slow")
    dropped = 0
  })
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

/** Lines are written together: after so many bytes, or so many milliseconds. At the process's end all are written. */
const gathered = 4096
const periodicFlush = 100
/** The most bytes that wait for a reader who is slow, or hangs: requests don't wait for the log, and it must not fill the memory. */
const mostWaiting = 16 * 1024 * 1024

function censored(line: Record<string, unknown>): Record<string, unknown> {
  if (isPlain(line)) return line
  const safe = withoutSecrets(line)
  for (const [key, value] of Object.entries(safe)) {
    if (typeof value === "object" && value !== null && !(value instanceof Error)) safe[key] = withoutSecrets(value)
  }
  return safe
}

/** Whether there is nothing in the line that could be or hold a credential: so it is with nearly all. */
function isPlain(line: Record<string, unknown>): boolean {
  for (const key in line) {
    const value = line[key]
    if (secret.has(key) || (typeof value === "object" && value !== null)) return false
  }
  return true
}

function withoutSecrets(object: object): Record<string, unknown> {
  const safe: Record<string, unknown> = { ...object }
  for (const key of secret) if (key in safe) safe[key] = censor
  return safe
}
