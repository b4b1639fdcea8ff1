import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "undici"
import packageJson from "../../package.json" with { type: "json" }
import type { Log } from "../log.ts"
import { type Answer, isObject, NotPromisedError } from "./answer.ts"
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
import { type Exchange, ExchangeError, exchange, type Reply } from "./exchange.ts"
import { isPassing, parseRetryAfterMs, retryDelayMs } from "./retry.ts"
import { fillRoute, UnsendableIdError } from "./route.ts"

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
  /** A call that changes nothing, whatever its verb: repeated when upstream is away for a moment. */
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
}

/** The connections to one deployment, shared by all callers: it holds nothing of theirs. */
export interface UpstreamPool {
  /** @param options.readsOnce for whoever repeats reads in a time of their own: they too are sent once */
  forCaller(caller: Caller, options?: { readsOnce?: boolean }): Upstream
  /** Whether upstream answers at all, asked without a token and beside the callers' connections. */
  probe(): Promise<boolean>
  /** Closes every connection, cutting off what is under way. */
  close(): Promise<void>
}

/**
 * Opens the pool; connections are made when they are needed.
 * @param options.url the deployment's address; the API is expected under `api/v1/` below it
 * @param options.timeoutMs the longest that one call may take
 * @param options.deadlineMs the longest that all calls for one request may take together
 * @param options.connections the most calls under way at once
 */
