import type { IncomingMessage, ServerResponse } from "node:http"
import { Kind, type OperationDefinitionNode, parse } from "graphql"
import { Counter, collectDefaultMetrics, Gauge, type Histogram, Registry } from "prom-client"
import packageJson from "../../package.json" with { type: "json" }
import { errorCodes } from "../errors.ts"
import { Durations } from "./durations.ts"
import { KnownValues, methodLabel, routeLabel, statusLabel } from "./labels.ts"
import {
  cacheOutcomes,
  type GaugeValues,
  type Metrics,
  type OperationOutcome,
  type RejectionReason,
  rejectionReasons,
  type SessionEvent,
  sessionEvents,
} from "./metrics.ts"

/**
 * Metrics of prom-client that are left out. `promtool check metrics` rejects the names of the first ones. The others measure the
 * event loop's delay with the sampling interval added, and start anew with each scrape; `onEventLoopLag` replaces them.
 */
const leftOut = /^nodejs_(active_\w+|eventloop_lag_\w+)$/

/** How many names of persisted operations and of tools are labels. The others have none. */
const maxOperationNames = 500
/** How many templates of routes, and values of other labels, are told apart. The source code has fewer. */
const maxTemplates = 200
const maxValues = 50

/** Attempts that were never sent, by the kind of their error. */
const notSent: Readonly<Record<string, string>> = { circuitOpen: "circuit_open", queueFull: "queue_full" }

/** How the steps of a capture end. */
const captureSteps = [
  ["create", "done"],
  ["create", "already_done"],
  ["create", "failed"],
  ["set_permissions", "done"],
  ["set_permissions", "failed"],
] as const

/** The kinds of garbage collection that prom-client tells apart. */
const collectionKinds = ["major", "minor", "incremental", "weakcb"] as const

/** The metrics in prom-client's form. docs/operations.md lists them. */
export class PrometheusMetrics implements Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  readonly #registry = new Registry()
  /** The names of the operations of each document whose operations are named. */
  readonly #names = new Map<string, ReadonlySet<string>>()
  readonly #operationNames = new KnownValues(maxOperationNames)
  readonly #templates = new KnownValues(maxTemplates, "/")
  readonly #values = new KnownValues(maxValues)

  readonly #requests = this.#durations(
    "http_server_request_duration_seconds",
    "Time from a request's headers to the end of its response. The status is empty if the client left before the response began.",
    ["http_request_method", "http_route", "http_response_status_code"],
  )
  readonly #operations = this.#durations(
    "graphql_server_operation_duration_seconds",
    "Time of an operation. A subscription is counted when it ends. Only persisted operations and tools have a name.",
    ["operation_type", "operation_name", "outcome"],
  )
  readonly #errors = this.#counter("graphql_server_errors_total", "Errors in responses, by code.", ["code"])
  readonly #rejections = this.#counter("gateway_rejected_requests_total", "Requests that were not admitted.", [
    "reason",
  ])
  readonly #sessions = this.#counter(
    "gateway_session_events_total",
    "Sessions that began or ended, or could not begin.",
    ["event"],
  )
  readonly #attempts = this.#durations(
    "http_client_request_duration_seconds",
    "Time of one attempt of a call, from sending to the last byte. error_type says why there was no response.",
    ["http_request_method", "url_template", "http_response_status_code", "error_type"],
  )
  readonly #retries = this.#counter("gateway_upstream_retries_total", "Calls that were sent again.", [
    "http_request_method",
    "url_template",
  ])
  readonly #refused = this.#counter(
    "gateway_upstream_refused_calls_total",
    "Calls that were not sent, because the circuit breaker was open or the queue was full.",
    ["reason"],
  )
  readonly #queueWait = this.#durations(
    "gateway_upstream_queue_wait_seconds",
    "Time that a call has waited for a connection. Calls that did not wait are not counted.",
    [],
  )
  readonly #shared = this.#counter("gateway_upstream_shared_reads_total", "Reads that joined an equal one in flight.")
  readonly #openings = this.#counter(
    "gateway_upstream_circuit_openings_total",
    "Times that the circuit breaker opened.",
  )
  readonly #lag = this.#durations(
    "gateway_event_loop_lag_seconds",
    "How late the event loop was, ten times a second.",
    [],
  )
  readonly #captures = this.#counter("gateway_capture_steps_total", "Steps of captures that have ended.", [
    "step",
    "status",
  ])
  readonly #cacheReads = this.#counter("gateway_cache_reads_total", "Reads that asked a cache.", ["store", "outcome"])

  /** @param persistedDocuments the documents whose operation names become labels */
  constructor(persistedDocuments: Iterable<string>) {
    this.nameOperations(persistedDocuments)
    // The event loop's monitor cannot be left out, so it samples rarely.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 1_000 })
    for (const { name } of this.#registry.getMetricsAsArray()) {
      if (leftOut.test(name)) this.#registry.removeSingleMetric(name)
    }
    // A series that begins with 0 shows its first increase.
    for (const reason of rejectionReasons) this.#rejections.inc({ reason }, 0)
    for (const event of sessionEvents) this.#sessions.inc({ event }, 0)
    for (const code of errorCodes) this.#errors.inc({ code }, 0)
    for (const reason of Object.values(notSent)) this.#refused.inc({ reason }, 0)
    for (const [step, status] of captureSteps) this.#captures.inc({ step, status }, 0)
    const collections = this.#registry.getSingleMetric("nodejs_gc_duration_seconds") as Histogram<"kind">
    for (const kind of collectionKinds) collections.zero({ kind })
    const info = { name: "gateway_info", help: "The gateway's version.", labelNames: ["version"] }
    new Gauge({ ...info, registers: [this.#registry] }).set({ version: packageJson.version }, 1)
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    const startedAt = performance.now()
    // Read now, since the router changes both.
    const method = methodLabel(request.method)
    const route = routeLabel(request.url)
    response.on("close", () => {
      const status = response.headersSent ? statusLabel(response.statusCode) : ""
      this.#requests.with(method, route, status).observe(secondsSince(startedAt))
    })
  }

  onRejection(reason: RejectionReason): void {
    this.#rejections.inc({ reason })
  }

  onSession(event: SessionEvent): void {
    this.#sessions.inc({ event })
  }

  onOperation(operation: OperationDefinitionNode | null | undefined, outcome: OperationOutcome, seconds: number): void {
    this.#operations.with(operation?.operation ?? "", this.#nameOf(operation), outcome).observe(seconds)
  }

  nameOperations(documents: Iterable<string>): void {
    for (const document of documents) {
      const { definitions } = parse(document, { noLocation: true })
      const names = definitions.flatMap((definition) =>
        definition.kind === Kind.OPERATION_DEFINITION && definition.name !== undefined ? [definition.name.value] : [],
      )
      this.#names.set(document, new Set(names.filter((name) => this.#operationNames.label(name) === name)))
    }
  }

  onError(code: string): void {
    this.#errors.inc({ code: this.#values.label(code) })
  }

  onAttempt(method: string, urlTemplate: string, result: number | string, startedAt: number): void {
    const reason = notSent[result]
    if (reason !== undefined) {
      this.#refused.inc({ reason })
      return
    }
    const isResponse = typeof result === "number"
    const status = isResponse ? statusLabel(result) : ""
    const error = isResponse ? "" : this.#values.label(result)
    this.#attempts
      .with(methodLabel(method), this.#templates.label(urlTemplate), status, error)
      .observe(secondsSince(startedAt))
  }

  onRetry(method: string, urlTemplate: string): void {
    this.#retries.inc({ http_request_method: methodLabel(method), url_template: this.#templates.label(urlTemplate) })
  }

  onQueued(milliseconds: number): void {
    this.#queueWait.with().observe(milliseconds / 1000)
  }

  onSharedReads(count: number): void {
    this.#shared.inc(count)
  }

  onCircuitOpened(): void {
    this.#openings.inc()
  }

  onEventLoopLag(milliseconds: number): void {
    this.#lag.with().observe(milliseconds / 1000)
  }

  onCaptureStep(step: string, status: string): void {
    this.#captures.inc({ step: this.#values.label(step), status: this.#values.label(status) })
  }

  onCacheOpened(store: string): void {
    // An alert compares the hits with all reads, also if there are none.
    for (const outcome of cacheOutcomes)
      this.#cacheReads.inc({ store: this.#values.label(store), outcome: this.#values.label(outcome) }, 0)
  }

  onCacheRead(store: string, outcome: string): void {
    this.#cacheReads.inc({ store: this.#values.label(store), outcome: this.#values.label(outcome) })
  }

  setGauges(read: () => GaugeValues): void {
    let values: GaugeValues | undefined
    const registers = [this.#registry]
    for (const [index, [name, help, valueIn]] of gauges.entries()) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          // All have the values of one moment. They are collected in this order.
          if (index === 0 || values === undefined) values = read()
          this.set(Number(valueIn(values)))
        },
      })
    }
  }

  render(): Promise<string> {
    return this.#registry.metrics()
  }

  #nameOf(operation: OperationDefinitionNode | null | undefined): string {
    const name = operation?.name?.value
    if (name === undefined || this.#names.size === 0) return ""
    return this.#names.get(operation?.loc?.source.body ?? "")?.has(name) ? name : ""
  }

  #counter<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #durations(name: string, help: string, labelNames: readonly string[]): Durations {
    const durations = new Durations(name, help, labelNames)
    // The registry needs only these properties.
    this.#registry.registerMetric(durations as unknown as Histogram)
    return durations
  }
}

