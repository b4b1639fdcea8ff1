/**
 * Why a call to Code Ocean has no usable result:
 * - `status`: the response has a status other than 2xx; see `status`
 * - `timeout`: no complete response within the call's timeout or the request's deadline
 * - `unreachable`: no connection could be made; not sent
 * - `connectionLost`: the connection ended before a response began
 * - `invalid`: the response is truncated, malformed, too large, or not what the API documents
 * - `circuitOpen`: Code Ocean is down and the circuit breaker is open; not sent
 * - `queueFull`: too many calls are waiting; not sent
 * - `invalidId`: an id cannot be part of a path; not sent
 * - `unauthenticated`: the caller has no usable token; not sent
 * - `limitExceeded`: the request has reached its maximum number of calls or bytes
 * - `cancelled`: the request has ended
 */
export type UpstreamFailure =
  | "status"
  | "timeout"
  | "unreachable"
  | "connectionLost"
  | "invalid"
  | "circuitOpen"
  | "queueFull"
  | "invalidId"
  | "unauthenticated"
  | "limitExceeded"
  | "cancelled"

interface Details {
  status?: number
  upstreamMessage?: string | undefined
  data?: unknown
  retryAfterSeconds?: number | undefined
  requiredScope?: string | undefined
  lacksScope?: boolean
  outcomeUnknown?: boolean
  cause?: unknown
}

/** A failed call to Code Ocean. Thrown only in `upstream/` and translated for clients only in `errors.ts`. */
export class UpstreamError extends Error {
  readonly failure: UpstreamFailure
  /** The method and the route's template, such as `GET /capsules/{id}`. Never contains an id, the host or a token. */
  readonly endpoint: string
  readonly status: number | undefined
  /** The message of an error response, with the caller's token and the secrets of the call redacted. */
  readonly upstreamMessage: string | undefined
  /** The other keys of an error response, such as `{datasets: [{id, name}]}`, redacted like the message. */
  readonly data: unknown
  readonly retryAfterSeconds: number | undefined
  /** The scope that the call needs, for a 401 or 403. The token certainly lacks it if `lacksScope` is true. */
  readonly requiredScope: string | undefined
  readonly lacksScope: boolean
  /** True for a write that was sent and got no response or a 5xx: it may have taken effect. */
  readonly outcomeUnknown: boolean

  constructor(failure: UpstreamFailure, endpoint: string, message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = "UpstreamError"
    this.failure = failure
    this.endpoint = endpoint
    this.status = details.status
    this.upstreamMessage = details.upstreamMessage
    this.data = details.data
    this.retryAfterSeconds = details.retryAfterSeconds
    this.requiredScope = details.requiredScope
    this.lacksScope = details.lacksScope ?? false
    this.outcomeUnknown = details.outcomeUnknown ?? false
  }
}
