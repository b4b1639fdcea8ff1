import dns from "node:dns"
import type { ServerResponse } from "node:http"
import { syncBuiltinESMExports } from "node:module"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { gzipSync } from "node:zlib"
import { Agent } from "undici"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { fetchFile } from "../src/upstream/download.ts"
import { isPublicAddress } from "../src/upstream/publicAddress.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { type Answer, sendMuch, signature, startFaultyUpstream, startStorage } from "./support/faultyUpstream.ts"
import { callsOf, type Result, startGateway, startGatewayOn } from "./support/gateway.ts"

const run = `/computations/${seed.countedCells}`
const codes = ({ errors }: Result) => errors?.map(({ extensions }) => extensions.code)
const resultFile = (fields: string, path = "notes.txt", id = "c1") =>
  `{ computation(id: "${id}") { resultFile(path: ${JSON.stringify(path)}) { ${fields} } } }`

describe("folders", () => {
  test("folders are walked to any depth, for one call each", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(`
      fragment entry on FolderEntry { __typename name path ... on File { size } }
      { computation(id: "${seed.countedCells}") { results {
        name path
        entries { ...entry ... on Folder { entries { ...entry ... on Folder { entries { ...entry } } } } }
      } } }`)
    expect(errors).toBeUndefined()
    const file = (path: string, size: number) => ({ __typename: "File", name: path.split("/").at(-1), path, size })
    const folder = (path: string, entries: object[]) => ({
      __typename: "Folder",
      name: path.split("/").at(-1),
      path,
      entries,
    })
    expect(data.computation.results).toEqual({
      name: "",
      path: "",
      entries: [
        folder("figures", [
          folder("figures/raw", [file("figures/raw/section 1.csv", 8), file("figures/raw/Übersicht & mehr.txt", 13)]),
          file("figures/overlay.svg", 63),
        ]),
        file("counts.csv", 26),
        file("output", 70),
        file("processing.json", 85),
        file("volume.dat", 3_221_225_472),
      ],
    })
    expect(callsOf(sandbox.requests)).toEqual({ [`POST ${run}/results`]: 3 })
    expect(sandbox.requestsTo(`POST ${run}/results`).map(({ body }) => body)).toEqual([
      { path: "" },
      { path: "figures" },
      { path: "figures/raw" },
    ])
  })

  test("folders of a data asset are walked to any depth, for one call each", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ dataAsset(id: "${seed.cellImages}") {
      fileCount
      files(path: "sections") { name entries { name path ... on File { size } } }
    } }`)
    expect(data.dataAsset).toEqual({
      fileCount: 4,
      files: {
        name: "sections",
        entries: [
          { name: "section 1.tif", path: "sections/section 1.tif", size: 3_221_225_472 },
          { name: "section 2.tif", path: "sections/section 2.tif", size: 73_640 },
        ],
      },
    })
    expect(sandbox.requestsTo(`POST /data_assets/${seed.cellImages}/files`)).toHaveLength(1)
  })

  test("a folder that is reached several times, with slashes or without, is listed once", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ computation(id: "${seed.countedCells}") {
      a: results(path: "figures") { entries { name } }
      b: results(path: "/figures/") { path entries { path } }
      c: results { entries { ... on Folder { entries { name } } } }
    } }`)
    expect(data.computation.b.path).toBe("figures")
    expect(data.computation.a.entries).toHaveLength(2)
    expect(sandbox.requestsTo(`POST ${run}/results`)).toHaveLength(2)
  })

  test("folders whose entries are not selected cost no call", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ computation(id: "${seed.countedCells}") {
      results(path: "figures/raw") { name path }
      resultFile(path: "/figures/overlay.svg") { name path size }
    } }`)
    expect(data.computation).toEqual({
      results: { name: "raw", path: "figures/raw" },
      resultFile: { name: "overlay.svg", path: "figures/overlay.svg", size: null },
    })
    expect(sandbox.requests).toHaveLength(1)
  })

  test("the entries of a folder that does not exist are null", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(
      `{ computation(id: "${seed.countedCells}") { results(path: "nowhere") { entries { name } } } }`,
    )
    expect(errors).toBeUndefined()
    expect(data.computation.results).toEqual({ entries: null })
  })

  test("the folders of an external data asset fail with upstream's message", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(
      `{ dataAsset(id: "${seed.mouseRecording}") { name files { entries { name } } file(path: "a") { text } } }`,
    )
    expect(data.dataAsset).toEqual({ name: expect.any(String), files: { entries: null }, file: { text: null } })
    for (const { message, extensions } of errors ?? []) {
      expect(message).toBe("files of an external data asset cannot be listed")
      expect(extensions.code).toBe("BAD_USER_INPUT")
    }
    expect(errors?.map(({ extensions }) => extensions.upstream.endpoint).sort()).toEqual([
      "GET /data_assets/{id}/files/urls",
      "POST /data_assets/{id}/files",
    ])
  })

  test.each([
    ["an external data asset", { source_bucket: { origin: "aws", bucket: "b", external: true } }],
    ["an external data asset of an older form", { source_bucket: { external: "true" } }],
    ["a combined data asset", { type: "combined" }],
  ])("the files of %s are an error that says why, although Code Ocean answers 404", async (_what, more) => {
    const upstream = await startFaultyUpstream(({ path }) =>
      path.endsWith("/a")
        ? { body: { id: "a", name: "a", state: "ready", type: "dataset", ...more } }
        : { status: 404 },
    )
    const { ask } = startGatewayOn(upstream.url)
    const { data, errors, extensions } = await ask(
      `{ dataAsset(id: "a") { files { entries { name } } file(path: "a") { downloadUrl viewUrl text json head { text } } } }`,
      {},
      { authorization: "Bearer x", "x-upstream-cost": "1" },
    )
    const file = { downloadUrl: null, viewUrl: null, text: null, json: null, head: null }
    expect(data.dataAsset).toEqual({ files: { entries: null }, file })
    expect(errors).toHaveLength(6)
    for (const { message, extensions } of errors ?? []) {
      expect(message).toContain("in a bucket outside Code Ocean")
      expect(extensions.code).toBe("BAD_USER_INPUT")
    }
    expect(upstream.requests.map(({ path }) => path).sort()).toEqual([
      "/data_assets/a",
      "/data_assets/a/files",
      "/data_assets/a/files/urls?path=a",
    ])
    expect(extensions.cost.upstreamCalls).toBeLessThanOrEqual(extensions.cost.estimatedUpstreamCalls)
  })

  test.each([
    [
      "is kept in Code Ocean",
      { body: { id: "a", name: "a", source_bucket: { external: false } } },
      { files: { entries: null } },
    ],
    [
      "has a source that can't be read",
      { body: { id: "a", name: "a", source_bucket: 7 } },
      { files: { entries: null } },
    ],
    ["does not exist", { status: 404 }, null],
  ])("a folder is null without an error if its data asset %s", async (_what, asset, shown) => {
    const upstream = await startFaultyUpstream(({ path }) => (path.endsWith("/a") ? asset : { status: 404 }))
    const { ask } = startGatewayOn(upstream.url)
    const { data, errors } = await ask('{ dataAsset(id: "a") { files(path: "x") { entries { name } } } }')
    expect(errors).toBeUndefined()
    expect(data.dataAsset).toEqual(shown)
    expect(upstream.requests).toHaveLength(2)
  })

  test("a folder whose listing fails loses its entries alone", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${run}/results`, { status: 500 })
    const { data, errors } = await ask(
      `{ computation(id: "${seed.countedCells}") { name results { path entries { name } } } }`,
    )
    expect(data.computation).toEqual({ name: "Run 3 - all sections", results: { path: "", entries: null } })
    expect(errors?.[0]?.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
  })

  test.each([
    [
      "without paths, of odd types and with sizes as text",
      [
        { name: "a", size: "7", type: "link" },
        { name: "b", type: "folder" },
      ],
      ["File top/a 7", "Folder top/b undefined"],
    ],
    ["with slashes about their paths", [{ name: "a", path: "/top/a", type: "file", size: 0 }], ["File top/a 0"]],
    ["that are left out where there are none", undefined, []],
    ["that are null where there are none", null, []],
  ])("a folder shows items %s", async (_what, items, expected) => {
    const upstream = await startFaultyUpstream(({ method }) => ({ body: method === "POST" ? { items } : { id: "c1" } }))
    const { ask } = startGatewayOn(upstream.url)
    const { data, errors } = await ask(
      `{ computation(id: "c1") { results(path: "top") { entries { __typename path ... on File { size } } } } }`,
    )
    expect(errors).toBeUndefined()
    const shown = data.computation.results.entries as { __typename: string; path: string; size?: number }[]
    expect(shown.map(({ __typename, path, size }) => `${__typename} ${path} ${size}`)).toEqual(expected)
  })
})

