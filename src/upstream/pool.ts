import { type Dispatcher, Pool } from "undici"
import packageJson from "../../package.json" with { type: "json" }
import type { Log } from "../log/log.ts"
import type { Telemetry } from "../telemetry/telemetry.ts"
import { createBreaker } from "./breaker.ts"
import type { Caller } from "./call.ts"
import { RequestUpstream, type Upstream } from "./client.ts"
import { Connections } from "./connections.ts"
import { withReason } from "./decode.ts"
import { createFilePools } from "./download.ts"
import { FairSemaphore } from "./fairSemaphore.ts"
import type { ApiFlight } from "./flight.ts"
import { createProxyAgent, type Proxies } from "./proxy.ts"
import type { ResponseCache } from "./responseCache.ts"
import { RetryBudget } from "./retry.ts"
import { CallerChanges, SharedReads } from "./singleFlight.ts"
import { type HttpRequest, type HttpResponse, send, TransportError } from "./transport.ts"

const userAgent = `${packageJson.name}/${packageJson.version}`
const maxConnectMs = 5_000
const maxProbeMs = 2_000
const noResponse = "Code Ocean does not respond."

/** The connections to one deployment, shared by all callers. Holds no caller's data. */
export interface UpstreamPool {
  /** @param options.retryReads false for a caller that retries by itself, such as a poller. Default: true */
  forCaller(caller: Caller, options?: { retryReads?: boolean }): Upstream
  /**
   * Resolves with a sentence that says why Code Ocean does not answer; undefined if it does. Sent without a token, and over other
   * connections than the callers'. Not sent while `circuit` is open.
   */
  probe(): Promise<string | undefined>
  /** When each caller last changed something. */
  readonly changes: CallerChanges
  /** The timeout of one attempt, in milliseconds. */
  readonly timeoutMs: number
  /** `open` while Code Ocean is down and only probes are sent. */
  readonly circuit: "closed" | "open"
  /** How many calls are in flight, and how many wait. */
  readonly counts: { active: number; queued: number }
  /** Closes all connections. Calls in flight are cut off. */
  close(): Promise<void>
}

export interface UpstreamOptions {
  /** The deployment's URL. The API is expected under `api/v1/` below it. */
  url: URL
  /** The oldest version of Code Ocean that may answer. An older one refuses the calls itself. */
  minServerVersion: string
  /** The timeout of one attempt. */
  timeoutMs: number
  /** The time limit for all calls of one request together. */
  deadlineMs: number
  /** The maximum number of calls in flight. */
  connections: number
  /** The maximum number of calls of one request, retries not counted. */
  maxCalls: number
  /** The maximum number of calls that wait for a connection. 0 for no limit. */
  maxQueued: number
  /** The maximum number of retries per hundred calls. */
  retryPercent: number
  /** The least number of calls in ten seconds on which the circuit breaker can open. 0 disables it. */
  breakerCalls: number
  /** Whether equal reads of one caller share one call. */
  sharedReads: boolean
  /** Keeps responses for later requests. Default: none are kept */
  cache?: ResponseCache | undefined
  /** The proxies through which Code Ocean and files are reached. Default: none */
  proxies?: Proxies | undefined
  /** The origins of private storage from which files are read. Default: none */
  fileOrigins?: readonly string[]
  telemetry?: Telemetry | undefined
  log: Log
}

/** Creates the pool. Connections are opened when they are needed. */
export function createUpstreamPool(options: UpstreamOptions): UpstreamPool {
  const { timeoutMs, proxies, fileOrigins = [], minServerVersion, telemetry = {}, log } = options
  const { metrics, tracer } = telemetry
  const isMeasured = metrics !== undefined || tracer !== undefined
  const { origin, pathname } = options.url
  const basePath = `${pathname}api/v1/`
  const commonHeaders = ["min-server-version", minServerVersion, "accept", "application/json", "user-agent", userAgent]
  const connectTimeoutMs = Math.min(maxConnectMs, timeoutMs)
  const settings = {
    // transport.ts limits the whole call. These two start anew with each chunk, so a slow drip would pass them.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeoutMs },
    // Over TLS, HTTP/2 takes half as much CPU again for the same calls.
    allowH2: false,
  }
  const createPool = (connections: number): Dispatcher =>
    proxies === undefined
      ? new Pool(origin, { ...settings, connections })
      : toOrigin(origin, createProxyAgent({ proxies, connectTimeoutMs, settings: { ...settings, connections } }))
  const connections = new Connections(options.connections, createPool)
  const probePool = createPool(2)
  const probeRequest: HttpRequest = {
    method: "GET",
    path: `${basePath}custom_metadata`,
    template: "custom_metadata",
    headers: commonHeaders,
    body: undefined,
    blocking: false,
  }
  const probe = () =>
    new Promise<HttpResponse>((onResponse, onError) => {
      send(probePool, probeRequest, Math.min(maxProbeMs, timeoutMs), { onResponse, onError })
    })
  const files = createFilePools({
    upstream: options.url,
    allowed: fileOrigins,
    proxies,
    connectTimeoutMs,
    userAgent,
    metrics,
  })
  const breaker = createBreaker({ calls: options.breakerCalls || Number.POSITIVE_INFINITY, probe, log, metrics })
  const semaphore = new FairSemaphore(options.connections, options.maxQueued || Number.POSITIVE_INFINITY)
  const changes = new CallerChanges()
  const resources = {
    basePath,
    commonHeaders,
    route: {
      connections,
      semaphore,
      breaker,
      budget: new RetryBudget(options.retryPercent),
      timeoutMs,
      metrics,
      isMeasured,
    },
    reads: options.sharedReads ? new SharedReads<ApiFlight>(changes) : undefined,
    changes,
    cache: options.cache,
    files,
    fileBudget: new RetryBudget(options.retryPercent),
    deadlineMs: options.deadlineMs,
    maxCalls: options.maxCalls,
  }

  return {
    forCaller: (caller, { retryReads = true } = {}) => new RequestUpstream(caller, resources, retryReads),
    async probe() {
      try {
        if (breaker.isOpen) throw breaker.openError()
        return (await probe()).status < 500 ? undefined : noResponse
      } catch (error) {
        return withReason(noResponse, error instanceof TransportError ? error.reason : undefined)
      }
    },
    changes,
    timeoutMs,
    get circuit() {
      return breaker.isOpen ? "open" : "closed"
    },
    get counts() {
      return semaphore.counts
    },
    async close() {
      breaker.close()
      await Promise.all([connections.destroy(), probePool.destroy(), files.close()])
    },
  }
}

/** An agent for one origin, which requests need not name. */
function toOrigin(origin: string, agent: Dispatcher): Dispatcher {
  return agent.compose((dispatch) => (request, handler) => dispatch({ ...request, origin }, handler))
}
