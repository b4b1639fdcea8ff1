import { createConnection } from "node:net"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { readConfig } from "../src/config/config.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}`, ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body),
})

describe("requests that another site could make a browser send are refused", () => {
  test.each([
    ["a form", { "content-type": "application/x-www-form-urlencoded" }, "query=%7B__typename%7D"],
    ["plain text", { "content-type": "text/plain" }, '{"query":"{__typename}"}'],
    ["a multipart form", { "content-type": "multipart/form-data; boundary=x" }, "--x--"],
    ["no content type", {}, undefined],
  ])("a POST of %s, which another site could make a browser send, is refused", async (_name, headers, body) => {
    const { gateway } = await startGateway()
    const response = await gateway.fetch("http://gateway/graphql", { method: "POST", headers, body: body ?? null })
    expect(response.status).toBe(403)
    expect((await response.json()).errors[0].extensions.code).toBe("FORBIDDEN")
  })

  test("a GET without a header that only the page's own site can add is refused", async () => {
    const { gateway } = await startGateway()
    const response = await gateway.fetch("http://gateway/graphql?query={__typename}")
    expect(response.status).toBe(403)
    expect((await response.json()).errors[0].message).toContain("Authorization header")
  })

  test("a GET with an Authorization header, which no other site can add, is answered", async () => {
    const { gateway } = await startGateway()
    const headers = { authorization: `Bearer ${tokens.ada}` }
    const response = await gateway.fetch("http://gateway/graphql?query={__typename}", { headers })
    expect(await response.json()).toEqual({ data: { __typename: "Query" } })
  })

  test("a mutation by GET is refused even with an Authorization header", async () => {
    const { gateway, sandbox } = await startGateway()
    const query = `mutation { deleteCapsule(input: {id: "${seed.archivedNotebook}"}) { __typename } }`
    const headers = { authorization: `Bearer ${tokens.ada}` }
    const response = await gateway.fetch(`http://gateway/graphql?query=${encodeURIComponent(query)}`, { headers })
    expect(response.status).toBe(405)
    expect(sandbox.requests).toHaveLength(0)
  })
})

describe("pages of other origins", () => {
  test("pages of other origins may not call unless their origin is named", async () => {
    const { gateway } = await startGateway()
    const response = await gateway.fetch(
      "http://gateway/graphql",
      post({ query: "{__typename}" }, { origin: "https://evil.example" }),
    )
    expect(response.headers.get("access-control-allow-origin")).toBeNull()
  })

  test("a token of the gateway's own lets in no more origins", async () => {
    expect(() => readConfig({ CODEOCEAN_URL: "https://codeocean.example.org", CORS_ORIGINS: "*" })).toThrow(
      "not a web origin",
    )
    const corsOrigins = ["https://portal.example.org"]
    const { gateway } = await startGateway({ config: { codeoceanToken: tokens.ada, corsOrigins } })
    for (const origin of ["https://evil.example", "https://portal.example.org.evil.example", "null", "*"]) {
      const { headers } = await gateway.fetch("http://gateway/graphql", post({ query: "{__typename}" }, { origin }))
      expect(headers.get("access-control-allow-origin"), origin).toBeNull()
    }
  })

  test("pages of a named origin may call without credentials, and the response names only that origin", async () => {
    const corsOrigins = ["https://portal.example.org", "https://lab.example.org"]
    const { gateway } = await startGateway({ config: { corsOrigins } })
    const preflight = (origin: string) =>
      gateway.fetch("http://gateway/graphql", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
      })
    const allowed = await preflight("https://lab.example.org")
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://lab.example.org")
    expect(allowed.headers.get("access-control-allow-credentials")).toBeNull()
    expect(allowed.headers.get("access-control-allow-headers")).toContain("Authorization")
    for (const origin of ["https://evil.example", "null"]) {
      const refused = await preflight(origin)
      expect(refused.headers.get("access-control-allow-origin")).toBeNull()
    }
  })
})

