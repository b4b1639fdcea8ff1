import { setTimeout as sleep } from "node:timers/promises"
import { CircuitState, circuitBreaker, handleWhen, SamplingBreaker } from "cockatiel"
import type { Log } from "../log.ts"
import { ExchangeError, type Reply } from "./exchange.ts"

const sampledMs = 10_000
const probedEveryMs = 1_000

/** Keeps calls from an upstream that is down. */
export interface Breaker {
  /** Whether calls are held back; upstream is asked every second then whether it is back. */
  readonly isOpen: boolean
  /** Sends a call, and notes whether it found upstream. Rejects with ExchangeError, `suspended` while calls are held back. */
  send(call: () => Promise<Reply>): Promise<Reply>
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
  const circuit = circuitBreaker(handleWhen(isAbsence).orWhenResult(isAbsent), {
    // Only `recover` tries, in a time of its own.
    halfOpenAfter: 0,
    breaker: new SamplingBreaker({
      threshold: 0.5,
      duration: sampledMs,
      minimumRps: options.calls / (sampledMs / 1000),
    }),
  })
  const over = new AbortController()
  let isOpen = false
  let recovering = false
  const isSuspected = () => circuit.state !== CircuitState.Closed
  circuit.onBreak(() => void recover())

  async function recover() {
    if (recovering) return
    recovering = true
    while (isSuspected() && !over.signal.aborted) {
      const found = await circuit.execute(probe).then(
        (reply) => !isAbsent(reply),
        () => false,
      )
      // Calls from before can end while the probe is under way, and their failures then count for more: it is sent again.
      if (found) continue
      if (!isOpen) log.warn("Code Ocean is down: no calls are sent until it answers again")
      isOpen = true
      await sleep(probedEveryMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined)
    }
    if (isOpen && !over.signal.aborted) log.info("Code Ocean answers again")
    isOpen = false
    recovering = false
  }

  return {
    get isOpen() {
      return isOpen
    },
    send(call) {
      if (isOpen) return Promise.reject(suspended())
      return isSuspected() ? call() : circuit.execute(call)
    },
    close: () => over.abort(),
  }
}

const absences: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "timeout", "lost", "broken"])

function isAbsence(error: unknown): boolean {
  return error instanceof ExchangeError && absences.has(error.kind)
}

/** Why a call is held back. */
export function suspended(): ExchangeError {
  return new ExchangeError("suspended", false, "upstream is down")
}

function isAbsent(reply: unknown): boolean {
  const { status } = reply as Reply
  return status === 502 || status === 503 || status === 504
}
