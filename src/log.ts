import { type DestinationStream, type Logger, pino } from "pino"

export type Log = Logger

/**
 * The gateway's log: one JSON object a line. Nothing logs headers or bodies; should a line ever carry a credential under
 * one of these keys, it is struck out here.
 * @param level the least severe lines to write
 * @param destination where they go; standard output unless a test listens
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    redact: {
      paths: ["token", "authorization", "headers", "*.token", "*.authorization", "*.headers"],
      censor: "[redacted]",
    },
    base: undefined,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
