import { GraphQLError } from "graphql"
import type { LineLog } from "./log.ts"
import { DecodeError } from "./upstream/decoders.ts"
import { UpstreamError } from "./upstream/error.ts"

/** The codes that clients find in `extensions.code`, beside GraphQL's own for documents that don't parse or validate. */
const errorCodes = [
  "BAD_USER_INPUT",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "NOT_FOUND",
  "CONFLICT",
  "RATE_LIMITED",
  "OVERLOADED",
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_INVALID_RESPONSE",
  "OPERATION_TOO_COSTLY",
  "PERSISTED_QUERY_NOT_FOUND",
  "PERSISTED_QUERY_REQUIRED",
  "INTERNAL_SERVER_ERROR",
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** The one table from upstream's status to a code; the statuses of 5xx that it doesn't name are UPSTREAM_UNAVAILABLE. */
const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: "BAD_USER_INPUT",
  401: "UNAUTHENTICATED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  408: "UPSTREAM_TIMEOUT",
  409: "CONFLICT",
  410: "NOT_FOUND",
  413: "BAD_USER_INPUT",
  414: "BAD_USER_INPUT",
  422: "BAD_USER_INPUT",
  423: "CONFLICT",
  429: "RATE_LIMITED",
  504: "UPSTREAM_TIMEOUT",
}

const codeOfFailure: Readonly<Record<Exclude<UpstreamError["failure"], "status">, ErrorCode>> = {
  timeout: "UPSTREAM_TIMEOUT",
  unreachable: "UPSTREAM_UNAVAILABLE",
  connectionLost: "UPSTREAM_UNAVAILABLE",
  invalid: "UPSTREAM_INVALID_RESPONSE",
  circuitOpen: "UPSTREAM_UNAVAILABLE",
  queueFull: "OVERLOADED",
  invalidId: "BAD_USER_INPUT",
  unauthenticated: "UNAUTHENTICATED",
  limitExceeded: "OPERATION_TOO_COSTLY",
  cancelled: "UPSTREAM_TIMEOUT",
}

/** The code for a failed upstream call. */
export function codeOf(error: UpstreamError): ErrorCode {
  if (error.failure !== "status") return codeOfFailure[error.failure]
  // Whatever the status: the token is known, and may not do this.
  if (error.lacksScope) return "FORBIDDEN"
  const status = error.status ?? 0
  return codeOfStatus[status] ?? (status >= 500 ? "UPSTREAM_UNAVAILABLE" : "UPSTREAM_INVALID_RESPONSE")
}

/** Refuses what a client sent. `message` is a sentence that says what to do instead. */
export function badUserInput(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT" satisfies ErrorCode } })
}

/** For a lookup by id: an object that doesn't exist is null; every other failure stays one. */
export function nullIfMissing<T>(lookup: Promise<T>): Promise<T | null>
export function nullIfMissing<T>(lookup: T | Promise<T>): T | Promise<T | null>
export function nullIfMissing<T>(lookup: T | Promise<T>): T | Promise<T | null> {
  return lookup instanceof Promise ? lookup.catch(nullForMissing) : lookup
}

function nullForMissing(error: unknown): null {
  if (error instanceof UpstreamError && error.failure === "status" && codeOf(error) === "NOT_FOUND") return null
  throw error
}

/** For a search that only saves calls: where it is refused, or makes no sense, nothing is found. */
export async function noneIfRefused<T>(search: Promise<T[]>): Promise<T[]> {
  try {
    return await search
  } catch (error) {
    if (error instanceof UpstreamError && (error.failure === "invalid" || (error.status ?? 500) < 500)) return []
    throw error
  }
}

const refusals: ReadonlySet<number> = new Set([400, 403, 404, 409, 423])

const hidden: ReadonlySet<ErrorCode> = new Set(["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"])

/**
 * For objects that others only point to: one that the caller may not see, or that is gone, is null. Upstream answers 401,
 * 403 or 404 for what a caller may not see.
 */
export async function nullIfInaccessible<T>(lookup: Promise<T>): Promise<T | null> {
  try {
    return await lookup
  } catch (error) {
    if (error instanceof UpstreamError && error.failure === "status" && hidden.has(codeOf(error))) return null
    throw error
  }
}

/** What upstream refused, as data for a screen. */
export class Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly details: unknown
  constructor(code: ErrorCode, message: string, details: unknown) {
    this.code = code
    this.message = message
    this.details = details
  }
}

