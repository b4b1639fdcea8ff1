import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from "graphql"
import type { YogaServerInstance } from "graphql-yoga"
import type { Context } from "../graph/context.ts"
import type { Log } from "../log.ts"
import type { CheckOperation } from "../operation/check.ts"
import type { executeCompiled } from "../operation/executor/executeCompiled.ts"
import { allChanges, tooLarge } from "../operation/responseSize.ts"
import type { Caller } from "../upstream/call.ts"
import { isObject } from "../upstream/decoders.ts"
import type { Permit } from "./admission.ts"
import type { FillContext } from "./buildContext.ts"
import { isPlainJson } from "./contentType.ts"
import type { RequestState, Requests } from "./requestState.ts"
import { operationsVary } from "./respond.ts"

/** Answers a request for an operation that was let in. A body was read and decoded already; a request may have none. */
export type OperationHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  token: Caller["token"],
  permit: Permit,
  body: Buffer | undefined,
) => void

/**
 * Answers plain operations on a shorter path than Yoga's: a POST of JSON, as nearly every client sends it. What Yoga does around an operation costs several times what a small one does: a Request and a Response are built, and
 * every plugin is asked at every step. Here each text passes Yoga's plugins for parsing and validation once, and is known from
 * then on; context, limits and execution are called as they are. Whatever is unusual goes to Yoga as if nothing had happened:
 * other methods and types, a body with anything unexpected in it, an operation that doesn't parse or validate,
 * subscriptions, answers in parts.
 */
export function createPlainPath(options: {
  endpoint: string
  /** The most bytes of an answer. */
  largestAnswer: number
  schema: GraphQLSchema
  yoga: Pick<YogaServerInstance<object, object>, "getEnveloped">
  /** Answers what is unusual. */
  askYoga: OperationHandler
  /** The documents that Yoga has parsed, by their text. */
  documents: { get(text: string): DocumentNode | undefined }
  requests: Requests
  fillContext: FillContext
  checkOperation: CheckOperation
  /** Executes what it can; the rest is Yoga's, with all plugins. */
  execute: typeof executeCompiled
  log: Log
  /** The document that a body means; throws where it means none that is to be answered. */
  resolveDocument(body: Record<string, unknown>): unknown
  /** Adds what a page of another origin needs to read the answer. */
  setCorsHeaders(response: ServerResponse, origin: string | undefined): void
}): OperationHandler {
  const { schema, yoga, askYoga, documents, requests } = options
  /** The documents that may be executed: whether one may depends on nothing but its text. */
  const valid = new WeakSet<DocumentNode>()

  function isPlain({ method, url, headers }: IncomingMessage): boolean {
    return method === "POST" && url === options.endpoint && isPlainJson(headers["content-type"])
  }

  /** The document of this text; undefined where it isn't to be executed here. */
  function validDocument(query: string, params: object, request: PlainRequest): DocumentNode | undefined {
    const known = documents.get(query)
    if (known !== undefined && valid.has(known)) return known
    const { parse, validate } = yoga.getEnveloped({ request, params })
    const document = parse(query)
    if (comesInParts.test(query) || validate(schema, document).length > 0) return undefined
    valid.add(document)
    return document
  }

  /** The operation in a body, ready to be executed; undefined where there is anything unusual about it. */
  function prepare(request: PlainRequest, body: Buffer): Prepared | undefined {
    try {
      const params: unknown = JSON.parse(body.toString())
      if (!isObject(params) || !Object.keys(params).every((key) => parameters.has(key))) return undefined
      const query = options.resolveDocument(params)
      const { variables, operationName } = params
      if (typeof query !== "string" || (variables != null && !isObject(variables))) return undefined
      if (operationName != null && typeof operationName !== "string") return undefined
      if (params.extensions != null && !isObject(params.extensions)) return undefined
      const document = validDocument(query, { query, variables, operationName }, request)
      if (document === undefined) return undefined
      const operation = getOperationAST(document, operationName)
      if (operation == null || operation.operation === "subscription") return undefined
      return { operation, args: { schema, document, operationName, variableValues: variables } }
    } catch {
      // Yoga comes to the same refusal, and words it.
      return undefined
    }
  }

  /** A promise only where something has to be waited for. Never throws. */
  function resultOf(
    request: PlainRequest,
    state: RequestState,
    { operation, args }: Prepared,
  ): ExecutionResult | Promise<ExecutionResult> {
    try {
      const contextValue = { request } as unknown as Context
      options.fillContext(contextValue, request, state)
      requests.noteOperation(state, operation)
      const refusal = options.checkOperation({ ...args, contextValue })
      if (refusal !== undefined) return { errors: [refusal] }
      // Nothing is begun for a client that has left, least of all a change.
      if (request.cancelled) return nothing
      const executed = { ...args, contextValue }
      return (
        options.execute(executed, request, options.largestAnswer) ?? yoga.getEnveloped(contextValue).execute(executed)
      )
    } catch (error) {
      return refused(error)
    }
  }

  function send(
    state: RequestState,
    type: AnswerType,
    result: ExecutionResult,
    response: ServerResponse,
    operation: OperationDefinitionNode,
  ): number {
    const { status, headers } = statusOf(result, type)
    // As text, Node sends it together with the headers in one piece.
    const body = JSON.stringify(withoutInternals(result))
    const size = Buffer.byteLength(body)
    if (size > options.largestAnswer && result.data != null) {
      const error = tooLarge(options.largestAnswer, allChanges(operation))
      return send(state, type, requests.present(state, { errors: [error], data: null }), response, operation)
    }
    const own = {
      "content-type": contentTypes[type],
      "content-length": size,
      "cache-control": "private, no-store",
      vary: operationsVary,
      "x-request-id": state.requestId,
      "x-content-type-options": "nosniff",
    }
    response.writeHead(status, headers === undefined ? own : { ...headers, ...own })
    response.end(body)
    return status
  }

  /** Answers at once what can be: a promise only where something has to be waited for. */
  function answer(
    request: IncomingMessage,
    plain: PlainRequest,
    state: RequestState,
    body: Buffer,
    response: ServerResponse,
    type: AnswerType,
    permit: Permit,
  ): void | Promise<void> {
    const prepared = prepare(plain, body)
    if (prepared === undefined) {
      askYoga(request, response, plain.token, permit, body)
      return
    }
    let isOver = false
    const respond = (result = nothing) => {
      if (isOver) return
      isOver = true
      const { cancelled } = plain
      if (!cancelled) options.setCorsHeaders(response, request.headers.origin)
      const status = cancelled ? 200 : send(state, type, requests.present(state, result), response, prepared.operation)
      state.upstream?.end()
      requests.writeLine(state, "request", cancelled ? "cancelled" : undefined, { status })
    }
    const result = resultOf(plain, state, prepared)
    if (!("then" in result)) return respond(result)
    plain.onLeft = respond
    return result.then(respond, (error) => respond(refused(error)))
  }

  return (request, response, token, permit, body) => {
    const type = body !== undefined && isPlain(request) ? answerTypeFor(request.headers.accept) : undefined
    if (body === undefined || type === undefined) {
      askYoga(request, response, token, permit, body)
      return
    }
    const giveUp = (error: unknown) => {
      options.log.error({ err: error }, "unexpected error")
      response.destroy()
    }
    try {
      const plain = new PlainRequest(request, response, token, giveUp)
      const state = requests.begin(plain)
      answer(request, plain, state, body, response, type, permit)?.catch(giveUp)
    } catch (error) {
      giveUp(error)
    }
  }
}

