import type { OperationDefinitionNode } from "graphql"
import type { OperationOutcome } from "./metrics.ts"

/** Starts the spans of requests. Undefined while traces are off. */
export interface Tracer {
  /**
   * Starts the span of a request for an operation.
   * @param route the path without ids
   * @param traceparent the request's header; ignored if it is malformed
   */
  startRequest(method: string, route: string, traceparent: unknown): RequestSpan
  /** Sends the spans that are not sent yet, within a bounded time. */
  close(): Promise<void>
}

/** The span of a request. Every request has a trace id, but only a sampled one is recorded. */
export interface RequestSpan {
  readonly traceId: string
  /** Whether it was sampled. Otherwise its calls have no spans, and carry its own `traceparent`. */
  readonly isRecorded: boolean
  readonly traceparent: string
  /**
   * Starts the span of a call of a recorded request.
   * @param endpoint the method and the route's template, without ids
   * @param shared the span of the equal call that this one joins
   */
  startCall(endpoint: string, shared: CallSpan | undefined): CallSpan
  /** Only the first call has an effect. */
  end(result: RequestResult): void
}

export interface RequestResult {
  outcome: OperationOutcome
  status: number | undefined
  operation?: OperationDefinitionNode | null | undefined
  upstreamCalls: number
  sharedCalls: number
  cachedCalls?: number | undefined
  errorCodes?: Readonly<Record<string, number>> | undefined
}

/** The span of a call to Code Ocean, from joining the queue to the result. */
export interface CallSpan {
  readonly traceparent: string
  end(result: CallResult): void
}

export interface CallResult {
  /** The status of the last response. Undefined if there was none. */
  status?: number | undefined
  /** Why there is no result: one of a few names. */
  error?: string | undefined
  attempts: number
  /** How long its attempts waited in the queue, in milliseconds. */
  queuedMs: number
  /** Whether another request had sent it. */
  isShared: boolean
  /** Whether it was not sent because its response was kept. */
  isCached?: boolean
}

/** A trace and its parent span, from the header `traceparent` of W3C Trace Context. */
export interface TraceParent {
  traceId: string
  spanId: string
  isSampled: boolean
}

const format = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Reads the header. Undefined if it is malformed. A later version may have more parts, which are ignored. */
export function parseTraceparent(header: unknown): TraceParent | undefined {
  if (typeof header !== "string" || header.length > 512) return undefined
  const [, version, traceId = "", spanId = "", flags = "", more] = format.exec(header) ?? []
  if (version === undefined || (version === "00" && more !== undefined)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`
}
