import { GraphQLError } from "graphql"
import type { LineLog } from "./log/log.ts"
import { DecodeError } from "./upstream/decoders.ts"
import { UpstreamError } from "./upstream/error.ts"

/** The values of `extensions.code`, beside GraphQL's own for documents that do not parse or validate. `docs/errors.md` lists them. */
export const errorCodes = [
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
  "TIME_LIMIT_REACHED",
  "PERSISTED_QUERY_NOT_FOUND",
  "PERSISTED_QUERY_REQUIRED",
  "INTERNAL_SERVER_ERROR",
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** The code for each status of Code Ocean. Other 5xx are UPSTREAM_UNAVAILABLE. */
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

/** The code for each other failure of a call. */
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

function codeOf(error: UpstreamError): ErrorCode {
  if (error.failure !== "status") return codeOfFailure[error.failure]
  // Code Ocean also answers other statuses than 403 to a token without the scope.
  if (error.lacksScope) return "FORBIDDEN"
  const status = error.status ?? 0
  return codeOfStatus[status] ?? (status >= 500 ? "UPSTREAM_UNAVAILABLE" : "UPSTREAM_INVALID_RESPONSE")
}

/** Whether the error is a failed call to Code Ocean with one of these codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return error instanceof UpstreamError && codes.includes(codeOf(error))
}

/**
 * For a result that lacks a part because a call failed: the error that takes the place of the part.
 * @param missing a sentence that says what is missing
 * @param details further extensions
 */
export function partMissing(missing: string, error: unknown, details: Record<string, unknown> = {}): unknown {
  const failure = toFailure(error)
  if (failure === undefined) return error
  const { code, message } = failure
  const upstream = error instanceof UpstreamError ? upstreamExtensions(error) : {}
  return new GraphQLError(`${missing} ${message}`, { extensions: { code, ...upstream, ...details } })
}

/** Whether Code Ocean rejected a read, so that a retry would give the same result. */
export function isRejected(error: unknown): boolean {
  return hasCode(error, "NOT_FOUND", "FORBIDDEN", "UNAUTHENTICATED", "BAD_USER_INPUT")
}

/** Creates an error for invalid input. `message` is a sentence that says what to send instead. */
export function badUserInput(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT" satisfies ErrorCode } })
}

/** For a lookup by id: resolves with null if the object does not exist. Other failures reject. */
export function nullIfMissing<T>(lookup: Promise<T>): Promise<T | null>
export function nullIfMissing<T>(lookup: T | Promise<T>): T | Promise<T | null>
export function nullIfMissing<T>(lookup: T | Promise<T>): T | Promise<T | null> {
  return lookup instanceof Promise ? lookup.catch(nullIfNotFound) : lookup
}

/** The handler of a lookup's failure: null if the object does not exist. */
export function nullIfNotFound(error: unknown): null {
  if (hasCode(error, "NOT_FOUND")) return null
  throw error
}

/**
 * For a search that only saves calls: resolves with an empty list if the search failed and single reads may succeed. Rejects if
 * they would fail too, and on 429: many calls in place of one would make that worse.
 */
export async function emptyIfSearchFails<T>(search: Promise<T[]>): Promise<T[]> {
  try {
    return await search
  } catch (error) {
    const { failure, status } = error instanceof UpstreamError ? error : {}
    if ((failure === "status" && status !== 429) || failure === "invalid" || failure === "timeout") return []
    throw error
  }
}

/**
 * For an object that another one refers to: resolves with null if it does not exist or the caller may not see it. Code Ocean
 * answers 401, 403 or 404 in the second case.
 */
export async function nullIfInaccessible<T>(lookup: Promise<T>): Promise<T | null> {
  try {
    return await lookup
  } catch (error) {
    if (error instanceof UpstreamError && error.failure === "status" && inaccessible.has(codeOf(error))) return null
    throw error
  }
}

const inaccessible: ReadonlySet<ErrorCode> = new Set(["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"])

/** A refused change, as data: the `MutationRefused` of the graph. */
export class Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly details: unknown
  readonly requiredScope: string | undefined
  readonly problems: readonly InputProblem[]
  constructor(
    code: ErrorCode,
    message: string,
    details: unknown,
    { requiredScope, problems = [] }: { requiredScope?: string | undefined; problems?: readonly InputProblem[] } = {},
  ) {
    this.code = code
    this.message = message
    this.details = details
    this.requiredScope = requiredScope
    this.problems = problems
  }
}

/** One reason for a refusal, such as a value of a run that does not fit the app panel: the `InputProblem` of the graph. */
export interface InputProblem {
  /** The parameter's name in the panel. Undefined if the problem is not about one parameter. */
  parameter?: string | undefined
  /** The process of a pipeline that the parameter belongs to. */
  process?: string | undefined
  message: string
}

/** The statuses of a write that mean a refusal. Other failures belong into `errors`. */
const refusalStatuses: ReadonlySet<number> = new Set([400, 403, 404, 409, 423])

/** Converts the error of a mutation to a refusal. Undefined if it is any other failure. */
export function toRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (!(error instanceof UpstreamError) || error.failure !== "status") return undefined
  if (!refusalStatuses.has(error.status ?? 0)) return undefined
  const { message, data, requiredScope } = error
  return new Refusal(codeOf(error), message, data ?? null, { requiredScope })
}