describe("files", () => {
  test("a file has both addresses for one call, and the addresses work without a token", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(resultFile("downloadUrl viewUrl", "figures/raw/Übersicht & mehr.txt", seed.countedCells))
    const { downloadUrl, viewUrl } = data.computation.resultFile
    expect(sandbox.requestsTo(`GET ${run}/results/urls`)).toHaveLength(1)
    const download = await fetch(downloadUrl)
    expect(await download.text()).toBe("two sections\n")
    expect(download.headers.get("content-disposition")).toMatch(/^attachment/)
    expect((await fetch(viewUrl)).headers.get("content-disposition")).toMatch(/^inline/)
  })

  test("a file is read once, however often a request selects it", async () => {
    const storage = await startStorage((_request, response) => response.end('{"a": 1}'), {
      files: [{ name: "notes.txt" }],
    })
    const { ask } = startGatewayOn(storage.url)
    const { data } = await ask(`{ computation(id: "c1") {
      resultFile(path: "notes.txt") { text downloadUrl }
      again: resultFile(path: "/notes.txt") { text viewUrl }
      results { entries { ... on File { text } } }
    } }`)
    expect(data.computation.results.entries).toEqual([{ text: '{"a": 1}' }])
    expect(storage.reads()).toHaveLength(1)
    expect(storage.requests.filter(({ path }) => path.includes("/urls"))).toHaveLength(1)
  })

  test("a file has its text and its JSON", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(`{
      dataAsset(id: "${seed.cellImages}") {
        readme: file(path: "README.md") { text }
        processing: file(path: "processing.json") { json }
      }
      dataAssets(ids: ["${seed.sortedSpikes}", "${seed.cellImages}"]) { file(path: "processing.json") { json } }
    }`)
    expect(errors).toBeUndefined()
    expect(data.dataAsset).toEqual({
      readme: { text: "# Stained sections\n\nTwo sections, DAPI.\n" },
      processing: { json: { processing: null } },
    })
    expect(data.dataAssets[0].file.json).toEqual({ processing: { name: "Spike Sorting", units: 214 } })
  })

  test("the fields of a file that does not exist are null", async () => {
    const { ask } = await startGateway()
    expect(await ask(resultFile("path text json downloadUrl viewUrl", "no/such.json", seed.countedCells))).toEqual({
      data: {
        computation: {
          resultFile: { path: "no/such.json", text: null, json: null, downloadUrl: null, viewUrl: null },
        },
      },
    })
  })

  test("the fields of a file that was deleted after its address was made are null", async () => {
    const storage = await startStorage((_request, response) => response.writeHead(404).end("<Error/>"))
    const { ask } = startGatewayOn(storage.url)
    expect((await ask(resultFile("text"))).data.computation.resultFile).toEqual({ text: null })
  })

  test("a file of three gigabytes is refused with its size, without a call if a listing has the size", async () => {
    const { ask, sandbox } = await startGateway()
    const listed = await ask(`{ computation(id: "${seed.countedCells}") {
      results { entries { ... on File { path text } } }
    } }`)
    expect(codes(listed)).toEqual(["BAD_USER_INPUT"])
    expect(listed.errors?.[0]?.message).toBe(
      '"volume.dat" has 3221225472 bytes, but at most 65536 can be read. Fetch the file from its `downloadUrl`, or read it in parts (`part`).',
    )
    expect(sandbox.requestsTo(`GET ${run}/results/urls`)).toHaveLength(3)

    const { errors } = await ask(resultFile("json", "volume.dat", seed.countedCells))
    expect(errors?.[0]?.message).toContain("3221225472 bytes")
  })

  test("a file over 64 KiB is refused unless `maxBytes` is higher, and the error says so", async () => {
    const content = "x".repeat(100_000)
    const storage = await startStorage((_request, response) => response.end(content))
    const { ask } = startGatewayOn(storage.url)
    const { errors } = await ask(resultFile("text"))
    expect(errors?.[0]?.message).toContain("100000 bytes")
    expect(errors?.[0]?.message).toContain("`maxBytes`")
    expect((await ask(resultFile("text(maxBytes: 100000)"))).data.computation.resultFile.text).toBe(content)
    expect(codes(await ask(resultFile("text(maxBytes: 99999)")))).toEqual(["BAD_USER_INPUT"])
  })

  test.each([0, -1, 1_048_577])("a `maxBytes` of %i is refused before anything is read", async (maxBytes) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(resultFile(`text(maxBytes: ${maxBytes})`, "output", seed.countedCells))
    expect(errors?.[0]?.message).toContain("from 1 to 1048576")
    expect(sandbox.requests).toHaveLength(1)
  })

  test.each(["", "/", "//"])("the path %j is refused for a file", async (path) => {
    const { ask, sandbox } = await startGateway()
    const result = await ask(resultFile("path", path, seed.countedCells))
    expect(codes(result)).toEqual(["BAD_USER_INPUT"])
    expect(sandbox.requests).toHaveLength(1)
  })

  test.each([
    ["Latin-1", Buffer.from([0x63, 0x61, 0x66, 0xe9])],
    ["half a character at its end", Buffer.from("✓").subarray(0, 2)],
    ["zeros", Buffer.from("a\0b")],
    ["an image", Buffer.from([0x89, 0x50, 0x4e, 0x47])],
  ])("a file that holds no text (%s) is refused as text and as JSON", async (_what, content) => {
    const storage = await startStorage((_request, response) => response.end(content))
    const { ask } = startGatewayOn(storage.url)
    const result = await ask(resultFile("text json"))
    expect(codes(result)).toEqual(["BAD_USER_INPUT", "BAD_USER_INPUT"])
    for (const { message } of result.errors ?? []) expect(message).toContain('"notes.txt" is not UTF-8 text')
  })

  test.each([
    ["empty", "", "", "is not JSON"],
    ["a table", "a,b\n1,2\n", "a,b\n1,2\n", "is not JSON"],
    ["Python's NaN", '{"a": NaN}', '{"a": NaN}', "is not JSON"],
    ["nested beyond use", "[".repeat(100_000) + "]".repeat(100_000), undefined, "nested more than 500 levels"],
  ])(
    "a file that holds no usable JSON (%s) is refused as JSON, but not as text",
    async (_what, content, text, message) => {
      const storage = await startStorage((_request, response) => response.end(content))
      const { ask } = startGatewayOn(storage.url)
      const { data, errors } = await ask(resultFile("text(maxBytes: 1000000) json"))
      expect(errors?.map((error) => error.path?.at(-1))).toEqual(["json"])
      expect(errors?.[0]?.message).toContain(message)
      expect(data.computation.resultFile.text).toBe(text ?? content)
    },
  )

  test("the byte order mark of a file is left out", async () => {
    const storage = await startStorage((_request, response) => response.end('\ufeff{"a": 1}'))
    const { ask } = startGatewayOn(storage.url)
    expect((await ask(resultFile("text json"))).data.computation.resultFile).toEqual({
      text: '{"a": 1}',
      json: { a: 1 },
    })
  })

  test.each([[{}], [{ download_url: "" }], [{ download_url: 7 }], [[]]])(
    "a file whose addresses upstream answers as %j fails alone",
    async (body) => {
      const upstream = await startFaultyUpstream(({ path }) => ({ body: path.includes("/urls") ? body : { id: "c1" } }))
      const { ask } = startGatewayOn(upstream.url)
      const result = await ask(resultFile("name text"))
      expect(result.data.computation.resultFile).toEqual({ name: "notes.txt", text: null })
      expect(codes(result)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    },
  )

  test("the read of a file is retried if the storage is away for a moment", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("GET /signed/*", { status: 503 })
    sandbox.failNext("GET /signed/*", "reset")
    const { data } = await ask(resultFile("text", "counts.csv", seed.countedCells))
    expect(data.computation.resultFile.text).toBe("section,cells\n1,812\n2,790\n")
    expect(sandbox.requestsTo(`GET ${run}/results/urls`)).toHaveLength(1)
  })

  test.each([
    [500, "UPSTREAM_UNAVAILABLE"],
    [503, "UPSTREAM_UNAVAILABLE"],
    [429, "RATE_LIMITED"],
    [400, "UPSTREAM_INVALID_RESPONSE"],
    [401, "UPSTREAM_INVALID_RESPONSE"],
    [403, "UPSTREAM_INVALID_RESPONSE"],
    [206, "UPSTREAM_INVALID_RESPONSE"],
    [304, "UPSTREAM_INVALID_RESPONSE"],
    [416, "UPSTREAM_INVALID_RESPONSE"],
  ])("a file that the storage answers with %i is %s, and is no UNAUTHENTICATED", async (status, code) => {
    const storage = await startStorage((_request, response) => response.writeHead(status).end())
    const { ask, lines } = startGatewayOn(storage.url)
    const result = await ask(resultFile("text"))
    expect(codes(result)).toEqual([code])
    expect(result.errors?.[0]?.extensions.upstream).toEqual({ endpoint: "GET signed file URL", status })
    expect(lines).toContainEqual(
      expect.objectContaining({ msg: "upstream call failed", endpoint: "GET signed file URL", status }),
    )
  })

  test("reads of files count towards the request's limit of calls", async () => {
    const { ask, lines } = await startGateway()
    await ask(resultFile("text", "output", seed.countedCells))
    expect(lines).toContainEqual(expect.objectContaining({ msg: "request", upstreamCalls: 2 }))
  })
})

