import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "undici"
import packageJson from "../../package.json" with { type: "json" }
import type { Log } from "../log.ts"
import { type Answer, isObject, NotPromisedError } from "./answer.ts"
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
 * Upstream for the length of one request, with its caller's token. Both functions reject with UpstreamError, and
 * once the request is over or its time is up they reject at once.
 */
export interface Upstream {
  /** A call that changes nothing, whatever its verb: repeated when upstream is away for a moment. */
  read<T>(call: Call<T>): Promise<T>
  /** A call that changes something: sent once, never repeated. */
  write<T>(call: Call<T>): Promise<T>
  /** How many calls were sent so far, repeats included. */
  readonly calls: number
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
}

/** The connections to one deployment, shared by all callers: it holds nothing of theirs. */
export interface UpstreamPool {
  forCaller(caller: Caller): Upstream
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
  const settings = {
    // One call's time is measured whole, in exchange.ts: these two begin anew at each chunk, so a slow drip passes them.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: Math.min(connectTimeoutMs, options.timeoutMs) },
    // Over TLS HTTP/2 costs the gateway half as much again for the same calls.
    allowH2: false,
  }
  const pool = new Pool(origin, { ...settings, connections: options.connections })
  const probePool = new Pool(origin, { ...settings, connections: 1 })

  return {
    forCaller: (caller) => upstreamFor(caller, pool, base, options),
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
      await Promise.all([pool.destroy(), probePool.destroy()])
    },
  }
}

const commonHeaders = { accept: "application/json", "min-server-version": minServerVersion, "user-agent": userAgent }

function upstreamFor(
  caller: Caller,
  pool: Pool,
  base: string,
  limits: { timeoutMs: number; deadlineMs: number },
): Upstream {
  const deadline = performance.now() + limits.deadlineMs
  const underWay = new Set<Exchange>()
  const over = new AbortController()
  let calls = 0
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

  async function attempt(method: Call<unknown>["method"], path: string, body: string | undefined): Promise<Reply> {
    const one = exchange(
      pool,
      { method, path, headers: body === undefined ? headers : sending, body },
      limits.timeoutMs,
    )
    underWay.add(one)
    calls += 1
    try {
      return await one.reply
    } finally {
      underWay.delete(one)
    }
  }

  async function call<T>(wanted: Call<T>, repeatable: boolean): Promise<T> {
    const endpoint = `${wanted.method} /${wanted.route}`
    if ("missing" in caller.token) throw new UpstreamError("unauthenticated", endpoint, caller.token.missing)
    const path = base + pathOf(wanted, endpoint)
    const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body)
    const started = performance.now()

    for (let attempts = 1; ; attempts++) {
      const { reply, error } = await settled(() => {
        if (overBecause !== undefined) throw new ExchangeError("timeout", false, "given up")
        return attempt(wanted.method, path, body)
      })
      if (reply !== undefined && reply.status >= 200 && reply.status < 300) {
        return promised(wanted, reply, endpoint, !repeatable, caller.token.value, (failure) =>
          report(failure, attempts, started),
        )
      }
      const passing = reply ? isPassing(reply.status) : passingKinds.has(error.kind)
      const retryAfterMs = reply && parseRetryAfterMs(header(reply, "retry-after"))
      const delayMs =
        repeatable && passing && overBecause === undefined
          ? retryDelayMs(attempts, deadline - performance.now(), retryAfterMs)
          : undefined
      if (delayMs === undefined) {
        const failure = reply
          ? refused(reply, endpoint, !repeatable, caller.token.value, retryAfterMs)
          : unanswered(error, endpoint, !repeatable)
        throw report(failure, attempts, started)
      }
      await sleep(delayMs, undefined, { signal: over.signal }).catch(() => undefined)
    }
  }

  /** Why an exchange gave no answer, as the caller is told: a write that was sent may have happened all the same. */
  function unanswered(error: ExchangeError, endpoint: string, isWrite: boolean): UpstreamError {
    const outcomeUnknown = isWrite && error.sent
    const details = { cause: error.cause, outcomeUnknown }
    if (overBecause === "cancelled")
      return new UpstreamError("cancelled", endpoint, "The request was cancelled.", details)
    if (overBecause === "timeout") {
      return new UpstreamError("timeout", endpoint, `The request's time, ${limits.deadlineMs} ms, is up.`, details)
    }
    const failure = error.kind === "broken" ? "invalid" : error.kind
    return new UpstreamError(failure, endpoint, sentences[failure], { ...details, cause: error })
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
    read: (wanted) => call(wanted, true),
    write: (wanted) => call(wanted, false),
    get calls() {
      return calls
    },
    end: () => finish("cancelled"),
  }
}

const longestType = 100

const passingKinds: ReadonlySet<ExchangeError["kind"]> = new Set(["unreachable", "lost", "broken"])

const sentences = {
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
    const type = withoutToken(header(reply, "content-type")?.slice(0, longestType) ?? "no content type", token)
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
  const body = errorBody(reply, token)
  const message =
    typeof body?.message === "string" && body.message !== "" ? body.message.slice(0, longestMessage) : undefined
  const { message: _said, ...rest } = body ?? {}
  return new UpstreamError("status", endpoint, message ?? `Code Ocean answered ${status}.`, {
    status,
    upstreamMessage: message,
    data: Object.keys(rest).length > 0 ? rest : undefined,
    retryAfterSeconds: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000),
    // A server that failed may have failed after the change, and a proxy knows only that it lost the answer.
    outcomeUnknown: isWrite && status >= 500,
  })
}

/** The error body as an object; a list of problems becomes `{errors}`, anything else (a proxy's page) is left aside. */
function errorBody(reply: Reply, token: string): Record<string, unknown> | undefined {
  try {
    const body = withoutToken(JSON.parse(reply.body.toString()), token)
    if (Array.isArray(body)) return { errors: body }
    return isObject(body) ? body : undefined
  } catch {
    return undefined
  }
}

/** The value with the token struck out of all its texts: some servers repeat it in what they say. */
function withoutToken(value: unknown, token: string): unknown {
  if (typeof value === "string") return value.replaceAll(token, redacted).replaceAll(btoa(`${token}:`), redacted)
  if (Array.isArray(value)) return value.map((item) => withoutToken(item, token))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [withoutToken(key, token), withoutToken(inner, token)]),
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
