import type { IncomingMessage } from "node:http"
import { loopback } from "../config.ts"

/** What a request asks for; `operation` is what GraphQL will be asked, `other` everything else that has an answer. */
export type Route = "operation" | "other" | { status: 400 | 404 | 405 | 421; message: string; allow?: string }

const reading = "GET, HEAD"
const operating = "GET, HEAD, POST, OPTIONS"

/**
 * Tells which requests are the gateway's at all, by the request line and the Host header as they came over HTTP. Only
 * paths that are spelled exactly pass, so that nothing behind can take them for something else.
 * @param endpoint the path of GraphQL
 * @param thisMachineOnly whether a request without a token of its own must name this machine as its host. A page that has
 *   its own name lead to this machine passes for the gateway's own with browsers, but it can't change that name.
 */
export function createRoutes(endpoint: string, thisMachineOnly: boolean): (request: IncomingMessage) => Route {
  const assets = new RegExp(`^${endpoint}/graphiql/[\\w-]+/[\\w-]+(\\.[\\w-]+)+$`)

  function methodsOf(path: string): string | undefined {
    if (path === endpoint || path === `${endpoint}/`) return operating
    return path === "/health" || path === "/ready" || assets.test(path) ? reading : undefined
  }

  /** The last one that was looked at: it is nearly always the same. */
  let goodHost: string | undefined

  return (request) => {
    const { host } = request.headers
    if (host && host !== goodHost && !isHost(host)) return { status: 400, message: "The Host header is no host." }
    goodHost = host
    const target = originForm(request.url ?? "")
    const [path = ""] = target.split("?", 1)
    const methods = methodsOf(path)
    if (methods === undefined) return { status: 404, message: `Not found. GraphQL is at ${endpoint}.` }
    request.url = target
    if (!methods.split(", ").includes(request.method ?? "")) {
      return { status: 405, message: `Method not allowed here: ${methods}.`, allow: methods }
    }
    if (methods !== operating || request.method === "OPTIONS") return "other"
    if (thisMachineOnly && host && request.headers.authorization === undefined && !isThisMachine(host)) {
      const message = `Bring a token, or ask by the name of localhost: here the gateway's own token is for this machine alone.`
      return { status: 421, message }
    }
    return "operation"
  }
}

/** The request's address is put together from the Host header, so it must be one, and nothing more. */
function isHost(host: string): boolean {
  return /^[\w.:[\]-]+$/.test(host) && URL.canParse(`http://${host}`)
}

function isThisMachine(host: string): boolean {
  return loopback.test(new URL(`http://${host}`).hostname)
}

/** Proxies may be sent the whole address; any of its kind is meant for whoever gets it. */
function originForm(target: string): string {
  if (target.startsWith("/")) return target
  const url = /^https?:\/\//i.test(target) ? URL.parse(target) : null
  return url === null ? target : url.pathname + url.search
}
