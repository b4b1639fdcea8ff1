import { lookup } from "node:dns"
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net"
import { Agent, buildConnector, type Dispatcher, Pool } from "undici"
import { Queue, type Queued } from "../collections/queue.ts"
import { UpstreamError } from "./error.ts"
import { type Exchange, ExchangeError, exchange, type Receiver, type Reply } from "./transport.ts"

/*
 * Signed addresses: files lie in a storage that is not Code Ocean's API, and whoever holds the address may read the file.
 * So no credential goes there, no address from there is ever shown in a log or an error, and since it comes over the wire,
 * and redirects come from who knows where, none may lead the gateway into the network that it stands in.
 */

/** What failed downloads say in place of a route. */
export const signedFile = "GET signed file URL"

/** What to read of a file. */
export interface Wanted {
  /** The most bytes to read. */
  maxBytes: number
  /** Reads the file's end: the last `maxBytes` of a file that is larger. */
  fromEnd?: boolean
}

/** What was read of a file, or, where it is larger than `maxBytes`, nothing but its size (undefined: the storage doesn't say). */
export type Download = { bytes: Buffer; isWhole: boolean } | { bytes: undefined; size: number | undefined }

/**
 * The most bytes that the downloads of one request may bring together, and up to seven files more that end at the same time.
 * All of them fit into an answer of the largest size, so that a request for too many files gets some of them.
 */
export const mostDownloadedBytes = 24 * 1024 * 1024

const mostRedirects = 3
const mostAtOnce = 8
const connectionsPerHost = 64

const headers = {
  accept: "*/*",
  // Nothing is unpacked here: a file that is stored compressed is bytes like any other.
  "accept-encoding": "identity",
}

/** The connections to files, shared by all callers. */
export interface FilePools {
  /** The pool to this address; an address that may not be fetched from fails there when a connection is made. */
  poolFor(url: URL, isFirst: boolean): Dispatcher
  userAgent: string
  close(): Promise<void>
}

/**
 * Opens the pools; connections are made when they are needed.
 * @param options.upstream the deployment's own address: the only place in a private network where a file may be, and only
 *   without a redirect
 */
export function createFilePools(options: { upstream: URL; connectTimeoutMs: number; userAgent: string }): FilePools {
  const settings = { headersTimeout: 0, bodyTimeout: 0, allowH2: false, connections: connectionsPerHost }
  const { origin } = options.upstream
  const own = new Pool(origin, { ...settings, connect: { timeout: options.connectTimeoutMs } })
  const guarded = new Agent({ ...settings, connect: publicOnly(options.connectTimeoutMs) })
  return {
    poolFor: (url, isFirst) => (isFirst && url.origin === origin ? own : guarded),
    userAgent: options.userAgent,
    async close() {
      await Promise.all([own.destroy(), guarded.destroy()])
    },
  }
}

/**
 * Fetches a file from its signed address, following up to three redirects. Answers the last answer, whatever its status.
 * Rejects with ExchangeError, `invalid` for an address that is not fetched from.
 * @param timeoutMs from the start to the last byte, redirects included
 * @param send begins one exchange and waits for its reply
 */
export async function fetchFile(
  pools: FilePools,
  address: string,
  wanted: Wanted,
  timeoutMs: number,
  send: (begin: (receiver: Receiver) => Exchange) => Promise<Reply>,
): Promise<Reply> {
  const range: Record<string, string> = wanted.fromEnd ? { range: `bytes=-${wanted.maxBytes}` } : {}
  const sent = { ...headers, "user-agent": pools.userAgent, ...range }
  const started = performance.now()
  let url = checked(URL.parse(address))
  for (let redirects = 0; ; redirects++) {
    const reply = await unlessRefused(
      send((receiver) => {
        const { origin, pathname, search } = url
        const leftMs = Math.max(1, timeoutMs - (redirects > 0 ? performance.now() - started : 0))
        const request = { origin, method: "GET" as const, path: pathname + search, headers: sent, body: undefined }
        return exchange(pools.poolFor(url, redirects === 0), request, leftMs, receiver, wanted.maxBytes)
      }),
    )
    const { location } = reply.headers
    if (![301, 302, 303, 307, 308].includes(reply.status) || location === undefined) return reply
    if (redirects === mostRedirects) throw refusal(`more than ${mostRedirects} redirects`)
    url = checked(URL.parse(String(location), url))
  }
}

