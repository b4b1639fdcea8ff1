import { Readable } from "node:stream"
import { type Config, listensLocally } from "./config/config.ts"
import { schema } from "./graph/schema.ts"
import { createAdmission, measureLag } from "./http/admission.ts"
import { type BodyTimeouts, bodyTimeouts } from "./http/body.ts"
import { createContextBuilder } from "./http/buildContext.ts"
import { createClientAddress, createIdentifyClient } from "./http/clientIdentity.ts"
import { createCompression } from "./http/compression.ts"
import { createConnections } from "./http/connections.ts"
import { builtExplorer } from "./http/explorer/files.ts"
import { createExplorer } from "./http/explorer/sendExplorer.ts"
import { createFastPath, type OperationHandler } from "./http/fastPath.ts"
import { createFileRoute } from "./http/fileRoute.ts"
import type { ExampleIds } from "./http/graphiql/examples.ts"
import { createGraphqlServer } from "./http/graphqlServer.ts"
import { createLandingPage } from "./http/landingPage.ts"
import { connectionLimit, createListener, type ListenerLimits } from "./http/listener.ts"
import { measureMemory } from "./http/memoryPressure.ts"
import { createMetricsListener } from "./http/metricsListener.ts"
import { createOpenResponses, type DrainLimits } from "./http/openResponses.ts"
import { createRequestHandler } from "./http/requestHandler.ts"
import { inProcessState } from "./http/requestState.ts"
import { createRouter } from "./http/router.ts"
import { openSessions } from "./http/session/openSessions.ts"
import type { Log } from "./log/log.ts"
import { openMcp } from "./mcp/openMcp.ts"
import { createOperationCheck } from "./operation/check.ts"
import { createDocumentCache } from "./operation/documentCache.ts"
import { prepareExecution } from "./operation/executor/operation.ts"
import { fixedLimits, type Limits } from "./operation/limits.ts"
import { invalidDocuments } from "./operation/persisted/manifest.ts"
import { createPersistedOperations } from "./operation/persisted/operations.ts"
import { SharedQueries } from "./operation/sharedQueries.ts"
import type { Clock } from "./polling/clock.ts"
import { createPollers, type PollerCounts } from "./polling/pollers.ts"
import { createTasks } from "./polling/tasks.ts"
import { openStore } from "./store/openStore.ts"
import type { Telemetry } from "./telemetry/telemetry.ts"
import { createUpstreamPool, type UpstreamPool } from "./upstream/pool.ts"
import { openResponseCache, type ResponseCache } from "./upstream/responseCache.ts"

const endpoint = "/graphql"

/** How slow clients may be. */
export type ClientTimeouts = BodyTimeouts &
  DrainLimits &
  Pick<ListenerLimits, "headersMs" | "keepAliveMs" | "checkIntervalMs"> & {
    /** How long idle connections of proxies stay open when the gateway stops. */
    idleGraceMs: number
    /** How long requests in flight may take beyond their deadline when the gateway stops: they still send their errors. */
    shutdownMarginMs: number
  }

const clientTimeouts = {
  headersMs: 10_000,
  ...bodyTimeouts,
  responseDrainMs: 60_000,
  responseDrainGraceMs: 1_000,
  maxUnreadBytes: 256 * 1024 * 1024,
  checkIntervalMs: 1_000,
  idleGraceMs: 1_000,
  shutdownMarginMs: 1_000,
}

/** File descriptors that are neither connections of clients nor to Code Ocean: the log, listening sockets, files. */
const otherDescriptors = 100

/** A gateway, listening or not. */
export interface Gateway {
  /** Answers a request in process, without a socket and without admission limits. */
  fetch(url: string, init?: RequestInit): Promise<Response>
  /** Resolves with the address, such as `http://127.0.0.1:4000`. Rejects if the port is taken. */
  listen(): Promise<string>
  /** What the gateway currently holds. */
  readonly stats: GatewayStats
  /**
   * Stops being ready, completes all subscriptions, lets requests in flight and tasks finish within their deadlines, and closes
   * everything. Resolves with whether all of them have finished.
   */
  close(): Promise<boolean>
}

export interface GatewayStats extends PollerCounts {
  requests: number
  subscriptions: number
  /** Clients with state in admission. */
  callers: number
  connections: number
  /** Responses that have not been sent completely, rejections included. */
  openResponses: number
  /** Requests with incomplete bodies, and the bytes buffered for them. */
  halfSent: number
  halfSentBytes: number
  /** Work that continues after its request. */
  tasks: number
}

