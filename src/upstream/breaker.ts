import { setTimeout as sleep } from "node:timers/promises"
import { CircuitState, SamplingBreaker } from "cockatiel"
import type { Log } from "../log.ts"
import { ExchangeError, type Reply } from "./transport.ts"

const sampledMs = 10_000
const probedEveryMs = 1_000

/** Keeps calls from an upstream that is down. */
export interface Breaker {
  /** Whether calls are held back; upstream is asked every second then whether it is back. */
  readonly isOpen: boolean
  /** To be told what came of each call that was sent. */
  answered(reply: Reply): void
  failed(error: ExchangeError): void
  close(): void
}

/**
 * Suspects upstream when, of at least `calls` calls in ten seconds, more than half found none: no connection, no whole answer,
 * or a proxy's 502, 503 or 504. Whatever else it answers shows that it lives, and a call that was given up shows nothing.
 * Opens when a probe doesn't find it either, so that one slow endpoint shuts off no others, and closes with the first probe
 * that does: no caller's call is risked for that.
 */
export function createBreaker(options: { calls: number; probe: () => Promise<Reply>; log: Log }): Breaker {
  const { log, probe } = options
  const sample = new SamplingBreaker({
    threshold: 0.5,
    duration: sampledMs,
    minimumRps: options.calls / (sampledMs / 1000),
  })
  const over = new AbortController()
  let isOpen = false
  /** From the moment that too many calls found nothing until a probe finds upstream: only probes count then. */
  let isSuspected = false

  function foundNothing() {
    if (isSuspected || !sample.failure(CircuitState.Closed)) return
    isSuspected = true
    recover()
      // Whatever it was, calls must not be held back for ever: the next failures begin it anew.
      .catch((error: unknown) => log.error({ err: error }, "unexpected error"))
      .catch(() => undefined)
  }

  async function recover() {
    try {
      while (!over.signal.aborted && !(await isFound())) {
        if (!isOpen) log.warn("Code Ocean is down: no calls are sent until it answers again")
        isOpen = true
        await sleep(probedEveryMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined)
      }
      if (isOpen && !over.signal.aborted) log.info("Code Ocean answers again")
    } finally {
      // What was counted before says nothing of now.
      sample.success(CircuitState.HalfOpen)
      isSuspected = false
      isOpen = false
    }
  }

  const isFound = () =>
    probe().then(
      (reply) => !isAbsent(reply),
      () => false,
    )

  return {
    get isOpen() {
      return isOpen
    },
    answered(reply) {
      if (isAbsent(reply)) foundNothing()
      else if (!isSuspected) sample.success(CircuitState.Closed)
    },
    failed(error) {
      if (absences.has(error.kind)) foundNothing()
    },
    close: () => over.abort(),
  }
}

const absences: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "timeout", "connectionLost", "truncated"])

/** Why a call is held back. */
export function suspended(): ExchangeError {
  return new ExchangeError("circuitOpen", false, "upstream is down")
}

function isAbsent({ status }: Reply): boolean {
  return status === 502 || status === 503 || status === 504
}
