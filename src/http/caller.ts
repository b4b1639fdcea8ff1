import { hash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { isIPv6 } from "node:net"
import type { Caller } from "../upstream/client.ts"

/**
 * A name for whoever sends the request, to count by: a digest of the token that it brings; without a usable one, the
 * address that it comes from.
 * @param trustedProxies how many proxies stand before the gateway, each adding the address it was called from to
 *   X-Forwarded-For; what stands there beyond them anyone may have written
 */
export function callerOf(request: IncomingMessage, token: Caller["token"], trustedProxies: number): string {
  if ("value" in token) return hash("sha256", token.value)
  const hops = String(request.headers["x-forwarded-for"] ?? "").split(",")
  const forwarded = trustedProxies > 0 ? hops.at(-trustedProxies)?.trim() : undefined
  return network(forwarded || (request.socket.remoteAddress ?? ""))
}

/** One household or host has the last 64 bits of an IPv6 address to itself, so those tell nobody apart. */
function network(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address
  const [before = "", after] = address.split("::")
  const groups = before === "" ? [] : before.split(":")
  const missing = after === undefined ? 0 : 8 - groups.length - after.split(":").length
  return [...groups, ...Array(missing).fill("0"), ...(after ?? "").split(":")].slice(0, 4).join(":")
}
