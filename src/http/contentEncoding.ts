import {
  type BrotliOptions,
  brotliDecompress,
  constants,
  gunzip,
  inflate,
  inflateRaw,
  type ZlibOptions,
  type ZstdOptions,
  zstdDecompress,
} from "node:zlib"

type Done = (error: Error | null, decoded: Buffer) => void
type Decoder = (body: Buffer, options: { maxOutputLength: number }, done: Done) => void

// What HTTP allows (RFC 9659): a larger window would let a few bytes claim 128 MiB.
const zstdWindow = { [constants.ZSTD_d_windowLogMax]: 23 }

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: (body, options: ZlibOptions, done) => gunzip(body, options, done),
  br: (body, options: BrotliOptions, done) => brotliDecompress(body, options, done),
  // Some clients leave out the two bytes of the zlib format, which the standard wants.
  deflate: (body, options: ZlibOptions, done) =>
    ((body[0] ?? 0) & 0x0f) === 0x08 ? inflate(body, options, done) : inflateRaw(body, options, done),
  zstd: (body, options: ZstdOptions, done) => zstdDecompress(body, { ...options, params: zstdWindow }, done),
}

const named: Readonly<Record<string, string>> = { "x-gzip": "gzip" }

const nameOf = (header: string) => {
  const name = header.trim().toLowerCase()
  return named[name] ?? name
}

const isPlain = (name: string) => name === "" || name === "identity"

/** Whether a Content-Encoding header is understood: one encoding, or none. */
export function isEncoding(header: string): boolean {
  const name = nameOf(header)
  return isPlain(name) || Object.hasOwn(decoders, name)
}

/** What became of a body: decoded, larger than it may be, or no data of its encoding. */
export type Decoded = Buffer | "large" | "broken"

/** So many at once: each may hold as much as the largest body, and they share the process's few threads anyway. */
const atOnce = 8

interface Work {
  /** Asked before the work begins. */
  isWanted(): boolean
  /** Must not throw. */
  done(decoded: Decoded): void
}

/** Decodes bodies beside the event loop, and no further than to the largest size that one may have. */
export function createDecoder(largestBody: number): (body: Buffer, header: string, work: Work) => void {
  const waiting: { body: Buffer; decoder: Decoder; work: Work }[] = []
  let running = 0

  function runNext() {
    while (running < atOnce) {
      const next = waiting.shift()
      if (next === undefined) return
      const { body, decoder, work } = next
      if (!work.isWanted()) continue
      running += 1
      decoder(body, { maxOutputLength: largestBody }, (error, decoded) => {
        running -= 1
        if (work.isWanted()) work.done(error === null ? decoded : isTooLarge(error) ? "large" : "broken")
        runNext()
      })
    }
  }

  /** @param header a Content-Encoding header that is understood */
  return (body, header, work) => {
    const decoder = decoders[nameOf(header)]
    if (decoder === undefined) {
      work.done(body)
      return
    }
    waiting.push({ body, decoder, work })
    runNext()
  }
}

function isTooLarge(error: NodeJS.ErrnoException): boolean {
  return error.code === "ERR_BUFFER_TOO_LARGE"
}
