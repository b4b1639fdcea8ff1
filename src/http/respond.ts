import type { IncomingMessage, ServerResponse } from "node:http"
import { type ExecutionResult, GraphQLError } from "graphql"
import type { CORSOptions } from "graphql-yoga"
import { presentError } from "../errors.ts"
import { withVariables } from "../operation/invalidLiterals.ts"
import { fullProgress, isLargerThan, maxErrors, omittedErrors, roughSize, tooLarge } from "../operation/responseSize.ts"
import { requestIdOf } from "./clientIdentity.ts"
import type { Rejection } from "./rejection.ts"
import type { RequestState } from "./requestState.ts"
import { isMcp } from "./router.ts"

/*
 * Decides the media type, status, headers, CORS and hidden extensions of every response, for the fast path, for rejections and
 * for Yoga.
 */

/** A result, or a part of one. With `@defer` and `@stream` one part may contain several. */
export interface ResultPart extends ExecutionResult {
  incremental?: readonly ResultPart[]
}

// Media type

export type MediaType = "application/json" | "application/graphql-response+json"

const contentTypes: Readonly<Record<MediaType, string>> = {
  "application/json": "application/json; charset=utf-8",
  "application/graphql-response+json": "application/graphql-response+json; charset=utf-8",
}

/**
 * Selects the media type of a response in one piece: the first acceptable one, in the order of the Accept header. Quality values
 * are ignored, as Yoga ignores them. Undefined if the client accepts neither type.
 */
export function negotiate(accept: string | null | undefined): MediaType | undefined {
  if (!accept || accept === "*/*" || accept === "application/json") return "application/json"
  for (const item of accept.toLowerCase().replace(/\s/g, "").split(",")) {
    const [mediaType = "", ...parameters] = item.split(";")
    if (parameters.some((parameter) => parameter.includes("charset=") && parameter !== "charset=utf-8")) continue
    const [type, subtype] = mediaType.split("/")
    if (type !== "application" && type !== "*") continue
    if (subtype === "json" || subtype === "*") return "application/json"
    if (subtype === "graphql-response+json") return "application/graphql-response+json"
  }
  return undefined
}

/** The error of a result that comes in parts, for a client that accepts only responses in one piece. */
export function notAcceptable({ isSubscription }: RequestState): GraphQLError {
  const message = isSubscription
    ? "The events of a subscription are sent as server-sent events. Send `Accept: text/event-stream`."
    : "The response to @defer or @stream is sent in parts. Send `Accept: multipart/mixed` or `text/event-stream`."
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT", http: { status: 406 } } })
}

// Headers

/** The request headers that a response to an operation depends on. */
const operationVary = "Accept, Accept-Encoding, Authorization, Agent-Id, Origin, Cookie, X-Session"

const operationCacheControl = "private, no-store"

/** Completes the headers of a response that Yoga has made. */
export function completeHeaders(headers: Headers, { requestId }: RequestState, isOperation: boolean): void {
  if (/^(text\/event-stream|multipart\/mixed)/.test(headers.get("content-type") ?? "")) {
    headers.set("cache-control", operationCacheControl)
    // Otherwise a proxy that buffers responses would delay the events.
    headers.set("x-accel-buffering", "no")
  }
  headers.set("x-request-id", requestId)
  headers.set("x-content-type-options", "nosniff")
  if (!headers.has("cache-control")) headers.set("cache-control", operationCacheControl)
  if (isOperation) headers.set("vary", operationVary)
}

const exposedHeaders = ["X-Request-Id", "Retry-After", "Mcp-Session-Id"]

/** The CORS settings for Yoga. Yoga's default rejects an origin with `null`, which is the origin of sandboxed pages. */
export function corsOptions(origin: string | null, allowed: readonly string[]): CORSOptions {
  if (origin === null || !allowed.includes(origin)) return false
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
      "X-Upstream-Cost",
      "X-GraphQL-Yoga-CSRF",
      "Apollo-Require-Preflight",
      "MCP-Protocol-Version",
      "Mcp-Method",
      "Mcp-Name",
      "Mcp-Session-Id",
    ],
    exposedHeaders,
    maxAge: 3600,
  }
}

/** Sets the CORS headers of a response that Yoga does not make. */
export function setCorsHeaders(response: ServerResponse, origin: string | undefined, allowed: readonly string[]): void {
  if (origin === undefined || !allowed.includes(origin)) return
  response.setHeader("access-control-allow-origin", origin)
  response.setHeader("access-control-expose-headers", exposedHeaders.join(", "))
}

// Results of operations

/** A response to an operation in one piece. */
export interface OperationResponse {
  status: number
  headers: Record<string, string | number>
  /** A string: Node sends it together with the headers in one write. */
  body: string
  hasData: boolean
}

/**
 * Renders a result that is sent in one piece.
 * @param maxBytes a larger result is replaced by an error
 */