/** Parts of the process that are not settings, and switches for tests and the benchmark. */
export interface GatewayOptions {
  /** Default: none. */
  telemetry?: Telemetry
  /** A token that everyone who opens GraphiQL has, or is signed in with. For the demo only. */
  graphiqlToken?: string
  /** The ids in GraphiQL's examples. For the demo only. */
  graphiqlIds?: ExampleIds
  /** A token that signs everyone in who opens the explorer. For the demo only. */
  explorerToken?: string
  /** Returns why the log can't be written at present; undefined if it can. */
  logFailure?: () => string | undefined
  /** For tests: the clock of subscriptions. */
  clock?: Clock
  /** For tests: the time of sessions, in milliseconds since 1970. */
  now?: () => number
  /** For tests: replaces some of the default timeouts. */
  clientTimeouts?: Partial<ClientTimeouts>
  /** For tests: limits on operations, which replace the fixed ones and those of the settings. */
  limits?: Partial<Limits>
  /** For tests: false sends every request through Yoga. */
  fastPath?: boolean
  /** For tests: false executes operations with graphql-js. */
  compiledExecutor?: boolean
  /** For tests: false sends equal reads of one caller one by one. */
  sharedReads?: boolean
  /** For tests: for how long others wait for a replica that died in the middle of a capture, and after an outage of Redis, in milliseconds. */
  leaseMs?: number
  /** For tests: the most that a request waits for Redis, in milliseconds. On a busy machine, 50 ms may be too short. */
  storeWaitMs?: number
  /** For tests: the maximum number of calls to Code Ocean that are queued. */
  upstreamQueue?: number
}

/** The maximum number of calls to Code Ocean that are queued. At most half of them belong to one caller. */
const maxQueuedCalls = 100_000