/** The refusal in a failed write; undefined where something went wrong instead, which belongs into `errors`. */
export function refusalIn(error: unknown): Refusal | undefined {
  if (!(error instanceof UpstreamError) || error.failure !== "status" || !refusals.has(error.status ?? 0))
    return undefined
  return new Refusal(codeOf(error), error.message, error.data ?? null)
}

/** A failed upstream call as data, for work on many objects that goes on without the one that failed. */
export interface Failure {
  code: ErrorCode
  message: string
  /** True of a write that may have happened. */
  outcomeUnknown: boolean
}

/** What to say of a failed upstream call; undefined for any other error. */
export function failureIn(error: unknown): Failure | undefined {
  if (!(error instanceof UpstreamError)) return undefined
  return { code: codeOf(error), message: sentenceFor(error), outcomeUnknown: error.outcomeUnknown }
}

/**
 * The error as clients may see it: deliberate errors as they are, failed upstream calls by the tables above, single values
 * that upstream doesn't promise as UPSTREAM_INVALID_RESPONSE, and anything else, which is a bug of ours, masked and logged.
 */
export function presentError(error: unknown, requestId: string, log: LineLog): GraphQLError {
  const place =
    error instanceof GraphQLError
      ? { nodes: error.nodes, source: error.source, positions: error.positions, path: error.path }
      : {}
  const cause = rootCause(error)
  if (cause instanceof UpstreamError) {
    return new GraphQLError(sentenceFor(cause), {
      ...place,
      extensions: { code: codeOf(cause), requestId, ...upstreamExtensions(cause) },
    })
  }
  // Not a GraphQLError itself: the executor makes plain errors of those that a scalar throws, and their code is lost.
  if (cause instanceof DecodeError) {
    return new GraphQLError(cause.message, {
      ...place,
      extensions: { code: "UPSTREAM_INVALID_RESPONSE" satisfies ErrorCode, requestId },
    })
  }
  if (cause instanceof GraphQLError) {
    const { extensions } = cause
    return new GraphQLError(shortened(cause.message), {
      ...place,
      extensions: { ...extensions, code: publicCode(extensions.code), requestId },
    })
  }
  // The client left before its request was read, or while it was worked on: nobody will see the answer.
  log[isAbort(cause) ? "debug" : "error"]({ err: cause, path: place.path?.join(".") }, "unexpected error")
  return new GraphQLError(`Unexpected error. Its details are in the gateway's log under request id ${requestId}.`, {
    ...place,
    extensions: { code: "INTERNAL_SERVER_ERROR" satisfies ErrorCode, requestId },
  })
}

/**
 * A message with its middle left out where it is long: GraphQL's own quote values whole, a megabyte in each of fifty errors,
 * and say before and after them what is wrong.
 */
function shortened(message: string): string {
  if (message.length <= mostMessage) return message
  const half = mostMessage / 2
  return `${message.slice(0, half).toWellFormed()} … ${message.slice(-half).toWellFormed()}`
}

const mostMessage = 4_000

function isAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return error.name === "AbortError" || (code === "ECONNRESET" && error.message === "aborted")
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError != null ? rootCause(error.originalError) : error
}

/**
 * A code that `docs/errors.md` lists. The server's own refusals (a body that is no JSON, an operation that isn't there) and
 * GraphQL's of variables come with other codes or none: the input was wrong.
 */
function publicCode(code: unknown): string {
  const isNamed =
    typeof code === "string" && (code.startsWith("GRAPHQL_") || errorCodes.some((known) => known === code))
  return isNamed ? code : ("BAD_USER_INPUT" satisfies ErrorCode)
}

function sentenceFor(error: UpstreamError): string {
  const sentence =
    error.failure === "status" && (error.status ?? 0) >= 500
      ? `Code Ocean is failing (${error.status}).`
      : error.message
  return error.outcomeUnknown
    ? `${sentence} It is unknown whether the change happened: look before you try again.`
    : sentence
}

function upstreamExtensions(error: UpstreamError): Record<string, unknown> {
  if (error.failure === "invalidId" || error.failure === "unauthenticated") return {}
  return {
    upstream: { endpoint: error.endpoint, ...(error.status === undefined ? {} : { status: error.status }) },
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    ...(error.requiredScope === undefined ? {} : { requiredScope: error.requiredScope }),
    ...(error.outcomeUnknown ? { outcomeUnknown: true } : {}),
  }
}