export function renderResult(
  state: RequestState,
  type: MediaType,
  result: ExecutionResult,
  maxBytes: number,
): OperationResponse {
  const presented = present(state, result)
  const body = JSON.stringify(withoutHttpExtensions(presented))
  const size = Buffer.byteLength(body)
  if (size > maxBytes && presented.data != null) return renderResult(state, type, oversized(state, maxBytes), maxBytes)
  const { status, headers } = statusOf(presented, type)
  const own = {
    "content-type": contentTypes[type],
    "content-length": size,
    "cache-control": operationCacheControl,
    vary: operationVary,
    "x-request-id": state.requestId,
    "x-content-type-options": "nosniff",
  }
  return {
    status,
    headers: headers === undefined ? own : { ...headers, ...own },
    body,
    hasData: presented.data != null,
  }
}

/** From this length on, a body is not concatenated with the headers. */
const minSeparateLength = 64 * 1024

/** Sends a rendered result without compression. */
export function sendRendered(response: ServerResponse, { status, headers, body }: OperationResponse): void {
  response.writeHead(status, headers)
  if (body.length < minSeparateLength) {
    response.end(body)
    return
  }
  // Node concatenates the headers with a string, and V8 then copies all of it on its heap. Both leave in one write all the same.
  response.cork()
  response.flushHeaders()
  // A text that has as many bytes as characters is ASCII, for which Latin-1 is the same and need not be measured again.
  response.end(body, headers["content-length"] === body.length ? "latin1" : "utf8")
  response.uncork()
}

/**
 * Replaces a result that is too large to be rendered. For results of graphql-js, which does not count their size. V8 cannot make
 * a string of more than 512 MiB.
 */
export function limitSize(state: RequestState, result: ExecutionResult, maxBytes: number): ExecutionResult {
  return result.data != null && roughSize(result.data, maxBytes) > maxBytes ? oversized(state, maxBytes) : result
}

/**
 * Presents a result in one piece that is sent as the only part or event of a response. Its status is 200, as that of every such
 * response to a well-formed request: clients read the errors in the part.
 */
export function presentOnlyPart(state: RequestState, result: ExecutionResult, maxBytes: number): ExecutionResult {
  const part = presentPart(state, result, maxBytes)
  for (const { extensions } of part.errors ?? []) {
    if ((extensions.http as { spec?: boolean } | undefined)?.spec) delete extensions.http
  }
  return part
}

/** Presents a part of a result that is sent in parts. A part that is too large is replaced by an error. */
export function presentPart(state: RequestState, part: ResultPart, maxBytes: number): ResultPart {
  const presented = present(state, part)
  if (presented.data == null && presented.incremental === undefined) return presented
  if (!isLargerThan(maxBytes, presented)) return presented
  return present(state, { ...part, ...oversized(state, maxBytes), incremental: undefined })
}

function oversized(state: RequestState, maxBytes: number): ExecutionResult {
  return { errors: [tooLarge(maxBytes, fullProgress(state.operation))], data: null }
}

/** Presents a result to the client: errors are translated and counted, and the cost is added if the client has requested it. */
function present<R extends ResultPart>(state: RequestState, result: R): R {
  const presented = presentErrors(state, result)
  if (!state.showsCost) return presented
  return { ...presented, extensions: { ...presented.extensions, cost: { ...state.cost } } }
}

function presentErrors<R extends ResultPart>(state: RequestState, result: R): R {
  if (result.incremental !== undefined) {
    return { ...result, incremental: result.incremental.map((part) => presentErrors(state, part)) }
  }
  if (!result.errors?.length) return result
  const excess = result.errors.length - maxErrors
  // The list may have one error more than the limit: the one with which the executor summarizes those that it has dropped.
  const shown = excess > 1 ? [...result.errors.slice(0, maxErrors), omittedErrors(excess)] : result.errors
  const errors = shown.map((error) => {
    const presented = presentError(withVariables(error), state.requestId, state.log)
    const { code, http } = presented.extensions
    state.countError(String(code))
    // Yoga and its executor mark only some of the invalid operations, and a missing query. Malformed requests are BAD_REQUEST.
    if (http?.status === 400) presented.extensions.http = { ...http, spec: error.extensions?.code !== "BAD_REQUEST" }
    return presented
  })
  return { ...result, errors }
}

/**
 * The status and headers that a result requires, by the rules of GraphQL over HTTP: for `application/json` an error of a
 * well-formed request has status 200. For `application/graphql-response+json` a result without data is 4xx or 5xx.
 */
