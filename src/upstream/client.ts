import { Pool } from "undici"
import packageJson from "../../package.json" with { type: "json" }
import type { Log } from "../log.ts"
import { type Answer, isObject, NotPromisedError } from "./answer.ts"
import { createBreaker, suspended } from "./breaker.ts"
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
import { ExchangeError, exchange, type HttpRequest, type Reply } from "./exchange.ts"
import { RetryBudget } from "./retry.ts"
import { fillRoute, UnsendableIdError } from "./route.ts"
import { scopeRefusal } from "./scope.ts"
import { Flight, headerOf, type Outcome, SharedReads, type Waiter } from "./singleFlight.ts"
import { Turns } from "./turns.ts"

/** The oldest platform whose API this gateway speaks; an older one refuses by itself. */
const minServerVersion = "4.6.0"
const userAgent = `${packageJson.name}/${packageJson.version}`
const connectTimeoutMs = 5_000
const probeTimeoutMs = 2_000

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
  answer: Answer<T>
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

/** On whose behalf the calls of one request are made. */
export interface Caller {
  /** A token, or a sentence that says why there is none. */
  token: { value: string } | { missing: string }
  /** Names the agent that acts for the caller; handed on as it came. */
  agentId: string | undefined
  requestId: string
  log: Log
  /** Told of each call that is sent, repeats included. */
  called(): void
  /** Told of each call that isn't sent, because an equal one is under way. */
  shared(): void
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

/**
 * Opens the pool; connections are made when they are needed.
 * @param options.url the deployment's address; the API is expected under `api/v1/` below it
 * @param options.timeoutMs the longest that one call may take
 * @param options.deadlineMs the longest that all calls for one request may take together
 * @param options.connections the most calls under way at once
 * @param options.calls the most calls for one request, repeats not counted
 * @param options.queue the most calls that wait for one of these; 0 for any number
 * @param options.retryPercent how many repeats there may be for a hundred calls
 * @param options.breakerCalls of how many calls in ten seconds more than half must find upstream down; 0: nothing is held back
 * @param options.sharedReads whether equal reads of one caller are sent once
 */
export function createUpstreamPool(options: {
  url: URL
  timeoutMs: number
  deadlineMs: number
  connections: number
  calls: number
  queue: number
  retryPercent: number
  breakerCalls: number
  sharedReads: boolean
  log: Log
}): UpstreamPool {
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
  const probe = () => exchange(probePool, probeRequest, Math.min(probeTimeoutMs, options.timeoutMs)).reply
  const files = createFilePools({ upstream: options.url, connectTimeoutMs: longestConnectMs, userAgent })

  const turns = new Turns(options.connections, options.queue || Number.POSITIVE_INFINITY)
  const breaker = createBreaker({ calls: options.breakerCalls || Number.POSITIVE_INFINITY, probe, log: options.log })
  const budget = new RetryBudget(options.retryPercent)

  async function send(flight: Flight, credential: string, request: HttpRequest): Promise<Reply> {
    if (breaker.isOpen) throw suspended()
    if (!turns.take()) await flight.stand(turns.wait(credential))
    try {
      return await breaker.send(() => flight.send(() => exchange(pool, request, options.timeoutMs)))
    } finally {
      turns.giveBack()
    }
  }

  const shared: Shared = {
    base,
    files,
    send,
    budget,
    fileBudget: new RetryBudget(options.retryPercent),
    reads: options.sharedReads ? new SharedReads(budget) : undefined,
  }

  return {
    forCaller: (caller, { readsOnce = false } = {}) => upstreamFor(caller, shared, { ...options, readsOnce }),
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
  base: string
  files: FilePools
  /** Sends a call once, when upstream is there and it is the caller's turn. Rejects with ExchangeError. */
  send(flight: Flight, credential: string, request: HttpRequest): Promise<Reply>
  budget: RetryBudget
  /** Files lie elsewhere: what happens there is no matter of upstream's. */
  fileBudget: RetryBudget
  reads: SharedReads | undefined
}

function upstreamFor(
  caller: Caller,
  { base, files, send, budget, fileBudget, reads }: Shared,
  limits: { timeoutMs: number; deadlineMs: number; calls: number; readsOnce: boolean },
): Upstream {
  const deadline = performance.now() + limits.deadlineMs
  /** Ends one wait each, for what the request is over. */
  const waits = new Set<() => void>()
  let overBecause: "cancelled" | "timeout" | undefined

  const finish = (because: "cancelled" | "timeout") => {
    if (overBecause !== undefined) return
    overBecause = because
    clearTimeout(timer)
    for (const giveUp of waits) giveUp()
  }
  const timer = setTimeout(() => finish("timeout"), limits.deadlineMs)
  // A request that was forgotten must not keep a stopping process alive.
  timer.unref()

  const headers: Record<string, string> = { ...commonHeaders, "x-request-id": caller.requestId }
  if ("value" in caller.token) headers.authorization = `Basic ${btoa(`${caller.token.value}:`)}`
  if (caller.agentId !== undefined) headers["agent-id"] = caller.agentId
  const sending = { ...headers, "content-type": "application/json" }
  const token = "value" in caller.token ? caller.token.value : ""

  let calls = 0

  /** Shared calls count as well: whether a request is too costly must not depend on what else is under way. */
  function count(endpoint: string): void {
    calls += 1
    if (calls <= limits.calls) return
    const sentence = `This request has made ${limits.calls} calls to Code Ocean, the most that one may: ask for less of it at once, in several requests.`
    throw new UpstreamError("exhausted", endpoint, sentence)
  }

  async function call<T>(wanted: Call<T>, isWrite: boolean): Promise<T> {
    const { method, route } = wanted
    const endpoint = `${method} /${route}`
    if ("missing" in caller.token) throw new UpstreamError("unauthenticated", endpoint, caller.token.missing)
    const path = base + pathOf(wanted, endpoint)
    count(endpoint)
    const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body)
    const request = { method, path, headers: body === undefined ? headers : sending, body }
    const attempt = (flight: Flight) => send(flight, token, request)
    const answered: Answered<T> = (outcome, fail) => {
      const { status } = outcome.reply
      if (status >= 200 && status < 300) return promised(wanted, outcome.reply, endpoint, isWrite, token, fail)
      throw fail(refused(outcome.reply, route, endpoint, isWrite, token, outcome.retryAfterMs))
    }
    if (isWrite) {
      reads?.changed(token)
      try {
        return await answerOf(new Flight(attempt, budget), endpoint, sentences, isWrite, answered)
      } finally {
        reads?.changed(token)
      }
    }
    return answerOf(flightFor(request, attempt), endpoint, sentences, isWrite, answered)
  }

  /** An equal read's flight, or one of its own. */
  function flightFor({ method, path, body }: HttpRequest, attempt: (flight: Flight) => Promise<Reply>): Flight {
    if (reads === undefined || overBecause !== undefined) return new Flight(attempt, budget)
    const now = performance.now()
    const key = `${token}\n${caller.agentId ?? ""}\n${method} ${path}\n${body ?? ""}`
    const underWay = reads.get(key, now)
    if (underWay === undefined) return reads.begin(token, key, now, attempt)
    caller.shared()
    return underWay
  }

  const inTurn = createTurns()
  let downloadedBytes = 0

  function download(address: string, wanted: Wanted): Promise<Download> {
    return inTurn(async () => {
      if (downloadedBytes >= mostDownloadedBytes) {
        const sentence = `This request has read ${mostDownloadedBytes} bytes of files, the most that one may: ask for the others in another request, or fetch them from their \`downloadUrl\`.`
        throw new UpstreamError("exhausted", signedFile, sentence)
      }
      count(signedFile)
      const attempt = (flight: Flight) =>
        fetchFile(files, address, wanted, limits.timeoutMs, (begin) => flight.send(begin))
      const answered: Answered<Download> = ({ reply }, fail) => {
        downloadedBytes += reply.body.length
        try {
          return readDownload(reply, wanted)
        } catch (error) {
          throw error instanceof UpstreamError ? fail(error) : error
        }
      }
      return answerOf(new Flight(attempt, fileBudget), signedFile, fileSentences, false, answered)
    })
  }

  /**
   * Waits for a call until this request is over.
   * @param answered makes what is wanted of an answer; `fail` logs what is wrong with it
   */
  function answerOf<T>(
    flight: Flight,
    endpoint: string,
    words: Sentences,
    isWrite: boolean,
    answered: Answered<T>,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const started = performance.now()
    const giveUp = () => {
      waits.delete(giveUp)
      const sent = flight.leave(waiter)
      reject(report(over(endpoint, isWrite && sent), flight.attempts, started))
    }
    const waiter: Waiter = {
      deadline,
      repeats: !isWrite && !limits.readsOnce,
      called: caller.called,
      settle(outcome) {
        waits.delete(giveUp)
        const fail = (failure: UpstreamError) => report(failure, flight.attempts, started)
        try {
          if (outcome.reply !== undefined) resolve(answered(outcome, fail))
          else if (outcome.error instanceof ExchangeError)
            throw fail(unanswered(outcome.error, endpoint, words, isWrite))
          else throw outcome.error
        } catch (error) {
          reject(error)
        }
      },
    }
    waits.add(giveUp)
    if (overBecause === undefined) flight.join(waiter)
    else giveUp()
    return promise
  }

  /** Why nobody waits for a call any more. */
  function over(endpoint: string, outcomeUnknown: boolean): UpstreamError {
    return overBecause === "cancelled"
      ? new UpstreamError("cancelled", endpoint, "The request was cancelled.", { outcomeUnknown })
      : new UpstreamError("timeout", endpoint, `The request's time, ${limits.deadlineMs} ms, is up.`, {
          outcomeUnknown,
        })
  }

  /** One line in the log for each failed call. */
  function report(failure: UpstreamError, attempts: number, started: number): UpstreamError {
    // That upstream is down is one line of its own, whatever fails for it.
    if (failure.failure === "suspended") return failure
    const ordinary = failure.failure === "cancelled" || (failure.failure === "status" && (failure.status ?? 500) < 500)
    caller.log[ordinary ? "info" : "warn"](
      {
        endpoint: failure.endpoint,
        status: failure.status,
        failure: failure.failure,
        cause: causeOf(failure),
        // Of a 5xx clients see our own sentence, so upstream's words are kept here.
        upstreamMessage: ordinary ? undefined : failure.upstreamMessage,
        outcomeUnknown: failure.outcomeUnknown || undefined,
        attempts,
        durationMs: Math.round(performance.now() - started),
      },
      "upstream call failed",
    )
    return failure
  }

  return {
    read: (wanted) => call(wanted, false),
    write: (wanted) => call(wanted, true),
    download,
    end: () => finish("cancelled"),
  }
}

const longestType = 100

type Answered<T> = (outcome: Outcome & { reply: Reply }, fail: (failure: UpstreamError) => UpstreamError) => T

type Sentences = Readonly<Record<"timeout" | "unreachable" | "lost" | "invalid", string>>

/** What the gateway says of calls that it doesn't send. */
const heldBack = {
  suspended: "Code Ocean is down; the gateway asks every second whether it is back.",
  crowded: "Too many calls to Code Ocean wait in line already: ask for less at once, or try again in a second.",
  cancelled: "The request was cancelled.",
}

const sentences: Sentences = {
  timeout: "Code Ocean did not answer in time.",
  unreachable: "Code Ocean can't be reached.",
  lost: "The connection to Code Ocean ended before it answered.",
  invalid: "Code Ocean's answer is not what its API promises.",
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
    if (error instanceof UnsendableIdError) throw new UpstreamError("unsendable", endpoint, error.message)
    throw error
  }
}

