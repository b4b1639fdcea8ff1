import { request as httpRequest, type IncomingHttpHeaders } from "node:http"
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { createCompression, type Encoded, preferredEncoding } from "../src/http/compression.ts"
import { type Answer, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"
import { connect } from "./support/socket.ts"

const decoders: Record<string, (body: Buffer) => Buffer> = {
  zstd: zstdDecompressSync,
  br: brotliDecompressSync,
  gzip: gunzipSync,
}
const decoded = ({ headers, body }: { headers: IncomingHttpHeaders; body: Buffer }) =>
  String(decoders[headers["content-encoding"] ?? ""]?.(body) ?? body)

type Response = { status: number; headers: IncomingHttpHeaders; body: Buffer }

/** Sends these headers and no others, and leaves the body as it is. */
const send = (url: string, headers: Record<string, string>, content?: object, method = content ? "POST" : "GET") =>
  new Promise<Response>((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on("data", (chunk) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    request.on("error", reject)
    request.end(content && JSON.stringify(content))
  })

const asAda = { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json" }
const period = Array.from({ length: 23 }, (_, at) => String.fromCharCode(97 + ((at * at) % 23))).join("")
const text = (length: number) => period.repeat(Math.ceil(length / period.length)).slice(0, length)

/** A gateway whose capsule c1 has a name of this length. */
async function startWith(name: string, options: Parameters<typeof startGatewayOn>[1] = {}) {
  const answer: Answer = () => ({ body: { id: "c1", name } })
  const upstream = await startFaultyUpstream(answer)
  const world = startGatewayOn(upstream.url, options)
  return { ...world, url: `${await world.gateway.listen()}/graphql` }
}

const query = { query: '{ capsule(id: "c1") { name } }' }

describe.each([
  ["the fast path", true],
  ["Yoga", false],
])("through %s", (_way, fastPath) => {
  test.each(["zstd", "br", "gzip"])("a response of 5 kB, and one of 500 kB, is compressed by %s", async (encoding) => {
    for (const length of [5_000, 500_000]) {
      const { url } = await startWith(text(length), { fastPath })
      const plain = await send(url, asAda, query)
      const response = await send(url, { ...asAda, "accept-encoding": encoding }, query)
      expect(response.headers).toMatchObject({
        "content-encoding": encoding,
        "content-length": String(response.body.length),
        "content-type": plain.headers["content-type"],
        vary: "Accept, Accept-Encoding, Authorization, Agent-Id, Origin, Cookie, X-Session",
      })
      expect(response.body.length).toBeLessThan(length / 3)
      expect(decoded(response)).toBe(String(plain.body))
      expect(plain.headers).not.toHaveProperty("content-encoding")
      expect(plain.headers.vary).toBe(response.headers.vary)
    }
  })

  test("a response of less than 1 kB is not compressed, unless the client excludes that", async () => {
    const { url } = await startWith(text(900), { fastPath })
    expect((await send(url, { ...asAda, "accept-encoding": "gzip, br" }, query)).headers).not.toHaveProperty(
      "content-encoding",
    )
    for (const header of ["gzip, identity;q=0", "gzip, *;q=0"]) {
      const response = await send(url, { ...asAda, "accept-encoding": header }, query)
      expect(response.headers["content-encoding"]).toBe("gzip")
      expect(decoded(response)).toContain(text(900))
    }
  })

  test("errors without data are not compressed, unless the client excludes that", async () => {
    const { url } = await startWith("x", { fastPath })
    const wrong = { query: `{ ${Array.from({ length: 40 }, (_, at) => `wrong${at}`).join(" ")} }` }
    const response = await send(url, { ...asAda, "accept-encoding": "gzip" }, wrong)
    expect(response.body.length).toBeGreaterThan(1_000)
    expect(response.headers).not.toHaveProperty("content-encoding")
    const compressed = await send(url, { ...asAda, "accept-encoding": "gzip, identity;q=0" }, wrong)
    expect(compressed.headers["content-encoding"]).toBe("gzip")
    expect(JSON.parse(decoded(compressed)).errors).toHaveLength(JSON.parse(String(response.body)).errors.length)
  })

  test("RESPONSE_BYTES limits the size before compression", async () => {
    const { url } = await startWith("a".repeat(100_000), { fastPath, config: { limits: { responseBytes: 50_000 } } })
    const { body, headers } = await send(url, { ...asAda, "accept-encoding": "gzip" }, query)
    expect(JSON.parse(decoded({ headers, body })).errors[0].extensions.code).toBe("OPERATION_TOO_COSTLY")
  })

  test("a HEAD has the headers of the GET, without its body", async () => {
    const { url } = await startWith(text(5_000), { fastPath })
    const address = `${url}?query=${encodeURIComponent(query.query)}`
    const headers = { authorization: asAda.authorization, "accept-encoding": "br" }
    const [get, head] = [await send(address, headers), await send(address, headers, undefined, "HEAD")]
    expect(head.body).toHaveLength(0)
    for (const name of ["content-encoding", "content-length", "vary"])
      expect(head.headers[name]).toBe(get.headers[name])
    expect(get.headers["content-encoding"]).toBe("br")
  })

  test("a client that leaves while its response is compressed leaves nothing behind", async () => {
    const { url, gateway } = await startWith(text(8_000_000), { fastPath })
    const body = JSON.stringify(query)
    for (let round = 0; round < 5; round++) {
      const socket = await connect(url)
      socket.write(
        `POST /graphql HTTP/1.1\r\nHost: gateway\r\nAuthorization: ${asAda.authorization}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      setTimeout(() => socket.destroy(), round * 20)
    }
    await expect.poll(() => gateway.stats).toMatchObject({ requests: 0, openResponses: 0, connections: 0 })
    expect(decoded(await send(url, { ...asAda, "accept-encoding": "gzip" }, query))).toContain("data")
  })
})

test("events of a subscription and responses of /ready are not compressed", async () => {
  const { gateway } = await startGateway()
  const url = await gateway.listen()
  const headers = { ...asAda, "accept-encoding": "gzip, br, zstd", accept: "text/event-stream" }
  const events = await send(`${url}/graphql`, headers, { query: 'subscription { computation(id: "none") { id } }' })
  expect(events.headers["content-encoding"] ?? "none").toBe("none")
  expect(String(events.body)).toContain("event: next")
  expect((await send(`${url}/ready`, { "accept-encoding": "gzip" })).headers).not.toHaveProperty("content-encoding")
})

test("thirty responses of 4 MB at once are complete, and /health is answered meanwhile", async () => {
  const { url, gateway } = await startWith(text(4_000_000))
  const responses = Array.from({ length: 30 }, async () => {
    const response = await send(url, { ...asAda, "accept-encoding": "br" }, query)
    return { encoding: response.headers["content-encoding"], length: decoded(response).length }
  })
  expect((await send(url.replace("/graphql", "/health"), {})).status).toBe(200)
  const done = await Promise.all(responses)
  expect(new Set(done.map(({ length }) => length)).size).toBe(1)
  expect(done.some(({ encoding }) => encoding === "br")).toBe(true)
  expect(gateway.stats.openResponses).toBe(0)
})

describe("responses that are compressed at once", () => {
  const response = (bytes: number): Encoded => ({
    headers: { "content-length": bytes },
    body: "a".repeat(bytes),
    hasData: true,
  })

  test("responses beyond 64 MiB that wait for compression are sent uncompressed, or compressed at once if the client excludes that", async () => {
    const compress = createCompression()
    const sent: (string | number | undefined)[] = []
    const all = Array.from(
      { length: 8 },
      () =>
        new Promise<void>((resolve) =>
          compress(
            response(16 * 1024 * 1024),
            "gzip",
            () => true,
            ({ headers }) => {
              sent.push(headers["content-encoding"])
              resolve()
            },
          ),
        ),
    )
    expect(sent).toEqual([undefined, undefined, undefined, undefined])
    let late: Encoded | undefined
    compress(
      response(100_000),
      "zstd, identity;q=0",
      () => true,
      (compressed) => {
        late = compressed
      },
    )
    expect(late?.headers).toEqual({ "content-encoding": "zstd", "content-length": late?.body.length })
    expect(String(zstdDecompressSync(late?.body as Buffer))).toBe("a".repeat(100_000))
    await Promise.all(all)
    expect(sent.slice(4)).toEqual(["gzip", "gzip", "gzip", "gzip"])
    // Their bytes are released.
    await new Promise<void>((resolve) =>
      compress(
        response(64 * 1024 * 1024),
        "gzip",
        () => true,
        ({ headers }) => {
          expect(headers["content-encoding"]).toBe("gzip")
          resolve()
        },
      ),
    )
  })

  test("a response whose client has left is not compressed, and its bytes are free again", async () => {
    const compress = createCompression()
    let isHere = true
    const unwanted: unknown[] = []
    for (let count = 0; count < 4; count++) {
      compress(
        response(16 * 1024 * 1024),
        "gzip",
        () => isHere,
        (late) => unwanted.push(late),
      )
    }
    isHere = false
    await expect
      .poll(() => {
        let encoding: unknown
        compress(
          response(64 * 1024 * 1024),
          "gzip",
          () => false,
          ({ headers }) => {
            encoding = headers["content-encoding"] ?? "none"
          },
        )
        return encoding
      })
      .toBeUndefined()
    expect(unwanted).toEqual([])
  })
})

describe("Accept-Encoding", () => {
  const all = ["zstd", "br", "gzip"] as const
  test.each<[string | undefined, string]>([
    [undefined, "identity"],
    ["", "identity"],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["GZIP", "gzip"],
    ["gzip, deflate", "gzip"],
    ["deflate", "identity"],
    ["gzip, deflate, br", "br"],
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["*", "zstd"],
    ["*;q=0", "identity"],
    ["zstd;q=0, *", "br"],
    ["gzip, *;q=0", "gzip"],
    ["identity", "identity"],
    ["identity, gzip;q=0.5", "identity"],
    ["identity;q=0.5, gzip;q=0.5", "gzip"],
    ["identity;q=0", "identity"],
    ["identity;q=0, *", "zstd"],
    [`${",".repeat(16_000)}gzip`, "identity"],
    ["gzip;q=0.001", "gzip"],
    ["gzip;q=nonsense", "identity"],
    [",,;q=1,gzip,,", "gzip"],
  ])("Accept-Encoding: %s is answered by %s", (header, encoding) => {
    expect(preferredEncoding(header, all)).toBe(encoding)
  })

  test("any header selects a supported encoding or none", () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect([...all, "identity"]).toContain(preferredEncoding(header, all))
      }),
    )
  })
})