describe("request ids", () => {
  test("the caller's request id comes back, goes upstream, and is in errors and log", async () => {
    const { gateway, sandbox, lines } = await startGateway()
    const query = `{ capsule(id: "${seed.graceNotebook}") { id } dataAsset(id: "${seed.graceLocked}") { id } }`
    const response = await gateway.fetch(
      "http://gateway/graphql",
      post({ query }, { "x-request-id": "from-the-caller.1" }),
    )
    expect(response.headers.get("x-request-id")).toBe("from-the-caller.1")
    expect((await response.json()).errors[0].extensions.requestId).toBe("from-the-caller.1")
    expect(sandbox.requests.every(({ headers }) => headers["x-request-id"] === "from-the-caller.1")).toBe(true)
    expect(lines.filter(({ requestId }) => requestId === "from-the-caller.1").length).toBeGreaterThan(1)
  })

  test("an unusable request id is replaced", async () => {
    const { gateway } = await startGateway()
    for (const id of ["a b", "x".repeat(200), 'quote"']) {
      const response = await gateway.fetch(
        "http://gateway/graphql",
        post({ query: "{__typename}" }, { "x-request-id": id }),
      )
      expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/)
    }
  })
})

describe("headers against caches", () => {
  const read = { headers: { accept: "application/json", authorization: `Bearer ${tokens.ada}` } }
  const oversized = JSON.stringify({ query: `{ __typename } # ${"x".repeat(1024 * 1024)}` })
  test.each<[string, string, RequestInit, number]>([
    ["data", "/graphql", post({ query: "{__typename}" }), 200],
    ["data by GET", "/graphql?query={__typename}", read, 200],
    ["an error of GraphQL's", "/graphql", post({ query: "{" }), 200],
    ["a body that is no JSON", "/graphql", post("{"), 400],
    ["a form", "/graphql", { method: "POST", body: new URLSearchParams({ query: "{__typename}" }) }, 403],
    ["a body too large", "/graphql", post(oversized), 413],
    ["a mutation by GET", "/graphql?query=mutation{__typename}", read, 405],
    ["another method", "/graphql", { method: "PUT" }, 405],
    ["another path", "/graphql/x", {}, 404],
    ["health", "/health", {}, 200],
    ["readiness", "/ready", {}, 200],
  ])("the response to %s is not cached", async (_name, path, init, status) => {
    const { gateway } = await startGateway()
    const response = await fetch((await gateway.listen()) + path, init)
    expect(response.status).toBe(status)
    expect(response.headers.get("cache-control")).toContain("no-store")
    if (path.startsWith("/graphql") && status !== 404 && init.method !== "PUT") {
      expect(response.headers.get("cache-control")).toBe("private, no-store")
      expect(response.headers.get("vary")).toBe(
        "Accept, Accept-Encoding, Authorization, Agent-Id, Origin, Cookie, X-Session",
      )
    }
  })
})

test.each<[string, string, RequestInit]>([
  ["an answer", "/graphql", post({ query: "{__typename}" })],
  ["an answer of Yoga's", "/graphql?query={__typename}", { headers: { authorization: `Bearer ${tokens.ada}` } }],
  ["an error", "/graphql", post("{")],
  ["a refused body", "/graphql", post("{}", { "content-encoding": "lzma" })],
  [
    "events",
    "/graphql",
    post(
      { query: `subscription { computation(id: "${seed.runningAlignment}") { state } }` },
      { accept: "text/event-stream" },
    ),
  ],
  ["GraphiQL's page", "/graphql", { headers: { accept: "text/html" } }],
  ["an asset that isn't there", "/graphql/graphiql/x/y.js", {}],
  ["a preflight", "/graphql", { method: "OPTIONS" }],
  ["another method", "/graphql", { method: "PUT" }],
  ["another path", "/elsewhere", {}],
  ["health", "/health", {}],
  ["readiness", "/ready", {}],
])("the response to %s has the header against content sniffing", async (_name, path, init) => {
  const { gateway } = await startGateway()
  const response = await fetch((await gateway.listen()) + path, init)
  expect(response.headers.get("x-content-type-options")).toBe("nosniff")
  await response.body?.cancel()
})

