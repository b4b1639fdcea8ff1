import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Readable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { computationRoutes } from "./computations.ts"
import { customMetadataRoutes } from "./customMetadata.ts"
import { dataAssetRoutes, prepareDataAssetSearch } from "./dataAssets.ts"
import { addDataFolder } from "./dataFolder.ts"
import {
  dataAssetFiles,
  type FileOwner,
  openSealed,
  readContent,
  resultsOf,
  sealFile,
  signedForSeconds,
  sizeOf,
} from "./files.ts"
import { addGenerated } from "./generate.ts"
import { addLineage } from "./lineage.ts"
import { type Answer, Refusal, type Route, refuse } from "./route.ts"
import { prepareRunnableSearch, runnableRoutes } from "./runnables.ts"
import { runRoutes } from "./runs.ts"
import { accounts, addSeed } from "./seed.ts"
import { sharingRoutes } from "./sharing.ts"
import { createClock, createWorld, type Scope } from "./world.ts"

export interface SandboxOptions {
  /** 0, the default, picks a free one. */
  port?: number
  host?: string
  /** Every API answer waits this long. */
  latencyMs?: number
  /** Share of API requests that fail with a 500, a 503, a 429, a reset or half an answer; the same ones in every run. */
  faultRate?: number
  /** Share of API requests that take half a second longer; the same ones in every run. */
  slowRate?: number
  /** How many capsules to make up beside the named ones, with what belongs to them. */
  generate?: number
  /** How many data assets of a provenance graph to make up, with the runs that made them. */
  lineage?: number
  /** Serves this folder's objects instead of the named ones. */
  dataFolder?: string
  /** The platform's version, which clients' Min-Server-Version is compared with. Default: 4.8.0 */
  version?: string
  /** Leaves out the named ones with values that the documentation doesn't know, on which the official client fails. */
  documentedOnly?: boolean
}

export interface RecordedRequest {
  method: string
  /** Decoded, without the API's base and without the query. */
  path: string
  /** As it stood in the request line, base included, without the query. */
  rawPath: string
  query: Record<string, string>
  headers: Record<string, string>
  /** Parsed JSON; the text itself when it is no JSON; undefined when empty. */
  body: unknown
  /** The client hung up before it had the whole answer. */
  aborted: boolean
}

export interface FailingAnswer {
  status: number
  /** JSON if an object or array, sent as it is if a string, no body if left out. */
  body?: unknown
  headers?: Record<string, string>
}

/**
 * How to fail a request. None of these carries the request out, so nothing has changed, except `afterwards`: the request
 * happens, then its answer fails. What is truncated or stalls is the real answer, if the request only reads.
 */
export type Failure = FailingAnswer | "reset" | "hang" | "truncate" | "drip" | "stall" | { afterwards: Failure }

export interface Hold {
  /** The requests that wait, once there are `count` of them. Rejects after five seconds, naming those that are there. */
  waitFor(count: number): Promise<RecordedRequest[]>
  /** Releases the requests that wait now. */
  release(): void
  /** Releases all requests and holds no more. */
  end(): void
}

export interface Sandbox {
  /** "http://127.0.0.1:PORT"; the API is under /api/v1. */
  url: string
  /** API requests in order of arrival; very old ones are forgotten. */
  requests: RecordedRequest[]
  /** Requests to "GET /capsules/ID"; "*" stands for any one path segment. */
  requestsTo(methodAndPath: string): RecordedRequest[]
  clock: { now(): number; advance(seconds: number): void }
  /** Fails the next `times` requests that match. Works for "GET /signed/*" as well, which are files, not API. */
  failNext(methodAndPath: string, failure: Failure, times?: number): void
  /** From now on API requests are recorded, then wait. */
  hold(): Hold
  close(): Promise<void>
}

/** What is wrong with the sandbox's settings, by variable name, all of it at once. */
export class SandboxOptionsError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join("\n"))
    this.name = "SandboxOptionsError"
    this.problems = problems
  }
}

