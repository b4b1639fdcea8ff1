import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { hash } from "../operations.ts"

/*
 * A small Code Ocean, made to be compared with: each text that it sends names its object, its version and the caller to whom it was
 * sent. It keeps every state that it was in, so that a response can be compared with what was true during its request.
 */

export type Kind = "capsules" | "pipelines" | "computations" | "data_assets"
export const kinds: readonly Kind[] = ["capsules", "pipelines", "computations", "data_assets"]

/** Whether it is a capsule or a pipeline, which searches find by their ids. */
export function isRunnable(kind: Kind): kind is "capsules" | "pipelines" {
  return kind === "capsules" || kind === "pipelines"
}

/** Who is found by searches only can be found, but not opened. */
export type Right = "open" | "found" | "forbidden" | "hidden"

export interface Item {
  readonly id: string
  readonly kind: Kind
  /** An alternative id. Only capsules and pipelines have one. */
  readonly slug: string
  /** Ids of other objects, which may not exist. */
  readonly links: { one: string; release: string; original: string; several: string[]; run: string; of: string }
  version: number
  archived: boolean
  rights: Record<string, Right>
  /** What the index of searches has, which lags behind. */
  index: { version: number; archived: boolean; isThere: boolean }
}

/** What can be wrong with a response. `lost`, `twice`, `odd` and `others` are about the items of a list. */
export type Fault = number | "malformed" | "another" | "lost" | "twice" | "odd" | "others"

/** Everything that can change. */
export interface State {
  at: number
  items: ReadonlyMap<string, Item>
  faultSeed: number
  faultPercent: number
}

export interface Call {
  caller: string
  call: string
  isWrite: boolean
  /** The status that was sent, or "malformed". 200 for a list whose items are odd. */
  fault: Fault | undefined
  /** How many objects a search has found. */
  found: number | undefined
}

/** Whether the object has this id, in one of its forms. */
function sameId(item: Item, id: string): boolean {
  return item.id === id || item.slug === id || item.id === id.toLowerCase()
}

/** The object that this route has under an id. The route of capsules has the pipelines, too. */
export function itemAt(state: State, kind: Kind, id: string): Item | undefined {
  const item = state.items.get(id) ?? [...state.items.values()].find((item) => sameId(item, id))
  if (item === undefined) return undefined
  return item.kind === kind || (kind === "capsules" && item.kind === "pipelines") ? item : undefined
}

const statuses = [400, 401, 403, 404, 409, 429, 500, 503, 504]
/** The status in place of the response to a change that has taken effect. */
export const lostStatus = 504
const listFaults: Fault[] = ["lost", "twice", "odd", "others"]

/** What is wrong with the response to a call. The same call has the same fault until the state changes. */
export function faultOf(state: State, caller: string, call: string, isList = false): Fault | undefined {
  if (state.faultPercent === 0) return undefined
  const roll = hash(`${state.faultSeed} ${caller} ${call}`)
  if (roll % 100 >= state.faultPercent) return undefined
  const number = Math.floor(roll / 100) % 16
  if (isList && number < 8) return listFaults[number % 4]
  if (number < statuses.length) return statuses[number]
  return call.startsWith("GET") && number % 2 === 0 && !call.includes("/", call.indexOf("/", 5) + 1)
    ? "another"
    : number < 12
      ? "malformed"
      : undefined
}

/** The status of the response to a read of an object or of what belongs to it, or what is wrong with it. */
export function statusOf(state: State, caller: string, call: string, kind: Kind, id: string): Fault {
  const fault = faultOf(state, caller, call)
  const right = itemAt(state, kind, id)?.rights[caller] ?? "hidden"
  const status = right === "open" ? 200 : right === "hidden" ? 404 : 403
  return fault === undefined || (typeof fault === "string" && status !== 200) ? status : fault
}

export interface Search {
  kind: Kind
  query?: string | undefined
  archived?: boolean | undefined
  sort?: string | undefined
  names?: readonly string[] | undefined
}

/** Everything that a search finds for a caller, in order. An item that a fault repeats is there twice. */
export function foundBy(state: State, caller: string, search: Search): Item[] {
  const { kind, query = "", archived = false, sort, names } = search
  const terms = query.split(" ").filter((term) => term !== "")
  const ids = terms.filter((term) => term.startsWith("id:")).map((term) => term.slice(3))
  const found = [...state.items.values()].filter((item) => {
    const right = item.rights[caller]
    if (item.kind !== kind || !(right === "open" || right === "found") || !item.index.isThere) return false
    if (item.index.archived !== archived) return false
    if (names !== undefined && !names.includes(nameOf(item, caller, item.index.version))) return false
    return ids.length > 0 ? ids.includes(item.id) : terms.every((term) => item.links.several.includes(term))
  })
  if (sort === "desc") found.reverse()
  return found
}

