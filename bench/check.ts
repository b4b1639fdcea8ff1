import { isDeepStrictEqual } from "node:util"
import type { Prepared } from "./load.ts"
import type { Query, Request } from "./queries.ts"
import { wordingFor } from "./servers/hive.queries.ts"

/** A server responded to a query with an error. For example, an older revision of the gateway lacks a field. */
export class QueryError extends Error {
  readonly server: string

  constructor(server: string, message: string) {
    super(message)
    this.server = server
  }
}

interface Target {
  name: string
  url: string
}

export const post = (url: string, body: string, token: string) =>
  fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Basic ${btoa(`${token}:`)}` },
    body,
  })

// biome-ignore lint/suspicious/noExplicitAny: the result of a query, whose shape the query has.
type Result = any

interface Response extends Prepared {
  /** In the form of the gateway's schema. */
  result: Result
}

/** The result without what differs between servers: only the presence of a cursor is compared. */
function comparable(result: unknown): unknown {
  return JSON.parse(JSON.stringify(result), (key, value) => (/cursor$/i.test(key) ? typeof value : value))
}

/** Sends one request. Undefined if the server's schema has no such query. Throws QueryError if the response is an error. */
async function send({ name, url }: Target, request: Request, token: string): Promise<Response | undefined> {
  const wording = wordingFor(name, request)
  if (wording === undefined) return undefined
  const body = JSON.stringify(wording.request)
  const response = await post(url, body, token)
  const text = await response.text()
  const parsed = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined
  if (!response.ok || parsed === undefined || parsed.errors !== undefined)
    throw new QueryError(name, `${response.status} ${text.slice(0, 300)}`)
  return { body, bytes: Buffer.byteLength(text), result: wording.asOurs(parsed) }
}

/** The responses to the requests of a query, and the number of REST calls for its distinct requests. */
interface Responses {
  responses: Response[]
  calls: number
}

/** Sends each request of the query, or each page from the first one on. Undefined if the server's schema has no such query. */
async function sendAll(
  server: Target,
  { requests, pages }: Query,
  token: string,
  countCalls: () => Promise<number>,
): Promise<Responses | undefined> {
  const responses: Response[] = []
  let calls = 0
  const sendNext = async (request: Request): Promise<Response | undefined> => {
    // Some servers compile a query after its first execution, so the second response is checked.
    if ((await send(server, request, token)) === undefined) return undefined
    await countCalls()
    const response = (await send(server, request, token)) as Response
    calls += await countCalls()
    responses.push(response)
    return response
  }
  if (pages === undefined) {
    const sent = new Map<Request, Response>()
    for (const request of requests) {
      const known = sent.get(request)
      if (known === undefined) {
        const response = await sendNext(request)
        if (response === undefined) return undefined
        sent.set(request, response)
      } else responses.push(known)
    }
    return { responses, calls }
  }
  const [first] = requests as [Request]
  let after: string | undefined
  for (let page = 1; page <= pages.to; page++) {
    if (page === pages.from) {
      responses.length = 0
      calls = 0
    }
    const response = await sendNext({ ...first, variables: { ...first.variables, after } })
    if (response === undefined) return undefined
    after = response.result.data.searchCapsules.pageInfo.endCursor
  }
  return { responses, calls }
}

/** What follows the cursors of the result. Undefined if the server's schema has no query for that. */
async function itemsAfter(
  server: Target,
  { afterCursors }: Query,
  result: Result,
  token: string,
): Promise<unknown[] | undefined> {
  const items: unknown[] = []
  for (const request of afterCursors?.(result.data) ?? []) {
    const response = await send(server, request, token)
    if (response === undefined) return undefined
    items.push(comparable(response.result))
  }
  return items
}

/** Tells the queries that this server supports from those to which it responds with an error. Errors of other servers are thrown. */
export async function supportedBy(
  server: string,
  queries: readonly Query[],
  prepare: (query: Query) => Promise<void>,
): Promise<{ supported: Query[]; unsupported: { query: Query; error: string }[] }> {
  const supported: Query[] = []
  const unsupported: { query: Query; error: string }[] = []
  for (const query of queries) {
    try {
      await prepare(query)
      supported.push(query)
    } catch (error) {
      if (!(error instanceof QueryError) || error.server !== server) throw error
      unsupported.push({ query, error: error.message })
    }
  }
  return { supported, unsupported }
}

/** Throws unless the value is that of the first server that had one. */
class Agreement {
  readonly #what: string
  #first: { server: string; value: unknown } | undefined

  constructor(what: string) {
    this.#what = what
  }

  check(server: string, value: unknown): void {
    this.#first ??= { server, value }
    if (isDeepStrictEqual(value, this.#first.value)) return
    const text = JSON.stringify(value).slice(0, 500)
    throw new Error(`${server} returns other ${this.#what} than ${this.#first.server}: ${text}`)
  }
}

/**
 * Sends the query to every server. Throws unless all return the same data and make enough REST calls, and the same items follow their
 * cursors.
 * @param countCalls returns the number of REST calls since it was called last
 * @returns the requests for each server, in the order of the query's. Lacks the servers whose schema has no such query
 */
export async function check(
  servers: readonly Target[],
  query: Query,
  token: string,
  countCalls: () => Promise<number>,
): Promise<Map<string, Prepared[]>> {
  const prepared = new Map<string, Prepared[]>()
  const data = new Agreement(`data for ${query.name}`)
  const following = new Agreement(`items after the cursors of ${query.name}`)
  for (const server of servers) {
    const sent = await sendAll(server, query, token, countCalls)
    if (sent === undefined) continue
    const { responses, calls } = sent
    data.check(
      server.name,
      responses.map(({ result }) => comparable(result)),
    )
    const items = await itemsAfter(server, query, responses[0]?.result, token)
    if (items !== undefined) following.check(server.name, items)
    if (calls < query.calls)
      throw new Error(`${server.name} made ${calls} calls for ${query.name}, which needs ${query.calls}`)
    prepared.set(
      server.name,
      responses.map(({ body, bytes }) => ({ body, bytes })),
    )
  }
  return prepared
}
