import { validateHeaderValue } from "node:http"
import { Pool } from "undici"
import packageJson from "../../package.json" with { type: "json" }
import { Bag, type Baggable } from "../collections/bag.ts"
import type { LineLog, Log } from "../log.ts"
import { Attempt, type Line } from "./attempt.ts"
import { createBreaker } from "./breaker.ts"
import { type Answered, meaningOf, type Sentences, sentences, unanswered } from "./decode.ts"
import type { Decoder } from "./decoders.ts"
import {
  createFilePools,
  createTurns,
  type Download,
  type FilePools,
  fetchFile,
  fileSentences,
  mostDownloadedBytes,
  readDownload,
  signedFile,
  type Wanted,
} from "./download.ts"
import { UpstreamError } from "./error.ts"
import { Turns } from "./fairSemaphore.ts"
import { RetryBudget } from "./retry.ts"
import { fillRoute, InvalidIdError } from "./route.ts"
import { Flight, type Outcome, SharedReads, type Waiter } from "./singleFlight.ts"
import { type Exchange, ExchangeError, exchange, type HttpRequest, type Receiver, type Reply } from "./transport.ts"

/** The oldest platform whose API this gateway speaks; an older one refuses by itself. */
const minServerVersion = "4.6.0"
const userAgent = `${packageJson.name}/${packageJson.version}`
const connectTimeoutMs = 5_000
const probeTimeoutMs = 2_000
/** The most bytes that upstream's answers may bring to one request together: some hundred of the largest pages. */
const mostReceivedBytes = 128 * 1024 * 1024

/** One call to the API. */
export interface Call<T> {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** The path below `/api/v1/`, with names for ids: `capsules/{id}/app_panel`. */
  route: string
  ids?: Readonly<Record<string, string>>
  /** Undefined values are left out. */
  query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  body?: unknown
  /** What upstream promises to answer. */
  decode: Decoder<T>
}

/**
 * Upstream for the length of one request, with its caller's token. Its functions reject with UpstreamError, and
 * once the request is over or its time is up they reject at once.
 */
export interface Upstream {
  /**
   * A call that changes nothing, whatever its verb: repeated when upstream is away for a moment, and shared with an equal
   * one of the same caller that is just under way. Don't write to the answer: others may have it too.
   */
  read<T>(call: Call<T>): Promise<T>
  /** A call that changes something: sent once, never repeated. */
  write<T>(call: Call<T>): Promise<T>
  /**
   * Reads a file from a signed address that upstream gave, without credentials: repeated like a read. The address is a
   * secret, and stands in no error and no log. A few of a request's downloads go at once, and there is a limit to what they
   * bring together.
   */
  download(address: string, wanted: Wanted): Promise<Download>
  /** Cancels what is still under way, and everything that would come. */
  end(): void
}

/** A token, or a sentence that says why there is none. */
export type Token =
  | {
      value: string
      /** Its SHA-256, once somebody has computed it. */
      digest?: string
    }
  | { missing: string }

/** On whose behalf the calls of one request are made. */
export interface Caller {
  readonly token: Token
  /** Stands for the token where calls are counted: its digest, no secret. */
  readonly name: string
  /** Stands for the token and the agent together: who shares a read, a poll or a task with whom. No secret either. */
  readonly key: string
  /** Names the agent that acts for the caller; handed on as it came. */
  readonly agentId: string | undefined
  readonly requestId: string
  readonly log: LineLog
  /** What is counted of its calls. */
  readonly cost: CallCounts
}

export interface CallCounts {
  /** Those that were sent, repeats included. */
  upstreamCalls: number
  /** Those that weren't, because an equal one was under way. */
  sharedCalls: number
}

/** The connections to one deployment, shared by all callers: it holds nothing of theirs. */
export interface UpstreamPool {
  /** @param options.readsOnce for whoever repeats reads in a time of their own: they too are sent once */
  forCaller(caller: Caller, options?: { readsOnce?: boolean }): Upstream
  /** Whether upstream answers at all, asked without a token and beside the callers' connections. */
  probe(): Promise<boolean>
  /** `open` while upstream is known to be down, and nothing is sent but probes. */
  readonly circuit: "closed" | "open"
  /** Closes every connection, cutting off what is under way. */
  close(): Promise<void>
}