export function faultOfSearch(state: State, caller: string, search: Search): Fault | undefined {
  const { kind, query, archived, sort, names } = search
  const isById = query?.startsWith("id:") === true
  const fault = faultOf(state, caller, `${kind} ${query} ${archived} ${sort} ${names}`, true)
  // Only the searches of the gateway itself get items that no search should have.
  return isById || typeof fault === "number" || fault === undefined || fault === "malformed"
    ? fault
    : fault === "twice"
      ? "twice"
      : undefined
}

export function nameOf({ id }: Item, caller: string, version: number): string {
  return `${id} ${version} ${caller}`
}

/** A file's content. */
export function fileText(id: string, path: string, caller: string): string {
  return `file ${path} of ${id} for ${caller}`
}

function wire(item: Item, caller: string, version: number): object {
  const { id, kind, slug, links } = item
  const name = nameOf(item, caller, version)
  const common = { id, name, created: 1_700_000_000, owner: "o" }
  if (kind === "computations") {
    const data_assets = links.several.map((id) => ({ id, mount: "m" }))
    const processes = [{ name: "p", capsule_id: links.one }]
    return { ...common, state: "completed", end_status: "succeeded", has_results: true, data_assets, processes }
  }
  if (kind === "data_assets") {
    const provenance = { capsule: links.one, computation: links.run, data_assets: links.several }
    const contained_data_assets = links.several.map((id) => ({ id }))
    return { ...common, state: "ready", type: "result", mount: "m", tags: [], provenance, contained_data_assets }
  }
  const status = version % 2 === 0 ? "release" : "non_release"
  return { ...common, slug, status, release_capsule: links.release, original_capsule: { id: links.original } }
}

export interface ModelUpstream {
  url: string
  /** The state now, which is also the last of `states`. */
  readonly state: State
  /** All states so far, the oldest first. */
  states: State[]
  /** The calls by the id of their request. */
  calls: Map<string, Call[]>
  /** What each request has written: the version of each object afterwards. */
  written: Map<string, Map<string, number>>
  /** Begins with other objects. */
  reset(state: State): void
  /** Changes the state, by a function that may modify what it gets. */
  change(modify: (state: Mutable) => void): void
  close(): Promise<void>
}

type Mutable = { -readonly [key in keyof State]: key extends "items" ? Map<string, Item> : State[key] }

