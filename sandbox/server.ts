import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { createApi } from "./api.ts"
import { computationRoutes } from "./computations.ts"
import { customMetadataRoutes } from "./customMetadata.ts"
import { dataAssetRoutes, prepareDataAssetSearch } from "./dataAssets.ts"
import { addDataFolder } from "./dataFolder.ts"
import { cutByUs, type Failure, fail, randomFailures } from "./failures.ts"
import { addGenerated } from "./generate.ts"
import { createHold, type Hold } from "./hold.ts"
import { addLineage } from "./lineage.ts"
import { type SandboxOptions, SandboxOptionsError } from "./options.ts"
import { releaseRoutes } from "./releases.ts"
import { base, type Matcher, matcher, parse, type RecordedRequest, readBody, recordOf } from "./request.ts"
import { htmlPage, send } from "./respond.ts"
import { prepareRunnableSearch, runnableRoutes } from "./runnables.ts"
import { runRoutes } from "./runs.ts"
import { addSeed } from "./seed/addSeed.ts"
import { accounts } from "./seed.ts"
import { sharingRoutes } from "./sharing.ts"
import { fileAnswer } from "./signedFiles.ts"
import { createClock, createWorld } from "./world.ts"

export interface Sandbox {
  /** "http://127.0.0.1:PORT"; the API is under /api/v1. */
  url: string
  /** API requests in order of arrival; very old ones are dropped. */
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

/** Beyond this many recorded requests the older half is dropped, so that a long benchmark does not fill the memory. */
const maximumRecorded = 40_000
const slowMs = 500

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

  const secret = randomBytes(32)
  const routes = [
    ...runnableRoutes("capsules"),
    ...runnableRoutes("pipelines"),
    ...computationRoutes,
    ...runRoutes,
    ...dataAssetRoutes(),
    ...customMetadataRoutes,
    ...sharingRoutes(),
    ...releaseRoutes(),
  ]
  const { find, carryOut } = createApi(world, routes, { version, secret })
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

  async function serveApi(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const request = recordOf(req)
    if (requests.push(request) > maximumRecorded) requests.splice(0, maximumRecorded / 2)
    const gone = new AbortController()
    res.on("close", () => {
      if (res.writableFinished) return
      request.aborted = !closing && !cutByUs.has(req.socket)
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
    if (waitMs > 0) await sleep(waitMs, gone.signal)
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

  function serveFile(req: IncomingMessage, res: ServerResponse): void {
    const rawPath = (req.url ?? "").split("?")[0]!
    const method = req.method ?? "GET"
    req.resume()
    const failure = plannedFailure({ method, rawPath })
    const answer =
      failure === undefined ? fileAnswer(world, secret, { method, rawPath, range: req.headers.range }) : undefined
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

/** Resolves after this time, or when the signal aborts. Uses the global timer, which tests replace. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      resolve()
    })
  })
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
