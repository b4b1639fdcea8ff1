import type { IncomingMessage } from "node:http"
import { isIPv6, type Socket } from "node:net"
import { digestOf, tokenOf } from "../graph/context.ts"
import type { Token } from "../upstream/call.ts"

/** Whoever sends a request. */
export interface Sender {
  token: Token
  /**
   * What to count by: a digest of the token that the request brings; without a usable one, the address that it comes from.
   */
  name: string
}

const mostKnown = 1_000
/** Tokens are secrets: none is kept for longer than this without being sent again. */
const knownForMs = 60_000

/**
 * Tells the address that a connection or a request comes from.
 * @param trustedProxies how many proxies stand before the gateway, each adding the address it was called from to
 *   X-Forwarded-For; what stands there beyond them anyone may have written
 */
export function createAddressOf(
  trustedProxies: number,
): (request: IncomingMessage | undefined, socket: Socket) => string {
  return (request, socket) => {
    const hops = String(request?.headers["x-forwarded-for"] ?? "").split(",")
    const forwarded = trustedProxies > 0 ? hops.at(-trustedProxies)?.trim() : undefined
    return network(forwarded || (socket.remoteAddress ?? ""))
  }
}

/** Tells who sends a request. */
export function createSenders(
  addressOf: (request: IncomingMessage, socket: Socket) => string,
): (request: IncomingMessage) => Sender {
  /** Those who brought a token lately, by their Authorization header: to read it anew takes as long as a small request. */
  const known = new Map<string, Sender>()

  function remember(authorization: string, sender: Sender) {
    if (known.size === 0) setTimeout(() => known.clear(), knownForMs).unref()
    const [oldest = ""] = known.size < mostKnown ? [] : known.keys()
    known.delete(oldest)
    known.set(authorization, sender)
  }

  return (request) => {
    const { authorization } = request.headers
    const before = authorization && known.get(authorization)
    if (before) return before
    const token = tokenOf(authorization)
    if (authorization === undefined || "missing" in token) return { token, name: addressOf(request, request.socket) }
    token.digest = digestOf(token.value)
    const sender = { token, name: token.digest }
    remember(authorization, sender)
    return sender
  }
}

/** One household or host has the last 64 bits of an IPv6 address to itself, so those tell nobody apart. */
function network(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address
  const [before = "", after] = address.split("::")
  const groups = before === "" ? [] : before.split(":")
  const missing = after === undefined ? 0 : 8 - groups.length - after.split(":").length
  return [...groups, ...Array(missing).fill("0"), ...(after ?? "").split(":")].slice(0, 4).join(":")
}