/**
 * Reads SANDBOX_PORT (4100 if unset), SANDBOX_HOST, SANDBOX_DATA, SANDBOX_GENERATE, SANDBOX_LATENCY_MS, SANDBOX_FAULT_RATE and
 * SANDBOX_SLOW_RATE from an environment record; an empty value counts as unset. A sandbox that is started with these has
 * documented values only. Throws SandboxOptionsError.
 */
export function sandboxOptions(env: Record<string, string | undefined>): SandboxOptions {
  const problems: string[] = []
  const number = (name: string, fallback: number, maximum: number, whole = true) => {
    const text = env[name]?.trim()
    if (!text) return fallback
    const value = Number(text)
    const fits = /^\d+(\.\d+)?$/.test(text) && value <= maximum && (!whole || Number.isInteger(value))
    if (!fits) problems.push(`${name} must be a ${whole ? "whole " : ""}number from 0 to ${maximum}, not "${text}"`)
    return value
  }
  const dataFolder = env.SANDBOX_DATA?.trim()
  const options: SandboxOptions = {
    port: number("SANDBOX_PORT", 4100, 65_535),
    host: env.SANDBOX_HOST?.trim() || "127.0.0.1",
    generate: number("SANDBOX_GENERATE", 0, 1_000_000),
    latencyMs: number("SANDBOX_LATENCY_MS", 0, 600_000),
    faultRate: number("SANDBOX_FAULT_RATE", 0, 1, false),
    slowRate: number("SANDBOX_SLOW_RATE", 0, 1, false),
    documentedOnly: true,
    ...(dataFolder ? { dataFolder } : {}),
  }
  if (problems.length > 0) throw new SandboxOptionsError(problems)
  return options
}

const base = "/api/v1"
const maximumBodyBytes = 8 * 1024 * 1024
/** Beyond this many recorded requests the older half is forgotten, so that a long benchmark does not fill the memory. */
const maximumRecorded = 40_000
const holdTimeoutMs = 5_000
const dripMs = 50
const slowMs = 500

const htmlPage = (status: number, title: string) =>
  `<html>\n<head><title>${status} ${title}</title></head>\n<body><center><h1>${status} ${title}</h1></center></body>\n</html>\n`

const randomFailures: readonly Failure[] = [
  { status: 500, body: htmlPage(500, "Internal Server Error") },
  { status: 503, body: htmlPage(503, "Service Temporarily Unavailable") },
  { status: 429, body: { message: "too many requests" } },
  "reset",
  "truncate",
]

