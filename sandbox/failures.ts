import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { encode, htmlPage, send } from "./respond.ts"
import type { Answer } from "./route.ts"

export interface FailingAnswer {
  status: number
  /** JSON if an object or array, sent as it is if a string, no body if left out. */
  body?: unknown
  headers?: Record<string, string>
}

/**
 * How to fail a request. None of these carries the request out, so nothing has changed, except `afterwards`: the request
 * happens, then its response fails. A response that is truncated or stalls is the real one if the request only reads.
 */
export type Failure = FailingAnswer | "reset" | "hang" | "truncate" | "drip" | "stall" | { afterwards: Failure }

const dripMs = 50

export const randomFailures: readonly Failure[] = [
  { status: 500, body: htmlPage(500, "Internal Server Error") },
  { status: 503, body: htmlPage(503, "Service Temporarily Unavailable") },
  { status: 429, body: { message: "too many requests" } },
  "reset",
  "truncate",
]

/** Sockets that the sandbox itself destroyed: their end does not count as the client hanging up. */
export const cutByUs = new WeakSet<Socket>()

export function fail(req: IncomingMessage, res: ServerResponse, failure: Failure, answer: () => Answer): void {
  if (typeof failure === "object") {
    if ("afterwards" in failure) fail(req, res, failure.afterwards, answer)
    else send(res, failure)
  } else if (failure === "reset") {
    cutByUs.add(req.socket)
    req.socket.resetAndDestroy()
  } else if (failure === "drip") drip(res)
  else if (failure !== "hang") sendHalf(req, res, answer(), failure === "truncate")
}

/** White space is legal before any JSON, so a reader cannot detect that no JSON follows. */
function drip(res: ServerResponse): void {
  res.writeHead(200, { "content-type": "application/json" })
  res.flushHeaders()
  const dripping = setInterval(() => res.write(" "), dripMs)
  res.on("close", () => clearInterval(dripping))
}

function sendHalf(req: IncomingMessage, res: ServerResponse, answer: Answer, thenCut: boolean): void {
  const { status, body, headers } = encode(answer)
  const whole = body.length > 1 ? body : Buffer.from('{"message":"cut short"}')
  const contentType = { "content-type": "application/json" }
  res.writeHead(status === 204 ? 200 : status, { ...contentType, ...headers, "content-length": String(whole.length) })
  res.write(whole.subarray(0, Math.floor(whole.length / 2)), () => {
    if (!thenCut) return
    cutByUs.add(req.socket)
    req.socket.destroy()
  })
}
