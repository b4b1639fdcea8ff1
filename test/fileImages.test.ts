import type { ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { chart } from "../sandbox/chart.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { imageTypeOf, maxImageBytes } from "../src/graph/files/image.ts"
import { sendMuch, signature, startFaultyUpstream, startStorage } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"
import { ownPage, send, startWithSession } from "./support/sessions.ts"

const png = chart([1, 2, 3])
const svg =
  '<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
const ada = { authorization: `Bearer ${tokens.ada}` }
const grace = { authorization: `Bearer ${tokens.grace}` }
const ofRun = (path: string, id = "c1") => `/files/computations/${id}?path=${encodeURIComponent(path)}`

type Send = (response: ServerResponse) => void
const plain =
  (bytes: Buffer | string, headers: Record<string, string> = {}): Send =>
  (response) => {
    response.writeHead(200, headers)
    response.end(bytes)
  }

/** A gateway whose only run has a file `x`, which the storage sends so. */
async function startWith(send: Send, options: Parameters<typeof startGatewayOn>[1] = {}) {
  const storage = await startStorage((_request, response) => send(response))
  const { gateway, lines } = startGatewayOn(storage.url, options)
  const url = await gateway.listen()
  const get = (path = ofRun("x"), init: RequestInit = {}) => fetch(url + path, { headers: ada, ...init })
  return { storage, gateway, lines, url, get }
}

async function errorOf(response: Response) {
  const { errors } = (await response.json()) as { errors: { message: string; extensions: Record<string, unknown> }[] }
  expect(errors).toHaveLength(1)
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8")
  expect(response.headers.get("x-content-type-options")).toBe("nosniff")
  const [{ message, extensions } = { message: "", extensions: {} }] = errors
  return { status: response.status, message, code: extensions.code, extensions }
}

describe("an image of a run's results", () => {
  test("is sent with the caller's token, for two calls, and with no power as a page", async () => {
    const { gateway, sandbox, lines } = await startGateway()
    const url = await gateway.listen()
    const response = await fetch(url + ofRun("figures/overview.png", seed.sortedRun), { headers: ada })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "image/png",
      "x-content-type-options": "nosniff",
      "content-security-policy": expect.stringMatching(/^default-src 'none';.*\bsandbox$/),
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "private, no-store",
      "x-request-id": expect.any(String),
    })
    expect(Buffer.from(await response.arrayBuffer())).toEqual(chart([12, 48]))
    expect(sandbox.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /computations/${seed.sortedRun}/results/urls`,
    ])
    await expect
      .poll(() => lines.find(({ msg }) => msg === "file"))
      .toMatchObject({
        status: 200,
        outcome: "ok",
        upstreamCalls: 2,
        requestId: response.headers.get("x-request-id"),
      })
  })

  test("can belong to a data asset", async () => {
    const storage = await startFaultyUpstream(({ path }) =>
      path.startsWith("/data_assets/d1/files/urls?path=a%2Fb.png")
        ? { body: { download_url: `${storage.url}/f` } }
        : { body: png },
    )
    const url = await startGatewayOn(storage.url).gateway.listen()
    const response = await fetch(`${url}/files/data_assets/d1?path=a/b.png`, { headers: ada })
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/png"])
  })

  test.each([
    ["no token", {}, 401, "UNAUTHENTICATED"],
    ["a wrong token", { authorization: "Bearer cop_wrong" }, 401, "UNAUTHENTICATED"],
    ["somebody else's token", ada, 404, "NOT_FOUND"],
    ["an Agent-Id that is none", { ...grace, "agent-id": "ä" }, 400, "BAD_USER_INPUT"],
  ])("is not sent for %s", async (_name, headers, status, code) => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const image = url + ofRun("figures/overview.png", seed.graceRun)
    expect((await fetch(image, { headers: grace })).status).toBe(200)
    expect(await errorOf(await fetch(image, { headers }))).toMatchObject({ status, code })
  })

  test("is sent in a session, with the cookie and the header that goes with it, until the user signs out", async () => {
    const { tab, gateway } = await startWithSession()
    const url = (await gateway.listen()) + ofRun("figures/overview.png", seed.sortedRun)
    const get = (headers: Record<string, string>) => send(url, { headers: { cookie: tab.cookie, ...headers } })
    expect((await get(ownPage)).status).toBe(200)
    expect((await get({})).status).toBe(401)
    expect((await get({ ...ownPage, "sec-fetch-site": "cross-site" })).status).toBe(401)
    const cookie = tab.cookie
    await tab.delete()
    tab.cookie = cookie
    expect((await get(ownPage)).status).toBe(401)
  })

  test.each([
    ["a path that does not exist", ofRun("nothing.png", seed.sortedRun), 404, "NOT_FOUND"],
    ["a run that does not exist", ofRun("x", "e0e0e0e0-0000-4000-8000-000000000000"), 404, "NOT_FOUND"],
    ["no path", `/files/computations/${seed.sortedRun}`, 400, "BAD_USER_INPUT"],
    ["a folder", ofRun("/", seed.sortedRun), 400, "BAD_USER_INPUT"],
    ["a path that is too long", ofRun("x".repeat(4_097), seed.sortedRun), 400, "BAD_USER_INPUT"],
    ["a file that is no image", ofRun("figures/overview.csv", seed.sortedRun), 415, "BAD_USER_INPUT"],
  ])("is not sent for %s", async (_name, path, status, code) => {
    const { gateway } = await startGateway()
    const response = await fetch((await gateway.listen()) + path, { headers: ada })
    expect(await errorOf(response)).toMatchObject({ status, code })
  })

  test("has a path of its own, which takes GET only, and no other kind of object", async () => {
    const { get, url } = await startWith(plain(png))
    for (const method of ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
      expect((await get(ofRun("x"), { method })).status, method).toBe(405)
    for (const path of ["/files", "/files/", "/files/computations", "/files/computations/", "/files/capsules/c1"])
      expect((await get(`${path}?path=x`)).status, path).toBe(404)
    for (const path of ["/files/computations/c1/", "/files/computations/c1/x", "/files/computations/..%2fc1"])
      expect((await fetch(`${url}${path}?path=x`, { headers: ada })).status, path).toBe(404)
  })

  test("counts as a request of its caller, and waits for its turn when many are read", async () => {
    let open = 0
    let most = 0
    const waiting: (() => void)[] = []
    const { get, gateway } = await startWith(
      (response) => {
        open += 1
        most = Math.max(most, open)
        waiting.push(() => {
          open -= 1
          response.end(png)
        })
      },
      { config: { callerConcurrentRequests: 20 } },
    )
    const responses = Array.from({ length: 20 }, () => get())
    await expect.poll(() => waiting.length).toBe(8)
    await expect.poll(() => gateway.stats.requests).toBe(20)
    expect((await get()).status).toBe(429)
    for (let served = 0; served < 20; served++) {
      await expect.poll(() => waiting.length).toBeGreaterThan(0)
      waiting.shift()?.()
    }
    for (const response of await Promise.all(responses)) expect(response.status).toBe(200)
    expect(most).toBe(8)
  })

  test("is refused if its turn does not come within half the time of a request", async () => {
    const opened: ServerResponse[] = []
    const { get, gateway } = await startWith((response) => void opened.push(response), {
      config: { requestDeadlineMs: 2_000 },
    })
    const first = Array.from({ length: 8 }, () => get())
    await expect.poll(() => opened.length).toBe(8)
    const response = await get()
    expect(await errorOf(response)).toMatchObject({ status: 503, code: "OVERLOADED" })
    expect(response.headers.get("retry-after")).toBe("1")
    for (const held of opened) held.end(png)
    await Promise.all(first)
    // The turn of the one that was refused goes to another.
    const second = Array.from({ length: 8 }, () => get())
    await expect.poll(() => opened.length).toBe(16)
    for (const held of opened) held.end(png)
    await Promise.all(second)
    await expect.poll(() => gateway.stats.requests).toBe(0)
  })

  test("is not read for a client that has left, whether it waits or not", async () => {
    const opened: ServerResponse[] = []
    const { get, gateway, storage } = await startWith((response) => void opened.push(response), {
      config: { upstreamTimeoutMs: 120_000, requestDeadlineMs: 120_000 },
    })
    const leaving = new AbortController()
    const responses = Array.from({ length: 10 }, () => get(ofRun("x"), { signal: leaving.signal }).catch(() => "left"))
    await expect.poll(() => opened.length).toBe(8)
    await expect.poll(() => gateway.stats.requests).toBe(10)
    leaving.abort()
    expect(await Promise.all(responses)).toEqual(Array(10).fill("left"))
    await expect.poll(() => gateway.stats.requests).toBe(0)
    await expect.poll(() => opened.every(({ destroyed }) => destroyed)).toBe(true)
    expect(storage.reads()).toHaveLength(8)
    const next = get()
    await expect.poll(() => opened.length).toBe(9)
    opened[8]?.end(png)
    expect((await next).status).toBe(200)
  })
})

describe("what storage sends in place of an image", () => {
  test.each([
    ["HTML", "<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"],
    ["HTML behind a comment", "<!-- x --><html></html>"],
    ["a script", "alert(1)"],
    ["text that begins like a bitmap", "BMW, a car maker, and some more text to fill the header"],
    ["XML", '<?xml version="1.0"?><feed></feed>'],
    [
      "an SVG image with foreign entities",
      '<!DOCTYPE svg SYSTEM "x" [%all;]><svg xmlns="http://www.w3.org/2000/svg"/>',
    ],
    [
      "an SVG image with entities of its own",
      '<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>',
    ],
    ["an SVG image behind much else", `<!--${"x".repeat(10_000)}--><svg/>`],
    ["nothing", ""],
    ["half a signature", "\x89PN"],
  ])("%s is not sent, whatever its name and its content type say", async (_name, body) => {
    const { storage, get } = await startWith(plain(body, { "content-type": "image/png" }))
    const error = await errorOf(await get(ofRun("x.png")))
    expect(error).toMatchObject({ status: 415, code: "BAD_USER_INPUT" })
    expect(error.message).not.toContain("alert")
    expect(storage.reads()).toHaveLength(1)
  })

  test("an image gets the type of its bytes, not that of its name or its storage", async () => {
    const { get } = await startWith(plain(png, { "content-type": "text/html" }))
    expect((await get(ofRun("page.html"))).headers.get("content-type")).toBe("image/png")
  })

  test("an SVG image is sent as a download without scripts, links and requests", async () => {
    const { get } = await startWith(plain(svg))
    const { headers } = await get(ofRun("x.svg"))
    expect(headers.get("content-type")).toBe("image/svg+xml")
    expect(headers.get("content-disposition")).toBe("attachment")
    expect(headers.get("content-security-policy")).toMatch(/default-src 'none'.*sandbox/)
  })

  test("an image that is stored compressed is decoded", async () => {
    const { get } = await startWith(plain(gzipSync(png), { "content-encoding": "gzip" }))
    const response = await get()
    expect(response.headers.get("content-encoding")).toBeNull()
    expect(Buffer.from(await response.arrayBuffer())).toEqual(png)
  })

  test("the largest image is sent, and one byte more is too much", async () => {
    const bytes = Buffer.alloc(maxImageBytes + 1)
    png.copy(bytes)
    let size = maxImageBytes
    const { get } = await startWith((response) => plain(bytes.subarray(0, size))(response))
    expect((await (await get()).arrayBuffer()).byteLength).toBe(maxImageBytes)
    size += 1
    expect(await errorOf(await get())).toMatchObject({ status: 413, code: "BAD_USER_INPUT" })
  })

  test.each<[string, Send]>([
    ["a body of 50 MB", (response) => sendMuch(response, 50_000_000)],
    ["a few bytes that stand for 50 MB", plain(gzipSync(Buffer.alloc(50_000_000)), { "content-encoding": "gzip" })],
  ])("%s is not read to its end", async (_name, send) => {
    const { get, gateway } = await startWith(send)
    expect(await errorOf(await get())).toMatchObject({ status: 413 })
    await expect.poll(() => gateway.stats).toMatchObject({ requests: 0, openResponses: 0 })
  })

  test.each<[string, Send]>([
    ["never answers", () => undefined],
    ["never ends", (response) => void response.writeHead(200).write(png.subarray(0, 100))],
    [
      "sends a byte now and then",
      (response) => {
        const timer = setInterval(() => response.write("x"), 10)
        response.on("close", () => clearInterval(timer))
      },
    ],
  ])("storage that %s is given up after the time of one call", async (_name, send) => {
    const { get, gateway } = await startWith(send, { config: { upstreamTimeoutMs: 300, requestDeadlineMs: 1_000 } })
    expect(await errorOf(await get())).toMatchObject({ status: 504, code: "UPSTREAM_TIMEOUT" })
    await expect.poll(() => gateway.stats.requests).toBe(0)
  })

  test.each([
    ["a redirect into the gateway's own network", 302],
    ["an error page", 403],
    ["a server error", 500],
  ])("%s is not followed or passed on", async (_name, status) => {
    const inside = await startFaultyUpstream(() => ({ body: png }))
    const { get, lines } = await startWith((response) => {
      response.writeHead(status, { location: `${inside.url}/secret` })
      response.end("<html>")
    })
    const error = await errorOf(await get())
    expect([502, 503]).toContain(error.status)
    expect(error.message).not.toMatch(/html|127\.0\.0\.1|secret/)
    expect(inside.requests).toEqual([])
    expect(JSON.stringify(lines)).not.toContain(signature)
  })

  test.each(["http://169.254.169.254/latest", "http://127.0.0.1:1/x", "file:///etc/passwd", "http://[::1]/x"])(
    "an address such as %s is not read",
    async (address) => {
      const storage = await startStorage(() => undefined, { addressOf: () => address })
      const url = await startGatewayOn(storage.url).gateway.listen()
      const response = await fetch(url + ofRun("x"), { headers: ada })
      expect(await errorOf(response)).toMatchObject({ status: 502, code: "UPSTREAM_INVALID_RESPONSE" })
    },
  )
})

test.each([
  ["image/png", "\x89PNG\r\n\x1a\n..."],
  ["image/jpeg", "\xff\xd8\xff\xe0..."],
  ["image/gif", "GIF89a..."],
  ["image/gif", "GIF87a..."],
  ["image/webp", "RIFF\x10\0\0\0WEBPVP8 "],
  ["image/avif", "\0\0\0\x1cftypavif"],
  ["image/bmp", `BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0${"\0".repeat(36)}`],
  ["image/svg+xml", "\xef\xbb\xbf\n<?xml version='1.0'?><!DOCTYPE svg><svg width='1'/>"],
  [undefined, "RIFF\x10\0\0\0WAVEfmt "],
  [undefined, "\0\0\0\x1cftypmp42"],
  [undefined, "<svgx/>"],
  [undefined, "<?xml"],
  [undefined, "II*\0"],
])("the type %s is found by the bytes %j", (type, bytes) => {
  expect(imageTypeOf(Buffer.from(bytes, "latin1"))).toBe(type)
})
