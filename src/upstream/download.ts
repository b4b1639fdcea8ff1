import { Agent, type Dispatcher } from "undici"
import { decodeBytes, isDecodable } from "../collections/contentEncoding.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import { UpstreamError } from "./error.ts"
import { Flight } from "./flight.ts"
import { createProxyAgent, type Proxies } from "./proxy.ts"
import { ForbiddenAddressError, publicAddressOf, publicOnly } from "./publicAddress.ts"
import type { RetryBudget } from "./retry.ts"
import { type HttpResponse, type InFlight, type ResponseHandler, send, TransportError } from "./transport.ts"

/*
 * Downloads from signed URLs. Files lie in an object storage that is not Code Ocean's API, and anyone who has the URL can read
 * the file. Therefore no credentials are sent there, and no such URL appears in a log or an error. The URL comes from a
 * response, and redirects from anywhere, so none may lead into the gateway's own network.
 */

/** Stands for the route in metrics and in the errors of downloads. */
const fileTemplate = "signed file URL"
export const fileEndpoint = `GET ${fileTemplate}`

/** Which part of a file to read. */
export interface FileRange {
  /** The maximum number of bytes. */
  maxBytes: number
  /** Of a larger file, the first or the last `maxBytes` are read. If omitted, nothing of it is. */
  part?: "start" | "end"
  /** Where the part `start` begins, in bytes. Defaults to 0. */
  offset?: number
}

/**
 * The bytes that were read, decoded if the file is stored compressed. `isWhole` says whether nothing of the file follows them, or
 * precedes those of the part `end`. If the file is larger than `maxBytes`, or this part of it cannot be read, only its size. The size
 * is undefined if the storage does not send it.
 */
export type Download =
  | { bytes: Buffer; isWhole: boolean; size?: number | undefined }
  | { bytes: undefined; size: number | undefined }

/**
 * The maximum size of one request's downloads, in bytes, not counting up to seven downloads that end at the same time. They all fit
 * into a response of the maximum size, so that a request for too many files still gets some of them.
 */
export const maxDownloadBytes = 24 * 1024 * 1024

/** How many downloads of one request run in parallel, so that no request uses all connections. */
export const maxParallelDownloads = 8

const maxRedirects = 3
const connectionsPerHost = 64

const headers = [
  ...["accept", "*/*"],
  // Storage compresses nothing by itself then. A file that is stored compressed comes so all the same, and is decoded.
  ...["accept-encoding", "identity"],
]

/** The connections to object storage, shared by all callers. */
export interface FilePools {
  /** The pool for this URL. Connecting to a forbidden address fails. */
  poolFor(url: URL, isFirst: boolean): Dispatcher
  userAgent: string
  metrics?: Metrics | undefined
  close(): Promise<void>
}

/**
 * Creates the pools. Connections are opened when they are needed.
 *
 * A proxy resolves names itself, perhaps to private addresses. So the gateway resolves the name, and requests its public address
 * from the proxy. A name without a public address is rejected. For the allowed origins the proxy gets the name.
 * @param options.upstream the deployment's own URL: a private address from which files are fetched, but only without a redirect
 * @param options.allowed the origins of private storage from which files are fetched, also by redirects
 */
export function createFilePools(options: {
  upstream: URL
  allowed: readonly string[]
  proxies: Proxies | undefined
  connectTimeoutMs: number
  userAgent: string
  metrics?: Metrics | undefined
}): FilePools {
  const { proxies, connectTimeoutMs } = options
  const settings = { headersTimeout: 0, bodyTimeout: 0, allowH2: false, connections: connectionsPerHost }
  const { origin } = options.upstream
  const allowed = new Set(options.allowed)
  const createAgent = (connect: Agent.Options["connect"], resolve?: (host: string) => Promise<string>): Dispatcher =>
    proxies === undefined
      ? new Agent({ ...settings, connect })
      : createProxyAgent({ proxies, connectTimeoutMs, settings: { ...settings, connect }, ...(resolve && { resolve }) })
  const open = createAgent({ timeout: connectTimeoutMs })
  const guarded = createAgent(publicOnly(connectTimeoutMs), publicAddressOf)
  return {
    poolFor: (url, isFirst) => ((isFirst && url.origin === origin) || allowed.has(url.origin) ? open : guarded),
    userAgent: options.userAgent,
    metrics: options.metrics,
    async close() {
      await Promise.all([open.destroy(), guarded.destroy()])
    },
  }
}

/** The flight of one download. An attempt follows redirects. */
export class DownloadFlight extends Flight {
  readonly #files: FilePools
  readonly #url: string
  readonly #range: FileRange
  readonly #timeoutMs: number
  #inFlight: InFlight | undefined
  /** When the attempt was sent. Set only for metrics. */
  #since = 0