/** How calls are made. */
export interface UpstreamOptions {
  /** The deployment's address; the API is expected under `api/v1/` below it. */
  url: URL
  /** The longest that one call may take. */
  timeoutMs: number
  /** The longest that all calls for one request may take together. */
  deadlineMs: number
  /** The most calls under way at once. */
  connections: number
  /** The most calls for one request, repeats not counted. */
  calls: number
  /** The most calls that wait for their turn; 0 for any number. */
  queue: number
  /** How many repeats there may be for a hundred calls. */
  retryPercent: number
  /** Of how many calls in ten seconds more than half must find upstream down; 0: nothing is held back. */
  breakerCalls: number
  /** Whether equal reads of one caller are sent once. */
  sharedReads: boolean
  log: Log
}

/** Opens the pool; connections are made when they are needed. */
export function createUpstreamPool(options: UpstreamOptions): UpstreamPool {
  const { origin, pathname } = options.url
  const base = `${pathname}api/v1/`
  const longestConnectMs = Math.min(connectTimeoutMs, options.timeoutMs)
  const settings = {
    // One call's time is measured whole, in exchange.ts: these two begin anew at each chunk, so a slow drip passes them.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: longestConnectMs },
    // Over TLS HTTP/2 costs the gateway half as much again for the same calls.
    allowH2: false,
  }
  const pool = new Pool(origin, { ...settings, connections: options.connections })
  const probePool = new Pool(origin, { ...settings, connections: 2 })
  const probeRequest = {
    method: "GET",
    path: `${base}custom_metadata`,
    headers: commonHeaders,
    body: undefined,
  } as const
  const probe = () =>
    new Promise<Reply>((answered, failed) => {
      exchange(probePool, probeRequest, Math.min(probeTimeoutMs, options.timeoutMs), { answered, failed })
    })
  const files = createFilePools({ upstream: options.url, connectTimeoutMs: longestConnectMs, userAgent })
  const breaker = createBreaker({ calls: options.breakerCalls || Number.POSITIVE_INFINITY, probe, log: options.log })
  const budget = new RetryBudget(options.retryPercent)
  const shared: Shared = {
    options,
    base,
    line: { pool, turns: new Turns(options.connections, options.queue || Number.POSITIVE_INFINITY), breaker },
    files,
    budget,
    fileBudget: new RetryBudget(options.retryPercent),
    reads: options.sharedReads ? new SharedReads(budget) : undefined,
  }

  return {
    forCaller: (caller, { readsOnce = false } = {}) => new RequestUpstream(caller, shared, readsOnce),
    async probe() {
      try {
        return (await probe()).status < 500
      } catch {
        return false
      }
    },
    get circuit() {
      return breaker.isOpen ? "open" : "closed"
    },
    async close() {
      breaker.close()
      await Promise.all([pool.destroy(), probePool.destroy(), files.close()])
    },
  }
}

const commonHeaders = { accept: "application/json", "min-server-version": minServerVersion, "user-agent": userAgent }

/** What the calls of all requests have in common. */
interface Shared {
  options: UpstreamOptions
  base: string
  line: Line
  files: FilePools
  budget: RetryBudget
  /** Files lie elsewhere: what happens there is no matter of upstream's. */
  fileBudget: RetryBudget
  reads: SharedReads | undefined
}

/** The calls of one request. What they need beyond the caller is made with the first of them: many requests make none. */
class RequestUpstream implements Upstream {
  readonly #caller: Caller
  readonly #shared: Shared
  readonly #readsOnce: boolean
  readonly #token: string
  readonly #begun = performance.now()
  /** What the request waits for, while it does. */
  #waits: Bag<Ending> | undefined
  #headers: Record<string, string> | undefined
  #timer: NodeJS.Timeout | undefined
  #overBecause: "cancelled" | "timeout" | undefined
  #calls = 0
  #inTurn: ReturnType<typeof createTurns> | undefined
  #downloadedBytes = 0
  #receivedBytes = 0

