import type { IncomingHttpHeaders } from "node:http"
import type { OperationDefinitionNode } from "graphql"
import type { RequestCost, RequestInfo } from "../graph/context.ts"
import { type LineLog, type Log, RequestLog } from "../log/log.ts"
import type { StoreWait } from "../store/store.ts"
import type { Metrics, OperationOutcome } from "../telemetry/metrics.ts"
import type { Telemetry } from "../telemetry/telemetry.ts"
import type { RequestSpan } from "../telemetry/tracer.ts"
import type { Token } from "../upstream/call.ts"
import type { Upstream } from "../upstream/client.ts"
import type { AdmissionTicket } from "./admission.ts"
import { type ClientIdentity, type IdentifyClient, isAgentId, requestIdOf } from "./clientIdentity.ts"

/** With the value 1, the response contains the request's cost in `extensions.cost`. */
const costHeader = "x-upstream-cost"

const maxOperationNameLength = 100

const noTelemetry: Telemetry = {}

/**
 * The state of one HTTP request: identity, request id, log, cost, cancellation, operation and admission ticket. It is made once
 * for each request, on every transport, and handed down as an argument, as Yoga's server context and as `context.state`. Calls to
 * Code Ocean take their token and the rest from it.
 *
 * A class, since V8 takes as long to create an object literal with a getter as to do everything else for a small request.
 */
export class RequestState implements RequestInfo {
  readonly requestId: string
  readonly identity: ClientIdentity
  /** The agent that acts for the client, from the header Agent-Id. */
  readonly agentId: string | undefined
  readonly isAgentIdInvalid: boolean
  /** The request's place under the admission limits. Undefined in process, and for requests that are no operations. */
  readonly ticket: AdmissionTicket | undefined
  readonly showsCost: boolean
  readonly started = performance.now()
  readonly cost: RequestCost = { estimatedUpstreamCalls: null, upstreamCalls: 0, sharedCalls: 0 }
  /** The calls of the request, with their deadline. Set when the context is built. */
  upstream: Upstream | undefined
  operation: OperationDefinitionNode | null | undefined
  operationName: string | undefined
  isSubscription = false
  sendsEqualEvents = false
  /** How many parts were sent of an incremental response, or events of a subscription. Undefined for a response in one piece. */
  parts: number | undefined
  /** How many errors of each code the client got. */
  errorCodes: Record<string, number> | undefined
  /** Whether the client closed the connection before the response was complete. */
  cancelled = false
  /** Called once when the request is cancelled. */
  onCancelled: (() => void) | undefined
  /** Undefined while metrics are off. */
  readonly metrics: Metrics | undefined
  /** The parent of the spans of its calls. Undefined while traces are off, and in process. */
  readonly span: RequestSpan | undefined
  readonly #cacheControl: string | undefined
  readonly #gatewayLog: Log
  readonly #telemetry: Telemetry
  #log: RequestLog | undefined
  #key: string | undefined
  #storeWait: StoreWait | undefined
  #controller: AbortController | undefined

  constructor(
    log: Log,
    headers: IncomingHttpHeaders,
    identity: ClientIdentity,
    ticket?: AdmissionTicket,
    telemetry: Telemetry = noTelemetry,
    span?: RequestSpan,
  ) {
    this.#gatewayLog = log
    this.#telemetry = telemetry
    this.metrics = telemetry.metrics
    this.span = span
    this.identity = identity
    this.ticket = ticket
    this.requestId = requestIdOf(headers["x-request-id"])
    const agentId = headers["agent-id"]
    this.agentId = isAgentId(agentId) ? agentId : undefined
    this.isAgentIdInvalid = agentId !== this.agentId
    this.#cacheControl = headers["cache-control"]
    const showsCost = headers[costHeader]
    this.showsCost = showsCost === "1" || showsCost === "true"
  }

  get token(): Token {
    return this.identity.token
  }

  get tokenDigest(): string {
    return this.identity.tokenDigest
  }

  /** All digests have the same length, so two callers never have the same key. */
  get key(): string {
    this.#key ??= this.agentId === undefined ? this.tokenDigest : `${this.tokenDigest} ${this.agentId}`
    return this.#key
  }

  /** Only queries use the cache. Whatever changes something, or follows it, needs what is there now. */
  get cacheUse(): "read" | "refresh" | undefined {
    if (this.operation?.operation !== "query") return undefined
    const control = this.#cacheControl
    if (control === undefined) return "read"
    if (/\bno-store\b/i.test(control)) return undefined
    return /\bno-cache\b/i.test(control) ? "refresh" : "read"
  }

