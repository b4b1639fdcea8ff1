import { hash, randomFillSync } from "node:crypto"
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { isIPv6, type Socket } from "node:net"
import { isPlausibleToken } from "../config/kinds.ts"
import type { Token } from "../upstream/call.ts"
import type { ActiveSession, Sessions } from "./session/sessions.ts"

/** Who sends a request. */
export interface ClientIdentity {
  /** The token to call Code Ocean with: the client's own, or the gateway's fallback token if the client sends none. */
  readonly token: Token
  /** The SHA-256 of that token, which replaces it wherever something outlives the request. Empty without a token. */
  readonly tokenDigest: string
  /** The key that admission counts by: the digest of a token that the client has sent, otherwise the client's address. */
  readonly key: string
  /** The session that the token comes from. The user may have signed out of it, which only the store knows. */
  readonly session?: ActiveSession
}

/** @param address returns the client's address; called only if the headers hold no usable token */
export type IdentifyClient = (headers: IncomingHttpHeaders, address: () => string) => ClientIdentity

export type ClientAddress = (request: IncomingMessage | undefined, socket: Socket) => string

const maxCachedIdentities = 1_000
/** Addresses that proxies append are shorter. A longer text was written by the client, and is cut before it becomes a key. */
const maxAddressLength = 64
/** Tokens are secrets: the cache drops a token at the latest after this time. */
const cachedForMs = 60_000

/**
 * Finds the address that a connection or a request comes from.
 * @param trustedProxies how many proxies stand before the gateway. Each appends the address of its client to X-Forwarded-For;
 *   entries further to the left can be forged.
 */
export function createClientAddress(trustedProxies: number): ClientAddress {
  return (request, socket) => {
    const hops = String(request?.headers["x-forwarded-for"] ?? "").split(",")
    const forwarded = trustedProxies > 0 ? hops.at(-trustedProxies)?.trim().slice(0, maxAddressLength) : undefined
    return network(forwarded ? withoutPort(forwarded) : (socket.remoteAddress ?? ""))
  }
}

/**
 * @param fallbackToken the token for requests that have no Authorization header and ask for no session
 * @param sessions undefined if they are off
 */
export function createIdentifyClient(fallbackToken?: string, sessions?: Pick<Sessions, "open">): IdentifyClient {
  const fallback: Token = fallbackToken === undefined ? noToken : { value: fallbackToken }
  const fallbackDigest = fallbackToken === undefined ? "" : digestOf(fallbackToken)
  /** By Authorization header: to parse and hash it again costs as much as the rest of a small request. */
  const cached = new Map<string, ClientIdentity>()

  function cache(authorization: string, identity: ClientIdentity) {
    if (cached.size === 0) setTimeout(() => cached.clear(), cachedForMs).unref()
    const [oldest = ""] = cached.size < maxCachedIdentities ? [] : cached.keys()
    cached.delete(oldest)
    cached.set(authorization, identity)
  }

  return (headers, address) => {
    const { authorization } = headers
    const known = authorization && cached.get(authorization)
    if (known) return known
    if (authorization === undefined) {
      const session = sessions?.open(headers)
      if (session === undefined) return { token: fallback, tokenDigest: fallbackDigest, key: address() }
      // Not remembered: its token is in memory only during its requests.
      return "missing" in session ? withoutToken(session, address()) : { ...tokenIdentity(session.token), session }
    }
    const token = parseToken(authorization)
    if ("missing" in token) return withoutToken(token, address())
    const identity = tokenIdentity(token.value)
    cache(authorization, identity)
    return identity
  }
}

export function tokenIdentity(token: string): ClientIdentity {
  const tokenDigest = digestOf(token)
  return { token: { value: token }, tokenDigest, key: tokenDigest }
}

/** @param token says why there is none */
export function withoutToken(token: Token, key: string): ClientIdentity {
  return { token, tokenDigest: "", key }
}

/** Some proxies append the client's port, too, which differs for each of its connections: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(address: string): string {
  const [, bracketed, ipv4] = /^(?:\[([^\]]*)\]|(\d+(?:\.\d+){3}))(?::\d+)?$/.exec(address) ?? []
  return bracketed ?? ipv4 ?? address
}

/** Cuts an IPv6 address to its first 64 bits: one household or host owns all the addresses that share them. */
function network(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address
  const [before = "", after] = address.split("::")
  const groups = before === "" ? [] : before.split(":")
  const missing = after === undefined ? 0 : 8 - groups.length - after.split(":").length
  return [...groups, ...Array(missing).fill("0"), ...(after ?? "").split(":")].slice(0, 4).join(":")
}

const howToAuthenticate =
  "Send a Code Ocean access token: `Authorization: Bearer <token>`, or Basic with the token as user name."

const noToken: Token = { missing: howToAuthenticate }

/** Parses the token from `Authorization: Bearer <token>` or Basic `<token>:`. */
export function parseToken(authorization: string): Token {
  const [, scheme = "", credentials = ""] = /^(\S+) +(\S+) *$/.exec(authorization) ?? []
  const token =
    scheme.toLowerCase() === "bearer"
      ? credentials
      : scheme.toLowerCase() === "basic"
        ? userNameOf(credentials)
        : undefined
  if (token === undefined) return { missing: `The Authorization header can't be read. ${howToAuthenticate}` }
  if (!isPlausibleToken(token)) {
    return {
      missing: `The Authorization header does not contain a Code Ocean token, which is up to 1,024 printable characters, without spaces and colons. ${howToAuthenticate}`,
    }
  }
  return { value: token }
}

function userNameOf(credentials: string): string | undefined {
  const decoded = /^[A-Za-z0-9+/_-]+={0,2}$/.test(credentials)
    ? Buffer.from(credentials, "base64").toString("latin1")
    : ""
  const [, userName] = /^([^:]*):?$/.exec(decoded) ?? []
  return userName
}

function digestOf(token: string): string {
  return hash("sha256", token)
}

type Header = string | string[] | undefined

export function isAgentId(header: Header): header is string {
  return typeof header === "string" && /^[\x20-\x7e]{1,256}$/.test(header)
}

/** Takes the client's request id if it is well-formed, otherwise makes a new one. */
export function requestIdOf(header: Header): string {
  return typeof header === "string" && /^[\w.:-]{1,128}$/.test(header) ? header : newRequestId()
}

const idBytes = 16
/** Random bytes for many ids. */
const randomBytes = Buffer.alloc(256 * idBytes)
let usedBytes = randomBytes.length

/** 32 hexadecimal digits, which take less time than a UUID. */
function newRequestId(): string {
  if (usedBytes === randomBytes.length) {
    randomFillSync(randomBytes)
    usedBytes = 0
  }
  usedBytes += idBytes
  return randomBytes.toString("hex", usedBytes - idBytes, usedBytes)
}