function refused(error: unknown): ExecutionResult {
  return { errors: [error as GraphQLError] }
}

/** What those get who have left. */
const nothing: ExecutionResult = { data: null }

interface Prepared {
  operation: OperationDefinitionNode
  args: Pick<ExecutionArgs, "schema" | "document" | "operationName" | "variableValues">
}

const parameters: ReadonlySet<string> = new Set(["query", "variables", "operationName", "extensions", "documentId"])

const comesInParts = /@(defer|stream)\b/

/** A request's headers, as plugins ask for them. */
class PlainHeaders {
  readonly #headers: IncomingHttpHeaders

  constructor(headers: IncomingHttpHeaders) {
    this.#headers = headers
  }

  get(name: string): string | null {
    const value = this.#headers[name.toLowerCase()]
    return value === undefined ? null : String(value)
  }
}

/** What plugins look at of a request. */
class PlainRequest {
  readonly method = "POST"
  readonly headers: PlainHeaders
  readonly token: Caller["token"]
  /** Whether the client has left before its answer was sent. */
  cancelled = false
  /** Told when it leaves. */
  onLeft: (() => void) | undefined
  #controller: AbortController | undefined

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    token: Caller["token"],
    giveUp: (error: unknown) => void,
  ) {
    this.token = token
    this.headers = new PlainHeaders(request.headers)
    response.on("close", () => {
      if (response.writableFinished) return
      this.cancelled = true
      try {
        this.#controller?.abort()
        this.onLeft?.()
      } catch (error) {
        giveUp(error)
      }
    })
  }

  /** Aborted when the client has left. Made when somebody looks at it: the compiled executor reads `cancelled` instead. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.cancelled) this.#controller.abort()
    return this.#controller.signal
  }
}

const contentTypes = {
  "application/json": "application/json; charset=utf-8",
  "application/graphql-response+json": "application/graphql-response+json; charset=utf-8",
}

type AnswerType = keyof typeof contentTypes

/** Which of the two types of JSON the client takes first; undefined when none of them is plainly meant. */
function answerTypeFor(accept = "*/*"): AnswerType | undefined {
  if (accept === "*/*" || accept === "application/json") return "application/json"
  for (const item of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = item.split(";").map((part) => part.trim())
    if (parameters.some((parameter) => parameter.startsWith("charset") && parameter !== "charset=utf-8"))
      return undefined
    if (type === "application/graphql-response+json" || type === "application/json") return type
    if (type === "*/*" || type === "application/*") return "application/json"
    if (type.includes("*")) return undefined
  }
  return undefined
}

/** The status and headers that errors ask for, by the rules of GraphQL over HTTP. */
function statusOf({ errors }: ExecutionResult, type: AnswerType) {
  let status: number | undefined
  let headers: Record<string, string> | undefined
  for (const { extensions } of errors ?? []) {
    const http = extensions.http as GraphQLError["extensions"]["http"] & { spec?: boolean }
    if (http === undefined) continue
    if (http.headers !== undefined) headers = { ...headers, ...http.headers }
    // Those who take plain JSON expect 200 for what the specification calls a GraphQL request's own errors.
    if (type === "application/json" && http.spec) continue
    status = Math.max(status ?? 0, http.status ?? 0)
  }
  return { status: status || 200, headers }
}

/** The result without what errors say to the HTTP face alone. */
function withoutInternals(result: ExecutionResult): object {
  if (!result.errors?.some(({ extensions }) => extensions.http !== undefined)) return result
  const errors = result.errors.map((error) => {
    const { http: _, ...extensions } = error.extensions
    return { ...error.toJSON(), extensions }
  })
  return { ...result, errors }
}
