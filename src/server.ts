import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { createYoga, useExecutionCancellation } from "graphql-yoga"
import type { Config } from "./config.ts"
import { examples } from "./graphiql/examples.ts"
import { useGraphiql } from "./graphiql/useGraphiql.ts"
import { createLive, type LiveCounts, type Time } from "./live/poller.ts"
import type { Log } from "./log.ts"
import { createPersistedOperations } from "./persisted/operations.ts"
import { useBodyLimit } from "./plugins/useBodyLimit.ts"
import { useCsrfPrevention } from "./plugins/useCsrfPrevention.ts"
import { usePersistedOperations } from "./plugins/usePersistedOperations.ts"
import { useReadiness } from "./plugins/useReadiness.ts"
import { useRequests } from "./plugins/useRequests.ts"
import { useSyntaxLimits } from "./plugins/useSyntaxLimits.ts"
import { schema } from "./schema.ts"
import { createUpstreamPool } from "./upstream/client.ts"

const endpoint = "/graphql"

/** A gateway, listening or not. */
export interface Gateway {
  /** Answers a request in process, without a socket. */
  fetch(url: string, init?: RequestInit): Promise<Response>
  /** Begins to listen; resolves with the address, such as `http://127.0.0.1:4000`. Rejects when the port is taken. */
  listen(): Promise<string>
  /** What subscriptions hold at the moment, for diagnostics. */
  readonly live: LiveCounts
  /**
   * Stops being ready, completes all subscriptions, lets the requests in flight finish within the request deadline, and
   * closes everything. Resolves with whether all of them did finish.
   */
  close(): Promise<boolean>
}

/**
 * Puts the gateway together.
 * @param options.graphiqlToken preset in GraphiQL, for everyone who opens it: for the demo alone
 * @param options.time what subscriptions are timed by, if not by the clock
 */
export function createGateway(
  config: Config,
  log: Log,
  options: { graphiqlToken?: string; time?: Time } = {},
): Gateway {
  const pool = createUpstreamPool({
    url: config.codeoceanUrl,
    timeoutMs: config.upstreamTimeoutMs,
    deadlineMs: config.requestDeadlineMs,
    connections: config.upstreamConnections,
    sharedReads: config.upstreamSharedReads,
  })
  const live = createLive(options.time)
  let stopping = false
  let inFlight = 0

  const yoga = createYoga({
    schema,
    graphqlEndpoint: endpoint,
    healthCheckEndpoint: "/health",
    graphiql: false,
    landingPage: false,
    logging: false,
    // useRequests presents all errors in one place, where the request's id and log are at hand.
    maskedErrors: false,
    // useBodyLimit is the limit.
    maxRequestBodySize: false,
    multipart: false,
    cors: (request) => corsFor(request.headers.get("origin"), config.corsOrigins),
    plugins: [
      // First, so that every later refusal has its request id and its line in the log.
      useRequests({ endpoint, log, pool, live, fallbackToken: config.codeoceanToken }),
      useReadiness({ probe: pool.probe, isStopping: () => stopping }),
      // Before the checks on GraphQL requests: a browser's navigation is none.
      config.graphiql &&
        useGraphiql({ endpoint, examples, ...(options.graphiqlToken && { token: options.graphiqlToken }) }),
      useCsrfPrevention(),
      useBodyLimit(),
      usePersistedOperations(
        createPersistedOperations({ manifest: config.persistedOperations, only: config.persistedOperationsOnly }),
      ),
      useSyntaxLimits(),
      // When the client leaves, resolvers stop; the upstream calls under way stop through the request's signal. Not so for
      // subscriptions, which useRequests ends: there the executor would keep something of each event until the last.
      { onExecute: useExecutionCancellation().onExecute },
    ],
  })

  const server: Server = createServer((request, response) => {
    inFlight += 1
    response.once("close", () => {
      inFlight -= 1
    })
    if (stopping) response.setHeader("connection", "close")
    yoga(request, response)
  })

  return {
    fetch: async (url, init) => yoga.fetch(new URL(url), init ?? {}),
    async listen() {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject)
        server.listen(config.port, config.host, resolve)
      })
      const { port } = server.address() as AddressInfo
      return `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`
    },
    get live() {
      return live.counts
    },
    async close() {
      stopping = true
      live.close()
      // Listening goes on meanwhile, so that whoever asks hears that it isn't ready rather than nothing.
      const deadline = performance.now() + config.requestDeadlineMs
      while (inFlight > 0 && performance.now() < deadline) await sleep(20)
      const finished = inFlight === 0
      if (server.listening) {
        server.close()
        server.closeAllConnections()
      }
      await pool.close()
      await yoga.dispose()
      return finished
    },
  }
}

/** Yoga's own CORS answers `null` to origins that it refuses, which is an origin too: sandboxed pages have it. */
function corsFor(origin: string | null, allowed: readonly string[]) {
  if (origin === null || !allowed.includes(origin)) return false as const
  return {
    origin,
    credentials: false,
    methods: ["GET", "POST"],
    allowedHeaders: [
      "Authorization",
      "Content-Type",
      "Accept",
      "Agent-Id",
      "X-Request-Id",
      "X-GraphQL-Yoga-CSRF",
      "Apollo-Require-Preflight",
    ],
    exposedHeaders: ["X-Request-Id"],
    maxAge: 3600,
  }
}
