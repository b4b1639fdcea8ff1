import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"
import { exchangeRaw } from "./support/socket.ts"

const body = '{"query":"{__typename}"}'
const capsule = `{"query":"{ capsule(id: \\"${seed.cellCounter}\\") { name } }"}`

/** The bytes of a request, on a connection that closes after it. */
function wire(requestLine: string, headers: readonly string[] = [], content = ""): string {
  const lines = [requestLine, "Host: gateway", "Connection: close", ...headers]
  if (content !== "") lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(content)}`)
  return `${lines.join("\r\n")}\r\n\r\n${content}`
}

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])
const contentOf = (answer: string): string => answer.slice(answer.indexOf("\r\n\r\n") + 4)

async function startListening() {
  const world = await startGateway()
  return { ...world, url: await world.gateway.listen() }
}

describe("unknown paths are 404, in a line", () => {
  test.each([
    "/",
    "//",
    "///evil.example/graphql",
    "/graphql/../health",
    "/health/",
    "/%00",
    "/%zz",
    "/%67raphql",
    "/graphql%00",
    "/graphql#x",
    "/graphql\\x",
    "/graphql/graphiql/../../graphql?query={__typename}",
    "/graphql/graphiql/%2e%2e/graphql",
    "/../../etc/passwd",
    "*",
    "http://gateway/",
    "ftp://gateway/graphql",
  ])("the unknown path %s is 404 with one line of text", async (target) => {
    const { url, sandbox } = await startListening()
    for (const method of ["GET", "POST", "OPTIONS", "TRACE"]) {
      const answer = await exchangeRaw(url, wire(`${method} ${target} HTTP/1.1`))
      // Node refuses an invalid target.
      if (statusOf(answer) === 400) continue
      expect(statusOf(answer), answer).toBe(404)
      expect(contentOf(answer)).toBe("Not found. GraphQL is at /graphql.\n")
      expect(answer).toMatch(/\r\ncache-control: no-store\r\nx-request-id: [0-9a-f]{32}\r\n/)
    }
    expect(sandbox.requests).toHaveLength(0)
  })
})

test.each([
  ["/graphql", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"], "GET, HEAD, POST, OPTIONS"],
  ["/health", ["POST", "OPTIONS", "TRACE"], "GET, HEAD"],
  ["/ready", ["POST", "DELETE"], "GET, HEAD"],
])("methods that %s does not have are 405, with an Allow header", async (path, methods, allowed) => {
  const { url, sandbox } = await startListening()
  for (const method of methods) {
    const answer = await exchangeRaw(url, wire(`${method} ${path} HTTP/1.1`))
    expect(statusOf(answer), method).toBe(405)
    expect(answer).toContain(`allow: ${allowed}\r\n`)
    expect(contentOf(answer)).toBe(`Method not allowed here: ${allowed}.\n`)
  }
  expect(sandbox.requests).toHaveLength(0)
})

test("HEAD is answered like GET, without a body", async () => {
  const { url } = await startListening()
  for (const path of ["/health", "/ready"]) {
    const answer = await exchangeRaw(url, wire(`HEAD ${path} HTTP/1.1`))
    expect(statusOf(answer), path).toBe(200)
    expect(contentOf(answer)).toBe("")
  }
  const headers = [`Authorization: Bearer ${tokens.ada}`]
  const asked = await exchangeRaw(url, wire("HEAD /graphql?query={__typename} HTTP/1.1", headers))
  expect(statusOf(asked)).toBe(200)
  expect(asked).toMatch(/\r\ncontent-length: 31\r\n/i)
  expect(contentOf(asked)).toBe("")
  const page = await exchangeRaw(url, wire("HEAD /graphql HTTP/1.1", ["Accept: text/html", "Sec-Fetch-Mode: navigate"]))
  expect(statusOf(page)).toBe(200)
  expect(contentOf(page)).toBe("")
})

test("an absolute URL in the request line is routed by its path, whatever host it names", async () => {
  const { url } = await startListening()
  for (const target of ["http://evil.example/graphql", "HTTP://gateway:80/graphql?x=1"]) {
    const answer = await exchangeRaw(url, wire(`POST ${target} HTTP/1.1`, [], body))
    expect(contentOf(answer)).toBe('{"data":{"__typename":"Query"}}')
    expect(answer.toLowerCase()).toContain("cache-control: private, no-store")
  }
})

describe("a Host header that is no host is refused, and says nothing of the inside", () => {
  test.each(["a b", "[::1", "x:99999", "a/graphql?x=", "user@x", "999.999.999.999", "ü"])(
    "the invalid Host %s is refused",
    async (host) => {
      const { url } = await startListening()
      for (const path of ["/health", "/graphql"]) {
        const answer = await exchangeRaw(url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        expect(statusOf(answer)).toBe(400)
        expect(answer).not.toMatch(/ at |node_modules/)
      }
    },
  )

  test("two Host headers, or none in HTTP/1.1, are refused", async () => {
    const { url } = await startListening()
    expect(statusOf(await exchangeRaw(url, wire("GET /health HTTP/1.1", ["Host: another"])))).toBe(400)
    expect(statusOf(await exchangeRaw(url, "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"))).toBe(400)
  })
})

describe("what isn't HTTP, or too much of it, is refused by its status", () => {
  test.each([
    ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400],
    ["a method that nobody knows", "FOO /graphql HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a target that is none", "GET @evil/health HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["HTTP/2 without being asked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["a control character in a header", wire("GET /health HTTP/1.1", ["X: a\x01b"]), 400],
    ["a header that is folded", wire("GET /health HTTP/1.1", ["X: a", " b"]), 400],
    ["two lengths", wire("POST /graphql HTTP/1.1", ["Content-Length: 1", "Content-Length: 2"]), 400],
    ["a length beside chunks", wire("POST /graphql HTTP/1.1", ["Transfer-Encoding: chunked"], body), 400],
    ["a length below nothing", wire("POST /graphql HTTP/1.1", ["Content-Length: -1"]), 400],
    ["an address of 100 kB", wire(`GET /${"a".repeat(100_000)} HTTP/1.1`), 431],
    ["headers of 20 kB", wire("GET /health HTTP/1.1", [`X: ${"a".repeat(20_000)}`]), 431],
    ["an expectation that nobody knows", wire("POST /graphql HTTP/1.1", ["Expect: tea"], body), 417],
  ])("a request with %s is refused with a status of its own", async (_name, text, status) => {
    const { url, gateway, lines } = await startListening()
    const answer = await exchangeRaw(url, text)
    // A client that is still sending when the connection is closed may not receive the response.
    if (answer !== "" || text.length < 10_000) expect(statusOf(answer)).toBe(status)
    expect((await fetch(`${url}/health`)).status).toBe(200)
    expect(gateway.stats.requests).toBe(0)
    expect(lines.filter(({ level }) => level === "error")).toEqual([])
  })
})

test("CONNECT is closed, and an upgrade to WebSocket is 400", async () => {
  const { url } = await startListening()
  expect(await exchangeRaw(url, "CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")).toBe("")
  const upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
  const request = wire("GET /graphql HTTP/1.1", upgrade).replace("Connection: close", "Connection: close, Upgrade")
  expect(statusOf(await exchangeRaw(url, request))).toBe(400)
})

test("HTTP/1.0 clients and clients with Expect: 100-continue are answered", async () => {
  const { url } = await startListening()
  const old = `POST /graphql HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  expect(contentOf(await exchangeRaw(url, old))).toBe('{"data":{"__typename":"Query"}}')
  const careful = await exchangeRaw(url, wire("POST /graphql HTTP/1.1", ["Expect: 100-continue"], body))
  expect(careful).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/)
})

