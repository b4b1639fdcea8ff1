import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { createYoga, useExecutionCancellation } from "graphql-yoga"
import { type Config, listensLocally } from "./config.ts"
import { schema } from "./graph/schema.ts"
import { createAdmission, measureLag, type Permit } from "./http/admission.ts"
import { type Bodies, bodyTimes, hasBody } from "./http/body.ts"
import { createContexts } from "./http/buildContext.ts"
import { createAddressOf, createSenders } from "./http/clientIdentity.ts"
import { corsFor, setCorsHeaders } from "./http/cors.ts"
import { createPlainPath, type OperationHandler } from "./http/fastPath.ts"
import { examples } from "./http/graphiql/examples.ts"
import { useGraphiql } from "./http/graphiql/useGraphiql.ts"
import { createListener, type ListenerLimits } from "./http/listener.ts"
import { measureMemory } from "./http/memoryPressure.ts"
import { useBodyLimit } from "./http/plugins/useBodyLimit.ts"
import { useCompiledExecutor } from "./http/plugins/useCompiledExecutor.ts"
import { useCsrfPrevention } from "./http/plugins/useCsrfPrevention.ts"
import { useIncrementalDelivery } from "./http/plugins/useIncrementalDelivery.ts"
import { useOperationLimits } from "./http/plugins/useOperationLimits.ts"
import { usePersistedOperations } from "./http/plugins/usePersistedOperations.ts"
import { useReadiness } from "./http/plugins/useReadiness.ts"
import { useRequests } from "./http/plugins/useRequests.ts"
import { useSubscriptionLimit } from "./http/plugins/useSubscriptionLimit.ts"
import { createRequests } from "./http/requestState.ts"
import { answerPlainly, answerRefusal, createRefusalLog, guarded, type Refusal } from "./http/respond.ts"
import { createRoutes } from "./http/router.ts"
import { createTurnBudget } from "./http/turnBudget.ts"
import type { Log } from "./log.ts"
import { createOperationCheck } from "./operation/check.ts"
import { createDocumentCache, createRefusalCache } from "./operation/documentCache.ts"
import { executeCompiled } from "./operation/executor/executeCompiled.ts"
import { fixedLimits, type Limits } from "./operation/limits.ts"
import { invalidDocuments } from "./operation/persisted/manifest.ts"
import { createPersistedOperations } from "./operation/persisted/operations.ts"
import { type Clock, createPollers, type PollerCounts } from "./polling/pollers.ts"
import { createTasks } from "./polling/tasks.ts"
import { createUpstreamPool } from "./upstream/pool.ts"

const endpoint = "/graphql"

/** Times in milliseconds that suit any client that isn't stuck. */
const patience = {
  headersMs: 10_000,
  ...bodyTimes,
  takingMs: 60_000,
  takingGraceMs: 1_000,
  waitingBytes: 256 * 1024 * 1024,
  checkedMs: 1_000,
}

/** Descriptors for the log, the process's own and whatever else is open for a moment, beside the connections to Code Ocean. */
const ownDescriptors = 100

/** A gateway, listening or not. */
export interface Gateway {
  /** Answers a request in process, without a socket. */
  fetch(url: string, init?: RequestInit): Promise<Response>
  /** Begins to listen; resolves with the address, such as `http://127.0.0.1:4000`. Rejects when the port is taken. */
  listen(): Promise<string>
  /** What subscriptions hold at the moment, and the work that is finished without them, for diagnostics. */
  readonly live: PollerCounts & { tasks: number }
  /** What clients hold at the moment, for diagnostics. */
  readonly held: {
    requests: number
    subscriptions: number
    /** Callers who are remembered. */
    callers: number
    connections: number
    /** Answers that aren't sent yet, of whatever. */
    answers: number
    /** Requests whose bodies aren't whole yet, and the bytes that there are of them. */
    halfSent: number
    halfSentBytes: number
  }
  /**
   * Stops being ready, completes all subscriptions, lets the requests in flight finish, each within the request deadline,
   * and the work that outlived its request, and closes everything. Resolves with whether all of them did finish.
   */
  close(): Promise<boolean>
}