/**
 * For a write that Code Ocean rejects with data about what is missing: a rejection with problems in its data becomes a Refusal that
 * lists them. Its message is Code Ocean's, or, if there is none, the messages of the problems.
 */
export async function refusedWithProblems<T>(
  write: Promise<T>,
  problemsIn: (data: unknown) => readonly InputProblem[],
): Promise<T> {
  try {
    return await write
  } catch (error) {
    const refusal = toRefusal(error)
    const problems = problemsIn(refusal?.details)
    if (refusal === undefined || problems.length === 0) throw error
    const { code, details, requiredScope } = refusal
    const { upstreamMessage } = error as UpstreamError
    const message = upstreamMessage ?? problems.map((problem) => problem.message).join(" ")
    throw new Refusal(code, message, details, { requiredScope, problems })
  }
}

/** A failed call as data, for work on many objects that continues with the others: the `Failure` of the graph. */
export interface Failure {
  code: ErrorCode
  message: string
  /** True for a write that may have taken effect. */
  outcomeUnknown: boolean
}

/** Converts the error of a call or of a check. Undefined if it is neither. */
export function toFailure(error: unknown): Failure | undefined {
  if (error instanceof Refusal) return { code: error.code, message: error.message, outcomeUnknown: false }
  if (error instanceof GraphQLError) {
    const code = documentedCode(error.extensions.code) as ErrorCode
    return { code, message: shortMessage(error), outcomeUnknown: false }
  }
  if (error instanceof DecodeError) {
    return { code: "UPSTREAM_INVALID_RESPONSE", message: error.message, outcomeUnknown: false }
  }
  if (!(error instanceof UpstreamError)) return undefined
  return { code: codeOf(error), message: clientMessage(error), outcomeUnknown: error.outcomeUnknown }
}

/**
 * Converts an error of an operation to the one that the client gets. GraphQLErrors pass as they are, with a code. Failed calls
 * get their code from the tables above. Values that Code Ocean's API does not document are UPSTREAM_INVALID_RESPONSE. Anything
 * else is a bug of the gateway: it is logged, and masked.
 */
export function presentError(error: unknown, requestId: string, log: LineLog): GraphQLError {
  const location =
    error instanceof GraphQLError
      ? { nodes: error.nodes, source: error.source, positions: error.positions, path: error.path }
      : {}
  const cause = rootCause(error)
  if (cause instanceof UpstreamError) {
    return new GraphQLError(clientMessage(cause), {
      ...location,
      extensions: { code: codeOf(cause), requestId, ...upstreamExtensions(cause) },
    })
  }
  // DecodeError is not a GraphQLError, because the executor replaces errors that a scalar throws by plain ones without a code.
  if (cause instanceof DecodeError) {
    return new GraphQLError(cause.message, {
      ...location,
      extensions: { code: "UPSTREAM_INVALID_RESPONSE" satisfies ErrorCode, requestId },
    })
  }
  if (cause instanceof GraphQLError) {
    const { extensions } = cause
    return new GraphQLError(shortMessage(error as GraphQLError), {
      ...location,
      extensions: { ...extensions, code: documentedCode(extensions.code), requestId },
    })
  }
  // An aborted request is not a bug: the client closed its connection.
  log[isAbort(cause) ? "debug" : "error"]({ err: cause, path: location.path?.join(".") }, "unexpected error")
  return new GraphQLError(`Unexpected error. Its details are in the gateway's log under request id ${requestId}.`, {
    ...location,
    extensions: { code: "INTERNAL_SERVER_ERROR" satisfies ErrorCode, requestId },
  })
}

const maxMessageLength = 4_000
/** The maximum length of a quoted value, and of what is wrong with it. */
const maxQuotedLength = 400

/**
 * Shortens a message. For a variable, graphql-js quotes whole values, up to a megabyte in each of fifty errors: before the place
 * in the variable, and again in the error that it wraps. Both are cut in their middles, since what counts is at the ends.
 */
function shortMessage({ message, originalError }: GraphQLError): string {
  const problem = originalError?.message ?? ""
  if (message === problem || !message.endsWith(problem)) return truncate(message, maxMessageLength)
  const place = message.slice(0, message.length - problem.length)
  return truncate(place, maxQuotedLength) + truncate(problem, maxQuotedLength)
}

function truncate(text: string, length: number): string {
  if (text.length <= length) return text
  const half = length / 2
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`
}

function isAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return error.name === "AbortError" || (code === "ECONNRESET" && error.message === "aborted")
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError != null ? rootCause(error.originalError) : error
}

/**
 * Replaces a code that `docs/errors.md` does not list by BAD_USER_INPUT. Errors by Yoga (the body is not JSON, there is no such
 * operation) and by graphql-js (invalid variables) have other codes or none, and all of them are about the input.
 */
function documentedCode(code: unknown): string {
  const isDocumented =
    typeof code === "string" && (code.startsWith("GRAPHQL_") || errorCodes.some((known) => known === code))
  return isDocumented ? code : ("BAD_USER_INPUT" satisfies ErrorCode)
}

/** The message of a failed call. Code Ocean's own message is passed on only below 500. */
function clientMessage(error: UpstreamError): string {
  const sentence =
    error.failure === "status" && (error.status ?? 0) >= 500
      ? `Code Ocean is failing (${error.status}).`
      : error.message
  return error.outcomeUnknown
    ? `${sentence} It is unknown whether the change happened. Check before you try again.`
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