/** Starts Code Ocean in memory. Rejects with SandboxOptionsError when it cannot listen or the data folder is broken. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { port = 0, host = "127.0.0.1", latencyMs = 0, faultRate = 0, slowRate = 0 } = options
  const { generate = 0, lineage = 0, dataFolder, documentedOnly = false, version = "4.8.0" } = options
  const clock = createClock()
  const world = createWorld(clock, accounts())
  if (dataFolder === undefined) addSeed(world, documentedOnly)
  else
    try {
      addDataFolder(world, dataFolder)
    } catch (error) {
      throw new SandboxOptionsError([`SANDBOX_DATA: ${(error as Error).message}`])
    }
  if (generate > 0) addGenerated(world, generate)
  if (lineage > 0) addLineage(world, lineage)
  prepareRunnableSearch(world)
  prepareDataAssetSearch(world)

  const find = createRouter([
    ...runnableRoutes("capsules"),
    ...runnableRoutes("pipelines"),
    ...computationRoutes,
    ...runRoutes,
    ...dataAssetRoutes(),
    ...customMetadataRoutes,
    ...sharingRoutes(),
  ])
  const secret = randomBytes(32)
  const requests: RecordedRequest[] = []
  const failures: { matches: Matcher; failure: Failure; times: number }[] = []
  const holds: (Hold & { wait(request: RecordedRequest, gone: AbortSignal): Promise<void> })[] = []
  const chance = randomFrom(20_260_301)
  let closing = false

  function plannedFailure(request: Pick<RecordedRequest, "method" | "rawPath">): Failure | undefined {
    const at = failures.findIndex(({ matches }) => matches(request))
    const planned = failures[at]
    if (!planned) return undefined
    planned.times -= 1
    if (planned.times <= 0) failures.splice(at, 1)
    return planned.failure
  }

  function randomFailure(): Failure | undefined {
    if (faultRate <= 0 || chance() >= faultRate) return undefined
    return randomFailures[Math.floor(chance() * randomFailures.length)]
  }

  function respond(request: RecordedRequest, parsed: Parsed, origin: string): Answer {
    const needed = request.headers["min-server-version"]
    if (needed !== undefined) checkVersion(needed, version)
    const caller = world.access.get(tokenOf(request.headers.authorization) ?? "")
    if (!caller) return refuse(401, "a valid access token is required")
    const { route, params, allowed } = find(request.method, parsed.segments)
    if (!route) {
      if (allowed.length === 0) return { status: 404 }
      return { status: 405, headers: { allow: allowed.join(", ") } }
    }
    if (!caller.scopes.has(route.scope))
      return refuse(route.search ? 401 : 403, `the access token lacks the scope ${scopeNames[route.scope]}`)
    if (parsed.malformed) return refuse(400, "invalid request body")
    const sign = (owner: FileOwner, id: string, path: string, disposition: "attachment" | "inline") =>
      `${origin}/signed/${sealFile(secret, { owner, id, path, disposition, expires: clock.now() + signedForSeconds })}`
    if (route.method !== "GET" && !route.reads) world.revision += 1
    return route.handle({ world, caller, params, query: request.query, body: request.body, sign })
  }

  function carryOut(request: RecordedRequest, parsed: Parsed, origin: string): Answer {
    try {
      return respond(request, parsed, origin)
    } catch (error) {
      if (error instanceof Refusal) return { status: error.status, body: error.body }
      throw error
    }
  }

  async function serveApi(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const request = recordOf(req)
    if (requests.push(request) > maximumRecorded) requests.splice(0, maximumRecorded / 2)
    const gone = new AbortController()
    res.on("close", () => {
      request.aborted = !res.writableFinished && !closing && !cutByUs.has(req.socket)
      gone.abort()
    })
    const text = await readBody(req)
    if (text === undefined)
      return send(res, {
        status: 413,
        body: htmlPage(413, "Request Entity Too Large"),
        headers: { connection: "close" },
      })
    const parsed = parse(request, text)
    const failure = plannedFailure(request) ?? randomFailure()
    const waitMs = latencyMs + (slowRate > 0 && chance() < slowRate ? slowMs : 0)
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: gone.signal }).catch(() => {})
    for (const hold of [...holds]) await hold.wait(request, gone.signal)
    // A client that disconnected while waiting has changed nothing.
    if (gone.signal.aborted) return
    const origin = `http://${req.headers.host ?? new URL(url).host}`
    const answer = () => carryOut(request, parsed, origin)
    if (failure === undefined) return send(res, answer())
    if (typeof failure === "object" && "afterwards" in failure) {
      const done = answer()
      return fail(req, res, failure.afterwards, () => done)
    }
    const { route } = find(request.method, parsed.segments)
    const reads = request.method === "GET" || route?.reads === true
    fail(req, res, failure, reads ? answer : () => ({ status: 200, body: { message: "not carried out" } }))
  }

  function fileAnswer(method: string, rawPath: string, range: string | undefined): Answer | FileAnswer {
    const file = openSealed(secret, rawPath.slice("/signed/".length), clock.now())
    if (!file || (method !== "GET" && method !== "HEAD")) {
      const body =
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>\n'
      return { status: 403, body, headers: { "content-type": "application/xml" } }
    }
    const files = file.owner === "computations" ? resultsOf(world, file.id) : dataAssetFiles(world, file.id)
    const content = files[file.path]
    if (content === undefined) return { status: 404, body: htmlPage(404, "Not Found") }
    const size = sizeOf(content)
    const part = rangeOf(range, size)
    if (part === "unsatisfiable") return { status: 416, headers: { "content-range": `bytes */${size}` } }
    const [start, end] = part ?? [0, size]
    return {
      status: part ? 206 : 200,
      headers: {
        "accept-ranges": "bytes",
        "content-disposition": `${file.disposition}; filename*=UTF-8''${encodeURIComponent(file.path.split("/").at(-1)!)}`,
        "content-length": String(end - start),
        "content-type": contentType(file.path),
        ...(part ? { "content-range": `bytes ${start}-${end - 1}/${size}` } : {}),
      },
      file: readContent(content, start, end),
    }
  }

  function serveFile(req: IncomingMessage, res: ServerResponse): void {
    const rawPath = (req.url ?? "").split("?")[0]!
    const method = req.method ?? "GET"
    req.resume()
    const failure = plannedFailure({ method, rawPath })
    const answer = failure === undefined ? fileAnswer(method, rawPath, req.headers.range) : undefined
    if (failure !== undefined) fail(req, res, failure, () => ({ status: 200, body: "only the half of a file" }))
    else if (answer && "file" in answer) {
      res.writeHead(answer.status, answer.headers)
      res.on("close", () => answer.file.destroy())
      if (method === "HEAD") res.end()
      else answer.file.pipe(res)
    } else if (answer) send(res, answer)
  }

  const server = createServer((req, res) => {
    res.on("error", () => {})
    const path = (req.url ?? "").split("?")[0]!
    if (path.startsWith(`${base}/`))
      serveApi(req, res).catch((error: unknown) => {
        console.error(error)
        if (!res.destroyed && !res.headersSent) send(res, { status: 500, body: { message: "internal error" } })
      })
    else if (path.startsWith("/signed/")) serveFile(req, res)
    else {
      req.resume()
      send(res, { status: 404, body: htmlPage(404, "Not Found") })
    }
  })
  // Otherwise a client could reuse a connection that the sandbox is just closing.
  server.keepAliveTimeout = 60_000

  await new Promise<void>((resolve, reject) => {
    const refused = ({ code }: NodeJS.ErrnoException) => {
      const why =
        code === "EADDRINUSE"
          ? `SANDBOX_PORT: ${port} on ${host} is in use by another process`
          : `SANDBOX_PORT, SANDBOX_HOST: cannot listen on ${host}:${port} (${code})`
      reject(new SandboxOptionsError([why]))
    }
    server.once("error", refused)
    server.listen(port, host, () => {
      server.off("error", refused)
      resolve()
    })
  })
  const url = `http://${visibleHost(host)}:${(server.address() as AddressInfo).port}`

  return {
    url,
    requests,
    clock,
    requestsTo: (methodAndPath) => requests.filter(matcher(methodAndPath)),
    failNext(methodAndPath, failure, times = 1) {
      failures.push({ matches: matcher(methodAndPath), failure, times })
    },
    hold() {
      const hold = createHold(() => {
        if (holds.includes(hold)) holds.splice(holds.indexOf(hold), 1)
      })
      holds.push(hold)
      return hold
    },
    close() {
      closing = true
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

const scopeNames: Record<Scope, string> = {
  "capsules:read": "Capsule read",
  "capsules:write": "Capsule write",
  "datasets:read": "Data Asset read",
  "datasets:write": "Data Asset write",
}

interface FileAnswer {
  status: number
  headers: Record<string, string>
  file: Readable
}

interface Parsed {
  segments: string[]
  malformed: boolean
}

function recordOf(req: IncomingMessage): RecordedRequest {
  const url = req.url ?? ""
  const rawPath = url.split("?")[0]!
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(req.headers)) headers[name] = String(value)
  return {
    method: req.method ?? "GET",
    path: decode(rawPath.slice(base.length)),
    rawPath,
    query: Object.fromEntries(new URLSearchParams(url.slice(rawPath.length))),
    headers,
    body: undefined,
    aborted: false,
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Segments below the API's base; a trailing slash makes no difference. */
function segmentsOf(rawPath: string): string[] {
  const path = rawPath.startsWith(base) ? rawPath.slice(base.length) : rawPath
  return path
    .replace(/^\/|\/$/g, "")
    .split("/")
    .map(decode)
}

/** Resolves undefined when the body is too large. Never settles when the client hangs up before its end. */
function readBody(req: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    req.on("error", () => {})
    req.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > maximumBodyBytes) resolve(undefined)
      else chunks.push(chunk)
    })
    req.on("end", () => resolve(Buffer.concat(chunks).toString()))
  })
}

