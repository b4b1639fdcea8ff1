import type { IncomingMessage, ServerResponse } from "node:http"
import { createDecoder, isEncoding } from "../collections/contentEncoding.ts"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { Address, BodyProblem, Connection, Connections, IncompleteBody } from "./connections.ts"
import type { Rejection } from "./rejection.ts"

export interface BodyTimeouts {
  /** From the headers to the last byte. */
  bodyMs: number
  /** After this time a body must have been received at the minimum rate. */
  bodyGraceMs: number
}

/*
 * A mebibyte takes 8.4 s at 1 Mbit/s, so ten seconds suffice for the largest body of the default limit on a slow line. The
 * minimum rate, 16 KiB a second, is an eighth of that line.
 */
export const bodyTimeouts: BodyTimeouts = { bodyMs: 10_000, bodyGraceMs: 3_000 }
const minBytesPerMs = (16 * 1024) / 1000
/** 1 Mbit/s. With a larger body limit the timeout grows at this rate. */
const slowLineBytesPerMs = 125

/** The maximum number of incomplete bodies of one address. Beyond that, the oldest is evicted. */
const maxOfAddress = 100
/** The maximum size of all incomplete bodies. Beyond that, the oldest body of the address with the most bytes is evicted. */
const maxBufferedBytes = 64 * 1024 * 1024

/**
 * A body that is not needed is still read, and discarded, up to this multiple of the body limit: most clients read a response
 * only after they have sent the whole body.
 */
const discardFactor = 16

/** Each piece of a chunked body costs as much as the headers of a small request, however short it is. */
const maxPieces = 10_000
const minPieceBytes = 64

export interface Bodies {
  /** Returns what the headers show to be wrong with a body. */
  checkHeaders(request: IncomingMessage): Rejection | undefined
  /** Reads the body. Calls back once with the complete body; not at all if it is rejected or the client disconnects. */
  read(request: IncomingMessage, response: ServerResponse, done: OnBody): void
  /** Reads and discards a body that is not needed, so that the connection can be used again. */
  discard(request: IncomingMessage, response: ServerResponse): void
  /** Decodes a body off the event loop. Calls back once with the body or a rejection; not at all if the client disconnects. */
  decode(response: ServerResponse, body: Buffer, encoding: string, done: (decoded: Buffer | Rejection) => void): void
  /** Aborts bodies that are too slow. To be called at short intervals. */
  check(): void
  /** The number of incomplete bodies, and the bytes buffered for them. */
  readonly stats: { halfSent: number; halfSentBytes: number }
}

type OnBody = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"]
  return (length !== undefined && length !== "0") || headers["transfer-encoding"] !== undefined
}

/**
 * Reads the bodies of requests before anything else is allocated for them. A client that sends only a part of a request, or
 * sends it slowly, does not count against the limits for requests; what it does occupy is limited for each address and in total.
 * @param options.reject answers a request whose body is not read to its end
 * @param options.checkAdmission returns the rejection that a request would get now. Called only if the body does not arrive
 *   together with the headers, because admission is decided again once the body is complete.
 * @param options.fail answers a request whose handler has thrown
 */
