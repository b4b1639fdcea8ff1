import type { Call } from "./client.ts"
import { DecodeError, isObject } from "./decoders.ts"
import { UpstreamError } from "./error.ts"
import { parseJson } from "./json.ts"
import { createRedaction } from "./redaction.ts"
import type { Outcome } from "./singleFlight.ts"
import { missingScope } from "./tokenScope.ts"
import { type ErrorBody, type ExchangeError, headerOf, type Reply } from "./transport.ts"

const longestType = 100

/** An answer of whatever status. */
export type Answered = Outcome & { reply: Reply }

export type Sentences = Readonly<Record<"timeout" | "unreachable" | "connectionLost" | "invalid", string>>

/** What the gateway says of calls that it doesn't send. */
const heldBack = {
  circuitOpen: "Code Ocean is down; the gateway asks every second whether it is back.",
  queueFull: "Too many calls to Code Ocean wait in line already: ask for less at once, or try again in a second.",
  cancelled: "The request was cancelled.",
}

export const sentences: Sentences = {
  timeout: "Code Ocean did not answer in time.",
  unreachable: "Code Ocean can't be reached.",
  connectionLost: "The connection to Code Ocean ended before it answered.",
  invalid: "Code Ocean's answer is not what its API promises.",
}

/** Why a call got no answer, as the caller is told: a write that was sent may have happened all the same. */
export function unanswered(error: ExchangeError, endpoint: string, words: Sentences, isWrite: boolean): UpstreamError {
  const failure = error.kind === "truncated" ? "invalid" : error.kind
  return new UpstreamError(failure, endpoint, { ...heldBack, ...words }[failure], {
    cause: error,
    outcomeUnknown: isWrite && error.sent,
    retryAfterSeconds: failure === "circuitOpen" || failure === "queueFull" ? 1 : undefined,
  })
}

/** What an answer means. Throws UpstreamError. */
export function meaningOf<T>(
  { reply, retryAfterMs }: Answered,
  call: Call<T>,
  endpoint: string,
  isWrite: boolean,
  token: string,
): T {
  if (reply.status < 200 || reply.status >= 300)
    throw refused(reply, call.route, endpoint, isWrite, token, retryAfterMs)
  try {
    reply.json ??= reply.body.length === 0 ? undefined : parseJson(reply.body.toString())
    return call.decode(reply.json)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    // A write answered with 2xx has happened, whatever its body is; the sentence must not make anyone repeat it.
    const sentence = isWrite ? "Code Ocean did it, but answered something unreadable." : sentences.invalid
    const type = createRedaction(token)(headerOf(reply, "content-type") ?? "no content type").slice(0, longestType)
    throw new UpstreamError("invalid", endpoint, sentence, {
      status: reply.status,
      cause: new Error(`${error.message} (${type}, ${reply.body.length} bytes)`),
    })
  }
}

const longestMessage = 2_000
/** The largest body of an error that is looked at, in bytes. */
const largestErrorBody = 1024 * 1024
/** The most that is handed on of an error's data, in characters of JSON. */
const largestData = 16 * 1024

function refused(
  reply: Reply,
  route: string,
  endpoint: string,
  isWrite: boolean,
  token: string,
  retryAfterMs: number | undefined,
): UpstreamError {
  const { status } = reply
  if (status < 400) {
    return new UpstreamError("invalid", endpoint, sentences.invalid, {
      status,
      cause: new Error("a redirect or another answer that no call of the API gives; is CODEOCEAN_URL right?"),
    })
  }
  reply.error ??= errorBody(reply, token)
  const { message, data } = reply.error
  const said = message ?? `Code Ocean answered ${status}.`
  const scope = missingScope(status, message, route, isWrite)
  return new UpstreamError("status", endpoint, scope ? `${said} ${scope.sentence}` : said, {
    ...scope,
    status,
    upstreamMessage: message,
    data,
    retryAfterSeconds: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000),
    // A server that failed may have failed after the change, and a proxy knows only that it lost the answer.
    outcomeUnknown: isWrite && status >= 500,
  })
}

/**
 * What an error's body says, the token struck out: its `message`, and its other keys as `data`, unless they are too much. A list
 * of problems becomes `{errors}`; anything else (a proxy's page) is left aside.
 */
function errorBody(reply: Reply, token: string): ErrorBody {
  if (reply.body.length > largestErrorBody) return {}
  let body: unknown
  try {
    body = parseJson(reply.body.toString())
  } catch {
    return {}
  }
  const { message, ...rest } = Array.isArray(body) ? { message: undefined, errors: body } : isObject(body) ? body : {}
  const redact = createRedaction(token)
  const isData = Object.keys(rest).length > 0 && JSON.stringify(rest).length <= largestData
  return {
    ...(typeof message === "string" && message !== "" && { message: redact(message).slice(0, longestMessage) }),
    ...(isData && { data: valueWithout(redact, rest) }),
  }
}

/** The JSON value with the token struck out of all its texts, keys too. */
function valueWithout(redact: (text: string) => string, value: unknown): unknown {
  if (typeof value === "string") return redact(value)
  if (Array.isArray(value)) return value.map((item) => valueWithout(redact, item))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [redact(key), valueWithout(redact, inner)]))
}