  constructor(budget: RetryBudget, files: FilePools, url: string, range: FileRange, timeoutMs: number) {
    super(budget)
    this.#files = files
    this.#url = url
    this.#range = range
    this.#timeoutMs = timeoutMs
  }

  protected override attempt(): void {
    const { metrics } = this.#files
    if (metrics !== undefined) {
      this.#since = performance.now()
      if (this.attempts > 1) metrics.onRetry("GET", fileTemplate)
    }
    const sendOne = (start: (handler: ResponseHandler) => InFlight) =>
      new Promise<HttpResponse>((onResponse, onError) => {
        if (this.isOver) {
          onError(new TransportError("cancelled", false, "cancelled"))
          return
        }
        this.onSent()
        this.#inFlight = start({ onResponse, onError })
      })
    fetchFile(this.#files, this.#url, this.#range, this.#timeoutMs, sendOne).then(
      (response) => this.onResponse(response),
      (error: unknown) => this.onError(error),
    )
  }

  protected override cancelAttempt(): boolean {
    return this.#inFlight?.abort() ?? false
  }

  override onResponse(response: HttpResponse): void {
    this.#files.metrics?.onAttempt("GET", fileTemplate, response.status, this.#since)
    super.onResponse(response)
  }

  override onError(error: unknown): void {
    if (error instanceof TransportError) this.#files.metrics?.onAttempt("GET", fileTemplate, error.kind, this.#since)
    super.onError(error)
  }
}

/**
 * Fetches a file from its signed URL, following up to three redirects. Resolves with the final response, whatever its status.
 * Rejects with TransportError, `invalid` for a URL from which files are not fetched.
 * @param timeoutMs from the start to the last byte, redirects included
 * @param sendOne starts one request and resolves with its response
 */
export async function fetchFile(
  pools: FilePools,
  signedUrl: string,
  range: FileRange,
  timeoutMs: number,
  sendOne: (start: (handler: ResponseHandler) => InFlight) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const allHeaders = [...headers, "user-agent", pools.userAgent, ...rangeHeader(range)]
  const startedAt = performance.now()
  let url = checkedUrl(URL.parse(signedUrl))
  for (let redirects = 0; ; redirects++) {
    const response = await withForbiddenAsInvalid(
      url,
      sendOne((handler) => {
        const { origin, pathname, search } = url
        const leftMs = Math.max(1, timeoutMs - (redirects > 0 ? performance.now() - startedAt : 0))
        const request = {
          origin,
          method: "GET" as const,
          path: pathname + search,
          template: fileTemplate,
          headers: allHeaders,
          body: undefined,
          blocking: false as const,
        }
        const cut = { at: cutAt(range), keep: range.part === "start" }
        return send(pools.poolFor(url, redirects === 0), request, leftMs, handler, cut)
      }),
    )
    const { location } = response.headers
    if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response
    if (redirects === maxRedirects) throw invalidFile(`more than ${maxRedirects} redirects`)
    url = checkedUrl(URL.parse(String(location), url))
  }
}

function rangeHeader({ maxBytes, part, offset = 0 }: FileRange): string[] {
  if (part === undefined) return []
  return ["range", part === "start" ? `bytes=${offset}-${offset + maxBytes - 1}` : `bytes=-${maxBytes}`]
}

/** How much of a file's beginning is read to get at a later part of it, in bytes, if its storage ignores ranges. */
const maxSkippedBytes = 8 * 1024 * 1024

/** After how many bytes of a response the rest is not read. */
function cutAt({ maxBytes, offset = 0 }: FileRange): number {
  return maxBytes + Math.min(offset, maxSkippedBytes)
}

/**
 * Reads the final response of a download.
 * Throws UpstreamError: `status` if the file is gone (404, 410) or the storage is failing or overloaded, otherwise `invalid`.
 */
export function readDownload(response: HttpResponse, range: FileRange): Download {
  const { status, body, isCut } = response
  if (range.part === "start" && (status === 200 || status === 206)) return startIn(response, range.offset ?? 0)
  if (status === 200 && isCut) {
    // The length of a compressed file is not the size of its content.
    const size = storedEncoding(response) === undefined ? wholeNumber(response.headers["content-length"]) : undefined
    return { bytes: undefined, size }
  }
  if (status === 200 || status === 204) return { bytes: body.bytes(), isWhole: true }
  if (range.part === "end" && status === 206 && !isCut) {
    return { bytes: body.bytes(), isWhole: /^bytes 0-/.test(String(response.headers["content-range"])) }
  }
  // 416 to such a range means that the file is empty, or ends before it.
  if (range.part !== undefined && status === 416) {
    return { bytes: Buffer.alloc(0), isWhole: true, size: sizeIn(response, /^bytes \*\/(\d{1,15})$/) }
  }
  if (status === 404 || status === 410) {
    throw new UpstreamError("status", fileEndpoint, "The file is no longer in its storage.", { status })
  }
  if (status === 429 || status >= 500) {
    throw new UpstreamError("status", fileEndpoint, `The file's storage answered ${status}.`, { status })
  }
  // Code Ocean made the URL, so a 401 or 403 here says nothing about the caller's token.
  throw new UpstreamError("invalid", fileEndpoint, fileMessages.invalid, {
    status,
    cause: new Error(`the storage answered ${status}`),
  })
}