/** A server on this machine, from which no file may be fetched. */
async function startSecret() {
  let visits = 0
  const server = createTcpServer((socket) => {
    visits += 1
    socket.on("error", () => {})
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret", () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve))
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  return { port: (server.address() as AddressInfo).port, visits: () => visits }
}

const places = [
  "http://127.0.0.1:PORT/",
  "http://127.1:PORT/",
  "http://0x7f000001:PORT/",
  "http://2130706433:PORT/",
  "http://0.0.0.0:PORT/",
  "http://localhost:PORT/",
  "http://LocalHost:PORT/",
  "http://[::1]:PORT/",
  "http://[::]:PORT/",
  "http://[::ffff:127.0.0.1]:PORT/",
  "http://[::127.0.0.1]:PORT/",
  "http://[64:ff9b::7f00:1]:PORT/",
  "https://127.0.0.1:PORT/",
  "http://10.1.2.3:PORT/",
  "http://172.31.0.1:PORT/",
  "http://192.168.1.1:PORT/",
  "http://100.64.0.1:PORT/",
  "http://169.254.169.254/latest/meta-data/",
  "http://[fe80::1]:PORT/",
  "http://[fd00:ec2::254]/latest/meta-data/",
  "http://224.0.0.1:PORT/",
  "http://[ff02::1]:PORT/",
  "http://user:word@127.0.0.1:PORT/",
  "http://user@example.org/",
  "file:///etc/passwd",
  "ftp://example.org/a",
  "data:text/plain,secret",
  "//127.0.0.1:PORT/",
  "http://",
]

describe("the address of a file", () => {
  const expectRefusal = (result: Result, lines: unknown[], place: string) => {
    expect(result.data.computation.resultFile).toEqual({ text: null })
    expect(codes(result)).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    expect(result.errors?.[0]?.message).toMatch(
      /^The file can't be read from the address that Code Ocean gave for it(\.|: it is not known to be public, .*)$/,
    )
    expect(lines).toContainEqual(expect.objectContaining({ msg: "upstream call failed", attempts: 1 }))
    expect(JSON.stringify([result, lines])).not.toContain(place)
    expect(JSON.stringify([result, lines])).not.toContain(signature)
  }

  test.each(places)("an address of a file that redirects to %s is not followed", async (place) => {
    const secret = await startSecret()
    const location = `${place.replace("PORT", String(secret.port))}?${signature}`
    const storage = await startStorage((_request, response) => response.writeHead(302, { location }).end())
    const { ask, lines } = startGatewayOn(storage.url)
    expectRefusal(await ask(resultFile("text")), lines, location)
    expect(secret.visits()).toBe(0)
  })

  test.each(places)("an address of a file that is %s is not fetched", async (place) => {
    const secret = await startSecret()
    const address = `${place.replace("PORT", String(secret.port))}?${signature}`
    const storage = await startStorage(() => {}, { addressOf: () => address })
    const { ask, lines } = startGatewayOn(storage.url)
    expectRefusal(await ask(resultFile("text")), lines, address)
    expect(secret.visits()).toBe(0)
  })

  test("an address of a file that redirects to upstream's own host in a private network is not followed", async () => {
    const storage = await startStorage((_request, response) =>
      response.writeHead(307, { location: `/storage/other?${signature}` }).end(),
    )
    const { ask, lines } = startGatewayOn(storage.url)
    expectRefusal(await ask(resultFile("text")), lines, "/storage/other")
    expect(storage.reads()).toHaveLength(1)
  })

  test("an address of a file whose host name resolves to a public and a private address is not fetched", async () => {
    const secret = await startSecret()
    const address = `http://files.example:${secret.port}/?${signature}`
    const storage = await startStorage(() => {}, { addressOf: () => address })
    const { ask, lines, gateway } = startGatewayOn(storage.url)
    // Listening resolves a name too.
    await gateway.listen()
    const found = ["93.184.215.14", "127.0.0.1"].map((place) => ({ address: place, family: 4 }))
    const lookup = vi.spyOn(dns, "lookup")
    lookup.mockImplementation(((_name: string, _options: object, callback: (...found: unknown[]) => void) =>
      callback(null, found)) as never)
    syncBuiltinESMExports()
    onTestFinished(() => {
      lookup.mockRestore()
      syncBuiltinESMExports()
    })
    expectRefusal(await ask(resultFile("text")), lines, address)
    expect(lookup.mock.calls.map(([name]) => name)).toEqual(["files.example"])
    expect(secret.visits()).toBe(0)
  })

  test("a request for a file carries no credential and no header of the caller's", async () => {
    const storage = await startStorage((_request, response) => response.end("hello"))
    const { ask } = startGatewayOn(storage.url)
    await ask(resultFile("text"), undefined, {
      authorization: `Bearer ${tokens.ada}`,
      cookie: "session=1",
      "agent-id": "helper",
      "x-request-id": "request-7",
    })
    const { headers } = storage.reads()[0]!
    expect(Object.keys(headers).sort()).toEqual(["accept", "accept-encoding", "connection", "host", "user-agent"])
    expect(headers["accept-encoding"]).toBe("identity")
    expect(JSON.stringify(headers)).not.toMatch(/cop_|helper|request-7|session/)
  })

  test.each([
    ["no address of the internet", "203.0.113.9", false],
    ["the end of a private network", "172.31.255.255", false],
    ["just behind a private network", "172.32.0.0", true],
    ["a public one", "93.184.215.14", true],
    ["a public one of IPv6", "2606:2800:21f:cb07::1", true],
    ["a unique local one", "fd12::1", false],
    ["a site-local one", "fec0::1", false],
    ["a public IPv4 in the guise of IPv6", "::ffff:93.184.215.14", false],
    ["a tunnel's", "2002:7f00:1::1", false],
    ["a broadcast", "255.255.255.255", false],
    ["no address", "example.org", false],
  ])("the address %s, %s, is recognized as public or not", (_what, address, isPublic) => {
    expect(isPublicAddress(address)).toBe(isPublic)
  })
})

describe("redirects between public addresses", () => {
  /** Fetches from servers on this machine as if their addresses were public. */
  const fetchFrom = async (answer: Answer) => {
    const { url, requests } = await startFaultyUpstream(answer)
    const agent = new Agent()
    onTestFinished(() => agent.destroy())
    const pools = { poolFor: () => agent, userAgent: "test", close: async () => {} }
    const reply = fetchFile(
      pools,
      `${url}/0?${signature}`,
      { maxBytes: 100 },
      5_000,
      (start) => new Promise((onResponse, onError) => void start({ onResponse, onError })),
    )
    return { requests, reply }
  }
  const onward =
    (count: number): Answer =>
    ({ path }) => {
      const step = Number(/\d+/.exec(path)?.[0])
      return step < count
        ? { status: [301, 302, 307][step % 3]!, headers: { location: `${step + 1}` }, body: "moved".repeat(99) }
        : { body: "here" }
    }

  test("redirects between public addresses are followed three times", async () => {
    const { requests, reply } = await fetchFrom(onward(3))
    expect((await reply).body.text()).toBe("here")
    expect(requests.map(({ path }) => path)).toEqual([`/0?${signature}`, "/1", "/2", "/3"])
    for (const { headers } of requests) expect(headers).not.toHaveProperty("referer")
  })

  test("redirects between public addresses are not followed a fourth time", async () => {
    const { requests, reply } = await fetchFrom(onward(4))
    await expect(reply).rejects.toThrow("more than 3 redirects")
    expect(requests).toHaveLength(4)
  })

  test("redirects in a circle end with an error", async () => {
    const { requests, reply } = await fetchFrom(() => ({ status: 302, headers: { location: "" } }))
    await expect(reply).rejects.toThrow("more than 3 redirects")
    expect(requests).toHaveLength(4)
  })
})

describe("a storage", () => {
  const gone = (response: ServerResponse) => new Promise<void>((resolve) => response.once("close", resolve))

  test("a download without end is cancelled at the limit", async () => {
    let left: Promise<void> | undefined
    const storage = await startStorage((_request, response) => {
      left = gone(response)
      sendMuch(response, Number.POSITIVE_INFINITY)
    })
    const { ask } = startGatewayOn(storage.url)
    const result = await ask(resultFile("text"))
    expect(codes(result)).toEqual(["BAD_USER_INPUT"])
    expect(result.errors?.[0]?.message).toContain("more than 65536 bytes")
    await left
  })

  test("a redirect whose body has no end is cancelled at the limit", async () => {
    let left: Promise<void> | undefined
    const storage = await startStorage((_request, response) => {
      left = gone(response)
      response.writeHead(302, { location: "http://127.0.0.1/" })
      sendMuch(response, Number.POSITIVE_INFINITY)
    })
    const { ask } = startGatewayOn(storage.url)
    expect(codes(await ask(resultFile("text")))).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    await left
  })

  test("a storage that drips is cancelled when the call's timeout passes", async () => {
    let left: Promise<void> | undefined
    const storage = await startStorage((_request, response) => {
      left = gone(response)
      const dripping = setInterval(() => response.write("."), 10)
      response.on("close", () => clearInterval(dripping))
    })
    const { ask } = startGatewayOn(storage.url, { config: { upstreamTimeoutMs: 100 } })
    const result = await ask(resultFile("text"))
    expect(codes(result)).toEqual(["UPSTREAM_TIMEOUT"])
    expect(result.errors?.[0]?.message).toBe("The file's storage did not answer in time.")
    expect(storage.reads()).toHaveLength(1)
    await left
  })

  test("a storage that is silent is cancelled when the request's deadline passes", async () => {
    const storage = await startStorage(() => {})
    const { ask } = startGatewayOn(storage.url, { config: { requestDeadlineMs: 100 } })
    const result = await ask(resultFile("text"))
    expect(codes(result)).toEqual(["UPSTREAM_TIMEOUT"])
    expect(result.errors?.[0]?.message).toContain("exceeded its deadline")
  })

  test("downloads are cancelled, and further ones not begun, when the client leaves", async () => {
    const client = new AbortController()
    const waiting: ServerResponse[] = []
    const allCame = Promise.withResolvers<void>()
    const files = Array.from({ length: 20 }, (_, index) => ({ name: `${index}.txt` }))
    const storage = await startStorage(
      (_request, response) => {
        waiting.push(response)
        if (waiting.length === 8) allCame.resolve()
      },
      { files },
    )
    const { gateway, lines } = startGatewayOn(storage.url)
    const answer = gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify({ query: `{ computation(id: "c1") { results { entries { ... on File { text } } } } }` }),
      signal: client.signal,
    })
    await allCame.promise
    const left = waiting.map(gone)
    client.abort()
    await Promise.allSettled([answer, ...left])
    await vi.waitFor(() => expect(lines.filter(({ failure }) => failure === "cancelled")).toHaveLength(20))
    expect(storage.reads()).toHaveLength(8)
  })

  test("one request makes at most eight downloads at once, and all of them in the end", async () => {
    let atOnce = 0
    let most = 0
    const waiting: (() => void)[] = []
    const files = Array.from({ length: 30 }, (_, index) => ({ name: `${index}.txt` }))
    const storage = await startStorage(
      ({ path }, response) => {
        atOnce += 1
        most = Math.max(most, atOnce)
        waiting.push(() => {
          atOnce -= 1
          response.end(path)
        })
        // The last ones are fewer than eight.
        if (waiting.length === 8 || storage.reads().length > 24) for (const go of waiting.splice(0)) go()
      },
      { files },
    )
    const { ask } = startGatewayOn(storage.url)
    const { data } = await ask(`{ computation(id: "c1") { results { entries { name ... on File { text } } } } }`)
    expect(data.computation.results.entries).toEqual(files.map(({ name }) => ({ name, text: name })))
    expect(most).toBe(8)
  })

  test("one request downloads at most 31 MiB of files of 1 MiB each", async () => {
    const content = "x".repeat(1024 * 1024)
    const files = Array.from({ length: 60 }, (_, index) => ({ name: `${index}.txt` }))
    const storage = await startStorage((_request, response) => response.end(content), { files })
    const { ask } = startGatewayOn(storage.url)
    const result = await ask(
      `{ computation(id: "c1") { results { entries { ... on File { text(maxBytes: 1048576) } } } } }`,
    )
    const texts = (result.data.computation.results.entries as { text: string | null }[]).filter(({ text }) => text)
    expect(texts.length).toBeGreaterThanOrEqual(24)
    expect(texts.length).toBeLessThanOrEqual(31)
    expect(new Set(codes(result))).toEqual(new Set(["OPERATION_TOO_COSTLY"]))
    expect(result.errors).toHaveLength(60 - texts.length)
    expect(storage.reads()).toHaveLength(texts.length)
  })

  test("a small file that would unpack to a quarter of a gigabyte is unpacked to no more than the limit", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024))
    const storage = await startStorage((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-length": bomb.length }).end(bomb)
    })
    const { ask } = startGatewayOn(storage.url)
    const before = process.memoryUsage().rss
    const result = await ask(resultFile("text(maxBytes: 1048576)"))
    expect(result.errors?.[0]?.message).toContain("has more than 1048576 bytes")
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })

  test("a download that breaks off is retried, and its part is never taken for the whole", async () => {
    const storage = await startStorage((_request, response) => {
      response.writeHead(200, { "content-length": 100 })
      response.write("half", () => response.destroy())
    })
    const { ask } = startGatewayOn(storage.url)
    expect(codes(await ask(resultFile("text")))).toEqual(["UPSTREAM_INVALID_RESPONSE"])
    expect(storage.reads()).toHaveLength(4)
  })

  test("a storage that can't be reached is reported as such, without its address", async () => {
    const storage = await startStorage(() => {}, { addressOf: () => `http://nowhere.invalid/a?${signature}` })
    const { ask, lines } = startGatewayOn(storage.url)
    const result = await ask(resultFile("text"))
    expect(result.errors?.[0]?.message).toBe("The file's storage can't be reached.")
    expect(JSON.stringify([result, lines])).not.toContain(signature)
  })
})

