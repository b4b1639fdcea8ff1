import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"

/** What the odd upstream was asked. */
export interface OddRequest {
  method: string
  /** Below the API's base, as it stood in the request line, query included. */
  path: string
  headers: IncomingMessage["headers"]
  /** When it came, in milliseconds of performance.now(). */
  at: number
}

export interface OddAnswer {
  /** 200 unless given. */
  status?: number
  headers?: Record<string, string>
  /** Text and bytes are sent as they are, anything else as JSON; left out: no body. */
  body?: unknown
}

export interface OddUpstream {
  url: string
  requests: OddRequest[]
  /** How many connections are open. */
  connections(): number
}

const base = "/api/v1"

/**
 * A server that answers what no sane Code Ocean would; it closes when the test ends.
 * @param answer what to answer; it may use `response` itself and return nothing
 */
export async function startOddUpstream(
  answer: (request: OddRequest, response: ServerResponse) => OddAnswer | undefined,
): Promise<OddUpstream> {
  const requests: OddRequest[] = []
  const server = createServer((incoming, response) => {
    response.on("error", () => {})
    const path = (incoming.url ?? "").replace(base, "")
    const request = { method: incoming.method ?? "GET", path, headers: incoming.headers, at: performance.now() }
    requests.push(request)
    incoming.resume()
    incoming.on("end", () => {
      const given = answer(request, response)
      if (given !== undefined) send(response, given)
    })
  })
  let connections = 0
  server.on("connection", (socket) => {
    connections += 1
    socket.on("close", () => {
      connections -= 1
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, connections: () => connections }
}

/** An upstream that answers each of these paths with its body, such as `{"/capsules/c1": {id: "c1"}}`, and 404 elsewhere. */
export function startAnswering(bodies: Record<string, unknown>): Promise<OddUpstream> {
  return startOddUpstream(({ path }) =>
    Object.hasOwn(bodies, path) ? { body: bodies[path] } : { status: 404, body: { message: "not found" } },
  )
}

/** An address at which nobody listens. */
export async function nobodysAddress(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

/** Begins an answer and goes on writing spaces until `bytes` were sent or the reader left. */
export function sendMuch(response: ServerResponse, bytes: number): void {
  const chunk = Buffer.alloc(64 * 1024, " ")
  let left = bytes
  const write = () => {
    while (left > 0 && !response.destroyed) {
      const size = Math.min(left, chunk.length)
      left -= size
      if (!response.write(chunk.subarray(0, size))) {
        response.once("drain", write)
        return
      }
    }
    if (!response.destroyed) response.end()
  }
  write()
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: OddAnswer): void {
  const bytes =
    body === undefined
      ? Buffer.alloc(0)
      : Buffer.isBuffer(body)
        ? body
        : Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
  response.writeHead(status, {
    "content-type": "application/json",
    ...(status === 204 || status === 304 ? {} : { "content-length": String(bytes.length) }),
    ...headers,
  })
  response.end(bytes)
}