/** Composes the gateway from its parts. */
export function createGateway(config: Config, log: Log, options: GatewayOptions = {}): Gateway {
  const { compiledExecutor = true, sharedReads = true, telemetry = {} } = options
  const { metrics } = telemetry
  const { corsOrigins } = config
  const limits: Limits = { ...fixedLimits, ...config.limits, ...options.limits }
  const timeouts = { ...clientTimeouts, keepAliveMs: config.keepAliveMs, ...options.clientTimeouts }
  let closing: Promise<boolean> | undefined

  // What replicas share.
  const store = openStore(config.redisUrl, config.codeoceanUrl, log, options.storeWaitMs, options.leaseMs)
  const replicas = config.redisUrl === undefined ? undefined : store

  // Calls to Code Ocean.
  const cache = openResponseCache(config, store, metrics)
  const pool = openUpstream(config, limits, options, log, cache)

  // What outlives a request: polled objects, and changes that are finished even if the client disconnects.
  const pollers = createPollers(options.clock, replicas)
  const tasks = createTasks(store, options.clock, options.leaseMs)

  // Documents, and the checks before execution.
  const { persistedOperations: manifest, persistedOperationsOnly: only } = config
  const persisted = createPersistedOperations({ manifest, only })
  for (const operation of invalidDocuments(manifest ?? new Map(), schema)) {
    log.warn({ operation }, "persisted operation is invalid for this schema and will be rejected")
  }
  const documents = createDocumentCache()
  const checkOperation = createOperationCheck(schema, limits)

  // Identity and admission of clients.
  const clientAddress = createClientAddress(config.trustedProxies)
  const shared = { store, replicas, pool, log, metrics, clientAddress, now: options.now ?? Date.now }
  const sessions = openSessions(config, shared)
  const identifyClient = createIdentifyClient(config.codeoceanToken, sessions?.sessions)
  const admission = createAdmission(config, undefined, replicas)
  const memory = measureMemory()
  const lag = measureLag(log, (lagMs) => {
    admission.onEventLoopLag(lagMs, memory.shortage())
    metrics?.onEventLoopLag(lagMs)
  })

  // GraphQL over HTTP: Yoga for everything, and the fast path for common operations.
  const buildContext = createContextBuilder({ log, pool, pollers, tasks, store })
  const compress = createCompression()
  const yoga = createGraphqlServer({
    endpoint,
    config,
    limits,
    sessions: sessions !== undefined,
    graphiql: { token: options.graphiqlToken, ids: options.graphiqlIds },
    compiledExecutor,
    documents,
    persisted,
    checkOperation,
    buildContext,
    pollers,
    compress,
    readiness: {
      upstream: pool,
      problem: () => (closing ? "The gateway is stopping." : admission.overloadReason()),
      logFailure: options.logFailure ?? (() => undefined),
    },
  })
  const yogaFallback: OperationHandler = (request, response, state, body) => {
    if (body !== undefined) Object.assign(request, { body: Readable.from([body]) })
    yoga(request, response, { state })
  }
  const fastPath = createFastPath({
    endpoint,
    maxResponseBytes: limits.responseBytes,
    corsOrigins,
    schema,
    yoga,
    yogaFallback,
    documents,
    resolveDocument: persisted.resolveDocument,
    buildContext,
    checkOperation,
    prepareExecution: compiledExecutor ? prepareExecution : () => undefined,
    // Kept responses have versions of their own, which change with the changes in other replicas.
    sharedQueries: sharedReads && cache === undefined ? new SharedQueries(pool.changes) : undefined,
    introspection: config.introspection,
    compress,
    log,
  })

  // The tools for agents. Their operations pass Yoga's plugins.
  const mcp = config.mcp
    ? openMcp({
        yoga,
        schema,
        pollers,
        log,
        corsOrigins,
        maxResponseBytes: limits.responseBytes,
        toolsFolder: config.mcpTools,
        mutations: config.mcpMutations,
        introspection: config.introspection,
        freeQueries: !only,
        metrics,
        clock: options.clock,
      })
    : undefined

  // HTTP over sockets.
  const maxConnections = connectionLimit(config.connections, config.upstreamConnections + otherDescriptors)
  const connections = createConnections(
    {
      connections: maxConnections.max,
      addressConnections: config.addressConnections,
      trustedProxies: config.trustedProxies,
    },
    clientAddress,
  )
  const responses = createOpenResponses(timeouts, connections, log)
  const requestHandler = createRequestHandler({
    log,
    telemetry,
    route: createRouter({
      endpoint,
      localOnly: config.codeoceanToken !== undefined && listensLocally(config),
      graphiql: config.graphiql,
      explorer: config.explorer,
      sessions: sessions !== undefined,
      agents: config.mcp ? { allowedHosts: config.allowedHosts, allowedOrigins: corsOrigins } : undefined,
    }),
    sendLandingPage: createLandingPage(endpoint, config.graphiql, config.explorer),
    sendExplorer: config.explorer
      ? createExplorer(builtExplorer, {
          graphiql: config.graphiql,
          codeoceanUrl: config.codeoceanUrl.href,
          deadlineMs: config.requestDeadlineMs,
          ...(options.explorerToken && { token: options.explorerToken }),
        })
      : undefined,
    identifyClient,
    clientAddress,
    admission,
    connections,
    responses,
    bodyTimeouts: timeouts,
    maxBodyBytes: limits.bodyBytes,
    corsOrigins,
    answerFile: createFileRoute(buildContext, config.requestDeadlineMs / 2),
    answerOperation: options.fastPath === false ? yogaFallback : fastPath,
    answerMcp: mcp?.answer,
    answerOther: (request, response, state) => void yoga(request, response, { state }),
    sessions,
  })
  const listener = createListener(
    {
      ...timeouts,
      // A client that is no proxy notices that its connection is closed, and sends its request again.
      idleGraceMs: config.trustedProxies > 0 ? timeouts.idleGraceMs : 0,
      shutdownGraceMs: config.requestDeadlineMs + timeouts.shutdownMarginMs,
    },
    {
      log,
      connections,
      connectionLimit: maxConnections,
      responses,
      onRequest: requestHandler.handle,
      check() {
        responses.check()
        requestHandler.check()
      },
    },
  )

  // Metrics, on a listener of their own.
  const metricsListener = metrics && createMetricsListener(metrics, log)
  metrics?.setGauges(() => {
    const { requests, ...stats } = gatewayStats()
    return {
      ...stats,
      admittedRequests: requests,
      admittedRequestsLimit: admission.concurrencyLimit,
      circuitOpen: pool.circuit === "open",
      activeCalls: pool.counts.active,
      maxActiveCalls: config.upstreamConnections,
      queuedCalls: pool.counts.queued,
      storeAway: store.isAway,
      cacheBytes: cache?.bytes ?? 0,
    }
  })

  async function listen(): Promise<string> {
    // First, so that a gateway without its metrics accepts no request.
    if (metricsListener !== undefined && config.metricsPort !== undefined) {
      const url = await metricsListener.listen(config.metricsPort, config.host)
      log.info({ url }, "serving metrics")
    }
    await store.ready()
    await mcp?.ready()
    return listener.listen(config.port, config.host)
  }

  function gatewayStats(): GatewayStats {
    return {
      ...admission.stats,
      connections: connections.count,
      openResponses: responses.count,
      ...requestHandler.stats,
      ...pollers.counts,
      tasks: tasks.count,
    }
  }

  async function close(): Promise<boolean> {
    pollers.close()
    const finished = await Promise.all([listener.close(), tasks.drain(config.requestDeadlineMs)])
    lag.stop()
    memory.stop()
    requestHandler.close()
    await pool.close()
    await store.close()
    await mcp?.close()
    await yoga.dispose()
    await telemetry.tracer?.close()
    await metricsListener?.close()
    return finished.every(Boolean)
  }

  return {
    async fetch(url, init = {}) {
      return yoga.fetch(new URL(url), init, { state: inProcessState(init, identifyClient, log, telemetry) })
    },
    listen,
    get stats() {
      return gatewayStats()
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}

function openUpstream(
  config: Config,
  limits: Limits,
  options: GatewayOptions,
  log: Log,
  cache: ResponseCache | undefined,
): UpstreamPool {
  return createUpstreamPool({
    url: config.codeoceanUrl,
    minServerVersion: config.minServerVersion,
    timeoutMs: config.upstreamTimeoutMs,
    deadlineMs: config.requestDeadlineMs,
    connections: config.upstreamConnections,
    maxCalls: limits.calls,
    maxQueued: options.upstreamQueue ?? maxQueuedCalls,
    retryPercent: config.upstreamRetryPercent,
    breakerCalls: config.upstreamBreakerCalls,
    sharedReads: options.sharedReads ?? true,
    cache,
    proxies:
      config.httpsProxy || config.httpProxy
        ? { https: config.httpsProxy, http: config.httpProxy, except: config.noProxy }
        : undefined,
    fileOrigins: config.fileOrigins,
    telemetry: options.telemetry,
    log,
  })
}
