import type { IncomingMessage, ServerResponse } from "node:http"
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute as executeWithGraphqlJs,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from "graphql"
import type { YogaServerInstance } from "graphql-yoga"
import type { Context } from "../graph/context.ts"
import type { Log } from "../log/log.ts"
import type { CheckOperation } from "../operation/check.ts"
import { execute } from "../operation/executor/execute.ts"
import type { prepareExecution } from "../operation/executor/operation.ts"
import { RunningQuery, type SharedQueries } from "../operation/sharedQueries.ts"
import { isObject } from "../upstream/decoders.ts"
import type { BuildContext } from "./buildContext.ts"
import type { Compress } from "./compression.ts"
import { isPlainJson } from "./contentType.ts"
import type { RequestState } from "./requestState.ts"
import {
  limitSize,
  type MediaType,
  negotiate,
  type OperationResponse,
  renderResult,
  sendRendered,
  setCorsHeaders,
} from "./respond.ts"

/** Handles an admitted request for an operation. The body has been read and decoded; it is undefined for a request without one. */
export type OperationHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  state: RequestState,
  body: Buffer | undefined,
) => void

/**
 * Answers common operations without Yoga's request handling, which costs several times what a small operation does
 * (docs/decisions/fast-path.md). An operation passes four stages: prepare, check, execute, present. Everything uncommon is left
 * to Yoga before anything has been executed: other methods and content types, unexpected parameters, documents that don't parse
 * or validate, subscriptions and incremental delivery.
 */