function parse(request: RecordedRequest, text: string): Parsed {
  const segments = segmentsOf(request.rawPath)
  if (text === "") return { segments, malformed: false }
  try {
    request.body = JSON.parse(text)
    return { segments, malformed: false }
  } catch {
    request.body = text
    return { segments, malformed: true }
  }
}

function createRouter(routes: Route[]) {
  const compiled = routes.map((route) => ({ route, pattern: segmentsOf(route.path) }))
  return (method: string, segments: string[]) => {
    const fitting = compiled.filter(
      ({ pattern }) =>
        pattern.length === segments.length &&
        pattern.every((part, at) => (part.startsWith(":") ? segments[at] !== "" : part === segments[at])),
    )
    const found = fitting.find(({ route }) => route.method === method)
    const params: Record<string, string> = {}
    found?.pattern.forEach((part, at) => {
      if (part.startsWith(":")) params[part.slice(1)] = segments[at]!
    })
    return { route: found?.route, params, allowed: fitting.map(({ route }) => route.method) }
  }
}

type Matcher = (request: Pick<RecordedRequest, "method" | "rawPath">) => boolean

function matcher(methodAndPath: string): Matcher {
  const [method, path = ""] = methodAndPath.split(" ", 2) as [string, string?]
  const pattern = path.replace(/^\/|\/$/g, "").split("/")
  return (request) => {
    if (request.method !== method) return false
    const segments = segmentsOf(request.rawPath)
    return pattern.length === segments.length && pattern.every((part, at) => part === "*" || part === segments[at])
  }
}

