import { Link } from "../collections/linkedList.ts"
import type { CallSpan, RequestSpan } from "../telemetry/tracer.ts"
import { type Call, type Caller, endpointOf } from "./call.ts"
import { decodeResponse, type Messages, messages, type ReceivedResponse, transportFailure } from "./decode.ts"
import { fileEndpoint, fileMessages } from "./download.ts"
import { UpstreamError } from "./error.ts"
import type { CallOutcome, Flight, Waiter } from "./flight.ts"
import { type HttpResponse, TransportError } from "./transport.ts"

/** Why a request's calls are cancelled. */
export type CancelReason = "cancelled" | "timeout" | "limitExceeded"

/** A call that can be cancelled, with its position in its request's list. */
export interface Cancellable {
  readonly requestLink: Link<Cancellable>
  /** Whether it reads from the API. A write or a download is not cancelled for the bytes that others have received. */
  readonly isApiRead: boolean
  cancel(reason: CancelReason): void
}

/** The request to which a pending call belongs. */
export interface PendingCallOwner {
  readonly caller: Caller
  /** Whether reads wait for a retry after a temporary failure. */
  readonly retryReads: boolean
  /** In milliseconds of `performance.now()`. */
  readonly deadline: number
  /** Removes a call that is settled. */
  remove(call: Cancellable): void
  /** Counts bytes of responses. */
  onData(bytes: number): void
  terminalError(reason: CancelReason, endpoint: string, outcomeUnknown: boolean): UpstreamError
}

/** One request's wait for a call, from joining the flight to the settled promise. */
export abstract class PendingCall<T> implements Waiter, Cancellable {
  readonly flightLink: Link<Waiter> = new Link<Waiter>(this)
  readonly requestLink: Link<Cancellable> = new Link<Cancellable>(this)
  readonly promise: Promise<T>
  readonly flight: Flight
  readonly #owner: PendingCallOwner
  readonly #startedAt: number
  #receivedBytes = 0
  #wasSent = false
  #span: CallSpan | undefined
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void

  /** @param startedAt in milliseconds of `performance.now()` */
  constructor(owner: PendingCallOwner, flight: Flight, startedAt: number) {
    this.#owner = owner
    this.flight = flight
    this.#startedAt = startedAt
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** The method and the route's template, for errors and the log. */
  abstract get endpoint(): string
  abstract get messages(): Messages
  abstract get isWrite(): boolean
  abstract get isApiRead(): boolean

  /** Reads the response. Throws UpstreamError. */
  protected abstract decode(outcome: ReceivedResponse): T

  /** To be called before the call joins its flight, for a request that is recorded. */
  startSpan(request: RequestSpan): void {
    const { flight } = this
    this.#span = request.startCall(this.endpoint, flight.span)
    flight.span ??= this.#span
    if (flight.attempts === 0) flight.setTraceparent(this.#span.traceparent)
  }

  get retries(): boolean {
    return !this.isWrite && this.#owner.retryReads
  }

  get deadline(): number {
    return this.#owner.deadline
  }

  onSent(): void {
    this.#wasSent = true
    this.#owner.caller.cost.upstreamCalls += 1
  }

  onData(bytes: number): void {
    this.#receivedBytes += bytes
    this.#owner.onData(bytes)
  }

  settle(outcome: CallOutcome): void {
    this.#owner.remove(this)
    try {
      if (outcome.response !== undefined) {
        // Bytes count in full for each request that shares a call, so that a limit does not depend on what else is in flight.
        const sharedBytes = outcome.response.body.length - this.#receivedBytes
        if (sharedBytes > 0 && this.isApiRead) this.#owner.onData(sharedBytes)
        this.#resolve(this.decode(outcome))
        this.#endSpan(outcome.response.status, undefined)
        const { logCall } = this.#owner.caller
        if (logCall !== undefined) this.#logSuccess(logCall, outcome.response.status)
      } else if (outcome.error instanceof TransportError) {
        throw transportFailure(outcome.error, this.endpoint, this.messages, this.isWrite)
      } else throw outcome.error
    } catch (error) {
      this.#fail(error)
    }
  }

  cancel(reason: CancelReason): void {
    this.#owner.remove(this)
    const sent = this.flight.leave(this)
    this.#fail(this.#owner.terminalError(reason, this.endpoint, this.isWrite && sent))
  }

  /** Never throws: other waiters of the same flight are settled after this one. */
  #fail(error: unknown): void {
    this.#reject(error)
    try {
      const { status, failure = "unexpected" } = error instanceof UpstreamError ? error : {}
      this.#endSpan(status, failure)
      if (error instanceof UpstreamError) this.#log(error)
    } catch {
      // A log that cannot be written must not fail a call.
    }
  }

  #endSpan(status: number | undefined, error: string | undefined): void {
    if (this.#span === undefined) return
    const { attempts, queuedMs, span } = this.flight
    this.#span.end({ status, error, attempts, queuedMs, isShared: this.#span !== span })
  }

  #logSuccess(logCall: (line: object) => void, status: number): void {
    try {
      logCall({
        endpoint: this.endpoint,
        status,
        durationMs: Math.round(performance.now() - this.#startedAt),
        attempts: this.flight.attempts,
        shared: !this.#wasSent || undefined,
      })
    } catch {
      // As below.
    }
  }

  /** Writes one line for each failed call: as a warning, or as debug for a cancelled call and a 4xx, which are normal. */
  #log(error: UpstreamError): void {
    // The breaker writes one line for the whole outage.
    if (error.failure === "circuitOpen") return
    const isNormal = error.failure === "cancelled" || (error.failure === "status" && (error.status ?? 500) < 500)
    this.#owner.caller.log[isNormal ? "debug" : "warn"](
      {
        endpoint: error.endpoint,
        status: error.status,
        failure: error.failure,
        cause: causeOf(error),
        // For a 5xx clients see the gateway's own message, so Code Ocean's is logged here.
        upstreamMessage: isNormal ? undefined : error.upstreamMessage,
        outcomeUnknown: error.outcomeUnknown || undefined,
        attempts: this.flight.attempts,
        durationMs: Math.round(performance.now() - this.#startedAt),
      },
      "upstream call failed",
    )
  }
}

