import type { IncomingMessage, ServerResponse } from "node:http"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { Address, Connection, Connections } from "./connections.ts"
import { createDecoder, isEncoding } from "./contentEncoding.ts"
import type { Refusal } from "./respond.ts"

/** How long bodies may take, in milliseconds. */
export interface BodyTimes {
  /** From the headers to the last byte. */
  bodyMs: number
  /** From when on a body must have come at the least rate. */
  bodyGraceMs: number
}

/*
 * A mebibyte takes 8.4 s at 1 Mbit/s, so ten seconds are enough for the largest body of the default limit on a slow line. Whoever
 * sends less than 16 KiB a second is slower than that by a factor of eight, and holds up nothing but its own request.
 */
export const bodyTimes: BodyTimes = { bodyMs: 10_000, bodyGraceMs: 3_000 }
const leastBytesPerMs = (16 * 1024) / 1000
/** The line speed for which the time grows with a larger limit, 1 Mbit/s. */
const slowLineBytesPerMs = 125

/** Requests of one address whose headers are there and whose bodies aren't; beyond that, the oldest is ended. */
const mostOfAddress = 100
/** Held of all bodies that aren't whole; beyond that, the oldest of the address that has the most of it is ended. */
const mostBytes = 64 * 1024 * 1024

/** Most clients read an answer only after their whole body is sent, so what isn't wanted is read on, unkept, up to this. */
const timesDiscarded = 16

/** Each piece of a chunked body costs as much as a small request's headers, however short it is. */
const mostPieces = 10_000
const leastPieceBytes = 64

/** Why a body isn't read to its end. */
export type Ending = "slow" | "crowded" | "large" | "pieces"

export interface Bodies {
  /** What is wrong with a body that isn't read yet, as far as the headers tell. */
  mistakeIn(request: IncomingMessage): Refusal | undefined
  /** Reads the whole body, if the client sends it: calls back once, with the body or a refusal, or never if the client leaves. */
  read(request: IncomingMessage, response: ServerResponse, whole: (body: Buffer) => void): void
  /** Reads what may come of a body that nobody wants, so that the connection can be used again. */
  discard(request: IncomingMessage, response: ServerResponse): void
  /** Decodes a body, beside the event loop: calls back once, with the body or a refusal, or never if the client leaves. */
  decode(response: ServerResponse, body: Buffer, encoding: string, then: (decoded: Buffer | Refusal) => void): void
  /** Ends the bodies that are too slow; to be called all the time. */
  check(): void
  /** How many requests are half sent, and the bytes held of them. */
  readonly counts: { halfSent: number; halfSentBytes: number }
}

/** The body of one request, on its way. */
export interface Body {
  /** Whether its request is answered only when it is whole. */
  readonly isWanted: boolean
  /** Gives it up: the client gets an answer that says why, if it has none yet, and the connection is closed. */
  end(why: Ending): void
}

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"]
  return (length !== undefined && length !== "0") || headers["transfer-encoding"] !== undefined
}

/**
 * Reads the bodies of requests, before anything else is held for them. A client that sends only half of a request, or does so
 * slowly, takes none of the places that requests have: what it does take is bounded for each address and for all of them.
 * @param options.refuse answers a request whose body isn't read to its end
 * @param options.refusalOf why a request would be refused now, if it would be: asked only if its body doesn't come with its
 *   headers, since it is looked at again when the body is whole
 * @param options.fail answers a request whose handler has thrown
 */