export function createUpstreamPool(options: {
  url: URL
  timeoutMs: number
  deadlineMs: number
  connections: number
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
  const probePool = new Pool(origin, { ...settings, connections: 1 })
  const files = createFilePools({ upstream: options.url, connectTimeoutMs: longestConnectMs, userAgent })

  return {
    forCaller: (caller, { readsOnce = false } = {}) =>
      upstreamFor(caller, pool, files, base, { ...options, readsOnce }),
    async probe() {
      const request = {
        method: "GET" as const,
        path: `${base}custom_metadata`,
        headers: commonHeaders,
        body: undefined,
      }
      const attempt = exchange(probePool, request, probeTimeoutMs)
      try {
        return (await attempt.reply).status < 500
      } catch {
        return false
      }
    },
    async close() {
      await Promise.all([pool.destroy(), probePool.destroy(), files.close()])
    },
  }
}

const commonHeaders = { accept: "application/json", "min-server-version": minServerVersion, "user-agent": userAgent }

function upstreamFor(
  caller: Caller,
  pool: Pool,
  files: FilePools,
  base: string,
  limits: { timeoutMs: number; deadlineMs: number; readsOnce: boolean },
): Upstream {
  const deadline = performance.now() + limits.deadlineMs
  const underWay = new Set<Exchange>()
  const over = new AbortController()
  let overBecause: "cancelled" | "timeout" | undefined

  const finish = (because: "cancelled" | "timeout") => {
    if (overBecause !== undefined) return
    overBecause = because
    clearTimeout(timer)
    over.abort()
    for (const attempt of underWay) attempt.abort((sent) => new ExchangeError("timeout", sent, "given up"))
  }
  const timer = setTimeout(() => finish("timeout"), limits.deadlineMs)
  // A request that was forgotten must not keep a stopping process alive.
  timer.unref()

  const headers: Record<string, string> = { ...commonHeaders, "x-request-id": caller.requestId }
  if ("value" in caller.token) headers.authorization = `Basic ${btoa(`${caller.token.value}:`)}`
  if (caller.agentId !== undefined) headers["agent-id"] = caller.agentId
  const sending = { ...headers, "content-type": "application/json" }

  /** Sends once. Rejects with ExchangeError. */
  async function attempt(begin: () => Exchange): Promise<Reply> {
    if (overBecause !== undefined) throw new ExchangeError("timeout", false, "given up")
    const one = begin()
    underWay.add(one)
    caller.called()
    try {
      return await one.reply
    } finally {
      underWay.delete(one)
    }
  }

  /**
   * Sends until there is an answer, whatever its status, that needs no repeat. Rejects with UpstreamError, logged, when no
   * answer comes; `fail` logs what is wrong with the one that came.
   */
  async function answered(
    endpoint: string,
    words: Sentences,
    isWrite: boolean,
    send: () => Promise<Reply>,
  ): Promise<{ reply: Reply; retryAfterMs: number | undefined; fail: (failure: UpstreamError) => UpstreamError }> {
    const started = performance.now()
    for (let attempts = 1; ; attempts++) {
      const { reply, error } = await settled(send)
      const fail = (failure: UpstreamError) => report(failure, attempts, started)
      const passing = reply ? isPassing(reply.status) : passingKinds.has(error.kind)
      const retryAfterMs = reply && parseRetryAfterMs(header(reply, "retry-after"))
      const delayMs =
        !isWrite && !limits.readsOnce && passing && overBecause === undefined
          ? retryDelayMs(attempts, deadline - performance.now(), retryAfterMs)
          : undefined
      if (delayMs === undefined) {
        if (reply === undefined) throw fail(unanswered(error, endpoint, words, isWrite))
        return { reply, retryAfterMs, fail }
      }
      await sleep(delayMs, undefined, { signal: over.signal }).catch(() => undefined)
    }
  }

  async function call<T>(wanted: Call<T>, isWrite: boolean): Promise<T> {
    const { method, route } = wanted
    const endpoint = `${method} /${route}`
    if ("missing" in caller.token) throw new UpstreamError("unauthenticated", endpoint, caller.token.missing)
    const { value: token } = caller.token
    const path = base + pathOf(wanted, endpoint)
    const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body)
    const request = { method, path, headers: body === undefined ? headers : sending, body }
    const { reply, retryAfterMs, fail } = await answered(endpoint, sentences, isWrite, () =>
      attempt(() => exchange(pool, request, limits.timeoutMs)),
    )
    if (reply.status >= 200 && reply.status < 300) return promised(wanted, reply, endpoint, isWrite, token, fail)
    throw fail(refused(reply, endpoint, isWrite, token, retryAfterMs))
  }

  const inTurn = createTurns()
  let downloadedBytes = 0

  function download(address: string, wanted: Wanted): Promise<Download> {
    return inTurn(async () => {
      if (downloadedBytes >= mostDownloadedBytes) {
        const sentence = `This request has read ${mostDownloadedBytes} bytes of files, the most that one may: ask for the others in another request, or fetch them from their \`downloadUrl\`.`
        throw new UpstreamError("exhausted", signedFile, sentence)
      }
      const { reply, fail } = await answered(signedFile, fileSentences, false, () =>
        fetchFile(files, address, wanted, limits.timeoutMs, attempt),
      )
      downloadedBytes += reply.body.length
      try {
        return readDownload(reply, wanted)
      } catch (error) {
        throw error instanceof UpstreamError ? fail(error) : error
      }
    })
  }

  /** Why an exchange gave no answer, as the caller is told: a write that was sent may have happened all the same. */
  function unanswered(error: ExchangeError, endpoint: string, words: Sentences, isWrite: boolean): UpstreamError {
    const outcomeUnknown = isWrite && error.sent
    const details = { cause: error.cause, outcomeUnknown }
    if (overBecause === "cancelled")
      return new UpstreamError("cancelled", endpoint, "The request was cancelled.", details)
    if (overBecause === "timeout") {
      return new UpstreamError("timeout", endpoint, `The request's time, ${limits.deadlineMs} ms, is up.`, details)
    }
    const failure = error.kind === "broken" ? "invalid" : error.kind
    return new UpstreamError(failure, endpoint, words[failure], { ...details, cause: error })
  }

  /** One line in the log for each failed call. */
  function report(failure: UpstreamError, attempts: number, started: number): UpstreamError {
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

const passingKinds: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "lost", "broken"])

type Sentences = Readonly<Record<"timeout" | "unreachable" | "lost" | "invalid", string>>

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

async function settled(
  send: () => Promise<Reply>,
): Promise<{ reply: Reply; error?: never } | { reply?: never; error: ExchangeError }> {
  try {
    return { reply: await send() }
  } catch (error) {
    if (error instanceof ExchangeError) return { error }
    throw error
  }
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
    const text = reply.body.toString()
    return wanted.answer(text === "" ? undefined : parseJson(text))
  } catch (error) {
    if (!(error instanceof NotPromisedError)) throw error
    // A write answered with 2xx has happened, whatever its body is; the sentence must not make anyone repeat it.
    const sentence = isWrite ? "Code Ocean did it, but answered something unreadable." : sentences.invalid
    const type = textWithout(token, header(reply, "content-type") ?? "no content type").slice(0, longestType)
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
  return new UpstreamError("status", endpoint, message ?? `Code Ocean answered ${status}.`, {
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

function header(reply: Reply, name: string): string | undefined {
  const value = reply.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function causeOf(error: Error): string | undefined {
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < 3; cause = cause.cause)
    causes.push(cause.message)
  return causes.length > 0 ? causes.join(": ") : undefined
}
