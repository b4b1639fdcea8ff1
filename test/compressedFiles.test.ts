import type { IncomingMessage, ServerResponse } from "node:http"
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { startStorage } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"

const mebibyte = 1024 * 1024
const spaces = Buffer.alloc(50 * mebibyte, " ")
const encodings: [encoding: string, compress: (content: string | Buffer) => Buffer][] = [
  ["gzip", (content) => gzipSync(content)],
  ["X-GZIP", (content) => gzipSync(content)],
  // The default quality takes seconds for the largest content.
  ["br", (content) => brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })],
  ["zstd", (content) => zstdCompressSync(content)],
  ["deflate", (content) => deflateSync(content)],
  ["deflate", (content) => deflateRawSync(content)],
]

/** Serves bytes with this encoding, and their end for a range request, as S3 does. */
function serve(encoding: string, bytes: Buffer, { ranges = true }: { ranges?: boolean } = {}) {
  return ({ headers }: { headers: IncomingMessage["headers"] }, response: ServerResponse) => {
    response.setHeader("content-encoding", encoding)
    const [, suffix] = /^bytes=-(\d+)$/.exec(headers.range ?? "") ?? []
    if (!ranges || suffix === undefined) {
      response.end(bytes)
      return
    }
    const start = Math.max(0, bytes.length - Number(suffix))
    response.writeHead(206, { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` })
    response.end(bytes.subarray(start))
  }
}

const file = (fields: string) => `{ computation(id: "c1") { name it: resultFile(path: "f") { ${fields} } } }`
const log = (args: string) => `{ computation(id: "c1") { it: log${args} } }`

/** Text that hardly compresses. */
function noise(length: number): string {
  let state = 1
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return String.fromCharCode(33 + ((state >>> 24) % 90))
  }
  return Array.from({ length }, next).join("")
}

describe("a file that is stored compressed", () => {
  test.each(encodings)("a file that is stored compressed in %s has its decoded content", async (encoding, compress) => {
    const storage = await startStorage(serve(encoding, compress('{"é": 1}')))
    const { data, errors } = await startGatewayOn(storage.url).ask(file("text json"))
    expect(errors).toBeUndefined()
    expect(data.computation.it).toEqual({ text: '{"é": 1}', json: { é: 1 } })
  })

  test("a file that is stored compressed is measured by its content, whatever its size in the storage", async () => {
    const storage = await startStorage(serve("gzip", gzipSync("x".repeat(100_000))))
    const { ask } = startGatewayOn(storage.url)
    const { data, errors } = await ask(file("text"))
    expect(data.computation).toEqual({ name: "Run", it: { text: null } })
    expect(errors?.[0]).toMatchObject({ extensions: { code: "BAD_USER_INPUT" } })
    expect(errors?.[0]?.message).toContain("more than 65536 bytes")
    expect((await ask(file("text(maxBytes: 100000)"))).data.computation.it.text).toHaveLength(100_000)
    expect((await ask(file("text(maxBytes: 99999)"))).errors?.[0]?.message).toContain("100000 bytes")
  })

  test.each(encodings)(
    "a file that is stored compressed in %s is decoded to no more than the limit",
    async (encoding, compress) => {
      const bomb = compress(spaces)
      expect(bomb.length).toBeLessThan(mebibyte)
      const storage = await startStorage(serve(encoding, bomb))
      const { ask } = startGatewayOn(storage.url)
      const before = process.memoryUsage().arrayBuffers
      const answers = await Promise.all(
        [file("json"), file("text(maxBytes: 1048576)"), log(""), log("(tail: 1)")].map((query) => ask(query)),
      )
      for (const { errors } of answers) {
        expect(errors?.[0]?.message).toMatch(/has more than \d+ bytes/)
        expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
      }
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * mebibyte)
    },
  )

  test.each([
    ["plain text", Buffer.from("no gzip at all")],
    ["half of it", gzipSync(noise(1_000)).subarray(0, 300)],
  ])(
    "a file that is said to be compressed and is %s is an error of the storage, which says what to do",
    async (_what, bytes) => {
      const storage = await startStorage(serve("gzip", bytes))
      const { data, errors } = await startGatewayOn(storage.url).ask(file("text"))
      expect(data.computation).toEqual({ name: "Run", it: { text: null } })
      expect(errors?.[0]?.extensions.code).toBe("UPSTREAM_INVALID_RESPONSE")
      expect(errors?.[0]?.message).toMatch(/compressed.*downloadUrl/)
    },
  )

  test.each([
    ["identity", "text"],
    ["aws-chunked", "text"],
    ["", "text"],
    ["gzip", ""],
  ])("a file with the encoding %j and the content %j is not decoded", async (encoding, content) => {
    const storage = await startStorage(serve(encoding, Buffer.from(content)))
    const { data, errors } = await startGatewayOn(storage.url).ask(file("text"))
    expect(errors).toBeUndefined()
    expect(data.computation.it.text).toBe(content)
  })

  test("a file that is stored compressed counts by its content towards what one request may read", async () => {
    const storage = await startStorage(serve("gzip", gzipSync("x".repeat(mebibyte - 1))))
    const files = Array.from({ length: 40 }, (_, index) => `f${index}: resultFile(path: "f${index}") { json }`)
    const { errors } = await startGatewayOn(storage.url).ask(`{ computation(id: "c1") { ${files.join(" ")} } }`)
    expect(errors!.filter(({ extensions }) => extensions.code === "OPERATION_TOO_COSTLY").length).toBeGreaterThan(5)
    expect(storage.reads().length).toBeLessThan(35)
  })
})

describe("the log of a run that is stored compressed", () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index}\n`)
  const last = (count: number) => lines.slice(-count).join("")

  test.each([
    ["by ranges", true],
    ["only whole", false],
  ])(
    "the log of a run that is stored compressed has its last lines where the storage gives it %s",
    async (_how, ranges) => {
      for (const [encoding, compress] of encodings) {
        const storage = await startStorage(serve(encoding, compress(lines.join("")), { ranges }))
        const { ask } = startGatewayOn(storage.url)
        const { data, errors } = await ask(log("(tail: 3)"))
        expect(errors).toBeUndefined()
        expect(data.computation.it).toBe(last(3))
        expect((await ask(log(""))).data.computation.it).toBe(lines.join(""))
      }
    },
  )

  test("the log of a run that is stored compressed has more last lines than a first part holds, and all of them", async () => {
    const storage = await startStorage(serve("gzip", gzipSync(lines.join(""))))
    const { ask } = startGatewayOn(storage.url)
    expect((await ask(log("(tail: 20000)"))).data.computation.it).toBe(last(20_000))
    expect((await ask(log("(tail: 40000)"))).data.computation.it).toBe(lines.join(""))
  })

  test("the log of a run that is stored compressed has its last lines if it compresses to more than the first part", async () => {
    const text = Array.from({ length: 2_000 }, (_, index) => `${index} ${noise(100)}`)
    const compressed = gzipSync(noise(300_000) + text.join("\n"))
    expect(compressed.length).toBeGreaterThan(65_536)
    const storage = await startStorage(serve("gzip", compressed))
    const { data, errors } = await startGatewayOn(storage.url).ask(log("(tail: 2)"))
    expect(errors).toBeUndefined()
    expect(data.computation.it).toBe(text.slice(-2).join("\n"))
    expect(storage.reads()).toHaveLength(2)
  })

  test("the log of a run that is stored compressed is fetched by its URL if it compresses to more than a mebibyte", async () => {
    const storage = await startStorage(serve("gzip", gzipSync(Buffer.from(noise(1_500_000)))))
    const { errors } = await startGatewayOn(storage.url).ask(log("(tail: 2)"))
    expect(errors?.[0]?.message).toContain("`downloadUrl`")
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  })
})