/** The token is the user name of HTTP Basic, and the password stays empty. */
function tokenOf(authorization: string | undefined): string | undefined {
  const [, encoded] = /^basic ([a-z0-9+/=]+)$/i.exec(authorization ?? "") ?? []
  const credentials = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString()
  return credentials.endsWith(":") ? credentials.slice(0, -1) : undefined
}

/** 412 to a client that needs a newer platform than this. */
function checkVersion(needed: string, version: string): void {
  if (!/^\d+(\.\d+){0,2}$/.test(needed)) refuse(400, "Min-Server-Version must be a version like 4.6.0")
  if (version.localeCompare(needed, "en", { numeric: true }) < 0)
    refuse(412, `this server's version is ${version}, the client needs ${needed} or newer`)
}

function encode({ status, body, headers }: Answer): { status: number; body: Buffer; headers: Record<string, string> } {
  const type =
    typeof body === "string"
      ? /^\s*</.test(body)
        ? "text/html; charset=utf-8"
        : "text/plain; charset=utf-8"
      : "application/json"
  const bytes = Buffer.from(body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body))
  return { status, body: bytes, headers: { ...(body === undefined ? {} : { "content-type": type }), ...headers } }
}

function send(res: ServerResponse, answer: Answer): void {
  const { status, body, headers } = encode(answer)
  const length = status === 204 ? {} : { "content-length": String(body.length) }
  res.writeHead(status, { ...length, ...headers })
  res.end(body)
}

