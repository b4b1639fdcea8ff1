import { lookup } from "node:dns"
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net"
import { buildConnector } from "undici"

/** An address from which no file is fetched. The message is for the log, and contains nothing of the URL but its host. */
export class ForbiddenAddressError extends Error {}

/**
 * Connects to public addresses only. The name is resolved once, here, and the connection uses the address that was checked, so
 * that a name that resolves differently the second time (DNS rebinding) is no way around the check.
 */
export function publicOnly(timeout: number): buildConnector.connector {
  const connect = buildConnector({ timeout, allowH2: false, lookup: publicLookup })
  return (options, callback) => {
    if (isIP(options.hostname) > 0 && !isPublicAddress(options.hostname)) {
      callback(new ForbiddenAddressError(`${options.hostname} is not a public address`), null)
    } else connect(options, callback)
  }
}

/**
 * Resolves with the public address to request from a proxy in place of this host. Rejects if there is none, and if names can't be
 * resolved here, because then it is unknown where the proxy would connect.
 */
export function publicAddressOf(host: string): Promise<string> {
  const name = host.replace(/^\[(.*)\]$/, "$1")
  return new Promise((resolve, reject) => {
    publicLookup(name, {}, (error, address) => {
      if (error === null) resolve(isIPv6(String(address)) ? `[${address}]` : String(address))
      else if (error instanceof ForbiddenAddressError) reject(error)
      else reject(new ForbiddenAddressError(`the name can't be resolved here (${error.code}), so it can't be checked`))
    })
  })
}

const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, "")
      return
    }
    const forbidden = found.find(({ address }) => !isPublicAddress(address))
    const [first] = found
    if (forbidden !== undefined || first === undefined) {
      const address = forbidden?.address ?? "nothing"
      callback(new ForbiddenAddressError(`the name resolves to ${address}, which is not a public address`), "")
    } else if (options.all) callback(null, found)
    else callback(null, first.address, first.family)
  })
}

const reservedV4 = blockList("ipv4", [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
])
const globalV6 = blockList("ipv6", [["2000::", 3]])
/** Parts of the global range for special purposes, for documentation, and for tunnels that lead to an IPv4 address. */
const reservedV6 = blockList("ipv6", [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
])

function blockList(family: "ipv4" | "ipv6", subnets: [string, number][]): BlockList {
  const list = new BlockList()
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, family)
  return list
}

/**
 * Whether an IP address is on the public internet: not this machine, a private or link-local network, a multicast group or a
 * reserved range. For IPv6 only global unicast is public, so that an IPv4 address written as IPv6 does not pass.
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv6(address)) return globalV6.check(address, "ipv6") && !reservedV6.check(address, "ipv6")
  return isIP(address) === 4 && !reservedV4.check(address, "ipv4")
}