export function createFastPath(options: {
  endpoint: string
  /** The maximum size of a response, in bytes. */
  maxResponseBytes: number
  corsOrigins: readonly string[]
  schema: GraphQLSchema
  yoga: Pick<YogaServerInstance<object, object>, "getEnveloped">
  /** Handles what is uncommon. */
  yogaFallback: OperationHandler
  /** The documents that Yoga has parsed, by their text. */
  documents: { get(text: string): DocumentNode | undefined }
  /** Returns the document that a body refers to. Throws if it is not to be executed. */
  resolveDocument(body: Record<string, unknown>): unknown
  buildContext: BuildContext
  checkOperation: CheckOperation
  /** Returns undefined for operations that graphql-js executes. */
  prepareExecution: typeof prepareExecution
  /** Undefined if equal queries are not shared. */
  sharedQueries: SharedQueries | undefined
  compress: Compress
  /** Whether clients may query the schema, and errors may suggest its names. */
  introspection: boolean
  log: Log
}): OperationHandler {
  const { schema, yoga, yogaFallback, documents, maxResponseBytes, sharedQueries } = options
  /** The documents that have passed validation here. Validity depends only on the text. */
  const valid = new WeakSet<DocumentNode>()

  /** Returns the document of this text. Undefined if it is left to Yoga. */
  function validDocument(query: string, params: object, state: RequestState): DocumentNode | undefined {
    const known = documents.get(query)
    if (known !== undefined && valid.has(known)) return known
    const { parse, validate } = yoga.getEnveloped({ state, params, request: postRequest })
    const document = parse(query)
    if (incrementalDirectives.test(query) || validate(schema, document).length > 0) return undefined
    valid.add(document)
    return document
  }

  /** Stage 1: reads the operation from the body. Undefined if it is left to Yoga. */
  function prepare(state: RequestState, body: Buffer): Prepared | undefined {
    try {
      const text = body.toString()
      const params: unknown = JSON.parse(text)
      if (!isObject(params)) return undefined
      for (const key in params) if (!parameters.has(key)) return undefined
      const query = options.resolveDocument(params)
      const { variables, operationName } = params
      if (typeof query !== "string" || (variables != null && !isObject(variables))) return undefined
      if (operationName != null && typeof operationName !== "string") return undefined
      if (params.extensions != null && !isObject(params.extensions)) return undefined
      const document = validDocument(query, { query, variables, operationName }, state)
      if (document === undefined) return undefined
      const operation = getOperationAST(document, operationName)
      if (operation == null || operation.operation === "subscription") return undefined
      return { text, operation, args: { schema, document, operationName, variableValues: variables } }
    } catch {
      // Yoga finds the same error and presents it.
      return undefined
    }
  }

  /** Stages 2 and 3: builds the context, checks the operation and executes it. Never throws. */
  function checkAndExecute(
    state: RequestState,
    { text, operation, args }: Prepared,
  ): ExecutionResult | Promise<ExecutionResult> | RunningQuery {
    try {
      const contextValue = options.buildContext(state) as Context
      state.setOperation(operation)
      const error = options.checkOperation({ ...args, contextValue })
      if (error !== undefined) return { errors: [error] }
      // Nothing is started for a cancelled request, least of all a mutation.
      if (state.cancelled) return cancelledResult
      const executionArgs = { ...args, contextValue }
      const prepared = options.prepareExecution(executionArgs)
      if (prepared !== undefined) {
        const isShared = operation.operation === "query" && state.cost.estimatedUpstreamCalls !== 0
        if (sharedQueries === undefined || !isShared) {
          return execute(prepared, executionArgs, state, maxResponseBytes)
        }
        const query = sharedQueries.joinOrCreate(state, text, contextValue)
        if (query.result !== undefined) return query
        const result = execute(prepared, executionArgs, query, maxResponseBytes)
        if (!("then" in result)) return result
        query.share(result)
        return query
      }
      const result = executeWithGraphqlJs({ ...executionArgs, hideSuggestions: !options.introspection })
      return "then" in result
        ? result.then((result) => limitSize(state, result, maxResponseBytes))
        : limitSize(state, result, maxResponseBytes)
    } catch (error) {
      return failed(error)
    }
  }

  /** Never throws, neither now nor later. */
  function answer(
    request: IncomingMessage,
    response: ServerResponse,
    state: RequestState,
    prepared: Prepared,
    type: MediaType,
  ): void {
    let isDone = false
    let running: RunningQuery | undefined
    /** Stage 4. */
    const present = (result = cancelledResult) => {
      if (isDone) return
      isDone = true
      state.onCancelled = undefined
      if (running === undefined) state.endCalls()
      else running.leave(state)
      let status = 200
      if (!state.cancelled) {
        setCorsHeaders(response, request.headers.origin, options.corsOrigins)
        const rendered = renderResult(state, type, result, maxResponseBytes)
        status = rendered.status
        const acceptEncoding = request.headers["accept-encoding"]
        if (acceptEncoding === undefined) sendRendered(response, rendered)
        else sendCompressed(response, rendered, acceptEncoding)
      }
      const details = { status, sharedWith: running?.sharedWith(state) }
      state.writeLine("request", state.cancelled ? "cancelled" : undefined, details)
    }
    const presentSafely = (result?: ExecutionResult) => {
      try {
        present(result)
      } catch (error) {
        giveUp(response, error)
      }
    }
    const executed = checkAndExecute(state, prepared)
    if (executed instanceof RunningQuery) running = executed
    const result = executed instanceof RunningQuery ? executed.result : executed
    if (result === undefined || !("then" in result)) {
      presentSafely(result)
      return
    }
    state.onCancelled = presentSafely
    result.then(presentSafely, (error) => presentSafely(failed(error)))
  }

  function sendCompressed(response: ServerResponse, rendered: OperationResponse, acceptEncoding: string) {
    const isNeeded = () => !response.destroyed
    options.compress(rendered, acceptEncoding, isNeeded, ({ headers, body }) => {
      try {
        response.writeHead(rendered.status, headers)
        response.end(body)
      } catch (error) {
        giveUp(response, error)
      }
    })
  }

  function giveUp(response: ServerResponse, error: unknown) {
    options.log.error({ err: error }, "unexpected error")
    response.destroy()
  }

  return (request, response, state, body) => {
    const type = isCommonRequest(request, options.endpoint) ? negotiate(request.headers.accept) : undefined
    const prepared = type && body && prepare(state, body)
    if (type === undefined || prepared === undefined) {
      yogaFallback(request, response, state, body)
      return
    }
    answer(request, response, state, prepared, type)
  }
}

function isCommonRequest({ method, url, headers }: IncomingMessage, endpoint: string): boolean {
  return method === "POST" && url === endpoint && isPlainJson(headers["content-type"])
}

function failed(error: unknown): ExecutionResult {
  return { errors: [error as GraphQLError] }
}

/** The result of a cancelled request. It is never sent. */
const cancelledResult: ExecutionResult = { data: null }

interface Prepared {
  /** The body of the request. */
  text: string
  operation: OperationDefinitionNode
  args: Pick<ExecutionArgs, "schema" | "document" | "operationName" | "variableValues">
}

/** What Yoga's own plugins for parsing read of a request: it gives syntax errors their code only for a known method. */
const postRequest = { method: "POST" }

const parameters: ReadonlySet<string> = new Set(["query", "variables", "operationName", "extensions", "documentId"])

const incrementalDirectives = /@(defer|stream)\b/