/** @param now the clock of the gateway */
export async function startModelUpstream(now: () => number): Promise<ModelUpstream> {
  const states: State[] = []
  const calls = new Map<string, Call[]>()
  const written = new Map<string, Map<string, number>>()
  const current = () => states.at(-1) as State
  const change: ModelUpstream["change"] = (modify) => {
    const items = new Map<string, Item>()
    for (const [id, item] of current().items) {
      items.set(id, { ...item, rights: { ...item.rights }, index: { ...item.index } })
    }
    const next = { ...current(), items, at: now() }
    modify(next)
    states.push(next)
  }

  function write(requestId: string, id: string, modify: (item: Item) => void): Item | undefined {
    const item = current().items.get(id)
    if (item === undefined) return undefined
    change(({ items }) => {
      const changed = items.get(id) as Item
      changed.version += 1
      modify(changed)
    })
    const after = current().items.get(id) as Item
    const versions = written.get(requestId) ?? new Map<string, number>()
    written.set(requestId, versions.set(id, after.version))
    return after
  }

  function search(kind: Kind, caller: string, body: Record<string, unknown>) {
    const { query, archived, sort_order, filters, limit = 100, offset = 0, next_token } = body as Record<string, never>
    const [filter] = (filters ?? []) as { value?: string; values?: string[] }[]
    const names = filter && (filter.values ?? [filter.value as string])
    const given: Search = { kind, query, archived, sort: sort_order, names }
    const fault = faultOfSearch(current(), caller, given)
    let found = foundBy(current(), caller, given)
    if (fault === "lost") found = found.slice(1)
    if (fault === "twice") found = found.slice(0, 1).concat(found)
    const start = next_token === undefined ? Number(offset) : Number(String(next_token).slice(1))
    const end = start + Number(limit)
    const results: unknown[] = found.slice(start, end).map((item) => wire(item, caller, item.index.version))
    if (fault === "odd") results.unshift(null, { name: "no id" }, "text")
    if (fault === "others") {
      for (const item of foundBy(current(), caller, { kind, archived })) {
        results.unshift(wire(item, caller, item.index.version))
      }
    }
    const more = end < found.length ? { has_more: true, next_token: `t${end}` } : { has_more: false }
    return {
      fault,
      found: typeof fault === "number" || fault === "malformed" ? 0 : found.length,
      body: { ...more, results },
    }
  }

  /** The response without regard to faults of the call itself. */
  function answer(
    method: string,
    path: string,
    query: URLSearchParams,
    caller: string,
    requestId: string,
    body: string,
  ): { status?: number; body?: unknown; fault?: Fault | undefined; found?: number } {
    const [, kind, id = "", part, last] = path.split("/").map(decodeURIComponent) as [
      "",
      Kind,
      string,
      string?,
      string?,
    ]
    if (id === "search") return search(kind, caller, JSON.parse(body))
    const item = itemAt(current(), kind, id)
    const right = item?.rights[caller] ?? "hidden"
    if (item === undefined || right !== "open") return { status: right === "hidden" ? 404 : 403 }
    if (method === "PATCH" || method === "PUT") {
      const to = query.get("archive")
      const after = write(requestId, item.id, (item) => {
        if (to !== null) item.archived = to === "true"
      }) as Item
      return { body: wire(after, caller, after.version) }
    }
    if (part === undefined) return { body: wire(item, caller, item.version) }
    if (part === "permissions") return { body: { users: [{ email: `of ${item.id} ${caller}`, role: "owner" }] } }
    if (part === "app_panel") {
      const data_assets = item.links.several.map((id) => ({ id, mount: "m" }))
      return { body: { general: { title: `panel of ${item.id} for ${caller} ${query.get("version")}` }, data_assets } }
    }
    if (part === "computations") {
      const runs = [...current().items.values()].filter(
        ({ kind, links }) => kind === "computations" && links.of === item.id,
      )
      return { body: runs.map((run) => wire(run, caller, run.version)) }
    }
    if (last === "urls") {
      const url = `${address}/storage/${caller}/${item.id}/${query.get("path")}`
      return { body: { download_url: url, view_url: url } }
    }
    return { body: { items: ["a", "b"].map((name) => ({ name, path: `${name} ${item.id} ${caller}`, type: "file" })) } }
  }

  async function respond(request: IncomingMessage, response: ServerResponse) {
    let body = ""
    for await (const chunk of request.setEncoding("utf8")) body += chunk
    const url = new URL(request.url ?? "", "http://upstream")
    const path = url.pathname.replace("/api/v1", "")
    if (path.startsWith("/storage/")) {
      const [, , caller = "", id = "", name = ""] = path.split("/")
      response.end(fileText(id, name, caller))
      return
    }
    const token = atob(String(request.headers.authorization).slice("Basic ".length)).slice(0, -1)
    const caller = token.slice(token.lastIndexOf("_") + 1)
    const method = request.method ?? "GET"
    const isWrite = method !== "GET" && !/\/(search|results|files)$/.test(path)
    const call = `${method} ${path}${url.search}`
    const requestId = String(request.headers["x-request-id"])
    const turns = hash(`${current().faultSeed} ${call} ${body} ${caller}`) % 24
    const wait = async (from: number) => {
      for (let turn = from; turn < turns; turn += 2) await new Promise((resolve) => setImmediate(resolve))
    }
    // What a call sees, and when its response arrives, have different orders.
    if (turns % 3 === 0) await wait(turns / 2)
    const given = answer(method, path, url.searchParams, caller, requestId, body)
    const fault = path.endsWith("/search")
      ? given.fault
      : isWrite
        ? lossOf(call, given)
        : faultOf(current(), caller, call)
    const record = { caller, call: `${call} ${body}`, isWrite, fault: fault ?? given.status, found: given.found }
    calls.set(requestId, [...(calls.get(requestId) ?? []), record])
    if (turns % 3 !== 0) await wait(0)
    const status = typeof fault === "number" ? fault : (given.status ?? 200)
    let text = JSON.stringify(status === 200 ? given.body : { message: `It is a ${status}.` })
    if (fault === "malformed" && status === 200) text = "<html>"
    if (fault === "another" && status === 200)
      text = JSON.stringify({ ...(given.body as object), id: "another", slug: "1" })
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    response.end(text)
  }

  function lossOf(call: string, { status }: { status?: number }): Fault | undefined {
    const { faultSeed, faultPercent } = current()
    const isLost = status === undefined && hash(`${faultSeed} ${states.length} ${call}`) % 100 < faultPercent
    return isLost ? lostStatus : undefined
  }

  const server = createServer((request, response) => void respond(request, response))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: address,
    get state() {
      return current()
    },
    states,
    calls,
    written,
    change,
    reset(state) {
      states.splice(0, states.length, state)
      calls.clear()
      written.clear()
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