describe("the log", () => {
  test("the log has one line for each request, with its operation, duration, upstream calls and outcome", async () => {
    const { ask, lines } = await startGateway()
    await ask(
      `query Two { a: capsule(id: "${seed.cellCounter}") { name } b: pipeline(id: "${seed.ecephysPipeline}") { name } }`,
    )
    const requests = lines.filter(({ msg }) => msg === "request")
    expect(requests).toEqual([
      expect.objectContaining({
        operation: "Two",
        upstreamCalls: 2,
        outcome: "ok",
        status: 200,
        durationMs: expect.any(Number),
      }),
    ])
  })

  test("the log has one line for each upstream call that failed, with its endpoint's template", async () => {
    const { ask, lines, sandbox } = await startGateway()
    sandbox.failNext(`GET /capsules/${seed.cellCounter}`, { status: 500, body: "<html>secret</html>" })
    await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`)
    const failures = lines.filter(({ msg }) => msg === "upstream call failed")
    expect(failures).toEqual([
      expect.objectContaining({ endpoint: "GET /capsules/{id}", status: 500, attempts: 1, level: "warn" }),
    ])
    expect(lines.at(-1)).toMatchObject({ outcome: "errors", errorCodes: { UPSTREAM_UNAVAILABLE: 1 } })
    expect(JSON.stringify(lines)).not.toContain("secret")
  })

  test("the log holds no token, even if upstream says it back", async () => {
    const { ask, lines, sandbox } = await startGateway()
    sandbox.failNext("GET /capsules/*", { status: 403, body: { message: `${tokens.ada} may not`, why: tokens.ada } })
    const result = await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`)
    expect(result.errors?.[0]?.message).toBe("[redacted] may not")
    expect(JSON.stringify([lines, result])).not.toContain(tokens.ada)
  })
})

describe("documents that would cost too much are refused before they are parsed", () => {
  test.each([
    ["too many tokens", `{ ${"__typename ".repeat(20_000)} }`],
    ["selections nested too deep", `${"{ a ".repeat(5_000)}${"}".repeat(5_000)}`],
    ["literals nested too deep", `{ capsule(id: ${"[".repeat(50_000)}${"]".repeat(50_000)}) { id } }`],
  ])("a document with %s is refused before it is parsed", async (_name, query) => {
    const { gateway } = await startGateway()
    const response = await gateway.fetch("http://gateway/graphql", post({ query }))
    const { errors } = await response.json()
    expect(errors[0].extensions.code).toBe("GRAPHQL_PARSE_FAILED")
  })

  test("a body of more than a mebibyte is refused, with and without a Content-Length", async () => {
    const { gateway } = await startGateway()
    const body = JSON.stringify({ query: `{ __typename } # ${"x".repeat(1024 * 1024)}` })
    const url = await gateway.listen()
    expect((await fetch(`${url}/graphql`, post(body))).status).toBe(413)
    const chunked = await fetch(`${url}/graphql`, {
      ...post(body),
      body: new Blob([body]).stream(),
      duplex: "half",
    } as RequestInit)
    expect(chunked.status).toBe(413)
    expect((await chunked.json()).errors[0].message).toContain("1048576 bytes")
  })

  test("a chunked body within the limit is read", async () => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const body = new Blob([JSON.stringify({ query: "{ __typename }" })]).stream()
    const response = await fetch(`${url}/graphql`, { ...post(""), body, duplex: "half" } as RequestInit)
    expect(await response.json()).toEqual({ data: { __typename: "Query" } })
  })
})

describe("malformed requests get an error that says what is wrong", () => {
  test.each([
    ["no JSON", "{", 400],
    ["JSON that is no object", "[1]", 400],
    ["no query", "{}", 400],
    ["a query that doesn't parse", '{"query":"{"}', 200],
    ["an operation that isn't there", '{"query":"query A { __typename }","operationName":"B"}', 200],
    ["an operationName that is no string", '{"query":"query A { __typename }","operationName":["A"]}', 400],
    ["a field that doesn't exist", '{"query":"{ capsul { id } }"}', 200],
    [
      "a variable of the wrong type",
      '{"query":"query ($id: ID!) { capsule(id: $id) { id } }","variables":{"id":{}}}',
      200,
    ],
  ])("a request with %s gets an error with a code and the request's id", async (_name, body, status) => {
    const { gateway } = await startGateway()
    const response = await gateway.fetch("http://gateway/graphql", post(body))
    const { errors, data } = await response.json()
    expect(response.status).toBe(status)
    expect(data ?? null).toBeNull()
    expect(errors[0].extensions).toMatchObject({ code: expect.any(String), requestId: expect.any(String) })
    expect(errors[0].extensions.code).toMatch(/^(BAD_USER_INPUT|GRAPHQL_(PARSE|VALIDATION)_FAILED)$/)
  })
})

