import { validateHeaderValue } from "node:http"
import { LinkedList } from "../collections/linkedList.ts"
import { Semaphore } from "../collections/semaphore.ts"
import { type Call, type Caller, endpointOf } from "./call.ts"
import { decodeBody } from "./decode.ts"
import { DecodeError } from "./decoders.ts"
import {
  type Download,
  DownloadFlight,
  decodeFile,
  type FilePools,
  type FileRange,
  fileEndpoint,
  maxCompressedForPart,
  maxDownloadBytes,
  maxParallelDownloads,
  readDownload,
  storedEncoding,
} from "./download.ts"
import { UpstreamError } from "./error.ts"
import { ApiFlight, type ApiRoute, type Flight } from "./flight.ts"
import {
  ApiCall,
  type Cancellable,
  type CancelReason,
  FileCall,
  type PendingCall,
  type PendingCallOwner,
} from "./pendingCall.ts"
import type { Kept, ResponseCache } from "./responseCache.ts"
import type { RetryBudget } from "./retry.ts"
import { fillRoute, InvalidIdError } from "./route.ts"
import type { CallerChanges, SharedReads } from "./singleFlight.ts"
import type { HttpRequest, HttpResponse } from "./transport.ts"

/** The maximum size of all responses to one request, in bytes: about a hundred of the largest pages. */
const maxReceivedBytes = 128 * 1024 * 1024

/**
 * Code Ocean's API for the duration of one request, with its caller's token. All methods reject with UpstreamError. After the
 * request has ended or its deadline has passed they reject at once.
 */
export interface Upstream {
  /**
   * Makes a call that changes nothing, whatever its method. Retried after temporary failures, and shared with an equal read of
   * the same caller that is in flight. Answered from the cache if the request's `cacheUse` allows that. Do not modify the result,
   * because others may have the same object.
   */
  read<T>(call: Call<T>): Promise<T>
  /** Makes a call that changes something. Sent at most once. */
  write<T>(call: Call<T>): Promise<T>
  /**
   * Reads a file from a signed URL that Code Ocean gave, without credentials. Retried like a read. The URL is a secret and
   * appears in no error and no log. Several downloads of a request run in parallel, and their total size is limited.
   */
  download(url: string, range: FileRange): Promise<Download>
  /** Whether one of its calls has been answered, has failed or was cancelled, or was answered from the cache. */
  readonly hasAnswers: boolean
  /** Cancels all calls, including those that would start later. */
  end(): void
}

/** What the calls of all requests share. */
export interface UpstreamResources {
  /** Where the API begins, such as `/api/v1/`. */
  readonly basePath: string
  /** Names and values in turn. The first is `min-server-version`. */
  readonly commonHeaders: readonly string[]
  readonly route: ApiRoute
  /** Undefined if equal reads are not shared. */
  readonly reads: SharedReads<ApiFlight> | undefined
  /** Which reads may not be shared any more, because their caller has changed something since. */
  readonly changes: CallerChanges
  /** Undefined if no responses are kept. */
  readonly cache: ResponseCache | undefined
  readonly files: FilePools
  /** Separate from the API's budget: failures of object storage must not use up the API's retries. */
  readonly fileBudget: RetryBudget
  readonly deadlineMs: number
  readonly maxCalls: number
}

/** The calls of one request. Most fields are set with the first call, because many requests make none. */
export class RequestUpstream implements Upstream, PendingCallOwner {
  readonly caller: Caller
  readonly deadline: number
  readonly #resources: UpstreamResources
  readonly retryReads: boolean
  readonly #token: string
  #pending: LinkedList<Cancellable> | undefined
  #headers: string[] | undefined
  #timer: NodeJS.Timeout | undefined
  #endedBecause: CancelReason | undefined
  #hasAnswers = false
  #calls = 0
  #downloads: Semaphore | undefined
  #downloadedBytes = 0
  #receivedBytes = 0

  /** @param retryReads false for a caller that retries by itself, such as a poller */
  constructor(caller: Caller, resources: UpstreamResources, retryReads: boolean) {
    this.caller = caller
    this.deadline = performance.now() + resources.deadlineMs
    this.#resources = resources
    this.retryReads = retryReads
    this.#token = "value" in caller.token ? caller.token.value : ""
    if (resources.cache !== undefined) caller.cost.cachedCalls ??= 0
  }

