import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { sendMuch, startStorage } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

interface Part {
  offset: number
  text: string
  nextOffset: number | null
  size: number | null
  matches?: { offset: number; text: string }[]
}

const partQuery = (args: string, fields = "offset text nextOffset size", id = "c1", path = "x.csv") =>
  `{ computation(id: "${id}") { resultFile(path: "${path}") { part${args} { ${fields} } } } }`

type Serve = (response: ServerResponse, headers: IncomingHttpHeaders) => void

/** A function that reads parts of a file that storage sends so. */
async function reader(serve: Serve) {
  const storage = await startStorage(({ headers }, response) => serve(response, headers))
  const { ask } = startGatewayOn(storage.url)
  return async (args: string, fields?: string) => {
    const { data, errors } = await ask(partQuery(args, fields))
    return { part: data?.computation?.resultFile.part as Part, error: errors?.[0] }
  }
}

/** Storage that honors ranges, as object storage does. */
function ranged(content: Buffer | string, extra: Record<string, string> = {}): Serve {
  const bytes = Buffer.from(content)
  return (response, { range }) => {
    const [, first = "", last = ""] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? []
    if (first === "") {
      response.writeHead(200, extra).end(bytes)
    } else if (Number(first) >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end("<Error/>")
    } else {
      const part = bytes.subarray(Number(first), Number(last) + 1)
      const end = Number(first) + part.length - 1
      response.writeHead(206, { "content-range": `bytes ${first}-${end}/${bytes.length}`, ...extra }).end(part)
    }
  }
}

/** Reads all parts of a file, one after another. */
async function readAll(read: Awaited<ReturnType<typeof reader>>, maxBytes: number): Promise<string[]> {
  const texts: string[] = []
  for (let offset = 0, reads = 0; reads < 1_000; reads++) {
    const { part, error } = await read(`(offset: ${offset}, maxBytes: ${maxBytes})`)
    expect(error).toBeUndefined()
    texts.push(part.text)
    if (part.nextOffset === null) return texts
    expect(part.nextOffset).toBeGreaterThan(offset)
    offset = part.nextOffset
  }
  throw new Error("the parts have no end")
}

test("a part of a file costs two calls, and says where it ends", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(partQuery("(offset: 14, maxBytes: 8)", undefined, seed.countedCells, "counts.csv"))
  expect(errors).toBeUndefined()
  expect(data.computation.resultFile.part).toEqual({ offset: 14, text: "1,812\n", nextOffset: 20, size: 26 })
  expect(sandbox.requests).toHaveLength(1)
})

test("a file that does not exist has no parts, and nothing is read with invalid arguments", async () => {
  const { ask, sandbox } = await startGateway()
  const { data } = await ask(partQuery("", undefined, seed.countedCells, "nothing.csv"))
  expect(data.computation.resultFile.part).toBeNull()
  const urls = `GET /computations/${seed.countedCells}/results/urls`
  expect(sandbox.requestsTo(urls)).toHaveLength(1)
  for (const args of ["(maxBytes: 3)", "(maxBytes: 1048577)", "(offset: -1)", "(offset: 1.5)"])
    expect((await ask(partQuery(args, "text", seed.countedCells))).errors?.[0]?.extensions.code, args).toBe(
      "BAD_USER_INPUT",
    )
  expect(sandbox.requestsTo(urls)).toHaveLength(1)
})

test.each([
  ["lines", "section,cells\n1,812\n2,790\n"],
  ["lines of Windows", "section,cells\r\n1,812\r\n2,790\r\n"],
  ["a last line without its break", "section,cells\n1,812\n2,790"],
  ["characters of one to four bytes", "aé€\u{1f9e0}".repeat(20)],
  ["nothing", ""],
  ["a line that is longer than a part, between others", `a\n${"b".repeat(50)}\nc\n`],
])("the parts of a file together are the file, whatever their size: %s", async (_what, content) => {
  const read = await reader(ranged(content))
  for (const maxBytes of [4, 5, 7, 16, 1_000]) expect((await readAll(read, maxBytes)).join("")).toBe(content)
})

test("a part consists of whole lines", async () => {
  const read = await reader(ranged("1,812\n2,790\n3,801\n"))
  expect(await readAll(read, 14)).toEqual(["1,812\n2,790\n", "3,801\n"])
})

test("an offset within a character begins at the next one, and one behind the end reads nothing", async () => {
  const read = await reader(ranged("a\u{1f9e0}b"))
  for (const offset of [2, 3, 4])
    expect((await read(`(offset: ${offset})`)).part).toMatchObject({ offset: 5, text: "b" })
  for (const offset of [6, 7, 2 ** 50]) {
    const { part } = await read(`(offset: ${offset})`)
    expect(part).toEqual({ offset, text: "", nextOffset: null, size: 6 })
  }
})

