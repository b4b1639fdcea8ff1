import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"
import { freePort } from "../../tools/freePort.ts"
import { hash } from "./operations.ts"

/*
 * The one fake upstream beside the sandbox, for responses that Code Ocean normally does not send. `startFaultyUpstream` takes
 * any function that responds. The other functions start it with a prepared one: fixed bodies, one fault on one route, files in
 * storage, or a real upstream whose responses are changed. Every server closes when its test ends.
 */

/** A request that the upstream has received. */
export interface UpstreamRequest {
  method: string
  /** Below the API's base, as it stood in the request line, query included. */
  path: string
  headers: IncomingMessage["headers"]
  body: string
  /** When its headers arrived, in milliseconds of performance.now(). */
  at: number
}

export interface UpstreamAnswer {
  /** 200 unless given. */
  status?: number
  headers?: Record<string, string>
  /** Text and bytes are sent as they are, anything else as JSON. No body is sent if it is left out. */
  body?: unknown
}

/** Returns what to send, or undefined if it uses `response` itself or never responds. */
export type Answer = (
  request: UpstreamRequest,
  response: ServerResponse,
) => UpstreamAnswer | undefined | Promise<UpstreamAnswer | undefined>

export interface FaultyUpstream {
  url: string
  /** All requests so far, in order of arrival. */
  requests: UpstreamRequest[]
  /** How many connections are open. */
  connections(): number
  /** How many connections have been opened. */
  opened(): number
}

const base = "/api/v1"