  /** How long the request has waited for the store. Created lazily: few requests use the store. */
  get storeWait(): StoreWait {
    this.#storeWait ??= { waitedMs: 0 }
    return this.#storeWait
  }

  /** Set if the store was used before the state existed. */
  set storeWait(storeWait: StoreWait) {
    this.#storeWait = storeWait
  }

  /** For events within the request. Created lazily: most requests log nothing but their own line. */
  get log(): LineLog {
    this.#log ??= new RequestLog(this.#gatewayLog, this.requestId, this.span?.traceId)
    return this.#log
  }

  /** Not limited like `log`: at the level debug each call is to be seen, and the calls of an operation are limited. */
  get logCall(): ((line: object) => void) | undefined {
    return this.#gatewayLog.isLevelEnabled("debug") ? this.#callLog() : undefined
  }

  #callLog(): (line: object) => void {
    const { requestId, span } = this
    return (line) => this.#gatewayLog.debug({ requestId, trace_id: span?.traceId, ...line }, "upstream call")
  }

  /** Aborted when the request is cancelled. Created lazily: the compiled executor reads `cancelled` instead. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.cancelled) this.#controller.abort()
    return this.#controller.signal
  }

  /** The state of work that goes on after the request. Has only the request's sender, id and cost, and nothing of its operation. */
  forTask(): RequestState {
    const headers = { "x-request-id": this.requestId, "agent-id": this.agentId }
    const state = new RequestState(this.#gatewayLog, headers, this.identity, undefined, this.#telemetry, this.span)
    state.storeWait = this.storeWait
    return Object.assign(state, { cost: this.cost })
  }

  /** Cancels the calls in flight, and every later one. */
  endCalls(): void {
    this.upstream?.end()
  }

  cancel(): void {
    if (this.cancelled) return
    this.cancelled = true
    this.#controller?.abort()
    this.onCancelled?.()
  }

  /** Sets which operation is requested. */
  setOperation(operation: OperationDefinitionNode | null | undefined): void {
    this.operation = operation
    this.operationName = operation?.name?.value.slice(0, maxOperationNameLength)
  }

  countError(code: string): void {
    this.metrics?.onError(code)
    this.errorCodes ??= {}
    this.errorCodes[code] = (this.errorCodes[code] ?? 0) + 1
  }

  /** Ends the request's span. Has no effect if its line has ended it. */
  endSpan(outcome: OperationOutcome, status: number | undefined): void {
    const { operation, errorCodes, cost } = this
    this.span?.end({ outcome, status, operation, errorCodes, ...cost })
  }

  /**
   * Writes the request's line to the gateway's log.
   * @param interruption why the response was not sent as requested; undefined if it was
   */
  writeLine(
    message: "request" | "subscription" | "file",
    interruption: "cancelled" | "stopped" | undefined,
    details: object,
  ): void {
    const { errorCodes, cost } = this
    const durationMs = performance.now() - this.started
    const outcome = interruption ?? (errorCodes === undefined ? "ok" : "errors")
    if (message !== "file") this.metrics?.onOperation(this.operation, outcome, durationMs / 1000)
    if (this.span?.isRecorded) this.endSpan(outcome, "status" in details ? (details.status as number) : undefined)
    this.#gatewayLog.info(
      {
        requestId: this.requestId,
        trace_id: this.span?.traceId,
        operation: this.operationName,
        durationMs: Math.round(durationMs),
        upstreamCalls: cost.upstreamCalls,
        sharedCalls: cost.sharedCalls || undefined,
        cachedCalls: cost.cachedCalls || undefined,
        outcome,
        errorCodes,
        linesLeftOut: this.#log?.linesLeftOut || undefined,
        ...details,
      },
      message,
    )
  }
}

/** What Yoga hands to its plugins with each request, and the start of each context. */
export interface ServerContext {
  state: RequestState
}

/** The state of a request that arrives without a socket. */
export function inProcessState(
  { headers, signal }: RequestInit,
  identifyClient: IdentifyClient,
  log: Log,
  telemetry: Telemetry,
): RequestState {
  const received = Object.fromEntries(new Headers(headers))
  const identity = identifyClient(received, () => "in process")
  const state = new RequestState(log, received, identity, undefined, telemetry)
  signal?.addEventListener("abort", () => state.cancel(), { once: true })
  if (signal?.aborted) state.cancel()
  return state
}
