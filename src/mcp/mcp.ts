import { randomUUID } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createMcpHandler, type McpRequestContext } from "@modelcontextprotocol/server"
import type { GraphQLSchema } from "graphql"
import type { YogaServerInstance } from "graphql-yoga"
import { isUtf8, readContentType } from "../http/contentType.ts"
import type { OperationHandler } from "../http/fastPath.ts"
import { logUnexpected } from "../http/logging.ts"
import type { RequestState } from "../http/requestState.ts"
import { setCorsHeaders } from "../http/respond.ts"
import type { Log } from "../log/log.ts"
import { type Clock, systemClock } from "../polling/clock.ts"
import type { Pollers } from "../polling/pollers.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import { isObject } from "../upstream/decoders.ts"
import { createOperations } from "./operations.ts"
import { createProtocol, runQueryTool, searchSchemaTool } from "./protocol.ts"
import { readTools, type Tool } from "./toolFile.ts"

export interface McpOptions {
  yoga: Pick<YogaServerInstance<object, object>, "getEnveloped">
  schema: GraphQLSchema
  pollers: Pick<Pollers, "closed">
  log: Log
  corsOrigins: readonly string[]
  maxResponseBytes: number
  /** A folder with further tools. */
  toolsFolder: string | undefined
  /** Whether tools may change anything. */
  mutations: boolean
  /** Whether clients may search the schema. */
  introspection: boolean
  /** Whether clients may send queries of their own. */
  freeQueries: boolean
  metrics?: Metrics | undefined
  clock?: Clock | undefined
}

/** The tools of the gateway itself. */
export const ownToolsFolder = new URL("tools", import.meta.url).pathname

/**
 * All tools of a deployment, in the order of their names. One of its own folder replaces ours of the same name, except the two that
 * are no operations.
 */
export function readAllTools(schema: GraphQLSchema, folder: string | undefined): Tool[] {
  const tools = new Map(readTools(ownToolsFolder, schema).map((tool) => [tool.name, tool]))
  try {
    for (const tool of folder === undefined ? [] : readTools(folder, schema)) {
      if (tool.name === searchSchemaTool.name || tool.name === runQueryTool.name) {
        throw new Error(`names ${folder}, which has a file for ${tool.name}: this tool cannot be replaced`)
      }
      tools.set(tool.name, tool)
    }
  } catch (error) {
    throw new Error(`MCP_TOOLS ${(error as Error).message}`)
  }
  return [...tools.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The code of JSON-RPC for a message that is none of its requests. */
const invalidRequest = -32_600
const parseError = -32_700
const methodNotFound = -32_601
/** The code of the protocol's library for what HTTP rejects. */
const unsupported = -32_000

/** The methods that the log names. Others are the client's own text, which does not belong there. */
const methods: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "server/discover",
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
  "subscriptions/listen",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
])

const sessionHeader = "mcp-session-id"

/** How many nested lists and objects a message may have. */
const maxDepth = 64

/**
 * Creates the handler of requests to `/mcp`: Streamable HTTP without state, for clients of the revision 2026-07-28 and older ones.
 * Every request has the identity, admission ticket, log line and cancellation of any other request.
 */
