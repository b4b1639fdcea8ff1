import type { ServerResponse } from "node:http"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { Log } from "../log/log.ts"
import type { Connection, Connections } from "./connections.ts"
import { guarded } from "./logging.ts"

/** How slowly clients may read responses. Node limits only how slowly they may send requests. */
export interface DrainLimits {
  /** How long a client may take to read what has been written of a response. */
  responseDrainMs: number
  /** The maximum size of all unread responses. Beyond that, responses of the address with the most bytes are dropped. */
  maxUnreadBytes: number
  /** How long a response is kept beyond that size, unless all are more than twice as large. */
  responseDrainGraceMs: number
}

/** How often the bytes of unread responses are added up. */
const sizeCheckIntervalMs = 100

interface OpenResponse {
  response: ServerResponse
  connection: Connection
  /** The time since when written bytes wait for the client. */
  unreadSince: number | undefined
  onClose: (() => void) | undefined
}

/** The property of a `ServerResponse` that holds its entry. */
const entryOf = Symbol("entry")

type Tracked = ServerResponse & { [entryOf]?: OpenResponse }

/** The responses that have not been sent completely, from the request's headers on. */
export interface OpenResponses {
  /** @param handleNext handles the next pipelined request of the connection; called after the response, if there is one */
  add(response: ServerResponse, connection: Connection, handleNext: (connection: Connection) => void): void
  /** Calls back when the response is closed. The first callback of a response takes no further listener. */
  onClose(response: ServerResponse, callback: () => void): void
  /** Drops responses that clients don't read in time. To be called at short intervals. */
  check(): void
  /** From now on, every response closes its connection. */
  closeConnections(): void
  /** Resolves when no response is open, or after this time. */
  drained(ms: number): Promise<void>
  stop(): void
  readonly count: number
}

export function createOpenResponses(limits: DrainLimits, connections: Connections, log: Log): OpenResponses {
  const open = new LinkedList<OpenResponse>()
  let isClosing = false
  let onDrained = () => {}

  /** Drops unread responses if they fill the memory. */
  const checkSize = guarded(log, () => {
    const now = performance.now()
    let bytes = 0
    for (const entry of open) {
      const { writableLength } = entry.response
      bytes += writableLength
      if (writableLength === 0) entry.unreadSince = undefined
      else entry.unreadSince ??= now
    }
    if (bytes <= limits.maxUnreadBytes) return
    const graceMs = bytes > 2 * limits.maxUnreadBytes ? 0 : limits.responseDrainGraceMs
    for (const { response, unreadSince = now } of unreadBySize(open)) {
      if (bytes <= limits.maxUnreadBytes) return
      if (now - unreadSince < graceMs) continue
      bytes -= response.writableLength
      response.destroy()
    }
  })
  const timer = setInterval(checkSize, sizeCheckIntervalMs)
  timer.unref()

  return {
    add(response, connection, handleNext) {
      const entry: OpenResponse = { response, connection, unreadSince: undefined, onClose: undefined }
      const link = new Link(entry)
      ;(response as Tracked)[entryOf] = entry
      open.add(link)
      connection.openResponses += 1
      connections.update(connection)
      response.on("close", () => {
        open.delete(link)
        connection.openResponses -= 1
        connections.update(connection)
        entry.onClose?.()
        if (open.size === 0) onDrained()
        if (connection.pipelined.length > 0) setImmediate(handleNext, connection)
      })
      if (isClosing) response.setHeader("connection", "close")
    },
    onClose(response, callback) {
      const entry = (response as Tracked)[entryOf]
      if (entry === undefined || entry.onClose !== undefined) response.on("close", callback)
      else entry.onClose = callback
    },
    check() {
      const now = performance.now()
      for (const { response, unreadSince = now } of open) {
        if (now - unreadSince > limits.responseDrainMs) response.destroy()
      }
    },
    closeConnections() {
      isClosing = true
      for (const { response } of open) if (!response.headersSent) response.setHeader("connection", "close")
    },
    drained: (ms) =>
      atMost(
        ms,
        new Promise<void>((resolve) => {
          onDrained = resolve
          if (open.size === 0) resolve()
        }),
      ),
    stop: () => clearInterval(timer),
    get count() {
      return open.size
    },
  }
}

/** The unread responses: those of the address with the most bytes first, and of one address the oldest first. */
function unreadBySize(open: Iterable<OpenResponse>): OpenResponse[] {
  const byOwner = new Map<unknown, { bytes: number; entries: OpenResponse[] }>()
  for (const entry of open) {
    const { response, connection } = entry
    if (response.writableLength === 0) continue
    // Behind trusted proxies the address is unknown, and each connection counts separately.
    const owner = connection.address ?? connection
    const ofOwner = byOwner.get(owner) ?? { bytes: 0, entries: [] }
    byOwner.set(owner, ofOwner)
    ofOwner.bytes += response.writableLength
    ofOwner.entries.push(entry)
  }
  const age = ({ unreadSince = Number.POSITIVE_INFINITY }: OpenResponse) => unreadSince
  return [...byOwner.values()]
    .sort((a, b) => b.bytes - a.bytes)
    .flatMap(({ entries }) => entries.sort((a, b) => age(a) - age(b)))
}

/** Resolves when the promise does, or after this time. */
export async function atMost(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, timeout])
  clearTimeout(timer)
}