/** A call to the API. */
export class ApiCall<T> extends PendingCall<T> {
  readonly #isWrite: boolean
  readonly #call: Call<T>
  readonly #token: string
  readonly #keep: ((response: HttpResponse, value: T) => void) | undefined

  /** @param keep called with a response that could be decoded. Must not throw */
  constructor(
    owner: PendingCallOwner,
    flight: Flight,
    startedAt: number,
    call: Call<T>,
    isWrite: boolean,
    token: string,
    keep?: (response: HttpResponse, value: T) => void,
  ) {
    super(owner, flight, startedAt)
    this.#keep = keep
    this.#call = call
    this.#isWrite = isWrite
    this.#token = token
  }

  get endpoint() {
    return endpointOf(this.#call)
  }

  get messages() {
    const { tooLargeAdvice } = this.#call
    return tooLargeAdvice === undefined ? messages : { ...messages, tooLargeAdvice }
  }

  get isWrite() {
    return this.#isWrite
  }

  get isApiRead() {
    return !this.#isWrite
  }

  protected decode(outcome: ReceivedResponse): T {
    const value = decodeResponse(outcome, this.#call, this.#isWrite, this.#token)
    this.#keep?.(outcome.response, value)
    return value
  }
}

/** A read of a file. */
export class FileCall<T> extends PendingCall<T> {
  readonly #read: (response: HttpResponse) => T

  /** @param read reads the response. Throws UpstreamError. */
  constructor(owner: PendingCallOwner, flight: Flight, startedAt: number, read: (response: HttpResponse) => T) {
    super(owner, flight, startedAt)
    this.#read = read
  }

  get endpoint() {
    return fileEndpoint
  }

  get messages() {
    return fileMessages
  }

  get isWrite() {
    return false
  }

  get isApiRead() {
    return false
  }

  protected decode({ response }: ReceivedResponse): T {
    return this.#read(response)
  }
}

function causeOf(error: Error): string | undefined {
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < 3; cause = cause.cause)
    causes.push(cause.message)
  return causes.length > 0 ? causes.join(": ") : undefined
}