/** Why a call got no answer, as the caller is told: a write that was sent may have happened all the same. */
function unanswered(error: ExchangeError, endpoint: string, words: Sentences, isWrite: boolean): UpstreamError {
  const failure = error.kind === "broken" ? "invalid" : error.kind
  return new UpstreamError(failure, endpoint, { ...heldBack, ...words }[failure], {
    cause: error,
    outcomeUnknown: isWrite && error.sent,
    retryAfterSeconds: failure === "suspended" || failure === "crowded" ? 1 : undefined,
  })
}

function promised<T>(
  wanted: Call<T>,
  reply: Reply,
  endpoint: string,
  isWrite: boolean,
  token: string,
  report: (failure: UpstreamError) => UpstreamError,
): T {
  try {
    reply.json ??= reply.body.length === 0 ? undefined : parseJson(reply.body.toString())
    return wanted.answer(reply.json)
  } catch (error) {
    if (!(error instanceof NotPromisedError)) throw error
    // A write answered with 2xx has happened, whatever its body is; the sentence must not make anyone repeat it.
    const sentence = isWrite ? "Code Ocean did it, but answered something unreadable." : sentences.invalid
    const type = textWithout(token, headerOf(reply, "content-type") ?? "no content type").slice(0, longestType)
    throw report(
      new UpstreamError("invalid", endpoint, sentence, {
        status: reply.status,
        cause: new Error(`${error.message} (${type}, ${reply.body.length} bytes)`),
      }),
    )
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the body, which may hold what no log should.
    throw new NotPromisedError("no JSON")
  }
}