/** What is no setting: parts of the process, and switches for tests and the benchmark. */
export interface GatewayOptions {
  /** A token that GraphiQL is preset with, for everyone who opens it. Only for the demo. */
  graphiqlToken?: string
  /** The cause why the log cannot be written at present; undefined if it can. */
  logFailure?: () => string | undefined
  /** For tests: the clock of subscriptions. */
  clock?: Clock
  /** For tests: how long clients may take. */
  patience?: Partial<ListenerLimits>
  /** For tests: limits on operations, which replace the fixed ones and those of the settings. */
  limits?: Partial<Limits>
  /** For tests: false sends every request through Yoga. */
  fastPath?: boolean
  /** For tests: false executes operations with graphql-js. */
  compiledExecutor?: boolean
  /** For tests: false sends equal reads of one caller one by one. */
  sharedReads?: boolean
  /** For tests: the most calls to Code Ocean that are queued. */
  upstreamQueue?: number
}

/** The most calls to Code Ocean that are queued, at most half of them one caller's. */
const mostQueuedCalls = 100_000

/** Puts the gateway together. */
export function createGateway(config: Config, log: Log, options: GatewayOptions = {}): Gateway {
  const { fastPath = true, compiledExecutor = true, sharedReads = true, upstreamQueue = mostQueuedCalls } = options
  const limits: Limits = { ...fixedLimits, ...config.limits, ...options.limits }
  const pool = createUpstreamPool({
    url: config.codeoceanUrl,
    timeoutMs: config.upstreamTimeoutMs,
    deadlineMs: config.requestDeadlineMs,
    connections: config.upstreamConnections,
    maxCalls: limits.calls,
    maxQueued: upstreamQueue,
    retryPercent: config.upstreamRetryPercent,
    breakerCalls: config.upstreamBreakerCalls,
    sharedReads,
    log,
  })
  const persisted = createPersistedOperations({
    manifest: config.persistedOperations,
    only: config.persistedOperationsOnly,
  })
  for (const problem of invalidDocuments(config.persistedOperations ?? new Map(), schema)) {
    log.warn({ operation: problem }, "persisted operation is invalid for this schema and will be rejected")
  }
  const pollers = createPollers(options.clock)
  const tasks = createTasks()
  const admission = createAdmission(config)
  const memory = measureMemory()
  const lag = measureLag(log, (lateMs) => admission.adapt(lateMs, memory.shortage()))
  const refusals = createRefusalLog(log)
  const addressOf = createAddressOf(config.trustedProxies)
  const senderOf = createSenders(addressOf)
  /** Of the requests that Yoga answers. */
  const permits = new WeakMap<IncomingMessage, Permit>()
  const requests = createRequests(log)
  const fillContext = createContexts({
    log,
    pool,
    pollers,
    tasks,
    fallbackToken: config.codeoceanToken,
    bulkCapsuleReads: config.bulkCapsuleReads,
  })
  const checkOperation = createOperationCheck(schema, limits)
  const documents = createDocumentCache()
  let closing: Promise<boolean> | undefined

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
    parserAndValidationCache: { documentCache: documents, errorCache: createRefusalCache() },
    cors: (request) => corsFor(request.headers.get("origin"), config.corsOrigins),
    // Of these, plain operations meet the hooks on parsing and validation, once for each text; what the others do to a request is
    // done for those in http/plain.ts.
    plugins: [
      // First, so that every later refusal has its request id and its line in the log.
      useRequests({ endpoint, requests, fillContext, pollers, largestAnswer: limits.responseBytes }),
      useReadiness({
        upstream: pool,
        problem: () => (closing ? "The gateway is stopping." : admission.overload()),
        logFailure: options.logFailure ?? (() => undefined),
      }),
      // Before the checks on GraphQL requests: a browser's navigation is none.
      config.graphiql &&
        useGraphiql({ endpoint, examples, ...(options.graphiqlToken && { token: options.graphiqlToken }) }),
      useCsrfPrevention(),
      useBodyLimit(limits.bodyBytes),
      usePersistedOperations(persisted),
      useOperationLimits({ limits, checkOperation, introspection: config.introspection }),
      config.incrementalDelivery && useIncrementalDelivery(),
      useSubscriptionLimit((request) => permits.get(request)),
      // When the client leaves, resolvers stop; the upstream calls under way stop through the request's signal. Not so for
      // subscriptions, which useRequests ends: there the executor would keep something of each event until the last.
      { onExecute: useExecutionCancellation().onExecute },
      compiledExecutor && useCompiledExecutor(limits.responseBytes),
    ],
  })

  const setCors = (response: ServerResponse, origin: string | undefined) =>
    setCorsHeaders(response, origin, config.corsOrigins)
  const askYoga: OperationHandler = (request, response, _token, permit, body) => {
    permits.set(request, permit)
    if (body !== undefined) Object.assign(request, { body: Readable.from([body]) })
    yoga(request, response)
  }
  const answerOperation = fastPath
    ? createPlainPath({
        endpoint,
        largestAnswer: limits.responseBytes,
        schema,
        yoga,
        askYoga,
        documents,
        requests,
        fillContext,
        checkOperation,
        execute: compiledExecutor ? executeCompiled : () => undefined,
        log,
        resolveDocument: persisted.resolveDocument,
        setCorsHeaders: setCors,
      })
    : askYoga
  const turnBudget = createTurnBudget((begin) => guarded(log, begin)())
  const routeOf = createRoutes(endpoint, config.codeoceanToken !== undefined && listensLocally(config))
  const listening = {
    ...patience,
    keepAliveMs: config.keepAliveMs,
    connections: config.connections,
    addressConnections: config.addressConnections,
    reservedDescriptors: config.upstreamConnections + ownDescriptors,
    trustedProxies: config.trustedProxies,
    largestBody: limits.bodyBytes,
    // Requests end themselves at their deadline: they get a moment more to say so.
    stoppingMs: config.requestDeadlineMs + 1_000,
    ...options.patience,
  }
  function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal) {
    refusals.note(refusal)
    setCors(response, request.headers.origin)
    answerRefusal(request, response, refusal)
  }

  /** Refuses what the client has done wrong: that counts as a request of the caller's. */
  function refuseAsked(request: IncomingMessage, response: ServerResponse, refusal: Refusal) {
    const { permit, refusal: earlier = refusal } = admission.enter(senderOf(request).name)
    permit?.leave()
    refuse(request, response, earlier)
  }

  const refusalOfCaller = (request: IncomingMessage) => admission.refusalOf(senderOf(request).name)

  function handle(request: IncomingMessage, response: ServerResponse, bodies: Bodies) {
    const route = routeOf(request)
    if (route !== "operation") {
      bodies.discard(request, response)
      if (route === "other") yoga(request, response)
      else answerPlainly(request, response, route)
      return
    }
    const { token, name } = senderOf(request)
    if (request.method !== "POST" || !hasBody(request)) {
      bodies.discard(request, response)
      letIn(undefined)
      return
    }
    const mistake = bodies.mistakeIn(request)
    if (mistake === undefined) bodies.read(request, response, letIn)
    else {
      bodies.discard(request, response)
      refuseAsked(request, response, mistake)
    }

    function letIn(body: Buffer | undefined) {
      const { permit, refusal } = admission.enter(name)
      if (refusal !== undefined) {
        refuse(request, response, refusal)
        return
      }
      // Node has noted it, and leaves the answer's body out.
      if (request.method === "HEAD") request.method = "GET"
      // Not when the answer is made, but when it is sent: an answer that nobody reads takes its place.
      response.on("close", () => permit.leave())
      const answer = (decoded: Buffer | undefined) => {
        if (!response.destroyed) answerOperation(request, response, token, permit, decoded)
      }
      const encoding = body && request.headers["content-encoding"]
      if (encoding === undefined) {
        if (turnBudget.isSpent()) turnBudget.defer(() => answer(body))
        else {
          const begun = performance.now()
          answer(body)
          turnBudget.spend(performance.now() - begun)
        }
      } else {
        bodies.decode(response, body as Buffer, encoding, (decoded) => {
          if ("status" in decoded) refuse(request, response, decoded)
          else answer(decoded)
        })
      }
    }
  }

  const listener = createListener(listening, {
    log,
    addressOf,
    refuse: refuseAsked,
    refusalOf: refusalOfCaller,
    handle,
  })

  async function close(): Promise<boolean> {
    pollers.close()
    const finished = await Promise.all([listener.close(), tasks.drain(config.requestDeadlineMs)])
    lag.stop()
    memory.stop()
    refusals.close()
    await pool.close()
    await yoga.dispose()
    return finished.every(Boolean)
  }

  return {
    fetch: async (url, init) => yoga.fetch(new URL(url), init ?? {}),
    listen: () => listener.listen(config.port, config.host),
    get live() {
      return { ...pollers.counts, tasks: tasks.count }
    },
    get held() {
      return { ...admission.counts, ...listener.counts }
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}
