import type { IncomingMessage, ServerResponse } from "node:http"
import type { Log } from "../log/log.ts"
import type { StoreWait } from "../store/store.ts"
import { methodLabel, routeLabel } from "../telemetry/labels.ts"
import type { Telemetry } from "../telemetry/telemetry.ts"
import type { Admission, AdmissionTicket } from "./admission.ts"
import { type BodyTimeouts, createBodies, hasBody } from "./body.ts"
import { type ClientAddress, type ClientIdentity, type IdentifyClient, withoutToken } from "./clientIdentity.ts"
import type { Connection, Connections } from "./connections.ts"
import { createEventLoopBudget } from "./eventLoopBudget.ts"
import type { SendExplorer } from "./explorer/sendExplorer.ts"
import type { OperationHandler } from "./fastPath.ts"
import type { FileHandler } from "./fileRoute.ts"
import type { SendLandingPage } from "./landingPage.ts"
import { createRejectionLog, guarded, logUnexpected } from "./logging.ts"
import type { OpenResponses } from "./openResponses.ts"
import type { Rejection } from "./rejection.ts"
import { RequestState } from "./requestState.ts"
import { sendRejection, sendText, setCorsHeaders } from "./respond.ts"
import type { Route } from "./router.ts"
import type { OpenedSessions } from "./session/openSessions.ts"
import { type ActiveSession, noSession } from "./session/sessions.ts"

/** The maximum number of pipelined requests of one connection. One that sends more is closed. */
const maxPipelined = 100

export interface RequestHandler {
  handle(request: IncomingMessage, response: ServerResponse): void
  /** Aborts bodies that are too slow. Ends subscriptions of sessions that are over. To be called at short intervals. */
  check(): void
  close(): void
  readonly stats: { halfSent: number; halfSentBytes: number }
}

type Admitted = (request: IncomingMessage, response: ServerResponse, body: Buffer | undefined) => void

/**
 * Handles what is common to all requests: route, body, client identity, admission and the request's state. An exception is
 * answered with 500 and does not affect other requests.
 */
