import { type DestinationStream, type Logger, pino } from "pino"

export type Log = Logger

const secret: ReadonlySet<string> = new Set(["token", "authorization", "headers"])
const censor = "[redacted]"

/**
 * The gateway's log: one JSON object a line. Nothing logs headers or bodies; should a line ever carry a credential under
 * one of these keys, or an object that does, it is struck out here.
 * @param level the least severe lines to write
 * @param destination where they go; standard output unless a test listens
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: undefined,
    timestamp: createTimestamp(),
    // Pino's own redaction would take as long as all else in writing a line.
    formatters: { level: (label: string) => ({ level: label }), log: censored },
  }
  return pino(options, destination ?? pino.destination({ dest: 1, sync: false, minLength: gathered, periodicFlush }))
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
