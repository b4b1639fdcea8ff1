/**
 * Why a call to upstream gave no usable answer:
 * - `status`: upstream answered with a status that is not 2xx (`status` says which);
 * - `timeout`: no whole answer within the call's time, or within the request's;
 * - `unreachable`: no connection could be made, so nothing was sent;
 * - `lost`: the connection ended before the answer began;
 * - `invalid`: an answer came that is not what the API promises;
 * - `suspended`: upstream is down, and until it is back nothing is sent;
 * - `crowded`: too many calls wait in line already, so nothing was sent;
 * - `unsendable`: an id can't be put into a path, so nothing was sent;
 * - `unauthenticated`: the caller brought no usable token, so nothing was sent;
 * - `exhausted`: the request has made as many calls, or got as many bytes, as one may;
 * - `cancelled`: nobody waits for the answer any more.
 */
export type UpstreamFailure =
  | "status"
  | "timeout"
  | "unreachable"
  | "lost"
  | "invalid"
  | "suspended"
  | "crowded"
  | "unsendable"
  | "unauthenticated"
  | "exhausted"
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

/** A call to upstream that failed. Thrown only in this room, translated for clients only in `errors.ts`. */
export class UpstreamError extends Error {
  readonly failure: UpstreamFailure
  /** The verb and the route's template, such as `GET /capsules/{id}`: never an id, the host or a token. */
  readonly endpoint: string
  readonly status: number | undefined
  /** What upstream said of a refused call, the caller's token struck out. */
  readonly upstreamMessage: string | undefined
  /** What else upstream's error object held, such as `{datasets: [{id, name}]}`. */
  readonly data: unknown
  readonly retryAfterSeconds: number | undefined
  /** The scope that the token needs, where it lacks it for certain (`lacksScope`) or perhaps. */
  readonly requiredScope: string | undefined
  readonly lacksScope: boolean
  /** True of a write that was sent and got no answer, or a 5xx: it may have happened. */
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