/** The part of a file from this offset on. */
function startIn(response: HttpResponse, offset: number): Download {
  const { status, body, isCut } = response
  if (status === 200) {
    const size = isCut ? wholeNumber(response.headers["content-length"]) : body.length
    // The storage ignores ranges, and the part is too far behind the beginning.
    if (isCut && body.length <= offset) return { bytes: undefined, size }
    return { bytes: body.bytes().subarray(offset), isWhole: !isCut, size }
  }
  const range = String(response.headers["content-range"])
  if (offset > 0 && !range.startsWith(`bytes ${offset}-`)) {
    throw new UpstreamError("invalid", fileEndpoint, fileMessages.invalid, {
      status,
      cause: new Error("the storage sent another part of the file"),
    })
  }
  const size = sizeIn(response, /^bytes \d+-\d+\/(\d{1,15})$/)
  return { bytes: body.bytes(), isWhole: !isCut && size === offset + body.length, size }
}

function sizeIn({ headers }: HttpResponse, contentRange: RegExp): number | undefined {
  return wholeNumber(contentRange.exec(String(headers["content-range"]))?.[1])
}

/** The encoding that a file is stored in, if it can be decoded here. Others, such as the `aws-chunked` of some uploads, are left. */
export function storedEncoding({ headers }: HttpResponse): string | undefined {
  const header = String(headers["content-encoding"] ?? "")
  return isDecodable(header) ? header : undefined
}

/** For a part of a compressed file, all of it is read and decoded: the largest sizes before and after, in bytes. */
export const maxCompressedForPart = 1024 * 1024
const maxDecodedForPart = maxSkippedBytes

/**
 * Decodes a whole file that is stored compressed. No limit is exceeded on the way: a few bytes can stand for gigabytes.
 * Throws UpstreamError if it is not what its storage says.
 */
export async function decodeFile(
  bytes: Buffer,
  encoding: string,
  { maxBytes, part, offset = 0 }: FileRange,
): Promise<Download> {
  if (bytes.length === 0) return { bytes, isWhole: true }
  const decoded = await decodeBytes(bytes, encoding, part === undefined ? maxBytes : maxDecodedForPart)
  if (decoded === "malformed") {
    throw new UpstreamError("invalid", fileEndpoint, fileMessages.malformed, {
      cause: new Error(`the content is not encoded as ${encoding.slice(0, 20)}`),
    })
  }
  if (decoded === "tooLarge") return { bytes: undefined, size: undefined }
  const size = decoded.length
  if (offset === 0 && size <= maxBytes) return { bytes: decoded, isWhole: true, size }
  // A copy, so that the rest is freed.
  const shown = part === "start" ? decoded.subarray(offset, offset + maxBytes) : decoded.subarray(-maxBytes)
  return { bytes: Buffer.from(shown), isWhole: part === "start" && offset + maxBytes >= size, size }
}

export const fileMessages = {
  timeout: "The file's storage did not answer in time.",
  unreachable: "The file's storage can't be reached.",
  connectionLost: "The connection to the file's storage was lost before it answered.",
  invalid: "The file can't be read from the address that Code Ocean gave for it.",
  malformed:
    "The file can't be decoded: its storage says that it is compressed, but it is not, or it is damaged. Fetch it from its `downloadUrl`.",
}

function invalidFile(message: string): TransportError {
  return new TransportError("invalid", false, message)
}

function checkedUrl(url: URL | null): URL {
  if (url === null) throw invalidFile("the address is not a URL")
  if (url.protocol !== "https:" && url.protocol !== "http:") throw invalidFile("the address is neither http nor https")
  if (url.username !== "" || url.password !== "") throw invalidFile("the address contains a user name or password")
  return url
}

/** Turns the connection error of a forbidden address into `invalid`, which is not retried. */
async function withForbiddenAsInvalid({ origin }: URL, response: Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    return await response
  } catch (error) {
    const { cause } = error as Error
    if (!(cause instanceof ForbiddenAddressError)) throw error
    const message = `${cause.message}; if it is your storage, add ${origin} to FILE_ORIGINS`
    throw new TransportError("invalid", false, message, { reason: notPublic })
  }
}

const notPublic = "it is not known to be public, and the gateway's setting FILE_ORIGINS does not allow it"

function wholeNumber(header: string | string[] | undefined): number | undefined {
  return /^\d{1,15}$/.test(String(header)) ? Number(header) : undefined
}
