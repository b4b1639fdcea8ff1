import type { IncomingMessage } from "node:http"
import { loopback } from "../config/config.ts"
import { isNavigation } from "./accept.ts"

/**
 * Where a request goes: `operation` is a GraphQL operation, `mcp` a message of an agent's client, `file` a request for an image,
 * `session` a request to /session, `page` the landing page for a browser, `explorer` the explorer with its files, and `other` everything
 * else that Yoga answers.
 */
export type Route =
  | "operation"
  | "mcp"
  | "file"
  | "session"
  | "page"
  | "explorer"
  | "other"
  | { status: 400 | 403 | 404 | 405 | 421; message: string; allow?: string }

/** A client that asks for a WebSocket gets a response and no upgrade. Other upgrades, such as to h2c, are ignored. */
function wantsWebSocket({ method, headers: { upgrade } }: IncomingMessage): boolean {
  return method === "GET" && upgrade !== undefined && /(^|[\s,])websocket/i.test(upgrade)
}

const readMethods = "GET, HEAD"
const fileMethods = "GET"
const sessionMethods = "GET, POST, DELETE"
const operationMethods = "GET, HEAD, POST, OPTIONS"
const mcpMethods = "POST, OPTIONS"

/** The path of the Model Context Protocol. */
const mcpPath = "/mcp"

/** The path of an image: `/files/computations/{id}` or `/files/data_assets/{id}`. */
export const filePath = /^\/files\/(computations|data_assets)\/([\w-]{1,256})$/

/** Whether a request is for agents. Its body and its rejection have another form. */
export function isMcp({ url }: IncomingMessage): boolean {
  return url?.split("?", 1)[0] === mcpPath
}

/**
 * Routes requests by the request line and the Host header. Only exactly spelled paths match, so that no component behind the
 * router can interpret them differently.
 * @param options.endpoint the path of GraphQL
 * @param options.localOnly whether a request without its own token must name this machine as its host. This prevents DNS rebinding: a
 *   page whose name resolves to this machine has the same origin as the gateway for a browser, but cannot change its own name.
 * @param options.graphiql whether browsers get GraphiQL at the endpoint
 * @param options.explorer whether the explorer is served
 * @param options.sessions whether sessions are on
 * @param options.agents who may use the tools for agents. Undefined if there are none
 */
export function createRouter(options: {
  endpoint: string
  localOnly: boolean
  graphiql: boolean
  explorer: boolean
  sessions: boolean
  agents?: AgentAccess | undefined
}): (request: IncomingMessage) => Route {
  const { endpoint, localOnly, graphiql, explorer, sessions, agents } = options
  const assets = new RegExp(`^${endpoint}/graphiql/[\\w-]+/[\\w-]+(\\.[\\w-]+)+$`)

  function methodsOf(path: string): string | undefined {
    if (path === mcpPath && agents !== undefined) return mcpMethods
    if (path === endpoint || path === `${endpoint}/`) return operationMethods
    if (explorer && (path === "/explorer" || path.startsWith("/explorer/"))) return readMethods
    if (sessions && path === "/session") return sessionMethods
    if (filePath.test(path)) return fileMethods
    return path === "/health" || path === "/ready" || assets.test(path) ? readMethods : undefined
  }

  /** The last valid Host header. It is nearly always the same. */
  let validHost: string | undefined

  return (request) => {
    const { host } = request.headers
    // What nearly every request is.
    if (request.method === "POST" && request.url === endpoint && host !== undefined && host === validHost) {
      if (!localOnly || request.headers.authorization !== undefined) return "operation"
    }
    if (host && host !== validHost && !isHost(host)) return { status: 400, message: "The Host header is not a host." }
    validHost = host
    const target = originForm(request.url ?? "")
    const [path = ""] = target.split("?", 1)
    if (wantsWebSocket(request)) {
      const message = `Subscriptions are sent as server-sent events, not over WebSockets. POST the operation to ${endpoint} with Accept: text/event-stream.`
      return { status: 400, message }
    }
    const isPage = path === "/" || (!graphiql && (path === endpoint || path === `${endpoint}/`))
    if (isPage && (request.method === "GET" || request.method === "HEAD") && isNavigation(request.headers))
      return "page"
    const methods = methodsOf(path)
    if (methods === undefined) return { status: 404, message: `Not found. GraphQL is at ${endpoint}.` }
    request.url = target
    if (!methods.split(", ").includes(request.method ?? "")) {
      return { status: 405, message: `Method not allowed here: ${methods}.`, allow: methods }
    }
    if (path.startsWith("/explorer")) return "explorer"
    if (methods === sessionMethods) return "session"
    if (methods === mcpMethods && agents !== undefined) {
      const rejection = checkAgentAccess(request, agents)
      if (rejection !== undefined) return rejection
    } else if (methods !== operationMethods && methods !== fileMethods) return "other"
    if (request.method === "OPTIONS") return "other"
    const { authorization, "x-session": session } = request.headers
    const bringsNone = authorization === undefined && !(sessions && session !== undefined)
    if (localOnly && host && bringsNone && !isThisMachine(host)) {
      const message =
        "Send a token, or use the host name localhost. The gateway's own token is available only to this machine."
      return { status: 421, message }
    }
    if (methods === fileMethods) return "file"
    return methods === mcpMethods ? "mcp" : "operation"
  }
}

/** Through which hosts, and from which web pages, agents may be served. */
export interface AgentAccess {
  allowedHosts: readonly string[]
  allowedOrigins: readonly string[]
}

/**
 * Rejects requests of web pages that are not allowed. Clients that are no browsers send no Origin. A page whose domain name
 * resolves to this machine has that name in Host.
 */
function checkAgentAccess({ headers: { host, origin } }: IncomingMessage, access: AgentAccess): Route | undefined {
  if (!host || !(isThisMachine(host) || access.allowedHosts.includes(hostName(host)))) {
    const message = "This host name is not allowed here. The operator of the gateway can add it to ALLOWED_HOSTS."
    return { status: 421, message }
  }
  if (origin === undefined || access.allowedOrigins.includes(origin)) return undefined
  if (URL.parse(origin)?.host === new URL(`http://${host}`).host) return undefined
  return { status: 403, message: "This web origin is not allowed here. The operator can add it to CORS_ORIGINS." }
}

function hostName(host: string): string {
  return new URL(`http://${host}`).hostname
}

/** Yoga builds the URL of a request from the Host header, which must therefore contain nothing but a host. */
function isHost(host: string): boolean {
  return /^[\w.:[\]-]+$/.test(host) && URL.canParse(`http://${host}`)
}

function isThisMachine(host: string): boolean {
  return loopback.test(hostName(host))
}

/** Reduces an absolute URL, as clients send it to proxies, to path and query. */
function originForm(target: string): string {
  if (target.startsWith("/")) return target
  const url = /^https?:\/\//i.test(target) ? URL.parse(target) : null
  return url === null ? target : url.pathname + url.search
}
