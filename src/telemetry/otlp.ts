import { setTimeout as sleep } from "node:timers/promises"
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { detectResources, envDetector, resourceFromAttributes, serviceNameEnvDetector } from "@opentelemetry/resources"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace"
import packageJson from "../../package.json" with { type: "json" }
import type { Config } from "../config/config.ts"
import type { Log } from "../log/log.ts"
import {
  type CallResult,
  type CallSpan,
  formatTraceparent,
  parseTraceparent,
  type RequestResult,
  type RequestSpan,
  type TraceParent,
  type Tracer,
} from "./tracer.ts"

/** How long a stopping gateway waits for its last spans to be sent. */
const flushMs = 2_000
/** The minimum time between two lines of the log about spans that could not be sent. */
const logIntervalMs = 60_000

type Exporter = Pick<OTLPTraceExporter, "export" | "shutdown" | "forceFlush">

/** Sends spans to a collector by OTLP over HTTP, in batches. At most 2,048 finished spans wait; further ones are dropped. */
export class OtlpTracer implements Tracer {
  readonly #sampler: Sampler
  readonly #ids = new RandomIdGenerator()
  readonly #provider: TracerProvider
  readonly #recorder: Recorder
  #traceId = ""

  constructor(config: Pick<Config, "otlpEndpoint" | "tracesSampler" | "tracesSamplerArg">, log: Log) {
    this.#sampler = samplerOf(config.tracesSampler, config.tracesSamplerArg)
    const url = new URL("v1/traces", `${String(config.otlpEndpoint).replace(/\/$/, "")}/`)
    const exporter = withLog(new OTLPTraceExporter({ url: url.href }), log)
    this.#provider = new TracerProvider({
      // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
      resource: resourceFromAttributes({
        "service.name": "codeocean-gateway",
        "service.version": packageJson.version,
      }).merge(detectResources({ detectors: [envDetector, serviceNameEnvDetector] })),
      // Whether a request is recorded has been decided by then.
      sampler: new AlwaysOnSampler(),
      idGenerator: { generateTraceId: () => this.#traceId, generateSpanId: () => this.#ids.generateSpanId() },
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    })
    this.#recorder = this.#provider.getTracer(packageJson.name, packageJson.version)
  }

  startRequest(method: string, route: string, traceparent: unknown): RequestSpan {
    const parent = parseTraceparent(traceparent)
    const traceId = parent?.traceId ?? this.#ids.generateTraceId()
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remoteContext(parent))
    const { decision } = this.#sampler.shouldSample(context, traceId, route, SpanKind.SERVER, {}, [])
    if (decision === SamplingDecision.NOT_RECORD) {
      return new UnrecordedRequest(traceId, this.#ids)
    }
    this.#traceId = traceId
    return new RecordedRequest(this.#recorder, context, method, route)
  }

  async close(): Promise<void> {
    const timeout = new AbortController()
    const shutdown = this.#provider.shutdown().catch(() => undefined)
    await Promise.race([shutdown, sleep(flushMs, undefined, { signal: timeout.signal }).catch(() => undefined)])
    timeout.abort()
  }
}

type Recorder = ReturnType<TracerProvider["getTracer"]>

class UnrecordedRequest implements RequestSpan {
  readonly isRecorded = false
  readonly traceId: string
  readonly #ids: RandomIdGenerator

  constructor(traceId: string, ids: RandomIdGenerator) {
    this.traceId = traceId
    this.#ids = ids
  }

  get traceparent(): string {
    return formatTraceparent({ traceId: this.traceId, spanId: this.#ids.generateSpanId(), isSampled: false })
  }

  startCall(): never {
    throw new Error("a request that is not recorded has no spans")
  }

  end(): void {}
}

class RecordedRequest implements RequestSpan {
  readonly isRecorded = true
  readonly #recorder: Recorder
  readonly #span: Span
  readonly #context: Context

  constructor(recorder: Recorder, parent: Context, method: string, route: string) {
    this.#recorder = recorder
    const attributes = { "http.request.method": method, "http.route": route }
    // Until the operation is known.
    this.#span = recorder.startSpan(route, { kind: SpanKind.SERVER, attributes }, parent)
    this.#context = trace.setSpan(ROOT_CONTEXT, this.#span)
  }

  get traceId(): string {
    return this.#span.spanContext().traceId
  }

  get traceparent(): string {
    return traceparentOf(this.#span)
  }

  startCall(endpoint: string, shared: CallSpan | undefined): CallSpan {
    const links = shared instanceof RecordedCall ? [{ context: shared.span.spanContext() }] : []
    const [method = "", template = ""] = endpoint.split(" ", 2)
    const attributes = { "http.request.method": method, "url.template": template }
    const options = { kind: SpanKind.CLIENT, attributes, links }
    return new RecordedCall(this.#recorder.startSpan(endpoint, options, this.#context))
  }

  end({ outcome, status, operation, upstreamCalls, sharedCalls, cachedCalls, errorCodes }: RequestResult): void {
    if (!this.#span.isRecording()) return
    const type = operation?.operation
    const name = operation?.name?.value.slice(0, maxNameLength)
    if (type !== undefined) this.#span.updateName(name === undefined ? type : `${type} ${name}`)
    this.#span.setAttributes({
      "http.response.status_code": status,
      "graphql.operation.type": type,
      "graphql.operation.name": name,
      "gateway.outcome": outcome,
      "gateway.upstream_calls": upstreamCalls,
      "gateway.shared_calls": sharedCalls,
      "gateway.cached_calls": cachedCalls,
      "gateway.error_codes": errorCodes && Object.keys(errorCodes),
    })
    if (outcome === "errors") this.#span.setStatus({ code: SpanStatusCode.ERROR })
    this.#span.end()
  }
}

const maxNameLength = 100

class RecordedCall implements CallSpan {
  readonly span: Span

  constructor(span: Span) {
    this.span = span
  }

  get traceparent(): string {
    return traceparentOf(this.span)
  }

  end({ status, error, attempts, queuedMs, isShared, isCached }: CallResult): void {
    this.span.setAttributes({
      "http.response.status_code": status,
      "error.type": error,
      "http.request.resend_count": attempts > 1 ? attempts - 1 : undefined,
      "gateway.queued_ms": Math.round(queuedMs * 1000) / 1000,
      "gateway.shared": isShared,
      "gateway.cached": isCached,
    })
    if (error !== undefined) this.span.setStatus({ code: SpanStatusCode.ERROR })
    this.span.end()
  }
}

function traceparentOf(span: Span): string {
  const { traceId, spanId } = span.spanContext()
  return formatTraceparent({ traceId, spanId, isSampled: true })
}

function remoteContext({ traceId, spanId, isSampled }: TraceParent) {
  return { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true }
}

function samplerOf(name: Config["tracesSampler"], ratio: number): Sampler {
  const root = name.endsWith("always_on")
    ? new AlwaysOnSampler()
    : name.endsWith("always_off")
      ? new AlwaysOffSampler()
      : new TraceIdRatioBasedSampler(ratio)
  return name.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root
}

/** Logs, once in a minute, that spans can't be sent. The SDK drops them silently. */
function withLog(exporter: OTLPTraceExporter, log: Log): Exporter {
  let loggedAt = Number.NEGATIVE_INFINITY
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const now = performance.now()
        if (result.code !== 0 && now - loggedAt >= logIntervalMs) {
          loggedAt = now
          const { message, code } = (result.error ?? {}) as NodeJS.ErrnoException
          log.warn({ spans: spans.length, cause: message?.slice(0, 200), code }, "spans can't be sent and are dropped")
        }
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  }
}
