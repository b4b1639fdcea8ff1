import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { type ExecutionResult, type GraphQLError, getOperationAST } from "graphql"
import type { YogaServerInstance } from "graphql-yoga"
import type { Log } from "../log.ts"
import { isObject } from "../upstream/answer.ts"
import { operationsVary } from "./refusals.ts"
import type { RequestState, Requests } from "./requests.ts"

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Answers plain operations on a shorter path than Yoga's: a POST of JSON with a declared length, as nearly every client sends
 * it. It runs the same plugins as far as they look at operations (parsing, limits, validation, context, execution), through
 * Yoga's own `getEnveloped`; of what Yoga does around them, building a Request and a Response costs several times what a
 * small operation does. Whatever is unusual goes to Yoga as if nothing had happened: other methods, types and lengths, a body
 * with anything unexpected in it, an operation that doesn't parse or validate, subscriptions, answers in parts.
 */
export function createPlainPath(options: {
  endpoint: string
  largestBody: number
  yoga: Handler & Pick<YogaServerInstance<object, object>, "getEnveloped">
  requests: Requests
  log: Log
  /** The document that a body means; throws where it means none that is to be answered. */
  documentOf(body: Record<string, unknown>): unknown
  /** Adds what a page of another origin needs to read the answer. */
  setCorsHeaders(response: ServerResponse, origin: string | undefined): void
}): Handler {
  const { yoga, requests } = options

  function isPlain({ method, url, headers }: IncomingMessage): boolean {
    return (
      method === "POST" &&
      url === options.endpoint &&
      /^application\/json(; ?charset=utf-8)?$/i.test(headers["content-type"] ?? "") &&
      headers["content-encoding"] === undefined &&
      Number(headers["content-length"] ?? Number.NaN) <= options.largestBody
    )
  }

  /** The operation in a body, ready to be executed; undefined where there is anything unusual about it. */
  function prepare(request: PlainRequest, req: IncomingMessage, body: Buffer) {
    try {
      const params: unknown = JSON.parse(body.toString())
      if (!isObject(params) || !Object.keys(params).every((key) => parameters.has(key))) return undefined
      const query = options.documentOf(params)
      const { variables, operationName } = params
      if (typeof query !== "string" || (variables != null && !isObject(variables))) return undefined
      if (operationName != null && typeof operationName !== "string") return undefined
      if (params.extensions != null && !isObject(params.extensions)) return undefined
      const enveloped = yoga.getEnveloped({ req, request, params: { query, variables, operationName } })
      const document = enveloped.parse(query)
      const operation = getOperationAST(document, operationName)
      if (operation == null || operation.operation === "subscription") return undefined
      if (comesInParts.test(query)) return undefined
      if (enveloped.validate(enveloped.schema, document).length > 0) return undefined
      const { schema } = enveloped
      return { enveloped, args: { schema, document, operationName, variableValues: variables } }
    } catch {
      // Yoga comes to the same refusal, and words it.
      return undefined
    }
  }

  async function resultOf({ enveloped, args }: NonNullable<ReturnType<typeof prepare>>): Promise<ExecutionResult> {
    try {
      return await enveloped.execute({ ...args, contextValue: await enveloped.contextFactory() })
    } catch (error) {
      return { errors: [error as GraphQLError] }
    }
  }

  function send(state: RequestState, type: string, result: ExecutionResult, response: ServerResponse): number {
    const { status, headers } = statusOf(result, type)
    const body = Buffer.from(JSON.stringify(withoutInternals(result)))
    response.writeHead(status, {
      ...headers,
      "content-type": `${type}; charset=utf-8`,
      "content-length": body.length,
      "cache-control": "private, no-store",
      vary: operationsVary,
      "x-request-id": state.requestId,
    })
    response.end(body)
    return status
  }

  async function answer(request: IncomingMessage, response: ServerResponse, type: string): Promise<void> {
    const plain = new PlainRequest(request, response)
    const state = requests.stateOf(plain)
    const body = await bodyOf(request)
    if (body === undefined) return
    const prepared = prepare(plain, request, body)
    if (prepared === undefined) {
      yoga(Object.assign(request, { body: Readable.from([body]) }), response)
      return
    }
    const result = await resultOf(prepared)
    const hasLeft = plain.signal.aborted
    if (!hasLeft) options.setCorsHeaders(response, request.headers.origin)
    const status = hasLeft ? 200 : send(state, type, requests.present(state, result), response)
    state.upstream?.end()
    requests.writeLine(state, "request", hasLeft ? "cancelled" : undefined, { status })
  }

  return (request, response) => {
    const type = isPlain(request) ? answerTypeFor(request.headers.accept) : undefined
    if (type === undefined) {
      yoga(request, response)
      return
    }
    answer(request, response, type).catch((error: unknown) => {
      options.log.error({ err: error }, "unexpected error")
      response.destroy()
    })
  }
}

const parameters: ReadonlySet<string> = new Set(["query", "variables", "operationName", "extensions", "documentId"])

const comesInParts = /@(defer|stream)\b/

/** What plugins look at of a request. */
class PlainRequest {
  readonly method = "POST"
  readonly headers: { get(name: string): string | null }
  /** Aborted when the client leaves before its answer is sent. */
  readonly signal: AbortSignal

  constructor(request: IncomingMessage, response: ServerResponse) {
    const controller = new AbortController()
    this.signal = controller.signal
    this.headers = {
      get(name) {
        const value = request.headers[name.toLowerCase()]
        return value === undefined ? null : String(value)
      },
    }
    response.once("close", () => {
      if (!response.writableFinished) controller.abort()
    })
  }
}

/** The whole body; undefined when the client left before its end. */
function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.once("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
    request.once("close", () => resolve(undefined))
  })
}

/** Which of the two types of JSON the client takes first; undefined when none of them is plainly meant. */
function answerTypeFor(accept = "*/*"): string | undefined {
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
function statusOf({ errors = [] }: ExecutionResult, type: string) {
  let status: number | undefined
  const headers: Record<string, string> = {}
  for (const { extensions } of errors) {
    const http = extensions.http as GraphQLError["extensions"]["http"] & { spec?: boolean }
    if (http === undefined) continue
    Object.assign(headers, http.headers)
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
