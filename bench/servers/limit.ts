import { createServer, type IncomingMessage } from "node:http"
import { Pool } from "undici"
import { growth, queries } from "../queries.ts"

/**
 * The minimum of work: `node:http`, one pool, exactly the calls that are needed, `JSON.parse`, a hand-written selection of values, and
 * `JSON.stringify`. It has no GraphQL, no checks and no limits. It is the baseline for the other servers, not for real use.
 */
const pool = new Pool(process.env.UPSTREAM_URL!, { connections: 128, allowH2: false })

// biome-ignore lint/suspicious/noExplicitAny: a hand-written server without types.
type Json = any

/** The calls of one request, each path once. */
function caller(authorization: string) {
  const read = new Map<string, Promise<Json>>()
  const send = (method: "GET" | "POST" | "PATCH", path: string, body?: string) =>
    new Promise<Json>((resolve, reject) => {
      const chunks: Buffer[] = []
      const headers = { authorization, ...(body !== undefined && { "content-type": "application/json" }) }
      pool.dispatch(
        { method, path: `/api/v1/${path}`, headers, ...(body !== undefined && { body }) },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData(_controller, chunk) {
            chunks.push(chunk)
          },
          onResponseEnd() {
            const text = (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString()
            resolve(text === "" ? undefined : JSON.parse(text))
          },
          onResponseError: (_controller, error) => reject(error),
        },
      )
    })
  return {
    send,
    get(path: string) {
      const known = read.get(path) ?? send("GET", path)
      read.set(path, known)
      return known
    },
    search: (body: object) => send("POST", "capsules/search", JSON.stringify(body)),
  }
}

type Caller = ReturnType<typeof caller>

const time = (seconds: number) => new Date(seconds * 1000).toISOString()
const upper = (value: string) => value.toUpperCase()

async function runsOf(from: Caller, id: string, withEnd: boolean): Promise<Json> {
  const list: Json[] = await from.get(`capsules/${id}/computations`)
  const runs = list.sort((a, b) => b.created - a.created).slice(0, 5)
  const nodes = runs.map(async (run) => ({
    id: run.id,
    name: run.name,
    state: upper(run.state),
    ...(withEnd && { endStatus: upper(run.end_status) }),
    runTime: run.run_time,
    dataAssets: await Promise.all(
      run.data_assets.map(async ({ id, mount }: Json) => {
        const asset = await from.get(`data_assets/${id}`)
        return { mount, dataAsset: { id: asset.id, name: asset.name, size: asset.size } }
      }),
    ),
  }))
  return { nodes: await Promise.all(nodes) }
}

async function panelOf(from: Caller, id: string): Promise<Json> {
  const panel = await from.get(`capsules/${id}/app_panel`)
  return {
    general: { title: panel.general.title },
    parameters: panel.parameters.map(({ name, type, default_value }: Json) => ({
      name,
      type: upper(type),
      defaultValue: default_value,
    })),
    dataAssets: await Promise.all(
      panel.data_assets.map(async ({ id, mount }: Json) => {
        const { name, size, state } = await from.get(`data_assets/${id}`)
        return { mount, dataAsset: { name, size, state: upper(state) } }
      }),
    ),
  }
}

async function nested(from: Caller): Promise<Json> {
  const { results } = await from.search({ limit: 50 })
  const nodes = results.map(async ({ id, name }: Json) => ({ id, name, computations: await runsOf(from, id, false) }))
  return { searchCapsules: { nodes: await Promise.all(nodes) } }
}

const wide = (limit: number) => async (from: Caller) => {
  const { results } = await from.search({ limit })
  return {
    searchCapsules: {
      nodes: results.map((capsule: Json) => ({
        id: capsule.id,
        name: capsule.name,
        status: upper(capsule.status),
        owner: capsule.owner,
        slug: capsule.slug,
        created: time(capsule.created),
        lastAccessed: time(capsule.last_accessed),
        description: capsule.description,
        field: capsule.field,
        tags: capsule.tags,
      })),
    },
  }
}

const resolvers: Record<string, (from: Caller, variables: Json) => Promise<Json>> = {
  async Q1(from, variables) {
    const { id, name, status, owner, slug, created } = await from.get(`capsules/${variables.id}`)
    return { capsule: { id, name, status: upper(status), owner, slug, created: time(created) } }
  },
  Q2: nested,
  "Q2=": nested,
  Q3: wide(1000),
  N100: wide(100),
  N300: wide(300),
  N1000: wide(1000),
  Q4: async () => ({ __typename: "Query" }),
  async Q5(from) {
    const order = { sort_field: "last_accessed", sort_order: "desc" }
    const { results, has_more, next_token } = await from.search({ query: "tag:ecephys", ...order, limit: 50 })
    const nodes = results.map(async (capsule: Json) => {
      const [appPanel, computations] = await Promise.all([panelOf(from, capsule.id), runsOf(from, capsule.id, true)])
      const { id, name, status, last_accessed, tags } = capsule
      return { id, name, status: upper(status), lastAccessed: time(last_accessed), tags, appPanel, computations }
    })
    const pageInfo = { hasNextPage: has_more, endCursor: next_token }
    return { searchCapsules: { nodes: await Promise.all(nodes), pageInfo } }
  },
  async Q6(from, { input }) {
    await from.send("PATCH", `capsules/${input.id}/archive?archive=${input.archived}`)
    const { id, name, status } = await from.get(`capsules/${input.id}`)
    return {
      archiveCapsule: { __typename: "ArchiveCapsulePayload", capsule: { id, name, status: upper(status) } },
    }
  },
}

const byText = new Map(queries.map(({ name, query }) => [query, resolvers[name]]))
for (const { name, query } of growth) byText.set(query, resolvers[name])

async function bodyOf(request: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = []
  return new Promise((resolve, reject) => {
    request.on("data", (chunk) => chunks.push(chunk))
    request.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())))
    request.on("error", reject)
  })
}

createServer(async (request, response) => {
  const { query, variables } = await bodyOf(request)
  const data = await byText.get(query)?.(caller(request.headers.authorization ?? ""), variables)
  const body = Buffer.from(JSON.stringify({ data }))
  response.writeHead(200, { "content-type": "application/json; charset=utf-8", "content-length": body.length })
  response.end(body)
}).listen(Number(process.env.PORT), "127.0.0.1")