describe("health and readiness", () => {
  test("/health is 200 whatever upstream does", async () => {
    const { gateway } = startGatewayOn("http://127.0.0.1:9")
    expect((await gateway.fetch("http://gateway/health")).status).toBe(200)
  })

  test("/ready is 200 while upstream responds, and probes it without a token and not for every request", async () => {
    const { gateway, sandbox } = await startGateway()
    for (let times = 0; times < 20; times++) expect((await gateway.fetch("http://gateway/ready")).status).toBe(200)
    expect(sandbox.requests).toHaveLength(1)
    expect(sandbox.requests[0]?.headers.authorization).toBeUndefined()
  })

  test("/ready is 503 with the reason when upstream can't be reached, or fails", async () => {
    const { gateway } = startGatewayOn("http://127.0.0.1:9")
    const response = await gateway.fetch("http://gateway/ready")
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ ready: false, circuit: "closed", problem: "Code Ocean does not respond." })
    const { gateway: other, sandbox } = await startGateway()
    sandbox.failNext("GET /custom_metadata", { status: 503 })
    expect((await other.fetch("http://gateway/ready")).status).toBe(503)
  })

  test("a stopping gateway isn't ready, finishes the requests in flight, and then closes its port", async () => {
    const { gateway, sandbox } = await startGateway()
    const url = await gateway.listen()
    const hold = sandbox.hold()
    const answer = fetch(`${url}/graphql`, post({ query: `{ capsule(id: "${seed.cellCounter}") { name } }` }))
    await hold.waitFor(1)
    const closed = gateway.close()
    const ready = await fetch(`${url}/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toEqual({ ready: false, circuit: "closed", problem: "The gateway is stopping." })
    hold.end()
    expect(await (await answer).json()).toEqual({ data: { capsule: { name: "Cell Counter" } } })
    expect(await closed).toBe(true)
    await expect(fetch(`${url}/ready`)).rejects.toThrow()
  })

  test("a stopping gateway waits no longer than a request may take", async () => {
    const { gateway, sandbox } = await startGateway({
      config: { requestDeadlineMs: 100 },
      clientTimeouts: { bodyGraceMs: 10_000, shutdownMarginMs: 100 },
    })
    const url = await gateway.listen()
    const { port } = new URL(url)
    // The request of a client that never finishes sending it stays in flight.
    const socket = createConnection(Number(port), "127.0.0.1")
    socket.on("error", () => undefined)
    socket.write("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await fetch(`${url}/health`)
    expect(await gateway.close()).toBe(false)
    expect(sandbox.requests).toHaveLength(0)
  })
})

test.each([
  ["variables=x", 400],
  ["extensions={", 400],
  ["variables={}&extensions=null", 200],
  ["variables=", 200],
])("a GET with %s is %i", async (parameters, status) => {
  const { gateway, lines } = await startGateway()
  const headers = { authorization: `Bearer ${tokens.ada}`, accept: "application/json" }
  const response = await fetch(`${await gateway.listen()}/graphql?query={__typename}&${parameters}`, { headers })
  expect(response.status).toBe(status)
  const { errors } = await response.json()
  if (status === 400) expect(errors[0].message).toContain(`parameter "${parameters.split("=")[0]}" is not JSON`)
  expect(lines.filter(({ level }) => level === "error")).toEqual([])
})

test("an address that is longer than the headers may be is refused by HTTP itself", async () => {
  const { gateway } = await startGateway()
  const url = await gateway.listen()
  const headers = { authorization: `Bearer ${tokens.ada}` }
  const address = (length: number) => `${url}/graphql?query={__typename}&more=${"x".repeat(length)}`
  expect((await fetch(address(15_000), { headers })).status).toBe(200)
  expect((await fetch(address(17_000), { headers })).status).toBe(431)
})

test("paths outside the endpoint are 404", async () => {
  const { gateway } = await startGateway()
  for (const path of ["/", "/api/v1/capsules", "/graphql/nothing", "/graphql/graphiql/../../package.json"]) {
    expect((await gateway.fetch(`http://gateway${path}`)).status, path).toBe(404)
  }
})
