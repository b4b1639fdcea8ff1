import type { LineLog } from "../log/log.ts"
import type { StoreWait } from "../store/store.ts"
import type { RequestSpan } from "../telemetry/tracer.ts"
import type { Route } from "./cachePolicy.ts"
import type { Decoder } from "./decoders.ts"

/** One call to Code Ocean's API. */
export interface Call<T> {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** The path below `/api/v1/`, with placeholders for ids: `capsules/{id}/app_panel`. */
  route: Route
  ids?: Readonly<Record<string, string>>
  /** Undefined values are left out. */
  query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** The version of Code Ocean that brought the route, such as 4.8.0, if it is later than the default of MIN_SERVER_VERSION. */
  minServerVersion?: string
  /** Sent as JSON. */
  body?: unknown
  /** Passwords in the body. They are removed from Code Ocean's errors, like the token. */
  secrets?: readonly string[]
  /** What the client can do instead if the response is larger than the gateway reads. A sentence for the error's message. */
  tooLargeAdvice?: string
  /** Reads the body of a 2xx response. */
  decode: Decoder<T>
}

/** What a call is named in errors and in the log, such as `GET /capsules/{id}`. Contains no id, no host and no token. */
export function endpointOf({ method, route }: Pick<Call<unknown>, "method" | "route">): string {
  return `${method} /${route}`
}

/** A caller's token. `missing` is a sentence that says why there is none. */
export type Token = { value: string } | { missing: string }

/** On whose behalf the calls of one request are made. */
export interface Caller {
  readonly token: Token
  /** The token's digest, by which calls are queued and reads invalidated. Not a secret. */
  readonly tokenDigest: string
  /** Identifies token and agent together. Reads, polls and tasks are shared only under the same key. Not a secret. */
  readonly key: string
  /** The agent that acts for the caller, forwarded unchanged. */
  readonly agentId: string | undefined
  readonly requestId: string
  readonly log: LineLog
  /** Logs a successful call. Undefined if the log's level leaves these out. */
  readonly logCall?: ((line: object) => void) | undefined
  /**
   * How the reads of the request use the cache: `refresh` replaces what is kept. Undefined if they pass it by, as all do that a change,
   * a subscription or a task needs.
   */
  readonly cacheUse?: "read" | "refresh" | undefined
  /** How long the request has waited for the store. */
  readonly storeWait?: StoreWait
  /** The parent of the calls' spans. Undefined while traces are off. */
  readonly span?: RequestSpan | undefined
  /** Updated with each call. */
  readonly cost: CallCounts
}

export interface CallCounts {
  /** Calls that were sent, retries included. */
  upstreamCalls: number
  /** Calls that were not sent because an equal one was in flight. */
  sharedCalls: number
  /** Calls that were not sent because their responses were kept. Absent while the cache is off. */
  cachedCalls?: number
}