export function createRequestHandler(options: {
  log: Log
  telemetry: Telemetry
  route(request: IncomingMessage): Route
  identifyClient: IdentifyClient
  clientAddress: ClientAddress
  admission: Pick<Admission, "admit" | "check">
  connections: Connections
  responses: OpenResponses
  bodyTimeouts: BodyTimeouts
  maxBodyBytes: number
  corsOrigins: readonly string[]
  sendLandingPage: SendLandingPage
  sendExplorer?: SendExplorer
  answerOperation: OperationHandler
  /** Answers messages of agents' clients. */
  answerMcp?: OperationHandler | undefined
  answerFile: FileHandler
  /** Answers requests that are not operations, such as `/health`. */
  answerOther(request: IncomingMessage, response: ServerResponse, state: RequestState): void
  /** Undefined if sessions are off. */
  sessions?: OpenedSessions | undefined
}): RequestHandler {
  const { log, telemetry, admission, connections, responses, clientAddress, answerOperation } = options
  const rejectionLog = createRejectionLog(log)
  const eventLoopBudget = createEventLoopBudget((start) => guarded(log, start)())
  const bodies = createBodies({
    maxBodyBytes: options.maxBodyBytes,
    timeouts: options.bodyTimeouts,
    connections,
    reject: rejectCounted,
    checkAdmission: (request) => admission.check(identify(request).key),
    fail,
  })

  const admitTo =
    (answer: OperationHandler): Admitted =>
    (request, response, body) =>
      admit(answer, request, response, body)
  /** What follows the body, by route. */
  const handlers = {
    operation: admitTo(answerOperation),
    mcp: admitTo(options.answerMcp ?? answerOperation),
    file: admitTo(options.answerFile),
    session: answerSession,
  } satisfies Partial<Record<Route & string, Admitted>>

  const identify = (request: IncomingMessage) =>
    options.identifyClient(request.headers, () => clientAddress(request, request.socket))

  function fail(error: unknown, response: ServerResponse) {
    logUnexpected(log, error)
    try {
      if (response.headersSent) response.destroy()
      else sendRejection(response.req, response, unexpectedError)
    } catch {
      response.destroy()
    }
  }

  function reject(request: IncomingMessage, response: ServerResponse, rejection: Rejection) {
    rejectionLog.add(rejection)
    telemetry.metrics?.onRejection(rejection.reason)
    setCorsHeaders(response, request.headers.origin, options.corsOrigins)
    sendRejection(request, response, rejection)
  }

  /** Rejects a malformed request, which counts towards the client's rate limit. */
  function rejectCounted(request: IncomingMessage, response: ServerResponse, rejection: Rejection) {
    const { ticket, rejection: notAdmitted = rejection } = admission.admit(identify(request).key)
    ticket?.release()
    reject(request, response, notAdmitted)
  }

  function dispatch(request: IncomingMessage, response: ServerResponse) {
    const route = options.route(request)
    if (route !== "operation" && route !== "mcp" && route !== "file" && route !== "session") {
      bodies.discard(request, response)
      if (route === "page") options.sendLandingPage(request, response)
      else if (route === "explorer") options.sendExplorer?.(request, response)
      else if (route === "other") options.answerOther(request, response, createState(request, response))
      else sendText(request, response, route)
      return
    }
    const admitted: Admitted = handlers[route]
    if (request.method !== "POST" || !hasBody(request)) {
      bodies.discard(request, response)
      admitted(request, response, undefined)
      return
    }
    const rejection = bodies.checkHeaders(request)
    if (rejection === undefined) bodies.read(request, response, admitted)
    else {
      bodies.discard(request, response)
      rejectCounted(request, response, rejection)
    }
  }

  function createState(
    request: IncomingMessage,
    response: ServerResponse,
    identity = identify(request),
    ticket?: AdmissionTicket,
  ) {
    const { method, url, headers } = request
    const span = ticket && telemetry.tracer?.startRequest(methodLabel(method), routeLabel(url), headers.traceparent)
    const state = new RequestState(log, request.headers, identity, ticket, telemetry, span)
    // On close, not when the response has been made: a response that is still being sent counts as in flight.
    responses.onClose(response, () => {
      ticket?.release()
      if (response.writableFinished && span === undefined) return
      try {
        if (!response.writableFinished) state.cancel()
        // For a response without a line of the log.
        state.endSpan(state.cancelled ? "cancelled" : "errors", response.statusCode)
      } catch (error) {
        logUnexpected(log, error)
      }
    })
    return state
  }

  function admit(
    answer: OperationHandler,
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer | undefined,
  ) {
    const identity = identify(request)
    const { ticket, rejection } = admission.admit(identity.key)
    if (rejection !== undefined) {
      reject(request, response, rejection)
      return
    }
    // Node remembers the method, and omits the body of the response.
    if (request.method === "HEAD") request.method = "GET"
    const { session } = identity
    if (session === undefined) answerAdmitted(request, response, identity, ticket, body, answer)
    else answerInSession(request, response, identity, session, ticket, body, answer)
  }

  /** Answers a request with a session, unless the user has signed out of it. */
  function answerInSession(
    request: IncomingMessage,
    response: ServerResponse,
    identity: ClientIdentity,
    session: ActiveSession,
    ticket: AdmissionTicket,
    body: Buffer | undefined,
    answer: OperationHandler,
  ) {
    const { sessions } = options.sessions as OpenedSessions
    const storeWait = { waitedMs: 0 }
    response.once("close", () => ticket.release())
    sessions
      .isEnded(session, storeWait)
      .then((isEnded) => {
        if (response.destroyed) return
        if (isEnded) {
          answerAdmitted(request, response, withoutToken(noSession, identity.key), ticket, body, answer, storeWait)
          return
        }
        const cookie = sessions.renewal(session)
        if (cookie !== undefined) response.setHeader("set-cookie", cookie)
        const state = answerAdmitted(request, response, identity, ticket, body, answer, storeWait)
        const stop = sessions.onEnd(session, () => state.isSubscription && state.cancel())
        response.once("close", stop)
      })
      .catch((error: unknown) => fail(error, response))
  }

  function answerSession(request: IncomingMessage, response: ServerResponse, body: Buffer | undefined) {
    const { ticket, rejection } = admission.admit(identify(request).key)
    if (rejection !== undefined) {
      reject(request, response, rejection)
      return
    }
    response.once("close", () => ticket.release())
    const create = (identity?: ClientIdentity) => createState(request, response, identity, ticket)
    options.sessions?.answer(request, response, create, body).catch((error: unknown) => fail(error, response))
  }

  function answerAdmitted(
    request: IncomingMessage,
    response: ServerResponse,
    identity: ClientIdentity,
    ticket: AdmissionTicket,
    body: Buffer | undefined,
    answer: OperationHandler,
    storeWait?: StoreWait,
  ): RequestState {
    const state = createState(request, response, identity, ticket)
    if (storeWait !== undefined) state.storeWait = storeWait
    const encoding = body && request.headers["content-encoding"]
    if (encoding !== undefined) {
      bodies.decode(response, body as Buffer, encoding, (decoded) => {
        if ("status" in decoded) reject(request, response, decoded)
        else if (!response.destroyed) answer(request, response, state, decoded)
      })
    } else if (eventLoopBudget.isSpent()) {
      eventLoopBudget.defer(identity.key, () => {
        if (!response.destroyed) answer(request, response, state, body)
      })
    } else if (!response.destroyed) {
      answer(request, response, state, body)
      eventLoopBudget.spend(performance.now() - state.started)
    }
    return state
  }

  function handle(request: IncomingMessage, response: ServerResponse) {
    try {
      dispatch(request, response)
    } catch (error) {
      fail(error, response)
    }
  }

  function handleNext({ pipelined }: Connection) {
    const response = pipelined.shift()
    if (response !== undefined && !response.destroyed) handle(response.req, response)
  }

  return {
    handle(request, response) {
      telemetry.metrics?.onRequest(request, response)
      const connection = connections.of(request)
      responses.add(response, connection, handleNext)
      if (connection.openResponses === 1) {
        handle(request, response)
        return
      }
      // Responses are sent in order, so a pipelined request gains nothing by being handled early. One packet can contain
      // hundreds, which would block the event loop if they were handled at once.
      connection.pipelined.push(response)
      if (connection.pipelined.length > maxPipelined) connection.socket.destroy()
    },
    check() {
      bodies.check()
      options.sessions?.sessions.check()
    },
    close: rejectionLog.close,
    get stats() {
      return bodies.stats
    },
  }
}

const unexpectedError: Rejection = {
  reason: "unexpected_error",
  status: 500,
  code: "INTERNAL_SERVER_ERROR",
  message: "Unexpected error. The gateway's log has the details.",
}
