import { type Dispatcher, errors } from "undici"

/** One HTTP answer. Header names are in lower case. */
export interface Reply {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  /** The body as JSON, once somebody has parsed it for all who share the answer. */
  json?: unknown
  /** Whether the body was larger than was wanted; nothing of it is here then. */
  isCut: boolean
}

/** An exchange that gave no whole answer, and how far it came. */
export class ExchangeError extends Error {
  /**
   * `broken`: it began and broke off; `invalid`: it is no answer to use, and wouldn't be one the next time; `suspended` and
   * `crowded`: the gateway held it back, since upstream is down or too many wait; `cancelled`: nobody waits for it any more.
   */
  readonly kind: "timeout" | "unreachable" | "lost" | "broken" | "invalid" | "suspended" | "crowded" | "cancelled"
  /** Whether the request may have reached upstream. */
  readonly sent: boolean
  constructor(kind: ExchangeError["kind"], sent: boolean, message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
    this.sent = sent
  }
}

/** What is sent. */
export interface HttpRequest {
  /** Where to, for a pool of more than one place. */
  origin?: string
  method: Dispatcher.HttpMethod
  path: string
  headers: Record<string, string>
  body: string | undefined
}

/** An exchange under way. */
export interface Exchange {
  reply: Promise<Reply>
  /** Ends it at once: `reply` rejects. Says whether the request may have reached upstream. */
  abort(): boolean
}

/** The largest answer that is read, in bytes: 32 MiB, some twenty times the largest page that upstream is known to give. */
export const largestAnswer = 32 * 1024 * 1024

/**
 * Sends one request and collects its answer. Redirects are answers like any other.
 * This goes through the pool's `dispatch`, not its `request`: without a stream for each body, a page of a hundred small
 * answers costs the gateway about two thirds of the time.
 * `reply` rejects with ExchangeError.
 * @param timeoutMs from being sent to the last byte; time spent in line for a connection doesn't count
 * @param cutAt cuts off a body of more bytes than this; without it, one of more than `largestAnswer` fails
 */
export function exchange(pool: Dispatcher, request: HttpRequest, timeoutMs: number, cutAt?: number): Exchange {
  let controller: Dispatcher.DispatchController | undefined
  let timer: NodeJS.Timeout | undefined
  let done = false
  let status: number | undefined
  let headers: Reply["headers"] = {}
  let size = 0
  const chunks: Buffer[] = []
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()

  const fail = (error: Error) => {
    if (done) return
    done = true
    clearTimeout(timer)
    reject(error)
    controller?.abort(error)
  }
  const finish = (body: Buffer, isCut: boolean) => {
    if (done) return
    done = true
    clearTimeout(timer)
    resolve({ status: status ?? 0, headers, body, isCut })
  }
  const largest = cutAt ?? largestAnswer
  const tooLarge = () => {
    if (cutAt === undefined) {
      fail(new ExchangeError("invalid", true, `an answer of more than ${largest} bytes`))
      return
    }
    finish(Buffer.alloc(0), true)
    controller?.abort(new Error("cut off"))
  }

  pool.dispatch(request, {
    onRequestStart(started) {
      controller = started
      if (done) {
        started.abort(new Error("given up before it was sent"))
        return
      }
      timer = setTimeout(
        () => fail(new ExchangeError("timeout", true, `no whole answer within ${timeoutMs} ms`)),
        timeoutMs,
      )
    },
    onResponseStart(_controller, statusCode, responseHeaders) {
      if (statusCode < 200) return
      status = statusCode
      headers = responseHeaders
      if (Number(responseHeaders["content-length"]) > largest) tooLarge()
    },
    onResponseData(_controller, chunk) {
      size += chunk.length
      if (size > largest) tooLarge()
      else if (!done) chunks.push(chunk)
    },
    onResponseEnd() {
      finish(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks), false)
    },
    onResponseError(_controller, error) {
      fail(explain(error, controller !== undefined, status !== undefined))
    },
  })

  return {
    reply: promise,
    abort() {
      const sent = controller !== undefined
      fail(new ExchangeError("cancelled", sent, "given up"))
      return sent
    },
  }
}

function explain(error: Error, sent: boolean, answerBegan: boolean): ExchangeError {
  if (!sent) return new ExchangeError("unreachable", false, "no connection", error)
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return new ExchangeError("invalid", true, "an answer that is not HTTP", error)
  if (answerBegan) return new ExchangeError("broken", true, "an answer that broke off", error)
  return new ExchangeError("lost", true, "the connection ended before an answer", error)
}
