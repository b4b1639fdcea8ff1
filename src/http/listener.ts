import { readFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { setImmediate as nextImmediate, setTimeout as sleep } from "node:timers/promises"
import type { Log } from "../log/log.ts"
import type { Connections } from "./connections.ts"
import { guarded, logUnexpected } from "./logging.ts"
import { atMost, type OpenResponses } from "./openResponses.ts"

export interface ListenerLimits {
  /** The timeout for a request's line and headers. */
  headersMs: number
  /** The timeout for a request's body. */
  bodyMs: number
  /** The maximum idle time between two requests on one connection. */
  keepAliveMs: number
  /** How often timeouts are checked. */
  checkIntervalMs: number
  /** How long idle connections stay open when the gateway stops: a proxy may be about to send a request on one of them. */
  idleGraceMs: number
  /** How long requests in flight may take when the gateway stops. */
  shutdownGraceMs: number
}

export interface Listener {
  /**
   * Resolves with the address, such as `http://127.0.0.1:4000`. Rejects if that address can't be listened on, with a message
   * that says why and which setting to change.
   */
  listen(port: number, host: string): Promise<string>
  /**
   * Stops listening without losing a request: idle connections are closed, requests in flight may finish, each within its grace
   * period. Resolves with whether all of them have finished.
   */
  close(): Promise<boolean>
}

/** How long a stopping gateway still accepts connections while requests are in flight, so that new clients get a response. */
const acceptWhileStoppingMs = 5_000
/** How long a stopping gateway waits for requests that are already in flight on open connections. */
const requestsInTransitMs = 500

/**
 * Listens for HTTP, with timeouts for slow clients.
 * @param options.check drops slow clients; called at the check interval
 */
export function createListener(
  limits: ListenerLimits,
  options: {
    log: Log
    connections: Connections
    connectionLimit: ConnectionLimit
    responses: OpenResponses
    onRequest: RequestListener
    check(): void
  },
): Listener {
  const { log, connections, connectionLimit, responses, onRequest } = options

  let loggedAt = Number.NEGATIVE_INFINITY
  function logDescriptorShortage(details: object) {
    const now = performance.now()
    if (now - loggedAt < shortageLogIntervalMs) return
    loggedAt = now
    log.error(
      { connections: connections.count, ...details },
      "out of file descriptors: client connections are closed or delayed; raise the limit (ulimit -n), or lower CONNECTIONS",
    )
  }

  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      // Also covers bodies that are discarded. Bodies that are needed time out earlier, in body.ts.
      requestTimeout: limits.headersMs + 2 * limits.bodyMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      // By default Node takes the first of two Authorization headers and drops the other. Joined, they are rejected as invalid.
      joinDuplicateHeaders: true,
    },
    onRequest,
  )
  // By default Node confirms `Expect: 100-continue` at once. Here body.ts confirms it if the request is admitted.
  server.on("checkContinue", onRequest)
  server.on("connection", (socket) => {
    try {
      if (connectionLimit.isByDescriptors && connections.count >= connectionLimit.max) logDescriptorShortage({})
      connections.open(socket)
    } catch (error) {
      logUnexpected(log, error)
      socket.destroy()
    }
  })
  // Without a listener, a failed accept() would end the process.
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (!server.listening) return
    const { code } = error
    if (code === "EMFILE" || code === "ENFILE") guarded(log, () => logDescriptorShortage({ code }))()
    else logUnexpected(log, error)
  })

  const timer = setInterval(guarded(log, options.check), limits.checkIntervalMs)
  timer.unref()

  return {
    async listen(port, host) {
      await new Promise<void>((resolve, reject) => {
        server.once("error", (error) => reject(listenError(error, port, host)))
        server.listen(port, host, resolve)
      })
      const address = server.address() as AddressInfo
      return `http://${addressOf(host)}:${address.port}`
    },
    async close() {
      responses.closeConnections()
      if (limits.idleGraceMs > 0) await sleep(limits.idleGraceMs)
      server.closeIdleConnections()
      await responses.drained(Math.min(acceptWhileStoppingMs - limits.idleGraceMs, limits.shutdownGraceMs))
      // The system resets connections that Node has not accepted yet. Immediates run after Node has accepted what there is.
      await nextImmediate()
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      await atMost(requestsInTransitMs, closed)
      await responses.drained(limits.shutdownGraceMs)
      const finished = responses.count === 0
      server.closeAllConnections()
      await closed
      clearInterval(timer)
      responses.stop()
      return finished
    },
  }
}

/**
 * Why an address can't be listened on, and what to do, by the error's code.
 * @param setting the name of the port's setting
 */
export function listenError(
  { code = "", message }: NodeJS.ErrnoException,
  port: number,
  host: string,
  setting = "PORT",
): Error {
  const chooseHost = "Set HOST to an address of this machine, 0.0.0.0 for all of IPv4, or :: for all"
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `the port is taken. Stop what listens there, or set ${setting}`,
    EACCES:
      port < 1024
        ? `ports below 1024 need privileges. Set ${setting} to 1024 or more`
        : `this needs privileges. Set ${setting}`,
    EADDRNOTAVAIL: `HOST is not an address of this machine. ${chooseHost}`,
    ENOTFOUND: `HOST is neither an IP address nor a name that can be resolved. ${chooseHost}`,
    EAI_AGAIN: `HOST is a name, and the name server does not answer. ${chooseHost}`,
    EAFNOSUPPORT: `this machine has no addresses of that kind. ${chooseHost}`,
    EINVAL: `HOST can't be listened on. ${chooseHost}`,
  }
  const reason = reasons[code] ?? `${message}. Set HOST or ${setting}`
  return Object.assign(new Error(`can't listen on ${addressOf(host)}:${port}: ${reason}.`), { code })
}

export const addressOf = (host: string) => (host.includes(":") ? `[${host}]` : host)

const shortageLogIntervalMs = 10_000

export interface ConnectionLimit {
  /** 0 disables the limit. */
  max: number
  /** Whether the limit is lower than configured because the process may not open enough file descriptors. */
  isByDescriptors: boolean
}

/**
 * Lowers the limit for connections where the process may not open as many file descriptors. Without a free descriptor Node
 * closes new connections silently, and the gateway could not call Code Ocean either.
 * @param reserved the number of descriptors to keep for everything else
 */
export function connectionLimit(configured: number, reserved: number): ConnectionLimit {
  const descriptors = descriptorLimit()
  const possible = Math.max(Math.floor(descriptors / 3), descriptors - reserved)
  const isByDescriptors = possible < (configured || Number.POSITIVE_INFINITY)
  return { max: isByDescriptors ? possible : configured, isByDescriptors }
}

/** The maximum number of open descriptors of the process. Infinite if the system does not report it. */
function descriptorLimit(): number {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