  constructor(caller: Caller, shared: Shared, readsOnce: boolean) {
    this.#caller = caller
    this.#shared = shared
    this.#readsOnce = readsOnce
    this.#token = "value" in caller.token ? caller.token.value : ""
  }

  get caller(): Caller {
    return this.#caller
  }

  get deadline(): number {
    return this.#begun + this.#shared.options.deadlineMs
  }

  read<T>(call: Call<T>): Promise<T> {
    try {
      const { wanted, request } = this.#prepare(call, false)
      return this.#answerOf(this.#flightFor(request), wanted)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async write<T>(call: Call<T>): Promise<T> {
    const { wanted, request } = this.#prepare(call, true)
    const { reads, budget } = this.#shared
    reads?.changed(this.#caller.name, performance.now())
    try {
      return await this.#answerOf(new Flight(this.#attemptOf(request), budget), wanted)
    } finally {
      reads?.changed(this.#caller.name, performance.now())
    }
  }

  download(address: string, wanted: Wanted): Promise<Download> {
    const { files, fileBudget, options } = this.#shared
    this.#inTurn ??= createTurns()
    return this.#inTurn(async () => {
      if (this.#downloadedBytes >= mostDownloadedBytes) {
        const sentence = `This request has read ${mostDownloadedBytes} bytes of files, the most that one may: ask for the others in another request, or fetch them from their \`downloadUrl\`.`
        throw new UpstreamError("limitExceeded", signedFile, sentence)
      }
      this.#count(signedFile)
      const attempt = (flight: Flight) => {
        const send = (begin: (receiver: Receiver) => Exchange) =>
          new Promise<Reply>((answered, failed) => {
            if (flight.isOver) {
              failed(new ExchangeError("cancelled", false, "given up"))
              return
            }
            flight.sent()
            flight.begun(begin({ answered, failed }))
          })
        fetchFile(files, address, wanted, options.timeoutMs, send).then(
          (reply) => flight.answered(reply),
          (error: unknown) => flight.failed(error),
        )
      }
      return this.#answerOf<Download>(new Flight(attempt, fileBudget), {
        endpoint: signedFile,
        words: fileSentences,
        isWrite: false,
        answer: ({ reply }) => {
          this.#downloadedBytes += reply.body.length
          return readDownload(reply, wanted)
        },
      })
    })
  }

  end(): void {
    this.#finish("cancelled")
  }

  /** It is waited for no more. */
  forget(wait: Ending): void {
    this.#waits?.delete(wait)
  }

  /** Counts what upstream's answers bring. Beyond the limit no read is waited for any more. */
  received(bytes: number): void {
    this.#receivedBytes += bytes
    if (this.#receivedBytes <= mostReceivedBytes) return
    // Changes are waited for: of one that is cut off, nobody knows whether it has happened.
    for (const wait of this.#waits ?? []) if (wait.isRead) wait.giveUp("limitExceeded")
  }

  /** What to say of a call that nobody waits for any more. */
  over(because: Over, endpoint: string, outcomeUnknown: boolean): UpstreamError {
    const sentence = {
      cancelled: "The request was cancelled.",
      timeout: `The request's time, ${this.#shared.options.deadlineMs} ms, is up.`,
      limitExceeded: tooMuchReceived,
    }[because]
    return new UpstreamError(because, endpoint, sentence, { outcomeUnknown })
  }

  #finish(because: "cancelled" | "timeout"): void {
    if (this.#overBecause !== undefined) return
    this.#overBecause = because
    clearTimeout(this.#timer)
    for (const wait of this.#waits ?? []) wait.giveUp(because)
  }

  /** Shared calls count as well: whether a request is too costly must not depend on what else is under way. */
  #count(endpoint: string): void {
    const { calls } = this.#shared.options
    this.#calls += 1
    if (this.#calls <= calls) return
    const sentence = `This request has made ${calls} calls to Code Ocean, the most that one may: ask for less of it at once, in several requests.`
    throw new UpstreamError("limitExceeded", endpoint, sentence)
  }

  /** Throws UpstreamError for a call that isn't to be sent. */
  #prepare<T>(call: Call<T>, isWrite: boolean): { wanted: Expected<T>; request: HttpRequest } {
    const { method, route } = call
    const { token } = this.#caller
    const endpoint = `${method} /${route}`
    if ("missing" in token) throw new UpstreamError("unauthenticated", endpoint, token.missing)
    const path = this.#shared.base + pathOf(call, endpoint)
    this.#count(endpoint)
    if (this.#receivedBytes >= mostReceivedBytes) throw new UpstreamError("limitExceeded", endpoint, tooMuchReceived)
    const body = call.body === undefined ? undefined : JSON.stringify(call.body)
    this.#headers ??= headersFor(this.#caller)
    const headers = body === undefined ? this.#headers : { ...this.#headers, "content-type": "application/json" }
    const answer = (outcome: Answered) => meaningOf(outcome, call, endpoint, isWrite, this.#token)
    return { wanted: { endpoint, words: sentences, isWrite, answer }, request: { method, path, headers, body } }
  }

  #attemptOf(request: HttpRequest): (flight: Flight) => void {
    const { line, options } = this.#shared
    return (flight) => new Attempt(line, flight, this.#caller.name, request, options.timeoutMs).begin()
  }

  /** An equal read's flight, or one of its own. */
  #flightFor(request: HttpRequest): Flight {
    const { reads, budget } = this.#shared
    if (reads === undefined || this.#overBecause !== undefined) return new Flight(this.#attemptOf(request), budget)
    const now = performance.now()
    const { method, path, body } = request
    const key = `${this.#caller.key}\n${method} ${path}\n${body ?? ""}`
    const underWay = reads.get(key, now)
    if (underWay === undefined) return reads.begin(this.#caller.name, key, now, this.#attemptOf(request))
    this.#caller.cost.sharedCalls += 1
    return underWay
  }

  #startTimer(): void {
    const leftMs = this.deadline - performance.now()
    if (leftMs <= 0) this.#finish("timeout")
    if (this.#overBecause !== undefined) return
    this.#timer = setTimeout(() => this.#finish("timeout"), leftMs)
    // A request that was forgotten must not keep a stopping process alive.
    this.#timer.unref()
  }

  /** Waits for a call until this request is over. */
  #answerOf<T>(flight: Flight, wanted: Expected<T>): Promise<T> {
    const wait = new Wait(this, flight, wanted, !wanted.isWrite && !this.#readsOnce)
    if (this.#timer === undefined) this.#startTimer()
    this.#waits ??= new Bag()
    this.#waits.add(wait)
    if (this.#overBecause === undefined) flight.join(wait)
    else wait.giveUp(this.#overBecause)
    return wait.promise
  }
}

/** Throws for what can't be sent: a request that undici itself refuses takes its connection out of service for ever. */
function headersFor({ requestId, token, agentId }: Caller) {
  validateHeaderValue("x-request-id", requestId)
  if (agentId !== undefined) validateHeaderValue("agent-id", agentId)
  const headers: Record<string, string> = { ...commonHeaders, "x-request-id": requestId }
  if ("value" in token) headers.authorization = `Basic ${btoa(`${token.value}:`)}`
  if (agentId !== undefined) headers["agent-id"] = agentId
  return headers
}

/** A wait that the end of its request ends. */
interface Ending extends Baggable {
  /** Whether it waits for a read of upstream's. */
  readonly isRead: boolean
  giveUp(because: Over): void
}

/** Why a request waits no longer. */
type Over = "cancelled" | "timeout" | "limitExceeded"

const tooMuchReceived = `Code Ocean's answers to this request have come to ${mostReceivedBytes} bytes, the most that one may bring: ask for less of it at once, in several requests.`

/** What a request expects of a call. */
interface Expected<T> {
  endpoint: string
  words: Sentences
  isWrite: boolean
  /** Makes what is wanted of the answer. Throws UpstreamError. */
  answer(outcome: Answered): T
}

/** One request's wait for a call. */
class Wait<T> implements Waiter, Ending {
  bagged: number | undefined
  place: number | undefined
  readonly promise: Promise<T>
  readonly repeats: boolean
  readonly #request: RequestUpstream
  readonly #flight: Flight
  readonly #wanted: Expected<T>
  readonly #started = performance.now()
  #received = 0
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void

  constructor(request: RequestUpstream, flight: Flight, wanted: Expected<T>, repeats: boolean) {
    this.#request = request
    this.#flight = flight
    this.#wanted = wanted
    this.repeats = repeats
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get deadline(): number {
    return this.#request.deadline
  }

  get isRead(): boolean {
    return !this.#wanted.isWrite && this.#wanted.endpoint !== signedFile
  }

  received(bytes: number): void {
    this.#received += bytes
    this.#request.received(bytes)
  }

  called(): void {
    this.#request.caller.cost.upstreamCalls += 1
  }

  settle(outcome: Outcome): void {
    this.#request.forget(this)
    const { endpoint, words, isWrite } = this.#wanted
    try {
      if (outcome.reply !== undefined) {
        // Whether a request gets too much must not depend on whom it shares its calls with.
        const shared = outcome.reply.body.length - this.#received
        if (shared > 0 && this.isRead) this.#request.received(shared)
        this.#resolve(this.#wanted.answer(outcome))
      } else if (outcome.error instanceof ExchangeError) throw unanswered(outcome.error, endpoint, words, isWrite)
      else throw outcome.error
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Ends the wait: the request is over. */
  giveUp(because: Over): void {
    const { endpoint, isWrite } = this.#wanted
    this.#request.forget(this)
    const sent = this.#flight.leave(this)
    this.#fail(this.#request.over(because, endpoint, isWrite && sent))
  }

  /** Never throws: others wait for the same call, and are told after this one. */
  #fail(error: unknown): void {
    this.#reject(error)
    try {
      if (error instanceof UpstreamError) this.#report(error)
    } catch {
      // A log that can't be written to is no reason to fail anybody's call.
    }
  }

  /** One line in the log for each failed call; an ordinary answer such as 404 is none that anybody has to see. */
  #report(failure: UpstreamError): void {
    // That upstream is down is one line of its own, whatever fails for it.
    if (failure.failure === "circuitOpen") return
    const ordinary = failure.failure === "cancelled" || (failure.failure === "status" && (failure.status ?? 500) < 500)
    this.#request.caller.log[ordinary ? "debug" : "warn"](
      {
        endpoint: failure.endpoint,
        status: failure.status,
        failure: failure.failure,
        cause: causeOf(failure),
        // Of a 5xx clients see our own sentence, so upstream's words are kept here.
        upstreamMessage: ordinary ? undefined : failure.upstreamMessage,
        outcomeUnknown: failure.outcomeUnknown || undefined,
        attempts: this.#flight.attempts,
        durationMs: Math.round(performance.now() - this.#started),
      },
      "upstream call failed",
    )
  }
}

function pathOf(wanted: Call<unknown>, endpoint: string): string {
  try {
    const path = fillRoute(wanted.route, wanted.ids ?? {})
    if (wanted.query === undefined) return path
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(wanted.query)) {
      if (value !== undefined) query.set(name, String(value))
    }
    return query.size > 0 ? `${path}?${query}` : path
  } catch (error) {
    if (error instanceof InvalidIdError) throw new UpstreamError("invalidId", endpoint, error.message)
    throw error
  }
}

function causeOf(error: Error): string | undefined {
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < 3; cause = cause.cause)
    causes.push(cause.message)
  return causes.length > 0 ? causes.join(": ") : undefined
}
