import { isObject, NotPromisedError } from "./answer.ts"
import type { Call } from "./client.ts"
import { UpstreamError } from "./error.ts"
import { type ExchangeError, headerOf, type Reply } from "./exchange.ts"
import { scopeRefusal } from "./scope.ts"
import type { Outcome } from "./singleFlight.ts"

const longestType = 100

/** An answer of whatever status. */
export type Answered = Outcome & { reply: Reply }

export type Sentences = Readonly<Record<"timeout" | "unreachable" | "lost" | "invalid", string>>

/** What the gateway says of calls that it doesn't send. */
const heldBack = {
  suspended: "Code Ocean is down; the gateway asks every second whether it is back.",
  crowded: "Too many calls to Code Ocean wait in line already: ask for less at once, or try again in a second.",
  cancelled: "The request was cancelled.",
}

export const sentences: Sentences = {
  timeout: "Code Ocean did not answer in time.",
  unreachable: "Code Ocean can't be reached.",
  lost: "The connection to Code Ocean ended before it answered.",
  invalid: "Code Ocean's answer is not what its API promises.",
}

/** Why a call got no answer, as the caller is told: a write that was sent may have happened all the same. */
export function unanswered(error: ExchangeError, endpoint: string, words: Sentences, isWrite: boolean): UpstreamError {
  const failure = error.kind === "broken" ? "invalid" : error.kind
  return new UpstreamError(failure, endpoint, { ...heldBack, ...words }[failure], {
    cause: error,
    outcomeUnknown: isWrite && error.sent,
    retryAfterSeconds: failure === "suspended" || failure === "crowded" ? 1 : undefined,
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
    return call.answer(reply.json)
  } catch (error) {
    if (!(error instanceof NotPromisedError)) throw error
    // A write answered with 2xx has happened, whatever its body is; the sentence must not make anyone repeat it.
    const sentence = isWrite ? "Code Ocean did it, but answered something unreadable." : sentences.invalid
    const type = textWithout(token, headerOf(reply, "content-type") ?? "no content type").slice(0, longestType)
    throw new UpstreamError("invalid", endpoint, sentence, {
      status: reply.status,
      cause: new Error(`${error.message} (${type}, ${reply.body.length} bytes)`),
    })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the body, which may hold what no log should.
    throw new NotPromisedError("no JSON")
  }
}

const longestMessage = 2_000
const redacted = "[redacted]"

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
  const { message, data } = errorBody(reply, token)
  const said = message ?? `Code Ocean answered ${status}.`
  const scope = scopeRefusal(status, message, route, isWrite)
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
 * What an error's body says, the token struck out: its `message`, and its other keys as `data`. A list of problems
 * becomes `{errors}`; anything else (a proxy's page) is left aside.
 */
function errorBody(reply: Reply, token: string): { message?: string; data?: unknown } {
  try {
    const body: unknown = JSON.parse(reply.body.toString())
    const { message, ...rest } = Array.isArray(body) ? { message: undefined, errors: body } : isObject(body) ? body : {}
    return {
      ...(typeof message === "string" &&
        message !== "" && { message: textWithout(token, message).slice(0, longestMessage) }),
      ...(Object.keys(rest).length > 0 && { data: valueWithout(token, rest) }),
    }
  } catch {
    // No JSON, or JSON nested so deep that nobody could make use of it.
    return {}
  }
}

/** The text with the token struck out: some servers repeat it in what they say. */
function textWithout(token: string, text: string): string {
  return text.replaceAll(token, redacted).replaceAll(btoa(`${token}:`), redacted)
}

/** The JSON value with the token struck out of all its texts, keys too. */
function valueWithout(token: string, value: unknown): unknown {
  if (typeof value === "string") return textWithout(token, value)
  if (Array.isArray(value)) return value.map((item) => valueWithout(token, item))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [textWithout(token, key), valueWithout(token, inner)]),
  )
}