export function createBodies(options: {
  maxBodyBytes: number
  timeouts: BodyTimeouts
  connections: Connections
  reject(request: IncomingMessage, response: ServerResponse, rejection: Rejection): void
  checkAdmission(request: IncomingMessage): Rejection | undefined
  fail(error: unknown, response: ServerResponse): void
}): Bodies {
  const { maxBodyBytes, connections, reject, fail } = options
  const { bodyGraceMs } = options.timeouts
  const bodyMs = Math.max(options.timeouts.bodyMs, maxBodyBytes / slowLineBytesPerMs)
  const rejections = rejectionsOf(maxBodyBytes, bodyMs, bodyGraceMs)

  /** The bodies that were still incomplete after their headers had been processed, the oldest first. */
  const incomplete = new LinkedList<PendingBody>()
  let bufferedBytes = 0
  /** The bodies whose headers have just been read. Nearly all are complete a moment later, without ever being counted. */
  let fresh: PendingBody[] = []
  let spare: PendingBody[] = []
  const decode = createDecoder(maxBodyBytes)

  class PendingBody implements IncompleteBody {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    #done: OnBody | undefined
    /** The first piece, or all pieces copied together: many small buffers take far more memory than their bytes. */
    #buffer: Buffer | undefined
    size = 0
    #pieces = 0
    isSettled = false
    /** Set while the body is counted as incomplete. */
    counted:
      | {
          since: number
          connection: Connection
          address: Address
          link: Link<PendingBody>
          linkOfAddress: Link<IncompleteBody>
        }
      | undefined

    /** @param done receives the body; undefined if the body is to be discarded */
    constructor(request: IncomingMessage, response: ServerResponse, done: OnBody | undefined) {
      this.request = request
      this.response = response
      this.#done = done
    }

    receive(chunk: Buffer): void {
      if (this.isSettled) return
      this.#pieces += 1
      const before = this.size
      this.size += chunk.length
      if (this.#done === undefined || this.size > maxBodyBytes) this.#setBuffer(undefined)
      else if (this.#buffer === undefined) this.#setBuffer(chunk)
      else {
        if (this.size > this.#buffer.length) {
          const larger = Buffer.allocUnsafeSlow(Math.min(maxBodyBytes, Math.max(2 * this.size, 4096)))
          this.#buffer.copy(larger, 0, 0, before)
          this.#setBuffer(larger)
        }
        chunk.copy(this.#buffer, before)
      }
      if (this.size > discardFactor * maxBodyBytes) this.abort("tooLarge")
      else if (this.#pieces > maxPieces && this.size < this.#pieces * minPieceBytes) this.abort("tooFragmented")
      else if (bufferedBytes > maxBufferedBytes) evictFromLargest()
    }

    #setBuffer(buffer: Buffer | undefined) {
      if (this.counted !== undefined) {
        const change = (buffer?.length ?? 0) - this.buffered
        bufferedBytes += change
        this.counted.address.bufferedBytes += change
      }
      this.#buffer = buffer
    }

    get isNeeded(): boolean {
      return this.#done !== undefined
    }

    get buffered(): number {
      return this.#buffer?.length ?? 0
    }

    complete(): void {
      if (this.isSettled) return
      this.isSettled = true
      uncount(this)
      const { request, response, size } = this
      // The client has disconnected, or was answered without its body.
      if (this.#done === undefined || response.destroyed) return
      const buffer = this.#buffer
      this.#buffer = undefined
      try {
        if (size > maxBodyBytes) reject(request, response, rejections.tooLarge)
        else
          this.#done(
            request,
            response,
            buffer === undefined ? Buffer.alloc(0) : buffer.length === size ? buffer : buffer.subarray(0, size),
          )
      } catch (error) {
        fail(error, response)
      }
    }

    abort(reason: BodyProblem): void {
      if (this.isSettled) return
      this.isSettled = true
      uncount(this)
      this.#buffer = undefined
      const { request, response } = this
      if (this.#done === undefined || response.headersSent) {
        request.socket.destroy()
        return
      }
      try {
        response.setHeader("connection", "close")
        reject(request, response, rejections[reason])
      } catch (error) {
        fail(error, response)
      }
    }

    /** Rejects the request without the rest of its body, which is still read and discarded. */
    rejectEarly(rejection: Rejection): void {
      this.#done = undefined
      this.#setBuffer(undefined)
      reject(this.request, this.response, rejection)
    }

    onDisconnect(): void {
      this.isSettled = true
      uncount(this)
      this.#buffer = undefined
    }
  }

  function count(body: PendingBody) {
    const { request } = body
    const rejection = body.isNeeded ? options.checkAdmission(request) : undefined
    if (rejection !== undefined) body.rejectEarly(rejection)
    const connection = connections.of(request)
    const address = connections.addressOf(request, connection)
    const link = new Link(body)
    const linkOfAddress = new Link<IncompleteBody>(body)
    body.counted = { since: performance.now(), connection, address, link, linkOfAddress }
    request.once("close", () => body.onDisconnect())
    incomplete.add(link)
    address.incompleteBodies.add(linkOfAddress)
    address.bufferedBytes += body.buffered
    bufferedBytes += body.buffered
    connection.incompleteBody = body
    connections.update(connection)
    if (address.incompleteBodies.size > maxOfAddress) address.incompleteBodies.first?.abort("evicted")
    if (bufferedBytes > maxBufferedBytes) evictFromLargest()
  }

  function uncount(body: PendingBody) {
    if (body.counted === undefined) return
    const { connection, address, link, linkOfAddress } = body.counted
    body.counted = undefined
    incomplete.delete(link)
    address.incompleteBodies.delete(linkOfAddress)
    address.bufferedBytes -= body.buffered
    bufferedBytes -= body.buffered
    connection.incompleteBody = undefined
    connections.update(connection)
    connections.release(address)
  }

  function countFresh() {
    const bodies = fresh
    fresh = spare
    spare = bodies
    for (const body of bodies) {
      if (body.isSettled || body.request.complete || body.request.destroyed) continue
      try {
        count(body)
      } catch (error) {
        fail(error, body.response)
      }
    }
    bodies.length = 0
  }

  function evictFromLargest() {
    let largest: Address | undefined
    for (const address of connections.addresses) {
      if (address.incompleteBodies.size > 0 && address.bufferedBytes > (largest?.bufferedBytes ?? 0)) largest = address
    }
    largest?.incompleteBodies.first?.abort("evicted")
  }

  function begin(request: IncomingMessage, body: PendingBody) {
    request.on("data", (chunk: Buffer) => body.receive(chunk))
    request.on("end", () => body.complete())
    if (fresh.push(body) === 1) setImmediate(countFresh)
  }

  function discard(request: IncomingMessage, response: ServerResponse) {
    if (!hasBody(request)) return
    // After `Expect: 100-continue` the client may send the body or omit it. The next bytes on the connection are ambiguous.
    if (request.headers.expect !== undefined) response.setHeader("connection", "close")
    begin(request, new PendingBody(request, response, undefined))
  }

  return {
    checkHeaders({ headers }) {
      if (Number(headers["content-length"] ?? 0) > maxBodyBytes) return rejections.tooLarge
      const encoding = headers["content-encoding"]
      if (encoding !== undefined && !isEncoding(encoding)) return unknownEncoding
      return undefined
    },
    read(request, response, done) {
      if (request.headers.expect !== undefined) {
        // The client has not sent the body yet, so it need not be sent to be rejected.
        const rejection = options.checkAdmission(request)
        if (rejection !== undefined) {
          discard(request, response)
          reject(request, response, rejection)
          return
        }
        if (request.httpVersionMinor > 0) response.writeContinue()
      }
      begin(request, new PendingBody(request, response, done))
    },
    discard,
    decode(response, body, encoding, done) {
      decode(body, encoding, {
        isNeeded: () => !response.destroyed,
        done(decoded) {
          try {
            done(decoded === "tooLarge" ? rejections.tooLarge : decoded === "malformed" ? malformed : decoded)
          } catch (error) {
            fail(error, response)
          }
        },
      })
    },
    check() {
      const now = performance.now()
      for (const body of incomplete) {
        const age = now - (body.counted?.since ?? now)
        if (age > bodyMs || (age > bodyGraceMs && body.size < (age - bodyGraceMs) * minBytesPerMs)) {
          body.abort("tooSlow")
        }
      }
    },
    get stats() {
      return { halfSent: incomplete.size, halfSentBytes: bufferedBytes }
    },
  }
}

const badBodies = { 400: "malformed_body", 408: "slow_body", 413: "large_body", 415: "content_encoding" } as const

function badBody(status: keyof typeof badBodies, message: string): Rejection {
  return { reason: badBodies[status], status, code: "BAD_USER_INPUT", message }
}

function rejectionsOf(maxBodyBytes: number, bodyMs: number, bodyGraceMs: number): Record<BodyProblem, Rejection> {
  const seconds = (ms: number) => Math.round(ms / 100) / 10
  return {
    tooSlow: badBody(
      408,
      `The request's body was sent too slowly. It must be complete within ${seconds(bodyMs)} s and, after ${seconds(bodyGraceMs)} s, arrive at 16 KiB a second or faster. Send it again.`,
    ),
    evicted: badBody(
      408,
      "The request's body was incomplete when the gateway needed its memory for other requests, because too many requests are incomplete. Send it again.",
    ),
    tooLarge: badBody(413, `The request's body is larger than ${maxBodyBytes} bytes.`),
    tooFragmented: badBody(
      413,
      `The request's body has more than ${maxPieces} pieces of less than ${minPieceBytes} bytes. Send larger ones.`,
    ),
  }
}

const malformed = badBody(
  400,
  "The request's body can't be decoded: it does not match its Content-Encoding, or is truncated. Send it again, or uncompressed.",
)

const unknownEncoding: Rejection = {
  ...badBody(
    415,
    "The request's Content-Encoding is not supported. Send the body uncompressed, or compressed once with gzip, br, deflate or zstd.",
  ),
  acceptEncoding: "gzip, br, deflate, zstd",
}
