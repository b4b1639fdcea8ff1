import type { Log } from "../log/log.ts"
import type { Rejection } from "./rejection.ts"

/**
 * Wraps a function so that an exception is logged and goes no further. For timers and event listeners, where an exception
 * would end the process.
 */
export function guarded(log: Log, run: () => void): () => void {
  return () => {
    try {
      run()
    } catch (error) {
      logUnexpected(log, error)
    }
  }
}

export function logUnexpected(log: Log, error: unknown): void {
  try {
    log.error({ err: error }, "unexpected error")
  } catch {
    // The log itself has failed, so there is nowhere to report it.
  }
}

const rejectionLogIntervalMs = 10_000

/** Aggregates rejections into one log line per 10 s. Otherwise a flood of requests would also flood the log. */
export function createRejectionLog(log: Log): { add(rejection: Pick<Rejection, "code">): void; close(): void } {
  let counts: Partial<Record<Rejection["code"], number>> = {}
  let timer: NodeJS.Timeout | undefined
  const write = guarded(log, () => {
    timer = undefined
    const codes = counts
    counts = {}
    log.warn({ codes }, "requests rejected")
  })
  return {
    add({ code }) {
      counts[code] = (counts[code] ?? 0) + 1
      timer ??= setTimeout(write, rejectionLogIntervalMs).unref()
    },
    close() {
      if (timer === undefined) return
      clearTimeout(timer)
      write()
    },
  }
}
