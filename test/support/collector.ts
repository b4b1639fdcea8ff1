import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"
import { readConfig } from "../../src/config/config.ts"
import { createLog } from "../../src/log/log.ts"
import { OtlpTracer } from "../../src/telemetry/otlp.ts"
import { startGatewayOn } from "./gateway.ts"

export interface CollectedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  /** 2 is a server's span, 3 a client's. */
  kind: number
  attributes: Record<string, unknown>
  links: { traceId: string; spanId: string }[]
  /** 2 is an error. */
  status: { code?: number }
}

export interface Collector {
  url: string
  spans: CollectedSpan[]
  /** All that was received. */
  text(): string
}

/**
 * Starts a collector for OTLP over HTTP in JSON.
 * @param answer responds to a batch; by default with success
 */
export async function startCollector(
  answer: (response: ServerResponse) => void = (response) => void response.writeHead(200).end("{}"),
): Promise<Collector> {
  const spans: CollectedSpan[] = []
  let received = ""
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (chunk: string) => {
      body += chunk
    })
    request.on("end", () => {
      received += JSON.stringify(request.headers) + body
      if (request.method === "POST" && request.url === "/v1/traces") spans.push(...spansIn(JSON.parse(body)))
      answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, text: () => received }
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape.
type Json = any

function spansIn(body: Json): CollectedSpan[] {
  return body.resourceSpans.flatMap(({ scopeSpans }: Json) =>
    scopeSpans.flatMap(({ spans }: Json) =>
      spans.map(({ attributes = [], links = [], status = {}, ...span }: Json) => ({
        ...span,
        status,
        links,
        attributes: Object.fromEntries(attributes.map(({ key, value }: Json) => [key, readValue(value)])),
      })),
    ),
  )
}

function readValue({ arrayValue, ...value }: Json): unknown {
  if (arrayValue !== undefined) return arrayValue.values.map(readValue)
  const [only] = Object.values(value)
  return "intValue" in value ? Number(only) : only
}

/**
 * A gateway that sends traces to this address.
 * @param env further variables, such as the sampler's
 */
export function startTracedGatewayOn(
  url: string,
  collectorUrl: string,
  { env = {}, ...options }: Parameters<typeof startGatewayOn>[1] & { env?: Record<string, string> } = {},
) {
  const config = readConfig({ CODEOCEAN_URL: url, OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl, ...env })
  const lines: Record<string, unknown>[] = []
  const tracer = new OtlpTracer(config, createLog("debug", { write: (line) => void lines.push(JSON.parse(line)) }))
  const world = startGatewayOn(url, { telemetry: { tracer }, ...options })
  return { ...world, tracerLines: lines }
}
