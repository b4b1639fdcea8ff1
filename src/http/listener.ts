import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { Log } from "../log.ts"
import { type Bodies, type BodyTimes, createBodies } from "./body.ts"
import { type Connection, createConnections } from "./connections.ts"
import { answerRefusal, guarded, noteUnexpected, type Refusal } from "./respond.ts"

/** How long clients may take, in milliseconds, and how many may be connected. */
export interface ListenerLimits extends BodyTimes {
  /** For a request's line and headers. */
  headersMs: number
  /** To take what of an answer was written for them. */
  takingMs: number
  /** How long an answer has to be taken when too much waits to be taken, unless that is twice too much. */
  takingGraceMs: number
  /** The most bytes of answers that wait to be taken; beyond that, those of the address with the most are given up. */
  waitingBytes: number
  /** Between two requests on one connection. */
  keepAliveMs: number
  /** How often those are looked at. */
  checkedMs: number
  /** Connections at once; 0 sets no limit. */
  connections: number
  /** Connections of one address at once; 0 sets no limit. */
  addressConnections: number
  /** So many descriptors are to be left for everything else than connections of clients. */
  reservedDescriptors: number
  trustedProxies: number
  /** The largest body, in bytes. */
  largestBody: number
  /** How long requests under way may take when the gateway stops. */
  stoppingMs: number
}

export interface Listener {
  /** Resolves with the address, such as `http://127.0.0.1:4000`. Rejects when the port is taken. */
  listen(port: number, host: string): Promise<string>
  /**
   * Stops listening without losing a request: lets those under way finish, in the time that there is for it, and closes
   * idle connections at once. Resolves with whether all of them did finish.
   */
  close(): Promise<boolean>
  /** For diagnostics: connections, answers that aren't sent yet, and requests whose bodies aren't whole yet. */
  readonly counts: { connections: number; answers: number; halfSent: number; halfSentBytes: number }
}

interface Answer {
  response: ServerResponse
  connection: Connection
  /** Since when it has had bytes waiting for its client. */
  waitingSince: number | undefined
}

/** What answers requests, and is given what it needs to read their bodies. */
export type Handler = (request: IncomingMessage, response: ServerResponse, bodies: Bodies) => void

/** How long a stopping gateway goes on listening while it has requests under way, so that whoever asks hears of it. */
const stillListeningMs = 5_000
/** How long it waits for requests that are on their way on connections that are already there. */
const onTheirWayMs = 500

/**
 * HTTP over sockets, with a bound on whatever a client can keep busy by being slow.
 * @param options.refuse answers a request whose body isn't read to its end
 * @param options.refusalOf why a request would be refused now, if it would be
 */
