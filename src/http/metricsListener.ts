import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Log } from "../log/log.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import { addressOf, listenError } from "./listener.ts"
import { logUnexpected } from "./logging.ts"

const path = "/metrics"

/** The limits of this listener. A Prometheus server needs one connection. */
const maxConnections = 100
const headersTimeoutMs = 5_000
const idleTimeoutMs = 10_000
/** How long a rendered text is sent again. A scrape takes milliseconds, which frequent ones must not take from requests. */
const reuseMs = 200

export interface MetricsListener {
  /** Resolves with the address of the metrics. Rejects if it can't be listened on, with a message that names METRICS_PORT. */
  listen(port: number, host: string): Promise<string>
  close(): Promise<void>
}

/** Answers `GET /metrics` on a port of its own, and nothing else. */
export function createMetricsListener(metrics: Metrics, log: Log): MetricsListener {
  let text: Promise<string> | undefined
  let renderedAt = Number.NEGATIVE_INFINITY

  function render(): Promise<string> {
    const now = performance.now()
    if (text === undefined || now - renderedAt > reuseMs) {
      text = metrics.render()
      renderedAt = now
    }
    return text
  }

  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 75_000,
    },
    async (request, response) => {
      try {
        const [requested] = (request.url ?? "").split("?", 1)
        // A body is not read.
        if (request.headers["content-length"] ?? request.headers["transfer-encoding"]) response.shouldKeepAlive = false
        if (requested !== path) {
          response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end(`Not found. See ${path}.\n`)
        } else if (request.method !== "GET") {
          response.writeHead(405, { allow: "GET" }).end()
        } else {
          const body = await render()
          response.writeHead(200, { "content-type": metrics.contentType, "cache-control": "no-store" }).end(body)
        }
      } catch (error) {
        logUnexpected(log, error)
        response.destroy()
      }
    },
  )
  server.maxConnections = maxConnections
  // A client that neither sends nor reads is dropped.
  server.setTimeout(idleTimeoutMs)

  return {
    async listen(port, host) {
      await new Promise<void>((resolve, reject) => {
        server.once("error", (error) => reject(listenError(error, port, host, "METRICS_PORT")))
        server.listen(port, host, resolve)
      })
      server.on("error", (error) => logUnexpected(log, error))
      return `http://${addressOf(host)}:${(server.address() as AddressInfo).port}${path}`
    },
    async close() {
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
