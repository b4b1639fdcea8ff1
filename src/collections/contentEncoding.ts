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

/** Decodes bodies off the event loop, a few at a time. Stops where a body exceeds the maximum size. */
export function createDecoder(maxBodyBytes: number): (body: Buffer, header: string, job: DecodeJob) => void {
  const permits = new Semaphore(maxConcurrent)
  /** @param header a supported Content-Encoding header */
  return (body, header, job) => {
    const decoder = decoders[nameOf(header)]
    if (decoder === undefined) {
      job.done(body)
      return
    }
    void permits.run(async () => {
      if (!job.isNeeded()) return
      const decoded = await decode(decoder, body, maxBodyBytes)
      if (job.isNeeded()) job.done(decoded)
    })
  }
}

const permits = new Semaphore(maxConcurrent)

/** Decodes off the event loop, a few at a time. Stops where the result exceeds the maximum size. */
export async function decodeBytes(bytes: Buffer, header: string, maxOutputLength: number): Promise<Decoded> {
  const decoder = decoders[nameOf(header)]
  return decoder === undefined ? bytes : permits.run(() => decode(decoder, bytes, maxOutputLength))
}

function decode(decoder: Decoder, bytes: Buffer, maxOutputLength: number): Promise<Decoded> {
  return new Promise((resolve) => {
    decoder(bytes, { maxOutputLength }, (error, decoded) => {
      resolve(error === null ? decoded : isTooLarge(error) ? "tooLarge" : "malformed")
    })
  })
}

function isTooLarge(error: NodeJS.ErrnoException): boolean {
  return error.code === "ERR_BUFFER_TOO_LARGE"
}
