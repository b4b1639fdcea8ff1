import { type Call, endpointOf } from "./call.ts"
import { DecodeError, isObject } from "./decoders.ts"
import { UpstreamError } from "./error.ts"
import type { CallOutcome } from "./flight.ts"
import { parseJson } from "./json.ts"
import { createRedaction } from "./redaction.ts"
import { missingScope } from "./tokenScope.ts"
import { type ErrorBody, type HttpResponse, headerOf, type TransportError } from "./transport.ts"

const maxContentTypeLength = 100

/** A call that got a response, of any status. */
export type ReceivedResponse = CallOutcome & { response: HttpResponse }

/** The messages for clients if a request has no usable response. */
export type Messages = Readonly<Record<"timeout" | "unreachable" | "connectionLost" | "invalid", string>> & {
  readonly tooLargeAdvice?: string
}

/** The messages for clients if a call was not sent. */
const notSentMessages = {
  circuitOpen: "Code Ocean is down. The gateway checks every second whether it is back.",
  queueFull: "Too many calls to Code Ocean are already waiting. Request less at once, or try again in a second.",
  cancelled: "The request was cancelled.",
}

export const messages: Messages = {
  timeout: "Code Ocean did not answer in time.",
  unreachable: "Code Ocean can't be reached.",
  connectionLost: "The connection to Code Ocean was lost before it answered.",
  invalid: "Code Ocean sent an invalid response.",
}

/** The message with the reason behind its first sentence. */
export function withReason(message: string, reason: string | undefined): string {
  return reason === undefined ? message : message.replace(".", `: ${reason}.`)
}

function tooLarge(message: string, limit: string, advice: string | undefined): string {
  const sentence = withReason(message, `it has more than ${limit}`)
  return advice === undefined ? sentence : `${sentence} ${advice}`
}

/** The error of a call without a complete response. Its outcome is unknown if it is a write that was sent. */
export function transportFailure(
  error: TransportError,
  endpoint: string,
  words: Messages,
  isWrite: boolean,
): UpstreamError {
  const failure = error.kind === "truncated" ? "invalid" : error.kind
  const sentence = { ...notSentMessages, ...words }[failure]
  const message =
    error.exceeded === undefined
      ? withReason(sentence, error.reason)
      : tooLarge(sentence, error.exceeded, words.tooLargeAdvice)
  return new UpstreamError(failure, endpoint, message, {
    cause: error,
    outcomeUnknown: isWrite && error.sent,
    retryAfterSeconds: failure === "circuitOpen" || failure === "queueFull" ? 1 : undefined,
  })
}

/**
 * Reads a response of the API: the decoded body of a 2xx, which is parsed once for all callers that share the response.
 * Throws UpstreamError with the failure `status` for a 4xx or 5xx, and `invalid` for any other status and for a body that
 * cannot be decoded.
 */
export function decodeResponse<T>(
  { response, retryAfterMs }: ReceivedResponse,
  call: Call<T>,
  isWrite: boolean,
  token: string,
): T {
  if (response.status < 200 || response.status >= 300) throw statusFailure(response, call, isWrite, token, retryAfterMs)
  try {
    response.json ??= response.body.length === 0 ? undefined : parseJson(response.body.text())
    return call.decode(response.json)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    // A write with a 2xx has taken effect, whatever its body is. The message must not make a client repeat it.
    const { exceeded } = error
    const message = isWrite
      ? "The change succeeded, but Code Ocean's response could not be read."
      : exceeded === undefined
        ? messages.invalid
        : tooLarge(messages.invalid, exceeded, call.tooLargeAdvice)
    const type = createRedaction(token)(headerOf(response, "content-type") ?? "no content type")
    throw new UpstreamError("invalid", endpointOf(call), message, {
      status: response.status,
      cause: new Error(`${error.message} (${type.slice(0, maxContentTypeLength)}, ${response.body.length} bytes)`),
    })
  }
}

/** The decoded body. Throws DecodeError. */
export function decodeBody<T>(text: string, call: Call<T>): T {
  return call.decode(text === "" ? undefined : parseJson(text))
}

const maxMessageLength = 2_000
/** The largest error body that is parsed, in bytes. */
const maxErrorBodyBytes = 1024 * 1024
/** The most of an error's data that is passed on, in characters of JSON. */
const maxDataLength = 16 * 1024

function statusFailure(
  response: HttpResponse,
  call: Call<unknown>,
  isWrite: boolean,
  token: string,
  retryAfterMs: number | undefined,
): UpstreamError {
  const { status } = response
  const { route, minServerVersion } = call
  const endpoint = endpointOf(call)
  if (status < 400) {
    return new UpstreamError("invalid", endpoint, messages.invalid, {
      status,
      cause: new Error("a redirect or another status that the API never sends; is CODEOCEAN_URL right?"),
    })
  }
  response.errorBody ??= parseErrorBody(response, [token, ...(call.secrets ?? [])])
  const { message: upstreamMessage, data } = response.errorBody
  const message = (upstreamMessage ?? `Code Ocean answered ${status}.`) + aboutVersion(status, minServerVersion)
  const scope = missingScope(status, upstreamMessage, route, isWrite)
  return new UpstreamError("status", endpoint, scope ? `${message} ${scope.sentence}` : message, {
    ...scope,
    status,
    upstreamMessage,
    data,
    retryAfterSeconds: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000),
    // The server may have failed after making the change, and a proxy knows only that it lost the response.
    outcomeUnknown: isWrite && status >= 500,
  })
}

/** What to add to the message of a 412, the answer of a deployment that is older than Min-Server-Version. */
function aboutVersion(status: number, minServerVersion: string | undefined): string {
  if (status !== 412) return ""
  return minServerVersion === undefined
    ? " (The setting MIN_SERVER_VERSION is the oldest version that the gateway accepts.)"
    : ` (Requires Code Ocean ${minServerVersion} or later.)`
}

/**
 * An error body with these secrets redacted: its `message`, and its other keys as `data` unless they are too large. A list of
 * problems becomes `{errors}`. Anything else, such as a proxy's HTML page, is ignored.
 */
function parseErrorBody(response: HttpResponse, secrets: readonly string[]): ErrorBody {
  if (response.body.length > maxErrorBodyBytes) return {}
  let body: unknown
  try {
    body = parseJson(response.body.text())
  } catch {
    return {}
  }
  const { message, ...rest } = Array.isArray(body) ? { message: undefined, errors: body } : isObject(body) ? body : {}
  const redactions = secrets.map(createRedaction)
  const redactText = (text: string) => redactions.reduce((redacted, redaction) => redaction(redacted), text)
  const isData = Object.keys(rest).length > 0 && JSON.stringify(rest).length <= maxDataLength
  return {
    ...(typeof message === "string" && message !== "" && { message: redactText(message).slice(0, maxMessageLength) }),
    ...(isData && { data: redact(redactText, rest) }),
  }
}

/** A copy of the JSON value with all strings and keys redacted. */
function redact(redactText: (text: string) => string, value: unknown): unknown {
  if (typeof value === "string") return redactText(value)
  if (Array.isArray(value)) return value.map((item) => redact(redactText, item))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [redactText(key), redact(redactText, inner)]))
}
