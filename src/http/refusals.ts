import type { IncomingMessage, ServerResponse } from "node:http"
import { GraphQLError } from "graphql"
import { requestIdOf } from "../context.ts"
import type { Log } from "../log.ts"
import type { Refusal } from "./admission.ts"

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
  const { code, message, retryAfterSeconds } = refusal
  const body = JSON.stringify({ errors: [{ message, extensions: { code, requestId, retryAfterSeconds } }] })
  send(response, refusal.status, body, {
    "content-type": `application/${type}; charset=utf-8`,
    "cache-control": "private, no-store",
    "retry-after": String(retryAfterSeconds),
    vary: operationsVary,
    "x-request-id": requestId,
  })
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) })
  response.end(body)
}

/** The refusal as an error of the operation, for one that is refused only when it is known what it asks. */
export function errorOf({ status, code, message, retryAfterSeconds }: Refusal): GraphQLError {
  const http = { status, headers: { "retry-after": String(retryAfterSeconds) } }
  return new GraphQLError(message, { extensions: { code, retryAfterSeconds, http } })
}

/** The headers of a request that make a difference to an operation's answer. */
export const operationsVary = "Accept, Authorization, Agent-Id, Origin"

const loggedEveryMs = 10_000

/** Counts refusals, and writes one line for those of ten seconds: the log must not swell when the gateway is under siege. */
export function createRefusalLog(log: Log): { note(refusal: Refusal): void; close(): void } {
  let counts: Partial<Record<Refusal["code"], number>> = {}
  let timer: NodeJS.Timeout | undefined
  const write = () => {
    timer = undefined
    log.warn({ codes: counts }, "requests refused")
    counts = {}
  }
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