/** The values that are read at each scrape. */
const gauges: readonly (readonly [name: string, help: string, valueIn: (values: GaugeValues) => number | boolean])[] = [
  ["http_server_active_requests", "Requests whose response is not complete.", (values) => values.openResponses],
  [
    "gateway_admitted_requests",
    "Admitted requests in flight, without subscriptions.",
    (values) => values.admittedRequests,
  ],
  [
    "gateway_admitted_requests_limit",
    "The present limit of admitted requests, which falls under overload.",
    (values) => values.admittedRequestsLimit,
  ],
  ["gateway_subscriptions", "Open subscriptions.", (values) => values.subscriptions],
  ["gateway_callers", "Callers whose limits are counted.", (values) => values.callers],
  ["gateway_connections", "Connections of clients.", (values) => values.connections],
  ["gateway_pollers", "Objects that are polled for subscriptions.", (values) => values.pollers],
  ["gateway_poller_listeners", "Subscriptions and captures that follow a polled object.", (values) => values.listeners],
  ["gateway_tasks", "Captures that are not finished.", (values) => values.tasks],
  ["gateway_upstream_circuit_open", "Whether the circuit breaker is open: 1 or 0.", (values) => values.circuitOpen],
  ["gateway_upstream_active_calls", "Calls in flight.", (values) => values.activeCalls],
  ["gateway_upstream_active_calls_limit", "The maximum number of calls in flight.", (values) => values.maxActiveCalls],
  ["gateway_upstream_queued_calls", "Calls that wait for a connection.", (values) => values.queuedCalls],
  [
    "gateway_store_away",
    "Whether this process works alone because Redis is not available: 1 or 0.",
    (values) => values.storeAway,
  ],
  [
    "gateway_cache_bytes",
    "The memory of the cache in this process. 0 if it is in Redis.",
    (values) => values.cacheBytes,
  ],
]

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000
}