describe("the gateway's own token", () => {
  const named = (host: string, headers: string[] = []) =>
    wire("POST /graphql HTTP/1.1", headers, capsule).replace("Host: gateway", `Host: ${host}`)

  test("the gateway's own token is used for requests to this machine's own name", async () => {
    const { gateway } = await startGateway({ config: { codeoceanToken: tokens.ada } })
    const url = await gateway.listen()
    for (const host of ["localhost:4000", "LOCALHOST", "127.0.0.1", "[::1]:4000"]) {
      expect(contentOf(await exchangeRaw(url, named(host))), host).toContain("Cell Counter")
    }
  })

  test("the gateway's own token is not used for a page whose own domain name resolves to this machine", async () => {
    const { gateway, sandbox } = await startGateway({ config: { codeoceanToken: tokens.ada } })
    const url = await gateway.listen()
    for (const host of ["evil.example:4000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"]) {
      const answer = await exchangeRaw(url, named(host))
      expect(statusOf(answer), host).toBe(421)
      expect(contentOf(answer)).toContain("Send a token")
    }
    expect(sandbox.requests).toHaveLength(0)
    const own = await exchangeRaw(url, named("gateway.example.org", [`Authorization: Bearer ${tokens.ada}`]))
    expect(contentOf(own)).toContain("Cell Counter")
  })

  test("the gateway's own token is used for every request that reaches another address than this machine's own", async () => {
    const { gateway } = await startGateway({ config: { codeoceanToken: tokens.ada, host: "0.0.0.0" } })
    const url = (await gateway.listen()).replace("0.0.0.0", "127.0.0.1")
    expect(contentOf(await exchangeRaw(url, named("gateway.example.org")))).toContain("Cell Counter")
  })
})