function statusOf({ data, errors }: ExecutionResult, type: MediaType) {
  let status: number | undefined
  let headers: Record<string, string> | undefined
  for (const { extensions } of errors ?? []) {
    const http = extensions.http as GraphQLError["extensions"]["http"] & { spec?: boolean }
    if (http === undefined) continue
    if (http.headers !== undefined) headers = { ...headers, ...http.headers }
    if (type === "application/json" && http.spec) continue
    status = Math.max(status ?? 0, http.status ?? 0)
  }
  if (!status && data === undefined) {
    if (errors?.some(({ extensions }) => extensions.code === "INTERNAL_SERVER_ERROR")) status = 500
    else if (type === "application/graphql-response+json") status = 400
  }
  return { status: status || 200, headers }
}

/** Removes `extensions.http`, which is meant for this file only. */
function withoutHttpExtensions(result: ExecutionResult): object {
  if (!result.errors?.some(({ extensions }) => extensions.http !== undefined)) return result
  const errors = result.errors.map((error) => {
    const { http: _, ...extensions } = error.extensions
    return { ...error.toJSON(), extensions }
  })
  return { ...result, errors }
}

// Rejections and text

/** The code of JSON-RPC for errors of a server's own. */
const serverErrorCode = -32_000

/** Answers a request that is not GraphQL with one line of text. */
export function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  text: { status: number; message: string; allow?: string },
): void {
  send(response, text.status, `${text.message}\n`, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-request-id": requestIdOf(request.headers["x-request-id"]),
    ...(text.allow !== undefined && { allow: text.allow }),
    // After asking for a WebSocket a client may send frames, which are not HTTP.
    ...(text.status === 400 && { connection: "close" }),
  })
}

/**
 * Rejects a request for an operation, in the form that GraphQL over HTTP requires, or a message of an agent's client, as an error of
 * JSON-RPC. The body need not be read.
 */
export function sendRejection(
  request: IncomingMessage,
  response: ServerResponse,
  rejection: Omit<Rejection, "reason">,
): void {
  const requestId = requestIdOf(request.headers["x-request-id"])
  const { code, message, retryAfterSeconds, acceptEncoding } = rejection
  const extensions = { code, requestId, retryAfterSeconds }
  const body = JSON.stringify(
    isMcp(request)
      ? { jsonrpc: "2.0", id: null, error: { code: serverErrorCode, message, data: extensions } }
      : { errors: [{ message, extensions }] },
  )
  send(response, rejection.status, body, {
    "content-type": contentTypes[negotiate(request.headers.accept) ?? "application/json"],
    "cache-control": operationCacheControl,
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    ...(acceptEncoding !== undefined && { "accept-encoding": acceptEncoding }),
    vary: operationVary,
    "x-request-id": requestId,
  })
}

/** Sends an image that is part of somebody's results: only to pages of the same origin, and without any power as a document. */
export function sendImage(
  response: ServerResponse,
  { requestId }: RequestState,
  { type, bytes }: { type: string; bytes: Buffer },
): void {
  response.writeHead(200, {
    "content-type": type,
    "content-length": bytes.length,
    // For a browser that opens it as a page: an SVG image can have scripts and links.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "content-disposition": type === "image/svg+xml" ? "attachment" : "inline",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": operationCacheControl,
    vary: operationVary,
    "x-request-id": requestId,
    "x-content-type-options": "nosniff",
  })
  response.end(bytes)
}

/** Sends the error of a request that is not GraphQL in the form that operations have. */
export function sendErrors(
  response: ServerResponse,
  { requestId }: RequestState,
  error: { status: number; code: string; message: string; extensions?: Record<string, unknown> },
): void {
  const { status, code, message } = error
  const extensions: Record<string, unknown> = { ...error.extensions, code, requestId }
  const { retryAfterSeconds } = extensions
  send(response, status, JSON.stringify({ errors: [{ message, extensions }] }), {
    "content-type": contentTypes["application/json"],
    "cache-control": operationCacheControl,
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    vary: operationVary,
    "x-request-id": requestId,
  })
}

/** Answers a request that is not GraphQL with JSON about its sender. */
export function sendPrivate(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body, cookie }: { status: number; body?: unknown; cookie?: string | undefined },
): void {
  send(response, status, body === undefined ? "" : JSON.stringify(body), {
    ...(body !== undefined && { "content-type": contentTypes["application/json"] }),
    ...(cookie !== undefined && { "set-cookie": cookie }),
    "cache-control": operationCacheControl,
    vary: operationVary,
    "x-request-id": requestIdOf(request.headers["x-request-id"]),
  })
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  response.writeHead(status, {
    ...headers,
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
  })
  response.end(body)
}

/** Converts a rejection into an error of the operation. Needed where only the parsed operation shows that it is rejected. */
export function rejectionError({ status, code, message, retryAfterSeconds = 1 }: Rejection): GraphQLError {
  const http = { status, headers: { "retry-after": String(retryAfterSeconds) } }
  return new GraphQLError(message, { extensions: { code, retryAfterSeconds, http } })
}