/** Starts an upstream that responds to every request with this function. */
export async function startFaultyUpstream(answer: Answer): Promise<FaultyUpstream> {
  const requests: UpstreamRequest[] = []
  const server = createServer(async (incoming, response) => {
    response.on("error", () => {})
    const { method = "GET", url = "", headers } = incoming
    const request = { method, path: url.replace(base, ""), headers, body: "", at: performance.now() }
    requests.push(request)
    incoming.setEncoding("utf8")
    incoming.on("data", (chunk: string) => {
      request.body += chunk
    })
    incoming.on("end", async () => {
      const given = await answer(request, response)
      if (given !== undefined) send(response, given)
    })
  })
  let connections = 0
  let opened = 0
  server.on("connection", (socket) => {
    opened += 1
    connections += 1
    socket.on("close", () => {
      connections -= 1
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, requests, connections: () => connections, opened: () => opened }
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: UpstreamAnswer): void {
  const bytes =
    body === undefined
      ? Buffer.alloc(0)
      : Buffer.isBuffer(body)
        ? body
        : Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
  response.writeHead(status, {
    "content-type": "application/json",
    ...(status === 204 || status === 304 ? {} : { "content-length": String(bytes.length) }),
    ...headers,
  })
  response.end(bytes)
}

/** Begins a response and writes spaces until `bytes` have been sent or the reader has closed the connection. */
export function sendMuch(response: ServerResponse, bytes: number): void {
  const chunk = Buffer.alloc(64 * 1024, " ")
  let left = bytes
  const write = () => {
    while (left > 0 && !response.destroyed) {
      const size = Math.min(left, chunk.length)
      left -= size
      if (!response.write(chunk.subarray(0, size))) {
        response.once("drain", write)
        return
      }
    }
    if (!response.destroyed) response.end()
  }
  write()
}

/** An upstream with these bodies by path, such as `{"/capsules/c1": {id: "c1"}}`, and 404 for other paths. */
export function startAnswering(bodies: Record<string, unknown>): Promise<FaultyUpstream> {
  return startFaultyUpstream(({ path }) =>
    Object.hasOwn(bodies, path) ? { body: bodies[path] } : { status: 404, body: { message: "not found" } },
  )
}

/** An address at which no process listens. */
export async function unusedAddress(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`
}

/** Replaces one response: by writing to `response`, or by what it returns. `elsewhere` is the address of another host. */
type Fault = (response: ServerResponse, elsewhere: string) => UpstreamAnswer | undefined

const json = { "content-type": "application/json" }
const whole = JSON.stringify({ id: "c1", name: "Whole", results: [], items: [] })

const begin = (response: ServerResponse, headers: Record<string, string> = {}) => {
  response.writeHead(200, { ...json, ...headers })
  response.write(whole.slice(0, 10))
}

/** The body of every response that is a fault by its status alone. */
export const errorBody = { message: "what upstream says of it", datasets: [{ id: "d1", name: "In the way" }] }

const status =
  (status: number, headers: Record<string, string> = {}): Fault =>
  () => ({ status, headers, body: errorBody })

const body =
  (body: string, type = "application/json"): Fault =>
  () => ({ headers: { "content-type": type }, body })

const statusesAlone = [
  301, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 418, 422, 423, 429, 500, 501, 502, 503, 504, 505,
  599,
] as const
const retryLater = (code: number, retryAfter: string) => status(code, { "retry-after": retryAfter })
const inMs = (ms: number) => new Date(Date.now() + ms).toUTCString()

const byStatus = Object.fromEntries(statusesAlone.map((code) => [code, status(code)])) as Record<
  (typeof statusesAlone)[number],
  Fault
>
const redirect =
  (status: number): Fault =>
  (_response, elsewhere) => ({ status, headers: { location: elsewhere } })

/** What can go wrong with a call to an upstream that accepts connections. */
export const faults = {
  reset: (response) => void response.socket?.resetAndDestroy(),
  "hang before headers": () => undefined,
  "hang mid-body": (response) => void begin(response),
  drip(response) {
    begin(response)
    const timer = setInterval(() => response.write(" "), 10)
    response.once("close", () => clearInterval(timer))
  },
  truncated(response) {
    begin(response, { "content-length": String(whole.length) })
    response.socket?.end()
  },
  malformed: body('{"id": "c1", name: }'),
  HTML: body("<html>please log in</html>", "text/html"),
  "wrong shape": body("42"),
  "50 MB"(response) {
    response.writeHead(200, json)
    sendMuch(response, 50 * 1024 * 1024)
  },
  ...byStatus,
  "429, Retry-After: 0": retryLater(429, "0"),
  "429, Retry-After: an hour": retryLater(429, "3600"),
  "429, Retry-After: a date past": (...all) => retryLater(429, inMs(-60_000))(...all),
  "429, Retry-After: a date in an hour": (...all) => retryLater(429, inMs(3_600_000))(...all),
  "429, Retry-After: absurd": retryLater(429, "99999999999999999999"),
  "429, Retry-After: soon": retryLater(429, "soon"),
  "503, Retry-After: 0": retryLater(503, "0"),
  "503, Retry-After: an hour": retryLater(503, "3600"),
  "302 to the same host": status(302, { location: "/api/v1/capsules/c2" }),
  "301 to another host": redirect(301),
  "302 to another host": redirect(302),
  "303 to another host": redirect(303),
  "307 to another host": redirect(307),
  "308 to another host": redirect(308),
} satisfies Record<string, Fault>

export type FaultName = `${keyof typeof faults}`

const healthy: Record<string, unknown> = {
  "GET /capsules/c1": { id: "c1", name: "First" },
  "GET /capsules/c2": { id: "c2", name: "Second" },
  "GET /computations/r1": { id: "r1", name: "Run", state: "completed" },
  "POST /capsules/search": { has_more: false, results: ["c1", "c2", "c3"].map((id) => ({ id, name: id })) },
}

/** An upstream where every route works but these, and another host that must never receive a request. */
export async function startWithFault(
  routes: readonly string[],
  name: FaultName,
): Promise<{ upstream: FaultyUpstream; elsewhere: FaultyUpstream; spoiled(route: string): { aborted: boolean }[] }> {
  const elsewhere = await startFaultyUpstream(() => ({ body: { id: "c1", name: "Stolen" } }))
  const spoiled = new Map<string, { aborted: boolean }[]>(routes.map((route) => [route, []]))
  const upstream = await startFaultyUpstream(({ method, path }, response) => {
    const call = `${method} ${path.replace(/\?.*/, "")}`
    const seen = spoiled.get(call)
    if (seen !== undefined) {
      const one = { aborted: false }
      seen.push(one)
      response.on("close", () => {
        one.aborted = !response.writableFinished
      })
      return (faults[name] as Fault)(response, elsewhere.url)
    }
    if (method === "PATCH") return { status: 204 }
    if (path.endsWith("/app_panel")) return { body: { general: { title: "Panel" } } }
    return call in healthy ? { body: healthy[call] } : { status: 404, body: { message: "not found" } }
  })
  return { upstream, elsewhere, spoiled: (route) => spoiled.get(route) ?? [] }
}

/** A part of the storage's signed addresses that must never appear in an error or a log. */
export const signature = "X-Signature=2f1c9e"

export interface Storage extends FaultyUpstream {
  /** The requests for files, without those for their addresses. */
  reads(): UpstreamRequest[]
}

/**
 * An upstream with one computation, `c1`, that has every file. All files are on the same server behind signed addresses.
 * @param serve responds to a request for a file; `path` is the file's
 * @param options.addressOf returns another address for a file
 * @param options.files what the root folder lists, with sizes if there are any
 */
export async function startStorage(
  serve: (request: { path: string; headers: IncomingMessage["headers"] }, response: ServerResponse) => void,
  options: { addressOf?: (path: string) => string; files?: { name: string; size?: number }[] } = {},
): Promise<Storage> {
  const upstream = await startFaultyUpstream(({ path: requested, headers }, response) => {
    const { pathname, searchParams } = new URL(requested, "http://upstream")
    if (pathname.startsWith("/storage/")) {
      serve({ path: decodeURIComponent(pathname.slice("/storage/".length)), headers }, response)
      return undefined
    }
    if (pathname === "/computations/c1") {
      return { body: { id: "c1", name: "Run", created: 1, state: "completed", has_results: true } }
    }
    if (pathname === "/computations/c1/results") {
      return { body: { items: (options.files ?? []).map((file) => ({ ...file, path: file.name, type: "file" })) } }
    }
    const path = searchParams.get("path") ?? ""
    const address =
      options.addressOf?.(path) ?? `${upstream.url}/storage/${encodeURIComponent(path)}?X-Expires=300&${signature}`
    return { body: { download_url: address, view_url: address } }
  })
  return { ...upstream, reads: () => upstream.requests.filter(({ path }) => path.startsWith("/storage/")) }
}

export interface SpoiledUpstream extends FaultyUpstream {
  /** The calls made under this request id so far, in order. */
  callsOf(requestId: string): readonly string[]
}

type RealAnswer = { status: number; type: string; text: string }

/**
 * Forwards calls to a real upstream and replaces some of its responses by error statuses, broken connections, and values that
 * are null, missing or of another type. The call and the part of the request id before the dot decide which, so that
 * requests with ids such as `12.a` and `12.b` get exactly the same responses.
 */
export async function startSpoiling(real: string): Promise<SpoiledUpstream> {
  const calls = new Map<string, string[]>()
  const answers = new Map<string, Promise<RealAnswer>>()
  const upstream = await startFaultyUpstream(async ({ method, path, headers, body }, response) => {
    const call = `${method} ${path} ${body}`
    const requestId = String(headers["x-request-id"])
    calls.set(requestId, [...(calls.get(requestId) ?? []), call])

    let answer = answers.get(call)
    if (answer === undefined) {
      const { authorization = "", "content-type": type = "application/json" } = headers
      answer = forward(real + base + path, {
        method,
        headers: { authorization, "content-type": type },
        body: body || null,
      })
      answers.set(call, answer)
    }
    const spoiled = spoil(await answer, randomFrom(hash(`${requestId.split(".")[0]} ${call}`)))
    if (spoiled === undefined) {
      response.socket?.destroy()
      return undefined
    }
    return {
      status: spoiled.status,
      headers: { "content-type": spoiled.type },
      body: spoiled.status === 204 ? undefined : spoiled.text,
    }
  })
  return { ...upstream, callsOf: (requestId) => calls.get(requestId) ?? [] }
}

async function forward(url: string, init: RequestInit): Promise<RealAnswer> {
  const response = await fetch(url, init)
  return {
    status: response.status,
    type: response.headers.get("content-type") ?? "text/plain",
    text: await response.text(),
  }
}

const statuses = [400, 401, 403, 404, 409, 418, 423, 429, 500, 502, 503, 504]
const oddities = ["null", '""', '"odd"', "0", "-1.5", "9e15", "true", "[]", "[null]", "{}", '"2024-01-01"']

/** Returns undefined if the connection is to break. */
function spoil(answer: RealAnswer, random: (below: number) => number): RealAnswer | undefined {
  const roll = random(100)
  if (roll < 1) return undefined
  if (roll < 9) {
    const status = statuses[random(statuses.length)] as number
    return { status, type: "application/json", text: JSON.stringify({ message: `It is a ${status}.` }) }
  }
  if (roll < 10) return { ...answer, text: "<html>" }
  if (roll > 40 || !answer.text.startsWith("{")) return answer
  const value = JSON.parse(answer.text)
  for (let times = 1 + random(4); times > 0; times--) spoilWithin(value, random)
  return { ...answer, text: JSON.stringify(value) }
}

function spoilWithin(root: object, random: (below: number) => number): void {
  let parent = root as Record<string, unknown>
  for (;;) {
    const keys = Object.keys(parent)
    if (keys.length === 0) return
    const key = keys[random(keys.length)] as string
    const inner = parent[key]
    if (typeof inner === "object" && inner !== null && random(4) > 0) {
      parent = inner as Record<string, unknown>
      continue
    }
    if (random(8) === 0) delete parent[key]
    else parent[key] = JSON.parse(oddities[random(oddities.length)] as string)
    return
  }
}

/** Numbers that follow from the seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
