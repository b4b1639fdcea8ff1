import { type Dispatcher, errors } from "undici"

/** One HTTP answer. Header names are in lower case. */
export interface Reply {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  /** The body as JSON, once somebody has parsed it for all who share the answer. */
  json?: unknown
  /** What the body says of an error, once somebody has read it for all who share the answer: they have the same token. */
  error?: ErrorBody
  /** Whether the body was larger than was wanted; nothing of it is here then. */
  isCut: boolean
}

/** What an error's body says. */
export interface ErrorBody {
  message?: string
  /** What else it holds. */
  data?: unknown
}

/** An exchange that gave no whole answer, and how far it came. */
export class ExchangeError extends Error {
  /**
   * `broken`: it began and broke off; `invalid`: it is no answer to use, and wouldn't be one the next time; `suspended` and
   * `crowded`: the gateway held it back, since upstream is down or too many wait; `cancelled`: nobody waits for it any more.
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
  /** Ends it at once: its receiver is told so. Says whether the request may have reached upstream. */
  abort(): boolean
}

/** Whoever sent a request: told once what came of it, perhaps before it knows that the exchange is under way. */
export interface Receiver {
  /** So many bytes of the answer have come. */
  received?(bytes: number): void
  answered(reply: Reply): void
  /** An ExchangeError, or what undici says of a request that can't be written as HTTP: a bug of ours. */
  failed(error: Error): void
}

/** The largest answer that is read, in bytes: 32 MiB, some twenty times the largest page that upstream is known to give. */
export const largestAnswer = 32 * 1024 * 1024

/**
 * Sends one request and collects its answer. Redirects are answers like any other.
 * This goes through the pool's `dispatch`, not its `request`: without a stream for each body, a page of a hundred small
 * answers costs the gateway about two thirds of the time.
 * @param timeoutMs from being sent to the last byte; time spent in line for a connection doesn't count
 * @param cutAt cuts off a body of more bytes than this; without it, one of more than `largestAnswer` fails
 */
export function exchange(
  pool: Dispatcher,
  request: HttpRequest,
  timeoutMs: number,
  receiver: Receiver,
  cutAt?: number,
): Exchange {
  const collecting = new Collecting(timeoutMs, receiver, cutAt)
  pool.dispatch(request, collecting)
  return collecting
}

/**
 * An answer while it comes in. There are as many of these as there are calls under way, and the garbage collector copies
 * each of them while it waits: one object is less to copy than a function for each step.
 */
class Collecting implements Dispatcher.DispatchHandler, Exchange {
  readonly #timeoutMs: number
  readonly #receiver: Receiver
  readonly #cutAt: number | undefined
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout | undefined
  #done = false
  #status = 0
  #headers: Reply["headers"] = {}
  #size = 0
  #chunks: Buffer[] = []

  constructor(timeoutMs: number, receiver: Receiver, cutAt: number | undefined) {
    this.#timeoutMs = timeoutMs
    this.#receiver = receiver
    this.#cutAt = cutAt
  }

  abort(): boolean {
    const sent = this.#controller !== undefined
    this.#fail(new ExchangeError("cancelled", sent, "given up"))
    return sent
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#done) controller.abort(new Error("given up before it was sent"))
    else this.#timer = setTimeout(Collecting.#timedOut, this.#timeoutMs, this)
  }

  onResponseStart(_controller: unknown, status: number, headers: Reply["headers"]): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    if (Number(headers["content-length"]) > this.#largest) this.#tooLarge()
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#size > this.#largest) this.#tooLarge()
    else this.#receiver.received?.(chunk.length)
    if (!this.#done) this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#finish(this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks), false)
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(explain(error, this.#controller !== undefined, this.#status > 0))
  }

  get #largest(): number {
    return this.#cutAt ?? largestAnswer
  }

  static #timedOut(collecting: Collecting): void {
    collecting.#fail(new ExchangeError("timeout", true, `no whole answer within ${collecting.#timeoutMs} ms`))
  }

  #tooLarge(): void {
    if (this.#cutAt === undefined) {
      this.#fail(new ExchangeError("invalid", true, `an answer of more than ${largestAnswer} bytes`))
      return
    }
    this.#finish(Buffer.alloc(0), true)
    this.#controller?.abort(new Error("cut off"))
  }

  #fail(error: Error): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#controller?.abort(error)
    this.#receiver.failed(error)
  }

  #finish(body: Buffer, isCut: boolean): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#receiver.answered({ status: this.#status, headers: this.#headers, body, isCut })
  }
}

function explain(error: Error, sent: boolean, answerBegan: boolean): Error {
  // Nothing that passes, and no sign that upstream is down.
  if (error instanceof errors.InvalidArgumentError) return error
  if (!sent) return new ExchangeError("unreachable", false, "no connection", error)
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return new ExchangeError("invalid", true, "an answer that is not HTTP", error)
  if (answerBegan) return new ExchangeError("truncated", true, "an answer that broke off", error)
  return new ExchangeError("connectionLost", true, "the connection ended before an answer", error)
}

/** The first value of an answer's header; its name in lower case. */
export function headerOf(reply: Reply, name: string): string | undefined {
  const value = reply.headers[name]
  return Array.isArray(value) ? value[0] : value
}
