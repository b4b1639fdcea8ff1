import { type Dispatcher, errors } from "undici"
import { ResponseBody } from "./responseBody.ts"
import { unreachableReason } from "./unreachable.ts"

/** An HTTP response. Header names are in lower case. */
export interface HttpResponse {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: ResponseBody
  /** The parsed body, set when first parsed, for all callers that share the response. */
  json?: unknown
  /** The parsed body of an error, set when first parsed. Callers that share a response have the same token. */
  errorBody?: ErrorBody
  /** Whether the body exceeded `cutAt`. `body` is empty then. */
  isCut: boolean
}

/** The content of an error response. */
export interface ErrorBody {
  message?: string
  /** The other keys. */
  data?: unknown
}

/** A request without a complete response. */
export class TransportError extends Error {
  /**
   * - `timeout`: no complete response in time
   * - `unreachable`: no connection
   * - `connectionLost`: the connection ended before a response began
   * - `truncated`: the response began and was cut off
   * - `invalid`: malformed or oversized response; retrying would not help
   * - `circuitOpen`, `queueFull`: not sent, because Code Ocean is down or too many calls are waiting
   * - `cancelled`: no caller waits for the response any more
   */
  readonly kind:
    | "timeout"
    | "unreachable"
    | "connectionLost"
    | "truncated"
    | "invalid"
    | "circuitOpen"
    | "queueFull"
    | "cancelled"
  /** Whether the request may have reached the server. */
  readonly sent: boolean
  /** Why, for clients: a clause that names no host. */
  readonly reason: string | undefined
  /** For a response that is too large: the limit. */
  readonly exceeded: string | undefined
  constructor(
    kind: TransportError["kind"],
    sent: boolean,
    message: string,
    { cause, reason, exceeded }: { cause?: unknown; reason?: string | undefined; exceeded?: string } = {},
  ) {
    super(message, { cause })
    this.kind = kind
    this.sent = sent
    this.reason = reason
    this.exceeded = exceeded
  }
}

export interface HttpRequest {
  /** Required for an agent, which has connections to several origins. */
  origin?: string
  method: Dispatcher.HttpMethod
  path: string
  /** The route's template, for metrics: the path without ids. */
  template: string
  /** Names and values in turn. undici reads a list in half the time that it takes for an object. */
  headers: string[]
  body: string | undefined
  /** A connection has one request at a time, so undici need not hold back the next until the response begins. */
  blocking: false
}

/** A request that has been passed to undici. */
export interface InFlight {
  /** Cancels it: the handler gets a TransportError at once. Returns whether the request may have reached the server. */
  abort(): boolean
}

/** Receives the result of a request: exactly one of `onResponse` and `onError` is called, possibly before `send()` returns. */
export interface ResponseHandler {
  /** Called with the size of each chunk of the body. */
  onData?(bytes: number): void
  onResponse(response: HttpResponse): void
  /** A TransportError, or undici's InvalidArgumentError for a request that is not valid HTTP: a bug in the gateway. */
  onError(error: Error): void
}

/** The largest response body, in bytes: 32 MiB, about twenty times the largest page that Code Ocean is known to send. */
export const maxResponseBytes = 32 * 1024 * 1024

/**
 * Sends one request and collects its response. Does not follow redirects.
 * Uses the pool's `dispatch`, not `request`: without a stream for each body, a page of a hundred small responses takes about
 * two thirds of the time.
 * @param timeoutMs from sending to the last byte; waiting for a connection does not count
 * @param cut a body of more bytes than `at` is cut off, and only if `keep` is true, its beginning is returned; if omitted, one of more
 *   than `maxResponseBytes` is an error
 */
export function send(
  pool: Dispatcher,
  request: HttpRequest,
  timeoutMs: number,
  handler: ResponseHandler,
  cut?: Cut,
): InFlight {
  const collector = new ResponseCollector(timeoutMs, handler, cut)
  pool.dispatch(request, collector)
  return collector
}

/** What to do with a body that is too large. */
export interface Cut {
  at: number
  keep: boolean
}

const noHeaders: HttpResponse["headers"] = {}

/** A class and not a set of closures: there is one for each request in flight, and the garbage collector copies each of them. */
class ResponseCollector implements Dispatcher.DispatchHandler, InFlight {
  readonly #timeoutMs: number
  readonly #handler: ResponseHandler
  readonly #cut: Cut | undefined
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout | undefined
  #done = false
  #status = 0
  #headers = noHeaders
  readonly #body = new ResponseBody()

  constructor(timeoutMs: number, handler: ResponseHandler, cut: Cut | undefined) {
    this.#timeoutMs = timeoutMs
    this.#handler = handler
    this.#cut = cut
  }

  abort(): boolean {
    const sent = this.#controller !== undefined
    this.#fail(new TransportError("cancelled", sent, "cancelled"))
    return sent
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#done) controller.abort(new Error("cancelled before it was sent"))
    else this.#timer = setTimeout(ResponseCollector.#onTimeout, this.#timeoutMs, this)
  }

  onResponseStart(_controller: unknown, status: number, headers: HttpResponse["headers"]): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    if (Number(headers["content-length"]) > this.#maxBytes && !this.#cut?.keep) this.#tooLarge()
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#body.length + chunk.length > this.#maxBytes) this.#tooLarge(chunk)
    else this.#handler.onData?.(chunk.length)
    if (!this.#done) this.#body.add(chunk)
  }

  onResponseEnd(): void {
    this.#finish(this.#body, false)
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(transportError(error, this.#controller !== undefined, this.#status > 0))
  }

  get #maxBytes(): number {
    return this.#cut?.at ?? maxResponseBytes
  }

  static #onTimeout(collector: ResponseCollector): void {
    collector.#fail(new TransportError("timeout", true, `no complete response within ${collector.#timeoutMs} ms`))
  }

  /** @param chunk the one that is too much */
  #tooLarge(chunk?: Buffer): void {
    if (this.#cut === undefined) {
      const exceeded = `${maxResponseBytes} bytes`
      this.#fail(new TransportError("invalid", true, `a response of more than ${exceeded}`, { exceeded }))
      return
    }
    const { at, keep } = this.#cut
    if (keep && chunk !== undefined) this.#body.add(chunk.subarray(0, at - this.#body.length))
    this.#finish(keep ? this.#body : new ResponseBody(), true)
    this.#controller?.abort(new Error("cut off"))
  }

  #fail(error: Error): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#controller?.abort(error)
    this.#handler.onError(error)
  }

  #finish(body: ResponseBody, isCut: boolean): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#handler.onResponse({ status: this.#status, headers: this.#headers, body, json: undefined, isCut })
  }
}

function transportError(error: Error, sent: boolean, responseBegan: boolean): Error {
  // Not temporary, and no sign that the server is down.
  if (error instanceof errors.InvalidArgumentError) return error
  if (!sent) return unreachable(error)
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return new TransportError("invalid", true, "the response is not HTTP", { cause: error })
  if (responseBegan) return new TransportError("truncated", true, "the response was cut off", { cause: error })
  return new TransportError("connectionLost", true, "the connection ended before a response", { cause: error })
}

function unreachable(cause: Error): TransportError {
  return new TransportError("unreachable", false, "no connection", { cause, reason: unreachableReason(cause) })
}

/** The first value of a header. `name` is in lower case. */
export function headerOf(response: HttpResponse, name: string): string | undefined {
  const value = response.headers[name]
  return Array.isArray(value) ? value[0] : value
}