const longestMessage = 2_000
const redacted = "[redacted]"

function refused(
  reply: Reply,
  route: string,
  endpoint: string,
  isWrite: boolean,
  token: string,
  retryAfterMs: number | undefined,
): UpstreamError {
  const { status } = reply
  if (status < 400) {
    return new UpstreamError("invalid", endpoint, sentences.invalid, {
      status,
      cause: new Error("a redirect or another answer that no call of the API gives; is CODEOCEAN_URL right?"),
    })
  }
  const { message, data } = errorBody(reply, token)
  const said = message ?? `Code Ocean answered ${status}.`
  const scope = scopeRefusal(status, message, route, isWrite)
  return new UpstreamError("status", endpoint, scope ? `${said} ${scope.sentence}` : said, {
    ...scope,
    status,
    upstreamMessage: message,
    data,
    retryAfterSeconds: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000),
    // A server that failed may have failed after the change, and a proxy knows only that it lost the answer.
    outcomeUnknown: isWrite && status >= 500,
  })
}

/**
 * What an error's body says, the token struck out: its `message`, and its other keys as `data`. A list of problems
 * becomes `{errors}`; anything else (a proxy's page) is left aside.
 */
function errorBody(reply: Reply, token: string): { message?: string; data?: unknown } {
  try {
    const body: unknown = JSON.parse(reply.body.toString())
    const { message, ...rest } = Array.isArray(body) ? { message: undefined, errors: body } : isObject(body) ? body : {}
    return {
      ...(typeof message === "string" &&
        message !== "" && { message: textWithout(token, message).slice(0, longestMessage) }),
      ...(Object.keys(rest).length > 0 && { data: valueWithout(token, rest) }),
    }
  } catch {
    // No JSON, or JSON nested so deep that nobody could make use of it.
    return {}
  }
}

/** The text with the token struck out: some servers repeat it in what they say. */
function textWithout(token: string, text: string): string {
  return text.replaceAll(token, redacted).replaceAll(btoa(`${token}:`), redacted)
}

/** The JSON value with the token struck out of all its texts, keys too. */
function valueWithout(token: string, value: unknown): unknown {
  if (typeof value === "string") return textWithout(token, value)
  if (Array.isArray(value)) return value.map((item) => valueWithout(token, item))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [textWithout(token, key), valueWithout(token, inner)]),
  )
}

function causeOf(error: Error): string | undefined {
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < 3; cause = cause.cause)
    causes.push(cause.message)
  return causes.length > 0 ? causes.join(": ") : undefined
}