export function createListener(
  limits: ListenerLimits,
  options: {
    log: Log
    addressOf: (request: IncomingMessage | undefined, socket: Socket) => string
    refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void
    refusalOf(request: IncomingMessage): Refusal | undefined
    handle: Handler
  },
): Listener {
  const { log } = options
  /** The answers that aren't sent yet. */
  const open = new LinkedList<Answer>()
  const connectionLimit = connectionLimitOf(limits)
  const connections = createConnections({ ...limits, connections: connectionLimit.most }, options.addressOf)
  const bodies = createBodies({
    largestBody: limits.largestBody,
    times: limits,
    connections,
    refuse: options.refuse,
    refusalOf: options.refusalOf,
    fail,
  })
  let stopping = false
  let onEmpty = () => {}

  /** An exception that nothing was to throw is the failure of its own request. */
  function fail(error: unknown, response: ServerResponse) {
    noteUnexpected(log, error)
    try {
      if (response.headersSent) response.destroy()
      else answerRefusal(response.req, response, unexpected)
    } catch {
      response.destroy()
    }
  }

  function begin(request: IncomingMessage, response: ServerResponse) {
    const connection = connections.of(request)
    const link = new Link<Answer>({ response, connection, waitingSince: undefined })
    open.add(link)
    connection.answers += 1
    connections.update(connection)
    response.on("close", () => {
      open.delete(link)
      connection.answers -= 1
      connections.update(connection)
      if (open.size === 0) onEmpty()
      if (connection.pipelined.length > 0) setImmediate(handleNext, connection)
    })
    if (connection.answers === 1) {
      handle(request, response)
      return
    }
    // HTTP answers in order, so a pipelined request gains nothing by being handled before its turn. Handled at once, the
    // hundreds that fit into one packet would hold up everybody else.
    connection.pipelined.push(response)
    if (connection.pipelined.length > mostPipelined) connection.socket.destroy()
  }

  function handleNext(connection: Connection) {
    const response = connection.pipelined.shift()
    if (response !== undefined && !response.destroyed) handle(response.req, response)
  }

  function handle(request: IncomingMessage, response: ServerResponse) {
    try {
      if (stopping) response.setHeader("connection", "close")
      options.handle(request, response, bodies)
    } catch (error) {
      fail(error, response)
    }
  }

  let toldAt = Number.NEGATIVE_INFINITY
  function noteDescriptors(more: object) {
    const now = performance.now()
    if (now - toldAt < toldEveryMs) return
    toldAt = now
    log.error(
      { connections: connections.count, ...more },
      "out of file descriptors: connections of clients are closed or wait; raise the limit (ulimit -n), or lower CONNECTIONS",
    )
  }

  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      // For whatever is sent of a request after its headers, wanted or not. Bodies that are wanted are ended before.
      requestTimeout: limits.headersMs + 2 * limits.bodyMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkedMs,
      // Of two Authorization headers Node would take the first and drop the other; joined, they are none.
      joinDuplicateHeaders: true,
    },
    begin,
  )
  // Whoever asks first may have to hear a refusal: whether the body is wanted is said when it is.
  server.on("checkContinue", begin)
  server.on("connection", (socket) => {
    try {
      if (connectionLimit.isByDescriptors && connections.count >= connectionLimit.most) noteDescriptors({})
      connections.open(socket)
    } catch (error) {
      noteUnexpected(log, error)
      socket.destroy()
    }
  })
  // Without a listener, an error in accepting a connection would end the process.
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (!server.listening) return
    if (error.code === "EMFILE" || error.code === "ENFILE") guarded(log, () => noteDescriptors({ code: error.code }))()
    else noteUnexpected(log, error)
  })

  /** Node bounds how slowly a request may come, but not how slowly its answer may be read. */
  const check = guarded(log, () => {
    const now = performance.now()
    for (const { response, waitingSince = now } of open) {
      if (now - waitingSince > limits.takingMs) response.destroy()
    }
    bodies.check()
  })
  const checking = setInterval(check, limits.checkedMs)
  checking.unref()

  /** Gives up answers that aren't taken when they fill the memory: the oldest of whichever address has most of them. */
  const checkBytes = guarded(log, () => {
    const now = performance.now()
    let bytes = 0
    for (const answer of open) {
      const { writableLength } = answer.response
      bytes += writableLength
      if (writableLength === 0) answer.waitingSince = undefined
      else answer.waitingSince ??= now
    }
    if (bytes <= limits.waitingBytes) return
    const graceMs = bytes > 2 * limits.waitingBytes ? 0 : limits.takingGraceMs
    for (const answer of heaviestFirst(open)) {
      if (bytes <= limits.waitingBytes) return
      if (now - (answer.waitingSince ?? now) < graceMs) continue
      bytes -= answer.response.writableLength
      answer.response.destroy()
    }
  })
  const checkingBytes = setInterval(checkBytes, bytesCheckedMs)
  checkingBytes.unref()

  /** Resolves when no answer is open, or when the time is up. */
  const emptied = (ms: number) =>
    atMost(
      ms,
      new Promise<void>((resolve) => {
        onEmpty = resolve
        if (open.size === 0) resolve()
      }),
    )

  return {
    async listen(port, host) {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject)
        server.listen(port, host, resolve)
      })
      const address = server.address() as AddressInfo
      return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`
    },
    async close() {
      stopping = true
      for (const { response } of open) if (!response.headersSent) response.setHeader("connection", "close")
      server.closeIdleConnections()
      await emptied(Math.min(stillListeningMs, limits.stoppingMs))
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      await atMost(onTheirWayMs, closed)
      await emptied(limits.stoppingMs)
      const finished = open.size === 0
      server.closeAllConnections()
      await closed
      clearInterval(checking)
      clearInterval(checkingBytes)
      return finished
    },
    get counts() {
      return { connections: connections.count, answers: open.size, ...bodies.counts }
    },
  }
}

/** The answers that wait to be taken, by address: those of the address with most bytes first, and of these the oldest. */
function heaviestFirst(open: Iterable<Answer>): Answer[] {
  const held = new Map<unknown, { bytes: number; answers: Answer[] }>()
  for (const answer of open) {
    const { response, connection } = answer
    if (response.writableLength === 0) continue
    // Behind trusted proxies each connection counts for itself.
    const owner = connection.address ?? connection
    const ofOwner = held.get(owner) ?? { bytes: 0, answers: [] }
    held.set(owner, ofOwner)
    ofOwner.bytes += response.writableLength
    ofOwner.answers.push(answer)
  }
  const age = ({ waitingSince = Number.POSITIVE_INFINITY }: Answer) => waitingSince
  return [...held.values()]
    .sort((a, b) => b.bytes - a.bytes)
    .flatMap(({ answers }) => answers.sort((a, b) => age(a) - age(b)))
}

const unexpected: Refusal = {
  status: 500,
  code: "INTERNAL_SERVER_ERROR",
  message: "Unexpected error. The gateway's log has the details.",
}

const toldEveryMs = 10_000

/** How often the bytes of answers that wait to be taken are added up. */
const bytesCheckedMs = 100

/** The most requests of one connection that wait for the answer before theirs; one that sends more is closed. */
const mostPipelined = 100

/**
 * How many connections there may be: fewer than are configured where the process may not open as many descriptors. Node closes
 * what it can't accept without a word, and without a descriptor left no call to Code Ocean could be sent either.
 */
function connectionLimitOf({ connections, reservedDescriptors }: ListenerLimits) {
  const descriptors = descriptorLimit()
  const possible = Math.max(Math.floor(descriptors / 3), descriptors - reservedDescriptors)
  const isByDescriptors = possible < (connections || Number.POSITIVE_INFINITY)
  return { most: isByDescriptors ? possible : connections, isByDescriptors }
}

/** The most descriptors that the process may have open; infinite where the system doesn't tell. */
function descriptorLimit(): number {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

async function atMost(ms: number, wanted: Promise<void>): Promise<void> {
  const over = new AbortController()
  await Promise.race([wanted, sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
}