test("a byte order mark is no part of the text, and offsets count it", async () => {
  const read = await reader(ranged("\ufeffname\nx\n"))
  const { part } = await read("", 'offset text matches(text: "X") { offset text }')
  expect(part).toEqual({ offset: 3, text: "name\nx\n", matches: [{ offset: 8, text: "x" }] })
})

test.each([
  ["bytes that are not UTF-8", Buffer.from([0x61, 0xc3, 0x61, 0x0a])],
  ["a zero byte", Buffer.from("a\0b\n")],
  ["UTF-16", Buffer.from("text\n", "utf16le")],
  ["an archive", gzipSync("text\n")],
  ["half a character at the end of the file", Buffer.from([0x61, 0xe2, 0x82])],
])("a part with %s is rejected", async (_what, content) => {
  const { error } = await (await reader(ranged(content)))("")
  expect(error).toMatchObject({
    message: expect.stringContaining("is not UTF-8 text"),
    extensions: { code: "BAD_USER_INPUT" },
  })
})

describe("a file that is stored compressed", () => {
  const content = Array.from({ length: 40_000 }, (_, at) => `row ${at}\n`).join("")

  test("is decoded, and offsets count its content", async () => {
    const read = await reader(ranged(gzipSync(content), { "content-encoding": "gzip" }))
    const { part } = await read("(offset: 300000, maxBytes: 20)")
    expect(part).toMatchObject({ offset: 300_000, text: "row 31111\nrow 31112\n", size: content.length })
    expect((await readAll(read, 65_536)).join("")).toBe(content)
    expect((await read("(offset: 9000000)")).part).toMatchObject({ text: "", nextOffset: null })
  })

  test("is rejected if it is too large to be decoded", async () => {
    const read = await reader(
      ranged(gzipSync(Buffer.alloc(3_000_000, "x"), { level: 0 }), { "content-encoding": "gzip" }),
    )
    expect((await read("(offset: 10)")).error?.message).toContain("sends the file only as a whole, or compressed")
  })
})

describe("storage that ignores ranges", () => {
  test("is read from the beginning", async () => {
    const read = await reader((response) => void response.end("1,812\n2,790\n"))
    expect((await read("(offset: 6)")).part).toEqual({ offset: 6, text: "2,790\n", nextOffset: null, size: 12 })
    expect((await read("(offset: 6, maxBytes: 4)")).part).toMatchObject({ text: "2,79", nextOffset: 10 })
  })

  test("is cut off behind the part, and not read without bound", async () => {
    let closed = 0
    const read = await reader((response) => {
      response.on("close", () => closed++)
      sendMuch(response, Number.POSITIVE_INFINITY)
    })
    expect((await read("(offset: 100000, maxBytes: 4)")).part).toMatchObject({ text: "    ", nextOffset: 100_004 })
    expect((await read("(offset: 100000000000)")).error?.extensions.code).toBe("BAD_USER_INPUT")
    expect(closed).toBe(2)
  })

  test("or sends another range is not believed", async () => {
    const read = await reader(
      (response) => void response.writeHead(206, { "content-range": "bytes 0-3/9" }).end("1,81"),
    )
    expect((await read("(offset: 4)")).error?.extensions.code).toBe("UPSTREAM_INVALID_RESPONSE")
  })
})

describe("the matches of a part", () => {
  test("are its lines that contain the text, with offsets from which they can be read", async () => {
    const content = "é\nerror: disk\nok\r\nERROR again\r\nok"
    const read = await reader(ranged(content))
    const { part } = await read("", 'text matches(text: "Error") { offset text }')
    expect(part.matches?.map(({ text }) => text)).toEqual(["error: disk", "ERROR again"])
    for (const { offset, text } of part.matches ?? [])
      expect((await read(`(offset: ${offset})`)).part.text.startsWith(text)).toBe(true)
  })

  test("are as many as wanted, and long lines are cut", async () => {
    const read = await reader(ranged(`${"x".repeat(5_000)}\n`.repeat(3)))
    const { part } = await read("", 'matches(text: "x", first: 2) { text }')
    expect(part.matches?.map(({ text }) => text.length)).toEqual([1_000, 1_000])
    for (const args of ['(text: "")', '(text: "x", first: 0)', '(text: "x", first: 1001)'])
      expect((await read("", `matches${args} { text }`)).error?.extensions.code, args).toBe("BAD_USER_INPUT")
  })

  test("are found by one request in 33,554,432 characters at most, however many fields look for them", async () => {
    const read = await reader(ranged("error\n".repeat(170_000)))
    const aliases = (count: number) =>
      Array.from({ length: count }, (_, at) => `a${at}: matches(text: "line ${at}", first: 1) { offset }`).join(" ")
    const args = "(maxBytes: 1048576)"
    expect((await read(args, aliases(32))).error).toBeUndefined()
    expect((await read(args, aliases(33))).error?.extensions.code).toBe("OPERATION_TOO_COSTLY")
  })
})