export function createBodies(options: {
  largestBody: number
  times: BodyTimes
  connections: Connections
  refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void
  refusalOf(request: IncomingMessage): Refusal | undefined
  fail(error: unknown, response: ServerResponse): void
}): Bodies {
  const { largestBody, connections, refuse, fail } = options
  const { bodyGraceMs } = options.times
  const bodyMs = Math.max(options.times.bodyMs, largestBody / slowLineBytesPerMs)
  const seconds = (ms: number) => Math.round(ms / 100) / 10
  const endings: Record<Ending, Refusal> = {
    slow: problem(
      408,
      `The request's body came too slowly. It must be whole within ${seconds(bodyMs)} s, and after ${seconds(bodyGraceMs)} s have come at 16 KiB a second or faster. Send it again.`,
    ),
    crowded: problem(
      408,
      "The request's body wasn't whole when the gateway needed its place: too many others are half sent. Send it again.",
    ),
    large: problem(413, `The request's body is larger than ${largestBody} bytes.`),
    pieces: problem(
      413,
      `The request's body comes in more than ${mostPieces} pieces of less than ${leastPieceBytes} bytes. Send it in larger ones.`,
    ),
  }

  /** Those that were not whole when their headers were read, the oldest first. */
  const halfSent = new LinkedList<HalfSent>()
  let bytes = 0
  /** Those whose headers were read just now: nearly all are whole in a moment, and counting those would cost more. */
  let fresh: HalfSent[] = []
  let spare: HalfSent[] = []
  const decode = createDecoder(largestBody)

  class HalfSent implements Body {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    #whole: ((body: Buffer) => void) | undefined
    /** The first piece, or all of them, joined as they come: many small ones take far more memory than their bytes. */
    #buffer: Buffer | undefined
    size = 0
    #pieces = 0
    isOver = false
    /** Set while it is counted. */
    counted:
      | { since: number; connection: Connection; address: Address; link: Link<HalfSent>; ofAddress: Link<Body> }
      | undefined

    /** @param whole what wants it; nothing if it is to be discarded */
    constructor(request: IncomingMessage, response: ServerResponse, whole: ((body: Buffer) => void) | undefined) {
      this.request = request
      this.response = response
      this.#whole = whole
    }

    take(chunk: Buffer): void {
      if (this.isOver) return
      this.#pieces += 1
      const before = this.size
      this.size += chunk.length
      if (this.#whole === undefined || this.size > largestBody) this.#keep(undefined)
      else if (this.#buffer === undefined) this.#keep(chunk)
      else {
        if (this.size > this.#buffer.length) {
          const larger = Buffer.allocUnsafeSlow(Math.min(largestBody, Math.max(2 * this.size, 4096)))
          this.#buffer.copy(larger, 0, 0, before)
          this.#keep(larger)
        }
        chunk.copy(this.#buffer, before)
      }
      if (this.size > timesDiscarded * largestBody) this.end("large")
      else if (this.#pieces > mostPieces && this.size < this.#pieces * leastPieceBytes) this.end("pieces")
      else if (bytes > mostBytes) endHeaviest()
    }

    #keep(buffer: Buffer | undefined) {
      if (this.counted !== undefined) {
        const more = (buffer?.length ?? 0) - this.held
        bytes += more
        this.counted.address.bytes += more
      }
      this.#buffer = buffer
    }

    get isWanted(): boolean {
      return this.#whole !== undefined
    }

    get held(): number {
      return this.#buffer?.length ?? 0
    }

    finish(): void {
      if (this.isOver) return
      this.isOver = true
      uncount(this)
      const { request, response, size } = this
      // Its client has left, or was answered without it.
      if (this.#whole === undefined || response.destroyed) return
      const buffer = this.#buffer
      this.#buffer = undefined
      try {
        if (size > largestBody) refuse(request, response, endings.large)
        else
          this.#whole(
            buffer === undefined ? Buffer.alloc(0) : buffer.length === size ? buffer : buffer.subarray(0, size),
          )
      } catch (error) {
        fail(error, response)
      }
    }

    end(why: Ending): void {
      if (this.isOver) return
      this.isOver = true
      uncount(this)
      this.#buffer = undefined
      const { request, response } = this
      if (this.#whole === undefined || response.headersSent) {
        request.socket.destroy()
        return
      }
      try {
        response.setHeader("connection", "close")
        refuse(request, response, endings[why])
      } catch (error) {
        fail(error, response)
      }
    }

    /** Answers it without the rest, which is read all the same. */
    turnAway(refusal: Refusal): void {
      this.#whole = undefined
      this.#keep(undefined)
      refuse(this.request, this.response, refusal)
    }

    /** Its client has left. */
    drop(): void {
      this.isOver = true
      uncount(this)
      this.#buffer = undefined
    }
  }

  function count(body: HalfSent) {
    const { request } = body
    const refusal = body.isWanted ? options.refusalOf(request) : undefined
    if (refusal !== undefined) body.turnAway(refusal)
    const connection = connections.of(request)
    const address = connections.addressOf(request, connection)
    const link = new Link(body)
    const ofAddress = new Link<Body>(body)
    body.counted = { since: performance.now(), connection, address, link, ofAddress }
    request.once("close", () => body.drop())
    halfSent.add(link)
    address.halfSent.add(ofAddress)
    address.bytes += body.held
    bytes += body.held
    connection.halfSent = body
    connections.update(connection)
    if (address.halfSent.size > mostOfAddress) address.halfSent.first?.end("crowded")
    if (bytes > mostBytes) endHeaviest()
  }

  function uncount(body: HalfSent) {
    if (body.counted === undefined) return
    const { connection, address, link, ofAddress } = body.counted
    body.counted = undefined
    halfSent.delete(link)
    address.halfSent.delete(ofAddress)
    address.bytes -= body.held
    bytes -= body.held
    connection.halfSent = undefined
    connections.update(connection)
    connections.release(address)
  }

  function countFresh() {
    const begun = fresh
    fresh = spare
    spare = begun
    for (const body of begun) {
      if (body.isOver || body.request.complete || body.request.destroyed) continue
      try {
        count(body)
      } catch (error) {
        fail(error, body.response)
      }
    }
    begun.length = 0
  }

  function endHeaviest() {
    let heaviest: Address | undefined
    for (const address of connections.addresses) {
      if (address.halfSent.size > 0 && address.bytes > (heaviest?.bytes ?? 0)) heaviest = address
    }
    heaviest?.halfSent.first?.end("crowded")
  }

  function begin(request: IncomingMessage, body: HalfSent) {
    request.on("data", (chunk: Buffer) => body.take(chunk))
    request.on("end", () => body.finish())
    if (fresh.push(body) === 1) setImmediate(countFresh)
  }

  function discard(request: IncomingMessage, response: ServerResponse) {
    if (!hasBody(request)) return
    // Its client may send the body all the same or leave it out, and nothing tells which: what comes next may be either.
    if (request.headers.expect !== undefined) response.setHeader("connection", "close")
    begin(request, new HalfSent(request, response, undefined))
  }

  return {
    mistakeIn({ headers }) {
      if (Number(headers["content-length"] ?? 0) > largestBody) return endings.large
      const encoding = headers["content-encoding"]
      if (encoding !== undefined && !isEncoding(encoding)) return unknownEncoding
      return undefined
    },
    read(request, response, whole) {
      if (request.headers.expect !== undefined) {
        // Its client waits for this before it sends a body, which need not be sent to be refused.
        const refusal = options.refusalOf(request)
        if (refusal !== undefined) {
          discard(request, response)
          refuse(request, response, refusal)
          return
        }
        if (request.httpVersionMinor > 0) response.writeContinue()
      }
      begin(request, new HalfSent(request, response, whole))
    },
    discard,
    decode(response, body, encoding, then) {
      decode(body, encoding, {
        isWanted: () => !response.destroyed,
        done(decoded) {
          try {
            then(decoded === "large" ? endings.large : decoded === "broken" ? broken : decoded)
          } catch (error) {
            fail(error, response)
          }
        },
      })
    },
    check() {
      const now = performance.now()
      for (const body of halfSent) {
        const age = now - (body.counted?.since ?? now)
        if (age > bodyMs || (age > bodyGraceMs && body.size < (age - bodyGraceMs) * leastBytesPerMs)) body.end("slow")
      }
    },
    get counts() {
      return { halfSent: halfSent.size, halfSentBytes: bytes }
    },
  }
}

function problem(status: 400 | 408 | 413 | 415, message: string): Refusal {
  return { status, code: "BAD_USER_INPUT", message }
}

const broken = problem(
  400,
  "The request's body can't be decoded: it isn't what its Content-Encoding says, or is cut off. Send it again, or as it is.",
)

const unknownEncoding: Refusal = {
  ...problem(
    415,
    "The request's Content-Encoding isn't understood: send the body as it is, or compressed once, by gzip, br, deflate or zstd.",
  ),
  acceptEncoding: "gzip, br, deflate, zstd",
}
