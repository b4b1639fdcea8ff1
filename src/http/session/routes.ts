import type { IncomingMessage, ServerResponse } from "node:http"
import { isPlausibleToken } from "../../config/kinds.ts"
import { hasCode, toFailure } from "../../errors.ts"
import { searchRunnables } from "../../graph/capsule/rest.ts"
import { searchDataAssets } from "../../graph/dataAsset/rest.ts"
import type { Log } from "../../log/log.ts"
import type { Metrics, SessionEvent } from "../../telemetry/metrics.ts"
import { UpstreamError } from "../../upstream/error.ts"
import type { UpstreamPool } from "../../upstream/pool.ts"
import type { Admission } from "../admission.ts"
import { type ClientAddress, type ClientIdentity, tokenIdentity } from "../clientIdentity.ts"
import { isPlainJson } from "../contentType.ts"
import type { Rejection } from "../rejection.ts"
import type { RequestState } from "../requestState.ts"
import { sendPrivate, sendRejection } from "../respond.ts"
import { isSameOrigin } from "./cookie.ts"
import { type ActiveSession, nameOf, type Sessions } from "./sessions.ts"

/** A body is a token in JSON, of at most 1,024 characters, each of which may be escaped. */
const maxBodyBytes = 8_192

/** Answers a request to /session. The body has been read; it is undefined for a request without one. */
export type SessionHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  createState: (identity?: ClientIdentity) => RequestState,
  body: Buffer | undefined,
) => Promise<void>

/**
 * `POST /session` signs in, `GET` says whether there is a session, and `DELETE` signs out.
 * @param options.signIns limits the attempts to sign in from one address
 */
export function createSessionRoutes(options: {
  log: Log
  metrics: Metrics | undefined
  sessions: Sessions
  pool: UpstreamPool
  codeoceanUrl: URL
  signIns: Pick<Admission, "admit">
  clientAddress: ClientAddress
}): SessionHandler {
  const { log, metrics, sessions, pool } = options
  const codeoceanUrl = options.codeoceanUrl.href

  function report(event: SessionEvent, { requestId }: RequestState, session?: ActiveSession) {
    metrics?.onSession(event)
    log.info({ requestId, event, session: session && nameOf(session).slice(0, shownDigits) }, "session")
  }

  function send(
    request: IncomingMessage,
    response: ServerResponse,
    status: 200 | 201,
    session: ActiveSession | undefined,
    cookie: string | undefined,
  ) {
    const described = session === undefined ? null : { ...sessions.describe(session), codeoceanUrl }
    sendPrivate(request, response, { status, body: { session: described }, cookie })
  }

  /** The session of a request, unless the user has signed out of it. */
  async function current(
    { headers }: IncomingMessage,
    { storeWait }: RequestState,
  ): Promise<ActiveSession | undefined> {
    const session = sessions.open(headers)
    if (session === undefined || "missing" in session) return undefined
    return (await sessions.isEnded(session, storeWait)) ? undefined : session
  }

  const signIn: SessionHandler = async (request, response, createState, body = noBody) => {
    const token = readToken(request, body)
    if (typeof token !== "string") return sendRejection(request, response, token)
    // Before the call: without TLS the session could not begin.
    const started = sessions.start(token, request.headers)
    if (started === undefined) return sendRejection(request, response, needsTls)
    const { ticket, rejection } = options.signIns.admit(`sign-in ${options.clientAddress(request, request.socket)}`)
    if (rejection !== undefined) {
      metrics?.onRejection(rejection.reason)
      return sendRejection(request, response, rejection)
    }
    ticket.release()
    const state = createState(tokenIdentity(token))
    const problem = isPlausibleToken(token) ? await checkToken(pool, state) : unknownToken
    if (problem !== undefined) {
      report(problem === unknownToken ? "token_rejected" : "not_checked", state)
      if (!response.destroyed) sendRejection(request, response, problem)
      return
    }
    // Otherwise each sign-in would leave a session behind that nobody can end.
    const previous = await current(request, state)
    if (previous !== undefined) await sessions.end(previous, state.storeWait)
    if (response.destroyed) return
    report("started", state, started.session)
    send(request, response, 201, started.session, started.cookie)
  }

  return async (request, response, createState, body) => {
    if (request.method === "POST") return signIn(request, response, createState, body)
    const isGet = request.method === "GET"
    if (!isGet && !isAllowed(request.headers)) return sendRejection(request, response, forbidden)
    const state = createState()
    const session = await current(request, state)
    if (!isGet && session !== undefined) {
      await sessions.end(session, state.storeWait)
      report("ended", state, session)
    }
    if (response.destroyed) return
    if (isGet) send(request, response, 200, session, session && sessions.renewal(session))
    else sendPrivate(request, response, { status: 204, cookie: sessions.clearedCookie(request.headers) })
  }
}