/**
 * What the last answer means.
 * Throws UpstreamError: `status` where the file is gone (404, 410) or the storage is failing or overloaded, else `invalid`.
 */
export function readDownload(reply: Reply, wanted: Wanted): Download {
  const { status, body, isCut } = reply
  if (status === 200 && isCut) return { bytes: undefined, size: wholeNumber(reply.headers["content-length"]) }
  if (status === 200 || status === 204) return { bytes: body, isWhole: true }
  if (wanted.fromEnd && status === 206 && !isCut) {
    return { bytes: body, isWhole: /^bytes 0-/.test(String(reply.headers["content-range"])) }
  }
  // The end of an empty file is the only one that there can't be.
  if (wanted.fromEnd && status === 416) return { bytes: Buffer.alloc(0), isWhole: true }
  if (status === 404 || status === 410) {
    throw new UpstreamError("status", signedFile, "The file is not in its storage any more.", { status })
  }
  if (status === 429 || status >= 500) {
    throw new UpstreamError("status", signedFile, `The file's storage answered ${status}.`, { status })
  }
  // Not the caller's business but Code Ocean's: it made the address, and a 401 or 403 says nothing about the caller's token.
  throw new UpstreamError("invalid", signedFile, fileSentences.invalid, {
    status,
    cause: new Error(`the storage answered ${status}`),
  })
}

export const fileSentences = {
  timeout: "The file's storage did not answer in time.",
  unreachable: "The file's storage can't be reached.",
  connectionLost: "The connection to the file's storage ended before it answered.",
  invalid: "The file can't be had from the address that Code Ocean gave for it.",
}

/** Lets a few of one request's downloads go at once, so that no request takes all connections; the others wait their turn. */
export function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let free = mostAtOnce
  const waiting = new Queue<Queued & { go(): void }>()
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((go) => waiting.push({ place: undefined, go }))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next.go()
    }
  }
}

/** A place that no file is fetched from. The message is for the log, and holds nothing of the address but an IP. */
class RefusedPlaceError extends Error {}

function refusal(message: string): ExchangeError {
  return new ExchangeError("invalid", false, message)
}

function checked(url: URL | null): URL {
  if (url === null) throw refusal("the address is none")
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refusal("the address is neither http nor https")
  if (url.username !== "" || url.password !== "") throw refusal("the address holds a user name or password")
  return url
}

async function unlessRefused(reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply
  } catch (error) {
    const { cause } = error as Error
    throw cause instanceof RefusedPlaceError ? refusal(cause.message) : error
  }
}

function wholeNumber(header: string | string[] | undefined): number | undefined {
  return /^\d{1,15}$/.test(String(header)) ? Number(header) : undefined
}

/**
 * Connects to public addresses only. The name is resolved once, here, and the connection goes to what was checked: a name
 * that resolves differently the second time gains nothing.
 */
function publicOnly(timeout: number): buildConnector.connector {
  const connect = buildConnector({ timeout, allowH2: false, lookup: publicLookup })
  return (options, callback) => {
    if (isIP(options.hostname) > 0 && !isPublicAddress(options.hostname)) {
      callback(new RefusedPlaceError(`${options.hostname} is no public address`), null)
    } else connect(options, callback)
  }
}

const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, "")
      return
    }
    const refused = found.find(({ address }) => !isPublicAddress(address))
    const [first] = found
    if (refused !== undefined || first === undefined) {
      callback(
        new RefusedPlaceError(`the name stands for ${refused?.address ?? "nothing"}, which is no public address`),
        "",
      )
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
/** Within the global ones: special purposes, documentation, and tunnels that lead to an IPv4 address. */
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
 * Whether an IP address belongs to the public internet: not to this machine, a private or link-local network, a multicast
 * group or a reserved range. Of IPv6 only global unicast is public, so no IPv4 address passes in the guise of one.
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv6(address)) return globalV6.check(address, "ipv6") && !reservedV6.check(address, "ipv6")
  return isIP(address) === 4 && !reservedV4.check(address, "ipv4")
}