describe("a file that one request shows hundreds of times", () => {
  const aliases = (field: (index: number) => string) =>
    Array.from({ length: 490 }, (_, index) => `a${index}: ${field(index)}`).join(" ")
  const mebibyte = 1024 * 1024

  test.each<[string, string, (index: number) => string, number]>([
    ["as JSON of many small lists", `[${"[],".repeat(340_000)}[]]`, () => "json", 1],
    ["as JSON that is nested too deep", "[".repeat(500_000) + "]".repeat(500_000), () => "json", 1],
    ["as text of two bytes a character", "é".repeat(mebibyte / 2), () => "text(maxBytes: 1048576)", 1],
    ["as text, each time with another limit", "é".repeat(mebibyte / 2), (i) => `text(maxBytes: ${i + 1})`, 1],
    ["as text that is none", `${"a".repeat(mebibyte - 1)}\0`, (i) => `text(maxBytes: ${mebibyte - i})`, 1],
  ])(
    "a file that one request shows hundreds of times %s, is read once and delays no other request",
    async (_name, content, field, reads) => {
      const storage = await startStorage((_request, response) => response.end(content))
      const { ask, gateway } = startGatewayOn(storage.url, { config: { upstreamTimeoutMs: 30_000 } })
      const url = await gateway.listen()
      const started = cpuMs()
      const health = async () => {
        await expect.poll(() => storage.reads().length).toBeGreaterThan(0)
        const asked = cpuMs()
        await fetch(`${url}/health`)
        return cpuMs() - asked
      }
      const [answer, ms] = await Promise.all([
        ask(`{ computation(id: "c1") { resultFile(path: "a") { ${aliases(field)} } } }`),
        health(),
      ])
      expect(JSON.stringify(answer.errors ?? [])).not.toContain("INTERNAL_SERVER_ERROR")
      expect(ms).toBeLessThan(2_000)
      expect(cpuMs() - started).toBeLessThan(6_000)
      expect(storage.reads()).toHaveLength(reads)
    },
  )

  test.each([
    ["of line breaks alone", "\n".repeat(mebibyte)],
    ["of one line", "x".repeat(mebibyte)],
    ["larger than what is read of it", "x\n".repeat(mebibyte)],
  ])(
    "a log %s that one request shows hundreds of times, each time with another tail, is read once and delays no other request",
    async (_name, content) => {
      const storage = await startStorage(({ headers }, response) => {
        const [, bytes] = /^bytes=-(\d+)$/.exec(headers.range ?? "") ?? []
        const end = content.slice(-Number(bytes))
        if (end.length === content.length) response.end(content)
        else
          response
            .writeHead(206, { "content-range": `bytes ${content.length - end.length}-/${content.length}` })
            .end(end)
      })
      const { ask, gateway } = startGatewayOn(storage.url)
      const url = await gateway.listen()
      const started = cpuMs()
      const [answer] = await Promise.all([
        ask(`{ computation(id: "c1") { ${aliases((index) => `log(tail: ${mebibyte - index})`)} } }`),
        fetch(`${url}/health`),
      ])
      expect(JSON.stringify(answer.errors ?? [])).not.toContain("INTERNAL_SERVER_ERROR")
      expect(cpuMs() - started).toBeLessThan(4_000)
      // Its last 64 KiB, and its last MiB if that is not the whole file.
      expect(storage.reads()).toHaveLength(2)
    },
  )

  test("a tail has the same lines as if the log were split into its lines", async () => {
    const contents = ["", "\n", "a", "a\n", "\n\na", "a\nb\n\nc", "a\r\nb\r\n", "é\n🔬\n"]
    for (const content of contents) {
      const storage = await startStorage((_request, response) => response.end(content))
      const { ask } = startGatewayOn(storage.url)
      const { data } = await ask(
        `{ computation(id: "c1") { ${[1, 2, 3, 9].map((n) => `t${n}: log(tail: ${n})`).join(" ")} } }`,
      )
      const lines = content.split(/(?<=\n)/)
      for (const n of [1, 2, 3, 9]) {
        expect(data.computation[`t${n}`], JSON.stringify([content, n])).toBe(lines.slice(-n).join(""))
      }
    }
  })
})
