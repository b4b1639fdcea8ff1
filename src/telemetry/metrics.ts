import type { IncomingMessage, ServerResponse } from "node:http"
import type { OperationDefinitionNode } from "graphql"

/** Why a request is not admitted. */
export const rejectionReasons = [
  "caller_rate",
  "caller_requests",
  "caller_subscriptions",
  "requests",
  "event_loop_lag",
  "memory",
  "slow_body",
  "large_body",
  "content_encoding",
  "malformed_body",
  "unexpected_error",
] as const

export type RejectionReason = (typeof rejectionReasons)[number]

/** How an operation ended. `stopped` is a subscription that the stopping gateway completed. */
export type OperationOutcome = "ok" | "errors" | "cancelled" | "stopped"

/**
 * What happened to a session: the token of a sign-in was accepted or not, or could not be checked because Code Ocean failed; or the
 * user signed out.
 */
export const sessionEvents = ["started", "token_rejected", "not_checked", "ended"] as const

export type SessionEvent = (typeof sessionEvents)[number]

/**
 * What the gateway reports of its work. It is undefined while metrics are off, so a hook costs a comparison. No hook throws. Any
 * string may be passed: values that are not known are counted under a common label.
 */
export interface Metrics {
  /** The operations of these documents have their names in labels. */
  nameOperations(documents: Iterable<string>): void
  /** A request of a client has arrived. Counted when its response is closed. */
  onRequest(request: IncomingMessage, response: ServerResponse): void
  /** A request was not admitted. */
  onRejection(reason: RejectionReason): void
  /** An operation has ended. Undefined if its document was not accepted. */
  onOperation(operation: OperationDefinitionNode | null | undefined, outcome: OperationOutcome, seconds: number): void
  /** A session of a browser has begun or ended, or could not begin. */
  onSession(event: SessionEvent): void
  /** A client gets an error with this code. */
  onError(code: string): void
  /**
   * An attempt of a call has ended.
   * @param urlTemplate the route's template, without ids
   * @param result the status of its response, or the kind of its TransportError
   * @param startedAt when it was sent, in milliseconds of `performance.now()`
   */
  onAttempt(method: string, urlTemplate: string, result: number | string, startedAt: number): void
  /** A call is sent again. */
  onRetry(method: string, urlTemplate: string): void
  /** A call has waited in the queue. */
  onQueued(milliseconds: number): void
  /** Reads join equal ones that are in flight. */
  onSharedReads(count: number): void
  /** The circuit breaker has opened. */
  onCircuitOpened(): void
  /** How late the event loop was, measured ten times a second. */
  onEventLoopLag(milliseconds: number): void
  /** A step of a capture has ended. */
  onCaptureStep(step: string, status: string): void
  /** A cache was opened. `store` is `memory` or `redis`. */
  onCacheOpened(store: string): void
  /** A read asks a cache. `outcome` is one of `cacheOutcomes`. */
  onCacheRead(store: string, outcome: string): void
  /** Sets the function that reads the current values. Called for each scrape. */
  setGauges(read: () => GaugeValues): void
  /** Renders all metrics as text. */
  render(): Promise<string>
  /** The media type of this text. */
  readonly contentType: string
}

/** How a read that asks a cache ends. docs/operations.md describes them. */
export const cacheOutcomes = ["hit", "stale", "miss", "bypass", "error"] as const
export type CacheOutcome = (typeof cacheOutcomes)[number]

/** What the gateway currently holds. */
export interface GaugeValues {
  openResponses: number
  admittedRequests: number
  /** The current limit, which falls under overload. */
  admittedRequestsLimit: number
  subscriptions: number
  callers: number
  connections: number
  pollers: number
  listeners: number
  tasks: number
  circuitOpen: boolean
  activeCalls: number
  maxActiveCalls: number
  queuedCalls: number
  storeAway: boolean
  /** The memory of the cache in this process. */
  cacheBytes: number
}