/** How many characters of a digest the log has. */
const shownDigits = 10

/**
 * Whether Code Ocean knows the token: undefined if it does. A token may lack the scope for one of the two reads. The second is made
 * only if the first was rejected.
 */
async function checkToken(pool: UpstreamPool, state: RequestState): Promise<Problem | undefined> {
  const upstream = pool.forCaller(state)
  state.onCancelled = () => upstream.end()
  const reads = [
    () => searchRunnables(upstream, "capsules", { limit: 1 }),
    () => searchDataAssets(upstream, { limit: 1 }),
  ]
  try {
    for (const read of reads) {
      const error = await read().then(
        () => undefined,
        (error: unknown) => error ?? new Error("rejected without a reason"),
      )
      if (error === undefined || (error instanceof UpstreamError && error.lacksScope)) return undefined
      if (!hasCode(error, "UNAUTHENTICATED", "FORBIDDEN")) return unavailable(error)
    }
    return unknownToken
  } finally {
    upstream.end()
  }
}

/** The answer to a request that is not carried out. */
type Problem = Omit<Rejection, "reason">

/** Whether a page of the gateway's own origin has sent the request on purpose. */
function isAllowed(headers: IncomingMessage["headers"]): boolean {
  return headers["x-session"] !== undefined && isSameOrigin(headers)
}

/** Reads the token from the body, and clears the body. */
function readToken({ headers }: IncomingMessage, body: Buffer): string | Problem {
  if (!isAllowed(headers)) return forbidden
  if (!isPlainJson(headers["content-type"]) || headers["content-encoding"] !== undefined) return notJson
  if (body.length > maxBodyBytes) return tooLarge
  try {
    const { token } = JSON.parse(body.toString()) as { token?: unknown }
    return typeof token === "string" ? token.trim() : malformed
  } catch {
    return malformed
  } finally {
    body.fill(0)
  }
}

const noBody = Buffer.alloc(0)

const malformed: Problem = {
  status: 400,
  code: "BAD_USER_INPUT",
  message: 'The body must be a JSON object with a Code Ocean access token: {"token": "…"}.',
}

/** The same for every token that is not accepted, whatever is wrong with it. */
const unknownToken: Problem = {
  status: 401,
  code: "UNAUTHENTICATED",
  message: "Code Ocean did not accept the token. It may be wrong or expired, or lack a scope to read.",
}

const forbidden: Problem = {
  status: 403,
  code: "FORBIDDEN",
  message:
    "Rejected to prevent cross-site request forgery. Sessions are for pages of the gateway's own origin, which send the header X-Session: 1. Others send a token with each request.",
}

const needsTls: Problem = {
  status: 403,
  code: "FORBIDDEN",
  message: "Sessions need https, except on the machine of the gateway itself. Nothing was sent to Code Ocean.",
}

const notJson: Problem = {
  status: 415,
  code: "BAD_USER_INPUT",
  message: "Send the token as JSON, with Content-Type application/json and without Content-Encoding.",
}

const tooLarge: Problem = {
  status: 413,
  code: "BAD_USER_INPUT",
  message: `The request's body is larger than ${maxBodyBytes} bytes.`,
}

/** The read has failed for another reason than the token, which nobody knows to be wrong. */
function unavailable(error: unknown): Problem {
  const failure = toFailure(error)
  if (failure === undefined) throw error
  const retryAfterSeconds = error instanceof UpstreamError ? error.retryAfterSeconds : undefined
  return {
    status: 503,
    code: failure.code,
    message: `The token could not be checked. ${failure.message}`,
    retryAfterSeconds: retryAfterSeconds ?? 1,
  }
}