/** Sockets that the sandbox itself destroyed: their end does not count as the client hanging up. */
const cutByUs = new WeakSet<Socket>()

function fail(req: IncomingMessage, res: ServerResponse, failure: Failure, answer: () => Answer): void {
  if (typeof failure === "object") {
    if ("afterwards" in failure) fail(req, res, failure.afterwards, answer)
    else send(res, failure)
  } else if (failure === "reset") {
    cutByUs.add(req.socket)
    req.socket.resetAndDestroy()
  } else if (failure === "drip") drip(res)
  else if (failure !== "hang") sendHalf(req, res, answer(), failure === "truncate")
}

/** White space is legal before any JSON, so a reader cannot detect that no JSON follows. */
function drip(res: ServerResponse): void {
  res.writeHead(200, { "content-type": "application/json" })
  res.flushHeaders()
  const dripping = setInterval(() => res.write(" "), dripMs)
  res.on("close", () => clearInterval(dripping))
}

function sendHalf(req: IncomingMessage, res: ServerResponse, answer: Answer, thenCut: boolean): void {
  const { status, body, headers } = encode(answer)
  const whole = body.length > 1 ? body : Buffer.from('{"message":"cut short"}')
  const contentType = { "content-type": "application/json" }
  res.writeHead(status === 204 ? 200 : status, { ...contentType, ...headers, "content-length": String(whole.length) })
  res.write(whole.subarray(0, Math.floor(whole.length / 2)), () => {
    if (!thenCut) return
    cutByUs.add(req.socket)
    req.socket.destroy()
  })
}

function createHold(onEnd: () => void) {
  let waiting: { request: RecordedRequest; go: () => void }[] = []
  let onArrival: (() => void)[] = []
  const release = () => {
    const all = waiting
    waiting = []
    for (const { go } of all) go()
  }
  return {
    release,
    end() {
      onEnd()
      release()
    },
    waitFor(count: number): Promise<RecordedRequest[]> {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          onArrival = onArrival.filter((check) => check !== look)
          const names = waiting.map(({ request }) => `${request.method} ${request.path}`).join(", ")
          reject(new Error(`waited for ${count} held requests, there are ${waiting.length}: ${names || "none"}`))
        }, holdTimeoutMs)
        const look = () => {
          if (waiting.length < count) return
          clearTimeout(timer)
          onArrival = onArrival.filter((check) => check !== look)
          resolve(waiting.map(({ request }) => request))
        }
        onArrival.push(look)
        look()
      })
    },
    wait(request: RecordedRequest, gone: AbortSignal): Promise<void> {
      if (gone.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const entry = { request, go: resolve }
        waiting.push(entry)
        gone.addEventListener("abort", () => {
          waiting = waiting.filter((other) => other !== entry)
          resolve()
        })
        for (const look of onArrival) look()
      })
    },
  }
}

/** A single byte range as [start, end), undefined when none is asked for. */
function rangeOf(header: string | undefined, size: number): [number, number] | "unsatisfiable" | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? []
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined
  if (first === "") return Number(last) === 0 ? "unsatisfiable" : [Math.max(0, size - Number(last)), size]
  if (Number(first) >= size) return "unsatisfiable"
  const end = last === "" ? size : Math.min(size, Number(last) + 1)
  return end > Number(first) ? [Number(first), end] : undefined
}

function contentType(path: string): string {
  if (path.endsWith(".json")) return "application/json"
  if (path.endsWith(".csv")) return "text/csv"
  return /\.(nwb|tif|zarr|bin|dat)$/.test(path) ? "application/octet-stream" : "text/plain; charset=utf-8"
}

function visibleHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1"
  return host.includes(":") ? `[${host}]` : host
}

/** Numbers from 0 up to 1 that look random and are the same in every run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
