import { setTimeout as sleep } from "node:timers/promises"
import { CircuitState, SamplingBreaker } from "cockatiel"
import type { Log } from "../log/log.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import { type HttpResponse, TransportError } from "./transport.ts"

const sampleMs = 10_000
const probeIntervalMs = 1_000

/** A circuit breaker: while Code Ocean is down, calls fail without being sent. */
export interface Breaker {
  readonly isOpen: boolean
  /** The error of a call that is not sent because the breaker is open. */
  openError(): TransportError
  /** Records the result of a call that was sent. */
  onResponse(response: HttpResponse): void
  onError(error: TransportError): void
  close(): void
}

/**
 * Suspects an outage when at least `calls` calls were made within ten seconds and more than half of them failed: no connection,
 * no complete response, or a proxy's 502, 503 or 504. Any other response counts as a success; a cancelled call does not count.
 * The breaker opens only if a probe fails too, so that one slow endpoint does not block the others. While it is open it probes every
 * second, and closes with the first probe that succeeds. No caller's call is used as a probe.
 */
export function createBreaker(options: {
  calls: number
  probe: () => Promise<HttpResponse>
  log: Log
  metrics?: Metrics | undefined
}): Breaker {
  const { log, probe } = options
  const sample = new SamplingBreaker({
    threshold: 0.5,
    duration: sampleMs,
    minimumRps: options.calls / (sampleMs / 1000),
  })
  const closing = new AbortController()
  let isOpen = false
  /** From the time that too many calls failed until a probe succeeds. Only probes count then. */
  let isProbing = false
  /** Why the last probe found Code Ocean unreachable, if that is known. */
  let reason: string | undefined

  function onFailure() {
    if (isProbing || !sample.failure(CircuitState.Closed)) return
    isProbing = true
    probeUntilUp()
      // An unexpected exception must not keep the circuit open forever: the next failures start another round of probes.
      .catch((error: unknown) => log.error({ err: error }, "unexpected error"))
      .catch(() => undefined)
  }

  async function probeUntilUp() {
    try {
      while (!closing.signal.aborted && !(await isUp())) {
        if (!isOpen) {
          options.metrics?.onCircuitOpened()
          log.warn({ reason }, "Code Ocean is down: no calls are sent until it answers again")
        }
        isOpen = true
        await sleep(probeIntervalMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
      }
      if (isOpen && !closing.signal.aborted) log.info({}, "Code Ocean answers again")
    } finally {
      // The counts from before the outage are obsolete.
      sample.success(CircuitState.HalfOpen)
      isProbing = false
      isOpen = false
    }
  }

  const isUp = () =>
    probe().then(
      (response) => {
        reason = undefined
        return !isOutage(response)
      },
      (error: unknown) => {
        reason = error instanceof TransportError ? error.reason : undefined
        return false
      },
    )

  return {
    get isOpen() {
      return isOpen
    },
    onResponse(response) {
      if (isOutage(response)) onFailure()
      else if (!isProbing) sample.success(CircuitState.Closed)
    },
    onError(error) {
      if (outageKinds.has(error.kind)) onFailure()
    },
    openError: () => new TransportError("circuitOpen", false, "the circuit breaker is open", { reason }),
    close: () => closing.abort(),
  }
}

const outageKinds: ReadonlySet<TransportError["kind"]> = new Set([
  "unreachable",
  "timeout",
  "connectionLost",
  "truncated",
])

function isOutage({ status }: HttpResponse): boolean {
  return status === 502 || status === 503 || status === 504
}
