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
import { Semaphore } from "./semaphore.ts"

type Done = (error: Error | null, decoded: Buffer) => void
type Decoder = (body: Buffer, options: { maxOutputLength: number }, done: Done) => void

// The maximum that HTTP allows (RFC 9659). A larger window would let a few bytes allocate 128 MiB.
const zstdWindow = { [constants.ZSTD_d_windowLogMax]: 23 }

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: (body, options: ZlibOptions, done) => gunzip(body, options, done),
  br: (body, options: BrotliOptions, done) => brotliDecompress(body, options, done),
  // Some clients omit the zlib header, which the standard requires.
  deflate: (body, options: ZlibOptions, done) =>
    ((body[0] ?? 0) & 0x0f) === 0x08 ? inflate(body, options, done) : inflateRaw(body, options, done),
  zstd: (body, options: ZstdOptions, done) => zstdDecompress(body, { ...options, params: zstdWindow }, done),
}

const aliases: Readonly<Record<string, string>> = { "x-gzip": "gzip" }

const nameOf = (header: string) => {
  const name = header.trim().toLowerCase()
  return aliases[name] ?? name
}

const isIdentity = (name: string) => name === "" || name === "identity"

/** Whether a Content-Encoding header names an encoding that can be decoded here. */
export function isDecodable(header: string): boolean {
  return Object.hasOwn(decoders, nameOf(header))
}

/** Whether a Content-Encoding header names one supported encoding, or none. */
export function isEncoding(header: string): boolean {
  return isIdentity(nameOf(header)) || isDecodable(header)
}

export type Decoded = Buffer | "tooLarge" | "malformed"

/** Each decoder may allocate as much as the largest body, and all share the few threads of the pool. */
const maxConcurrent = 8

interface DecodeJob {
  /** Called before decoding begins, and before `done`. */
  isNeeded(): boolean
  /** Must not throw. */
  done(decoded: Decoded): void
}

/** Decodes bodies off the event loop, and stops where a body exceeds the maximum size. */
export function createDecoder(maxBodyBytes: number): (body: Buffer, header: string, job: DecodeJob) => void {
  const queue: { body: Buffer; decoder: Decoder; job: DecodeJob }[] = []
  let running = 0

  function runNext() {
    while (running < maxConcurrent) {
      const next = queue.shift()
      if (next === undefined) return
      const { body, decoder, job } = next
      if (!job.isNeeded()) continue
      running += 1
      decoder(body, { maxOutputLength: maxBodyBytes }, (error, decoded) => {
        running -= 1
        if (job.isNeeded()) job.done(error === null ? decoded : isTooLarge(error) ? "tooLarge" : "malformed")
        runNext()
      })
    }
  }

  /** @param header a supported Content-Encoding header */
  return (body, header, job) => {
    const decoder = decoders[nameOf(header)]
    if (decoder === undefined) {
      job.done(body)
      return
    }
    queue.push({ body, decoder, job })
    runNext()
  }
}

const decodings = new Semaphore(maxConcurrent)

/** Decodes off the event loop, a few at a time. Stops where the result exceeds the maximum size. */
export async function decodeBytes(bytes: Buffer, header: string, maxOutputLength: number): Promise<Decoded> {
  const decoder = decoders[nameOf(header)]
  if (decoder === undefined) return bytes
  return decodings.run(
    () =>
      new Promise((resolve) => {
        decoder(bytes, { maxOutputLength }, (error, decoded) => {
          resolve(error === null ? decoded : isTooLarge(error) ? "tooLarge" : "malformed")
        })
      }),
  )
}

function isTooLarge(error: NodeJS.ErrnoException): boolean {
  return error.code === "ERR_BUFFER_TOO_LARGE"
}
