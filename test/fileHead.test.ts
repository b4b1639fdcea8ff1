import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { sendMuch, startStorage } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

const head = (args = "", id = "c1", path = "x.csv") =>
  `{ computation(id: "${id}") { resultFile(path: "${path}") { head${args} { text isWhole } } } }`

/** Asks for the beginning of a file that storage sends so. */
async function read(serve: (response: ServerResponse, headers: IncomingHttpHeaders) => void, args = "") {
  const storage = await startStorage(({ headers }, response) => serve(response, headers))
  const { data, errors } = await startGatewayOn(storage.url).ask(head(args))
  return { head: data.computation.resultFile.head, errors, storage }
}

/** Storage that honors ranges, as object storage does. */
const ranged = (content: Buffer, extra: Record<string, string> = {}) => {
  let sent = 0
  const serve = (response: ServerResponse, { range }: IncomingHttpHeaders) => {
    const [, last = ""] = /^bytes=0-(\d+)$/.exec(range ?? "") ?? []
    const part = last === "" ? content : content.subarray(0, Number(last) + 1)
    const isEmpty = last !== "" && content.length === 0
    response.writeHead(isEmpty ? 416 : last === "" ? 200 : 206, {
      "content-length": part.length,
      ...(last !== "" && { "content-range": `bytes 0-${part.length - 1}/${content.length}` }),
      ...extra,
    })
    sent += part.length
    response.end(part)
  }
  return { serve, sent: () => sent }
}

const lines = (count: number) => Buffer.from("section,cells\n".repeat(count))

test("the beginning of a small file is the whole file, for two calls", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(head("", seed.countedCells, "counts.csv"))
  expect(errors).toBeUndefined()
  expect(data.computation.resultFile.head).toEqual({ text: "section,cells\n1,812\n2,790\n", isWhole: true })
  expect(sandbox.requests).toHaveLength(1)
})

test("of a large file only the beginning is requested", async () => {
  const { serve, sent } = ranged(lines(500_000))
  const answer = await read(serve, "(maxBytes: 28)")
  expect(answer.head).toEqual({ text: "section,cells\nsection,cells\n", isWhole: false })
  expect(sent()).toBe(28)
})

test.each([
  ["all of the file", 28, true],
  ["one byte less", 27, false],
  ["one byte more", 29, true],
])("%s is known to be the whole file or not", async (_name, maxBytes, isWhole) => {
  expect((await read(ranged(lines(2)).serve, `(maxBytes: ${maxBytes})`)).head.isWhole).toBe(isWhole)
})

test.each<[string, (response: ServerResponse) => void]>([
  [
    "with a length",
    (response) => response.writeHead(200, { "content-length": 5_000_000 }) && sendMuch(response, 5_000_000),
  ],
  ["without a length, and without an end", (response) => sendMuch(response, Number.POSITIVE_INFINITY)],
])("storage that ignores ranges, and sends all %s, is cut off", async (_name, serve) => {
  expect((await read(serve, "(maxBytes: 3)")).head).toEqual({ text: "   ", isWhole: false })
})

test("an empty file is empty", async () => {
  expect((await read(ranged(Buffer.alloc(0)).serve)).head).toEqual({ text: "", isWhole: true })
})

test("half a character at the end is left out, and one in the middle is no text", async () => {
  const { serve } = ranged(Buffer.from("aé"))
  expect((await read(serve, "(maxBytes: 2)")).head).toEqual({ text: "a", isWhole: false })
  const broken = await read(ranged(Buffer.from([0x61, 0xc3, 0x61])).serve, "(maxBytes: 3)")
  expect(broken.errors?.[0]).toMatchObject({
    message: expect.stringContaining("is not UTF-8 text"),
    extensions: { code: "BAD_USER_INPUT" },
  })
  expect((await read(ranged(Buffer.from("a\0b")).serve)).errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
})

test("a file that is stored compressed is decoded from its beginning, and up to 1 MiB of it", async () => {
  const compressed = gzipSync(Buffer.from(`section,cells\n${"1,812\n".repeat(100_000)}`))
  const { serve } = ranged(compressed, { "content-encoding": "gzip" })
  expect((await read(serve, "(maxBytes: 14)")).head).toEqual({ text: "section,cells\n", isWhole: false })
  // Without compression, the encoded file is as large as its content.
  const large = gzipSync(Buffer.alloc(3_000_000, "x"), { level: 0 })
  const { errors } = await read(ranged(large, { "content-encoding": "gzip" }).serve, "(maxBytes: 14)")
  expect(errors?.[0]?.message).toContain("is stored compressed and too large")
})

test("a file that does not exist has no beginning, and too much is not read", async () => {
  const { ask, sandbox } = await startGateway()
  const { data } = await ask(head("", seed.countedCells, "nothing.csv"))
  expect(data.computation.resultFile.head).toBeNull()
  const urls = `GET /computations/${seed.countedCells}/results/urls`
  expect(sandbox.requestsTo(urls)).toHaveLength(1)
  for (const maxBytes of [0, 1_048_577]) {
    const { errors } = await ask(head(`(maxBytes: ${maxBytes})`, seed.countedCells, "counts.csv"))
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  }
  expect(sandbox.requestsTo(urls)).toHaveLength(1)
})