  read<T>(call: Call<T>): Promise<T> {
    try {
      const request = this.#prepare(call)
      const { cache } = this.#resources
      const readKey = readKeyOf(request)
      return cache?.covers(call) ? this.#readCached(cache, call, request, readKey) : this.#send(call, request, readKey)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async write<T>(call: Call<T>): Promise<T> {
    const request = this.#prepare(call)
    const { changes, route, cache } = this.#resources
    const { tokenDigest } = this.caller
    const now = performance.now()
    changes.add(tokenDigest, now)
    // Before, for a process that dies in the middle.
    const dropped = cache?.drop(this.caller)
    try {
      const flight = new ApiFlight(route, this.caller, request, "", now)
      return await this.#start(new ApiCall(this, flight, now, call, true, this.#token))
    } finally {
      changes.add(tokenDigest, performance.now())
      if (cache !== undefined) {
        await dropped
        // Whatever the outcome. Before the client can ask another replica.
        await cache.drop(this.caller)
      }
    }
  }

  download(url: string, range: FileRange): Promise<Download> {
    const { files, fileBudget, route } = this.#resources
    const fetchPart = (part: FileRange) => {
      this.#count(undefined)
      const flight = new DownloadFlight(fileBudget, files, url, part, route.timeoutMs)
      const read = (response: HttpResponse) => {
        this.#downloadedBytes += response.body.length
        return { download: readDownload(response, part), encoding: storedEncoding(response) }
      }
      return this.#start(new FileCall(this, flight, performance.now(), read))
    }
    this.#downloads ??= new Semaphore(maxParallelDownloads)
    return this.#downloads.run(async () => {
      if (this.#downloadedBytes >= maxDownloadBytes) {
        const message = `This request has read ${maxDownloadBytes} bytes of files, the maximum for one request. Request the other files separately, or fetch them from their \`downloadUrl\`.`
        throw new UpstreamError("limitExceeded", fileEndpoint, message)
      }
      const { offset = 0 } = range
      let { download, encoding } = await fetchPart(range)
      // There may be nothing at this offset only because the file is stored compressed. The response does not say that.
      if (offset > 0 && download.bytes?.length === 0) {
        ;({ encoding } = await fetchPart({ maxBytes: 1, part: "start" }))
      }
      if (encoding === undefined) return download
      // Compressed bytes can be decoded only from their beginning.
      if (range.part !== undefined && (offset > 0 || download.bytes === undefined || !download.isWhole)) {
        ;({ download, encoding = "" } = await fetchPart({ maxBytes: maxCompressedForPart }))
      }
      if (download.bytes === undefined) return download
      const decoded = await decodeFile(download.bytes, encoding, range)
      this.#downloadedBytes += decoded.bytes?.length ?? range.maxBytes
      return decoded
    })
  }

  end(): void {
    this.#end("cancelled")
  }

  get hasAnswers(): boolean {
    return this.#hasAnswers
  }

  remove(call: Cancellable): void {
    this.#hasAnswers = true
    this.#pending?.delete(call.requestLink)
  }

  onData(bytes: number): void {
    this.#receivedBytes += bytes
    if (this.#receivedBytes <= maxReceivedBytes) return
    // Writes are not cancelled, because the outcome of a cancelled write is unknown.
    this.#cancel(
      [...(this.#pending ?? [])].filter((call) => call.isApiRead),
      "limitExceeded",
    )
  }

  terminalError(reason: CancelReason, endpoint: string, outcomeUnknown: boolean): UpstreamError {
    const message = {
      cancelled: "The request was cancelled.",
      timeout: `The request exceeded its deadline of ${this.#resources.deadlineMs} ms.`,
      limitExceeded: tooManyBytes,
    }[reason]
    return new UpstreamError(reason, endpoint, message, { outcomeUnknown })
  }

  #end(reason: "cancelled" | "timeout"): void {
    if (this.#endedBecause !== undefined) return
    this.#endedBecause = reason
    clearTimeout(this.#timer)
    if (this.#pending?.first !== undefined) this.#cancel([...this.#pending], reason)
  }

  /** A call that was sent only to be cancelled would close its connection. */
  #cancel(calls: readonly Cancellable[], reason: CancelReason): void {
    this.#resources.route.semaphore.holdDuring(() => {
      for (const call of calls) call.cancel(reason)
    })
  }

  /** Shared calls count too: whether a request exceeds its limit must not depend on what else is in flight. */
  #count(call: Call<unknown> | undefined): void {
    const { maxCalls } = this.#resources
    this.#calls += 1
    if (this.#calls <= maxCalls) return
    const message = `This request has made ${maxCalls} calls to Code Ocean, the maximum for one request. Split it into several requests.`
    throw new UpstreamError("limitExceeded", call === undefined ? fileEndpoint : endpointOf(call), message)
  }

  /** The request of an API call. Throws UpstreamError if it must not be sent. */
  #prepare(call: Call<unknown>): HttpRequest {
    const { method, route } = call
    const { token } = this.caller
    if ("missing" in token) throw new UpstreamError("unauthenticated", endpointOf(call), token.missing)
    const path = this.#resources.basePath + pathOf(call)
    this.#count(call)
    if (this.#receivedBytes >= maxReceivedBytes)
      throw new UpstreamError("limitExceeded", endpointOf(call), tooManyBytes)
    const body = call.body === undefined ? undefined : JSON.stringify(call.body)
    this.#headers ??= headersFor(this.caller, this.#resources.commonHeaders)
    let headers = body === undefined ? this.#headers : [...this.#headers, "content-type", "application/json"]
    if (call.minServerVersion !== undefined) headers = withMinVersion(headers, call.minServerVersion)
    return { method, path, template: route, headers, body, blocking: false }
  }

  #readCached<T>(cache: ResponseCache, call: Call<T>, request: HttpRequest, readKey: string): Promise<T> {
    if (this.caller.cacheUse === undefined) {
      cache.count("bypass")
      return this.#send(call, request, readKey)
    }
    const kept = cache.get(this.caller, readKey)
    return kept instanceof Promise
      ? kept.then((kept) => this.#readThrough(cache, kept, call, request, readKey))
      : this.#readThrough(cache, kept, call, request, readKey)
  }

  /**
   * Answers a read from the cache if it can, or sends it.
   * @param kept undefined if the cache cannot be used now
   */
  #readThrough<T>(
    cache: ResponseCache,
    kept: Kept | undefined,
    call: Call<T>,
    request: HttpRequest,
    readKey: string,
  ): Promise<T> {
    if (kept === undefined || this.#endedBecause !== undefined) return this.#send(call, request, readKey)
    // A read in flight is not shared with one that began after a change in another replica.
    const sharedKey = `${readKey}\n${kept.version}`
    const { text } = kept
    if (text !== undefined && this.caller.cacheUse === "read") {
      const decoded = decodeKept(text, call)
      if (decoded !== undefined) {
        cache.count(kept.isDue ? "stale" : "hit")
        this.#countKept(call, text)
        if (kept.isDue) this.#renew(cache, kept, call, request, sharedKey)
        return Promise.resolve(decoded.value)
      }
    }
    cache.count(kept.isOpen && this.caller.cacheUse === "read" ? "miss" : "bypass")
    const sent = this.#send(call, request, sharedKey, kept)
    if (text !== undefined) sent.catch((error: unknown) => cache.onFailure(kept, error))
    return sent
  }

  /** Counts like a call that is shared. */
  #countKept(call: Call<unknown>, text: string): void {
    const { cost, span, logCall } = this.caller
    this.#hasAnswers = true
    cost.cachedCalls = (cost.cachedCalls ?? 0) + 1
    this.onData(text.length)
    const endpoint = endpointOf(call)
    if (span?.isRecorded) {
      span.startCall(endpoint, undefined).end({ attempts: 0, queuedMs: 0, isShared: false, isCached: true })
    }
    logCall?.({ endpoint, cached: true })
  }

  /**
   * Replaces a kept response in the background. Its call has a deadline and a place in the queue like any other, and ends
   * independently of this request. It is not retried.
   */
  #renew<T>(cache: ResponseCache, kept: Kept, call: Call<T>, request: HttpRequest, sharedKey: string): void {
    const { reads } = this.#resources
    if (reads?.get(this.caller.key, sharedKey, performance.now()) !== undefined) return
    const renewal = new RequestUpstream(this.caller, this.#resources, false)
    renewal
      .#send(call, request, sharedKey, kept)
      .catch((error: unknown) => cache.onFailure(kept, error))
      .finally(() => renewal.end())
  }

  /**
   * Sends a read, or joins an equal one in flight.
   * @param place where the response is kept
   */
  #send<T>(call: Call<T>, request: HttpRequest, readKey: string, place?: Kept): Promise<T> {
    const now = performance.now()
    const flight = this.#flightFor(request, readKey, now)
    const { cache } = this.#resources
    // Whoever joins may have looked up the place after a change.
    const isKept = cache !== undefined && place !== undefined && flight.attempts === 0
    const keep = isKept ? this.#keeper(cache, place, call) : undefined
    return this.#start(new ApiCall(this, flight, now, call, false, this.#token, keep))
  }

  #keeper<T>(cache: ResponseCache, place: Kept, call: Call<T>): (response: HttpResponse, value: T) => void {
    return (response, value) => cache.keep(place, { response, call, value, token: this.#token })
  }

  /** The flight of an equal read, or a new one. */
  #flightFor(request: HttpRequest, key: string, now: number): Flight {
    const { reads, route } = this.#resources
    if (reads === undefined || this.#endedBecause !== undefined)
      return new ApiFlight(route, this.caller, request, key, now)
    const shared = reads.get(this.caller.key, key, now)
    if (shared !== undefined) {
      this.caller.cost.sharedCalls += 1
      route.metrics?.onSharedReads(1)
      return shared
    }
    const flight = new ApiFlight(route, this.caller, request, key, now, reads)
    reads.add(flight)
    return flight
  }

  #startTimer(): void {
    const leftMs = this.deadline - performance.now()
    if (leftMs <= 0) this.#end("timeout")
    if (this.#endedBecause !== undefined) return
    this.#timer = setTimeout(() => this.#end("timeout"), leftMs)
    // A request that is never ended must not keep a stopping process alive.
    this.#timer.unref()
  }

  /** Joins the call's flight, unless this request has ended. */
  #start<T>(call: PendingCall<T>): Promise<T> {
    const { span } = this.caller
    if (span?.isRecorded) call.startSpan(span)
    if (this.#timer === undefined) this.#startTimer()
    if (this.#endedBecause === undefined) {
      this.#pending ??= new LinkedList()
      this.#pending.add(call.requestLink)
      call.flight.join(call)
    } else call.cancel(this.#endedBecause)
    return call.promise
  }
}

function readKeyOf({ method, path, body }: HttpRequest): string {
  return body === undefined && method === "GET" ? path : `${method} ${path}\n${body ?? ""}`
}

/** The value of a kept response. Undefined if it cannot be decoded, because somebody else has changed it. */
function decodeKept<T>(text: string, call: Call<T>): { value: T } | undefined {
  try {
    return { value: decodeBody(text, call) }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const tooManyBytes = `This request has received ${maxReceivedBytes} bytes from Code Ocean, the maximum for one request. Split it into several requests.`

/** Throws for invalid values: a request that undici rejects takes its connection out of service forever. */
function headersFor({ requestId, token, agentId, span }: Caller, common: readonly string[]): string[] {
  validateHeaderValue("x-request-id", requestId)
  if (agentId !== undefined) validateHeaderValue("agent-id", agentId)
  const headers = [...common, "x-request-id", requestId]
  if ("value" in token) headers.push("authorization", `Basic ${btoa(`${token.value}:`)}`)
  if (agentId !== undefined) headers.push("agent-id", agentId)
  if (span?.isRecorded === false) headers.push("traceparent", span.traceparent)
  return headers
}

const versions = new Intl.Collator("en", { numeric: true })

/** The headers for a call that needs this version of Code Ocean, unless a later one is asked for anyway. */
function withMinVersion(headers: string[], version: string): string[] {
  const [, usual = ""] = headers
  return versions.compare(version, usual) > 0 ? headers.with(1, version) : headers
}

function pathOf(call: Call<unknown>): string {
  try {
    const path = fillRoute(call.route, call.ids ?? {})
    if (call.query === undefined) return path
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(call.query)) {
      if (value !== undefined) query.set(name, String(value))
    }
    return query.size > 0 ? `${path}?${query}` : path
  } catch (error) {
    if (error instanceof InvalidIdError) throw new UpstreamError("invalidId", endpointOf(call), error.message)
    throw error
  }
}