describe("an Authorization that is no token is refused, and never becomes the gateway's own", () => {
  const basic = (text: string) => `Authorization: Basic ${Buffer.from(text, "latin1").toString("base64")}`
  test.each<[string, string[]]>([
    ["an empty one", ["Authorization:"]],
    ["two", [`Authorization: Bearer ${tokens.ada}`, `Authorization: Bearer ${tokens.grace}`]],
    ["the same twice", [`Authorization: Bearer ${tokens.ada}`, `authorization: Bearer ${tokens.ada}`]],
    ["a scheme alone", ["Authorization: Bearer"]],
    ["a scheme and a space", ["Authorization: Bearer "]],
    ["another scheme", [`Authorization: Token ${tokens.ada}`]],
    ["no scheme", [`Authorization: ${tokens.ada}`]],
    ["words behind the token", [`Authorization: Bearer ${tokens.ada} and more`]],
    ["a list", [`Authorization: Bearer ${tokens.ada}, Bearer ${tokens.grace}`]],
    ["a tab", [`Authorization: Bearer\t${tokens.ada}`]],
    ["bytes beyond ASCII", ["Authorization: Bearer cop_ü"]],
    ["a token of 2,000 characters", [`Authorization: Bearer ${"a".repeat(2_000)}`]],
    ["Basic that is no base64", ["Authorization: Basic %%%"]],
    ["Basic with a password", [basic(`${tokens.ada}:secret`)]],
    ["Basic without a user name", [basic(":")]],
    ["Basic with a control character", [basic(`${tokens.ada}\n:`)]],
    ["Basic with a zero", [basic(`${tokens.ada}\0:`)]],
  ])(
    "an Authorization header of %s is UNAUTHENTICATED, and never becomes the gateway's own token",
    async (_name, headers) => {
      const { gateway, sandbox, lines } = await startGateway({ config: { codeoceanToken: tokens.ada } })
      const url = await gateway.listen()
      const { errors, data } = JSON.parse(
        contentOf(await exchangeRaw(url, wire("POST /graphql HTTP/1.1", headers, capsule))),
      )
      expect(errors[0].extensions.code).toBe("UNAUTHENTICATED")
      expect(data).toEqual({ capsule: null })
      expect(sandbox.requests).toHaveLength(0)
      expect(JSON.stringify([lines, errors])).not.toMatch(/cop_|secret/)
    },
  )

  test("a request without an Authorization header is answered with the gateway's own token", async () => {
    const { gateway } = await startGateway({ config: { codeoceanToken: tokens.ada } })
    const request = wire("POST /graphql HTTP/1.1", [], capsule).replace("Host: gateway", "Host: localhost")
    const answer = await exchangeRaw(await gateway.listen(), request)
    expect(JSON.parse(contentOf(answer))).toEqual({ data: { capsule: { name: "Cell Counter" } } })
  })
})

test("the gateway responds to any headers, and never with a 5xx status", async () => {
  const { url, lines } = await startListening()
  const names = ["Authorization", "Accept", "Content-Type", "Origin", "X-Request-Id", "Agent-Id", "X-Forwarded-For"]
  const header = fc.record({
    name: fc.constantFrom(...names, "Host", "Expect", "Content-Length", "Transfer-Encoding", "Connection"),
    value: fc.string({ maxLength: 60, unit: "binary" }).map((text) => text.replace(/[\r\n]/g, " ")),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "POST", "OPTIONS", "HEAD"),
      fc.array(header, { minLength: 1, maxLength: 4 }),
      async (method, headers) => {
        const text = wire(
          `${method} /graphql?query={__typename} HTTP/1.1`,
          headers.map(({ name, value }) => `${name}: ${value}`),
        )
        const answer = await exchangeRaw(url, Buffer.from(`${text}${method === "POST" ? body : ""}`, "latin1"))
        expect(statusOf(answer), answer).toBeLessThan(500)
        expect(answer).not.toContain("node_modules")
      },
    ),
    { numRuns: 300 },
  )
  expect((await fetch(`${url}/health`)).status).toBe(200)
  expect(lines.filter(({ level }) => level === "error")).toEqual([])
})
