import { hash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { isIPv6, type Socket } from "node:net"
import { tokenOf } from "../context.ts"
import type { Caller } from "../upstream/client.ts"

/** Whoever sends a request. */
export interface Sender {
  token: Caller["token"]
  /**
   * What to count by: a digest of the token that the request brings; without a usable one, the address that it comes from.
   */
  name: string
}

/**
 * Tells who sends a request.
 * @param trustedProxies how many proxies stand before the gateway, each adding the address it was called from to
 *   X-Forwarded-For; what stands there beyond them anyone may have written
 */
export function createSenders(trustedProxies: number): (request: IncomingMessage) => Sender {
  /** Who sent the last request on a connection that brought a token: nearly always the next one is from them too. */
  const last = new WeakMap<Socket, Sender & { authorization: string }>()

  function nameOf(request: IncomingMessage): string {
    const hops = String(request.headers["x-forwarded-for"] ?? "").split(",")
    const forwarded = trustedProxies > 0 ? hops.at(-trustedProxies)?.trim() : undefined
    return network(forwarded || (request.socket.remoteAddress ?? ""))
  }

  return (request) => {
    const { socket, headers } = request
    const { authorization } = headers
    const before = last.get(socket)
    if (before !== undefined && before.authorization === authorization) return before
    const token = tokenOf(authorization)
    if (authorization === undefined || "missing" in token) return { token, name: nameOf(request) }
    const sender = { authorization, token, name: hash("sha256", token.value) }
    last.set(socket, sender)
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
