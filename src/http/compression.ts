import {
  brotliCompress,
  brotliCompressSync,
  constants,
  gzip,
  gzipSync,
  zstdCompress,
  zstdCompressSync,
} from "node:zlib"
import { qualityOf } from "./accept.ts"

export type Encoding = "zstd" | "br" | "gzip"

/** Responses of fewer bytes are not compressed. */
const minBytes = 1_000
/** Up to this size it takes no longer to compress a response at once, 0.1 ms, than to have another thread do it. */
const maxSyncBytes = 16 * 1024
/** Responses that are compressed by other threads at once. Node's pool has four, which also resolve names and write the log. */
const maxConcurrent = 2
/** The bytes of responses that are being compressed or wait for it. Further ones are sent as they are, or are compressed at once if the client excludes that. */
const maxPendingBytes = 64 * 1024 * 1024

// The lowest levels: docs/decisions/compression.md.
const chunkSize = 64 * 1024
const gzipOptions = { level: 1, chunkSize }
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 }, chunkSize }
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize }

type Done = (error: Error | null, compressed: Buffer) => void

const compressors: Readonly<Record<Encoding, { now(body: string): Buffer; later(body: string, done: Done): void }>> = {
  zstd: {
    now: (body) => zstdCompressSync(body, zstdOptions),
    later: (body, done) => zstdCompress(body, zstdOptions, done),
  },
  br: {
    now: (body) => brotliCompressSync(body, brotliOptions),
    later: (body, done) => brotliCompress(body, brotliOptions, done),
  },
  gzip: {
    now: (body) => gzipSync(body, gzipOptions),
    later: (body, done) => gzip(body, gzipOptions, done),
  },
}

/** All encodings, the one that takes the least time first. */
const encodings = Object.keys(compressors) as Encoding[]

/**
 * Selects the encoding with the highest quality, by RFC 9110. Among equals, the first in `supported` wins, and `identity` comes
 * last. If the client accepts nothing that is supported, the result is `identity`.
 */
export function preferredEncoding<Supported extends Encoding>(
  header: string | undefined,
  supported: readonly Supported[],
): Supported | "identity" {
  if (!header) return "identity"
  const others = qualityOf(header, "*")
  let best: Supported | "identity" = "identity"
  let bestQuality = qualityOf(header, "identity") ?? 0
  for (const encoding of supported) {
    const alias = encoding === "gzip" ? qualityOf(header, "x-gzip") : undefined
    const quality = qualityOf(header, encoding) ?? alias ?? others ?? 0
    if (quality === 0 || quality < bestQuality || (quality === bestQuality && best !== "identity")) continue
    best = encoding
    bestQuality = quality
  }
  return best
}

function allowsIdentity(header: string): boolean {
  return (qualityOf(header, "identity") ?? qualityOf(header, "*")) !== 0
}

/** The part of a response that compression reads and changes. */
export interface Encoded {
  /** Responses without data, which are errors alone, are not compressed. */
  hasData?: boolean
  headers: Record<string, string | number>
  body: string | Buffer
}

/**
 * Compresses a response whose `content-length` is among its headers.
 * @param acceptEncoding the request's header
 * @param isNeeded called before the work begins and before `send`: false if the client has left
 * @param send called once with the response, compressed or as it is, unless it is not needed. Must not throw. Called at once
 *   where that is possible.
 */
export type Compress = (
  response: Encoded,
  acceptEncoding: string | undefined,
  isNeeded: () => boolean,
  send: (response: Encoded) => void,
) => void

interface Job {
  response: Encoded & { body: string }
  encoding: Encoding
  bytes: number
  isNeeded: () => boolean
  send: (response: Encoded) => void
}

export function createCompression(): Compress {
  const queue: Job[] = []
  let running = 0
  let pendingBytes = 0
  /** The last header, parsed. Nearly all clients send one of a few values. */
  let last = { header: "", encoding: "identity" as Encoding | "identity", allowsIdentity: true }

  function read(header: string): typeof last {
    if (header !== last.header) {
      last = { header, encoding: preferredEncoding(header, encodings), allowsIdentity: allowsIdentity(header) }
    }
    return last
  }

  function runNext() {
    while (running < maxConcurrent) {
      const job = queue.shift()
      if (job === undefined) return
      if (job.isNeeded()) start(job)
      else pendingBytes -= job.bytes
    }
  }

  function start({ response, encoding, bytes, isNeeded, send }: Job) {
    running += 1
    compressors[encoding].later(response.body, (error, compressed) => {
      running -= 1
      pendingBytes -= bytes
      if (isNeeded()) send(error === null ? encoded(response, encoding, compressed) : response)
      runNext()
    })
  }

  return (response, acceptEncoding, isNeeded, send) => {
    const { body } = response
    const bytes = Number(response.headers["content-length"])
    const { encoding, allowsIdentity } = read(acceptEncoding ?? "")
    const mayWait = pendingBytes + bytes <= maxPendingBytes
    const isWorthwhile = bytes >= minBytes && response.hasData && (bytes <= maxSyncBytes || mayWait)
    if (encoding === "identity" || typeof body !== "string" || (allowsIdentity && !isWorthwhile)) send(response)
    else if (bytes <= maxSyncBytes || !mayWait) send(encoded(response, encoding, compressors[encoding].now(body)))
    else {
      pendingBytes += bytes
      queue.push({ response: { ...response, body }, encoding, bytes, isNeeded, send })
      runNext()
    }
  }
}

function encoded({ headers }: Encoded, encoding: Encoding, body: Buffer): Encoded {
  return { headers: { ...headers, "content-length": body.length, "content-encoding": encoding }, body }
}