export function createMcp(options: McpOptions): { answer: OperationHandler; close(): Promise<void> } {
  const { log } = options
  const tools = readAllTools(options.schema, options.toolsFolder).filter(({ writes }) => options.mutations || !writes)
  options.metrics?.nameOperations(tools.map(({ text }) => text))
  const protocolFor = createProtocol({
    tools,
    schema: options.schema,
    exploring: options.introspection,
    freeQueries: options.freeQueries,
    operations: createOperations({ ...options, clock: options.clock ?? systemClock }),
  })
  const handler = createMcpHandler(
    ({ authInfo }: McpRequestContext) => protocolFor(authInfo?.extra?.state as RequestState),
    {
      onerror: (error) => log.debug({ err: error }, "MCP request rejected"),
      keepAliveMs: 15_000,
    },
  )
  /** The requests in flight of clients of older revisions, which cancel by a request of its own. */
  const inFlight = new Map<string, RequestState>()

  async function answer(request: IncomingMessage, response: ServerResponse, state: RequestState, body: Buffer) {
    setCorsHeaders(response, request.headers.origin, options.corsOrigins)
    const read = isUtf8(readContentType(request.headers["content-type"] ?? "").charset)
      ? messageIn(body)
      : { problem: "The charset must be UTF-8.", code: unsupported, status: 415 }
    if ("problem" in read) {
      const { status = 400, code, problem } = read
      sendError(response, state, status, code, problem)
      return finish(state, status, undefined)
    }
    const { message } = read
    const { method } = message
    const name = typeof method !== "string" ? undefined : methods.has(method) ? method : "other"
    if (method === "subscriptions/listen") {
      // The lists never change, so there is nothing to listen to.
      sendError(response, state, 404, methodNotFound, "This server sends no notifications.", message.id)
      return finish(state, 404, name)
    }
    const session = request.headers[sessionHeader]
    const keyOf = (id: unknown) => JSON.stringify([state.key, session, id])
    if (method === "notifications/cancelled") cancel(keyOf((message.params as { requestId?: unknown })?.requestId))
    const key = message.id === undefined || session === undefined ? undefined : keyOf(message.id)
    if (key !== undefined) inFlight.set(key, state)
    try {
      const webResponse = await handler.fetch(webRequestOf(request, state), {
        parsedBody: message,
        authInfo: { token: "", clientId: state.key, scopes: [], extra: { state } },
      })
      const headers = Object.fromEntries(webResponse.headers)
      // Whether the connection stays open is decided by Node and the client.
      delete headers.connection
      // Stateless all the same: any text is accepted. It tells apart the clients of one caller when they cancel.
      if (method === "initialize") headers[sessionHeader] = randomUUID()
      await send(response, state, webResponse, headers)
      finish(state, webResponse.status, name)
    } finally {
      if (key !== undefined && inFlight.get(key) === state) inFlight.delete(key)
      state.endCalls()
    }
  }

  function cancel(key: string) {
    inFlight.get(key)?.cancel()
  }

  return {
    answer(request, response, state, body) {
      answer(request, response, state, body ?? Buffer.alloc(0)).catch((error: unknown) => {
        if (!state.cancelled) logUnexpected(log, error)
        response.destroy()
      })
    },
    close: () => handler.close(),
  }
}

/** Writes the request's line to the log. */
function finish(state: RequestState, status: number, mcp: string | undefined): void {
  const interruption = state.cancelled ? "cancelled" : undefined
  if (state.isSubscription) state.writeLine("subscription", interruption, { events: state.parts, mcp })
  else state.writeLine("request", interruption, { status, mcp })
}

interface Message {
  id?: unknown
  method?: unknown
  params?: unknown
}

/** The message in a body. One request carries one message: batches, which an old revision had, would pass the limits on requests. */
function messageIn(body: Buffer): { message: Message } | { problem: string; code: number; status?: number } {
  let message: unknown
  try {
    // Throws for bytes that are not UTF-8, instead of replacing them in an id or an argument.
    message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))
  } catch {
    return { problem: "The body is not JSON in UTF-8.", code: parseError }
  }
  if (Array.isArray(message)) return { problem: "Batches are not supported. Send one message.", code: invalidRequest }
  if (!isObject(message) || message.jsonrpc !== "2.0") {
    return { problem: "The body is not a message of JSON-RPC 2.0.", code: invalidRequest }
  }
  if (isDeeper(message, maxDepth)) {
    return { problem: `The message nests more than ${maxDepth} levels deep.`, code: invalidRequest }
  }
  return { message }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

/** The request as the protocol's library reads it. The body is passed on parsed. */
function webRequestOf({ headers }: IncomingMessage, state: RequestState): Request {
  const own = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    // Only what the library reads. It needs no credentials.
    if (typeof value === "string" && /^(accept|content-type|last-event-id|mcp-[\w-]+)$/.test(name)) own.set(name, value)
  }
  return new Request("http://gateway/mcp", { method: "POST", headers: own, signal: state.signal })
}

/** Sends a response as it comes. Resolves when it is complete, or when the client has left. */
async function send(
  response: ServerResponse,
  state: RequestState,
  { status, body }: Response,
  headers: Record<string, string>,
): Promise<void> {
  const own = {
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": state.requestId,
  }
  if (response.destroyed) return
  response.writeHead(status, { ...headers, ...own })
  if (body === null) {
    response.end()
    return
  }
  const reader = body.getReader()
  const onAbort = () => void reader.cancel().catch(() => undefined)
  state.signal.addEventListener("abort", onAbort, { once: true })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || response.destroyed) break
      if (!response.write(value)) await drained(response)
    }
  } finally {
    state.signal.removeEventListener("abort", onAbort)
    response.end()
  }
}

/** Resolves when the response can take more, or was closed. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done)
      response.off("close", done)
      resolve()
    }
    response.on("drain", done)
    response.on("close", done)
  })
}

function sendError(
  response: ServerResponse,
  state: RequestState,
  status: number,
  code: number,
  message: string,
  id: unknown = null,
): void {
  const body = JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } })
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": state.requestId,
  })
  response.end(body)
}
