import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { Bag, type Baggable } from "../bag.ts"

/** How long clients may take, in milliseconds, and how many may be connected. */
export interface ListenerLimits {
  /** For a request's line and headers. */
  headersMs: number
  /** For a whole request, body included. */
  requestMs: number
  /** To take what of an answer was written for them. */
  takingMs: number
  /** Between two requests on one connection. */
  keepAliveMs: number
  /** How often those four are looked at. */
  checkedMs: number
  /** Connections at once; 0 sets no limit. */
  connections: number
  /** How long requests under way may take when the gateway stops. */
  stoppingMs: number
}

export interface Listener {
  /** Resolves with the address, such as `http://127.0.0.1:4000`. Rejects when the port is taken. */
  listen(port: number, host: string): Promise<string>
  /**
   * Stops listening without losing a request: lets those under way finish, in the time that there is for it, and closes
   * idle connections at once. Resolves with whether all of them did finish.
   */
  close(): Promise<boolean>
  /** For diagnostics: connections, and answers that aren't sent yet. */
  readonly counts: { connections: number; answers: number }
}

interface Answer extends Baggable {
  response: ServerResponse
  /** Since when it has had bytes waiting for its client. */
  waitingSince: number | undefined
}

/** How long a stopping gateway goes on listening while it has requests under way, so that whoever asks hears of it. */
const stillListeningMs = 5_000
/** How long it waits for requests that are on their way on connections that are already there. */
const onTheirWayMs = 500

/** HTTP over sockets, with a bound on whatever a client can keep busy by being slow. */
export function createListener(
  limits: ListenerLimits,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Listener {
  /** The answers that aren't sent yet. */
  const open = new Bag<Answer>()
  let connections = 0
  let stopping = false
  let onEmpty = () => {}

  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkedMs,
      // Of two Authorization headers Node would take the first and drop the other; joined, they are none.
      joinDuplicateHeaders: true,
    },
    (request, response) => {
      const answer: Answer = { response, bagged: undefined, waitingSince: undefined }
      open.add(answer)
      response.on("close", () => {
        open.delete(answer)
        if (open.size === 0) onEmpty()
      })
      if (stopping) response.setHeader("connection", "close")
      handle(request, response)
    },
  )
  if (limits.connections > 0) server.maxConnections = limits.connections
  server.on("connection", (socket) => {
    connections += 1
    socket.once("close", () => {
      connections -= 1
    })
  })

  /** Node bounds how slowly a request may come, but not how slowly its answer may be read. */
  const checking = setInterval(() => {
    const now = performance.now()
    for (const answer of open) {
      const { response, waitingSince = now } = answer
      if (now - waitingSince > limits.takingMs) response.destroy()
      else answer.waitingSince = response.writableLength > 0 ? waitingSince : undefined
    }
  }, limits.checkedMs)
  checking.unref()

  /** Resolves when no answer is open, or when the time is up. */
  const emptied = (ms: number) =>
    atMost(
      ms,
      new Promise<void>((resolve) => {
        onEmpty = resolve
        if (open.size === 0) resolve()
      }),
    )

  return {
    async listen(port, host) {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject)
        server.listen(port, host, resolve)
      })
      const address = server.address() as AddressInfo
      return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`
    },
    async close() {
      stopping = true
      for (const { response } of open) if (!response.headersSent) response.setHeader("connection", "close")
      server.closeIdleConnections()
      await emptied(Math.min(stillListeningMs, limits.stoppingMs))
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      await atMost(onTheirWayMs, closed)
      await emptied(limits.stoppingMs)
      const finished = open.size === 0
      server.closeAllConnections()
      await closed
      clearInterval(checking)
      return finished
    },
    get counts() {
      return { connections, answers: open.size }
    },
  }
}

async function atMost(ms: number, wanted: Promise<void>): Promise<void> {
  const over = new AbortController()
  await Promise.race([wanted, sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
}
