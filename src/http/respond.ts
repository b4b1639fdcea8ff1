import type { IncomingMessage, ServerResponse } from "node:http"
import { GraphQLError } from "graphql"
import type { ErrorCode } from "../errors.ts"
import { requestIdOf } from "../graph/context.ts"
import type { Log } from "../log.ts"

/** What is answered to a request that isn't let in. */
export interface Refusal {
  status: 400 | 408 | 413 | 415 | 429 | 500 | 503
  code: ErrorCode
  message: string
  retryAfterSeconds?: number
  /** The encodings that a body may have. */
  acceptEncoding?: string
}

/** Answers in a line of text what isn't GraphQL's. */
export function answerPlainly(
  request: IncomingMessage,
  response: ServerResponse,
  answer: { status: number; message: string; allow?: string },
): void {
  send(response, answer.status, `${answer.message}\n`, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-request-id": requestIdOf(request.headers["x-request-id"]),
    ...(answer.allow !== undefined && { allow: answer.allow }),
  })
}

/** Answers a refused operation as GraphQL over HTTP has it, without a look at its body. */
export function answerRefusal(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const requestId = requestIdOf(request.headers["x-request-id"])
  const accepted = request.headers.accept ?? ""
  const type = /application\/graphql-response\+json/i.test(accepted) ? "graphql-response+json" : "json"
  const { code, message, retryAfterSeconds, acceptEncoding } = refusal
  const body = JSON.stringify({ errors: [{ message, extensions: { code, requestId, retryAfterSeconds } }] })
  send(response, refusal.status, body, {
    "content-type": `application/${type}; charset=utf-8`,
    "cache-control": "private, no-store",
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    ...(acceptEncoding !== undefined && { "accept-encoding": acceptEncoding }),
    vary: operationsVary,
    "x-request-id": requestId,
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

/** The refusal as an error of the operation, for one that is refused only when it is known what it asks. */
export function errorOf({ status, code, message, retryAfterSeconds = 1 }: Refusal): GraphQLError {
  const http = { status, headers: { "retry-after": String(retryAfterSeconds) } }
  return new GraphQLError(message, { extensions: { code, retryAfterSeconds, http } })
}

/**
 * What may be called from anywhere: an exception is logged and ends nothing else. In a timer or an event of Node's it would
 * end the process.
 */
export function guarded(log: Log, run: () => void): () => void {
  return () => {
    try {
      run()
    } catch (error) {
      noteUnexpected(log, error)
    }
  }
}

/** Logs an exception that nothing was to throw. */
export function noteUnexpected(log: Log, error: unknown): void {
  try {
    log.error({ err: error }, "unexpected error")
  } catch {
    // The log itself has failed: there is nobody left to tell.
  }
}

/** The headers of a request that make a difference to an operation's answer. */
export const operationsVary = "Accept, Authorization, Agent-Id, Origin"

const loggedEveryMs = 10_000

/** Counts refusals, and writes one line for those of ten seconds: the log must not swell when the gateway is under siege. */
export function createRefusalLog(log: Log): { note(refusal: Refusal): void; close(): void } {
  let counts: Partial<Record<Refusal["code"], number>> = {}
  let timer: NodeJS.Timeout | undefined
  const write = guarded(log, () => {
    timer = undefined
    const codes = counts
    counts = {}
    log.warn({ codes }, "requests refused")
  })
  return {
    note({ code }) {
      counts[code] = (counts[code] ?? 0) + 1
      timer ??= setTimeout(write, loggedEveryMs).unref()
    },
    close() {
      if (timer === undefined) return
      clearTimeout(timer)
      write()
    },
  }
}
