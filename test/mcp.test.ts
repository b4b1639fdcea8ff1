import { once } from "node:events"
import { connect } from "node:net"
import { expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { callTool, connectAgent, generations } from "./support/agents.ts"
import { type FaultName, startWithFault } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn, type World } from "./support/gateway.ts"
import { pushedTime } from "./support/live.ts"
import { ownPage, startWithSession } from "./support/sessions.ts"
import { stopTime } from "./support/time.ts"

const accept = "application/json, text/event-stream"
const listTools = { jsonrpc: "2.0", id: 1, method: "tools/list" }

/** Sends a body to /mcp as Ada, with these headers instead of the usual ones. */
async function post({ gateway }: Pick<World, "gateway">, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${await gateway.listen()}/mcp`, {
    method: "POST",
    headers: { "content-type": "application/json", accept, authorization: `Bearer ${tokens.ada}`, ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

const errorIn = (text: string) => JSON.parse(text).error as { code: number; message: string; data?: unknown }

/** Sends a request with any Host header, which fetch does not allow. Resolves with the status. */
async function statusWith({ gateway }: World, headers: Record<string, string>, method = "POST"): Promise<number> {
  const { port, hostname } = new URL(await gateway.listen())
  const body = JSON.stringify(listTools)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const all = { accept, "content-type": "application/json", authorization: `Bearer ${tokens.ada}`, ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  const head = [`${method} /mcp HTTP/1.1`, ...lines, `content-length: ${method === "POST" ? body.length : 0}`]
  socket.write(`${head.join("\r\n")}\r\nconnection: close\r\n\r\n${method === "POST" ? body : ""}`)
  let text = ""
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk
  })
  await once(socket, "close")
  return Number(/^HTTP\/1.1 (\d{3})/.exec(text)?.[1])
}

test("without MCP=true there is nothing at /mcp", async () => {
  expect((await post(await startGateway(), listTools)).status).toBe(404)
})

test("only loopback and the hosts of ALLOWED_HOSTS are served", async () => {
  const local = await startGateway({ config: { mcp: true } })
  for (const host of ["localhost", "localhost:4000", "127.0.0.1:1", "[::1]:4000"])
    expect(await statusWith(local, { host }), host).toBe(200)
  for (const host of ["gateway.example.org", "localhost.example.org", "127.0.0.1.nip.io", "0.0.0.0", ""])
    expect(await statusWith(local, { host }), host).toBe(421)
  const world = await startGateway({ config: { mcp: true, allowedHosts: ["gateway.example.org"] } })
  for (const host of ["gateway.example.org", "gateway.example.org:443", "GATEWAY.example.org", "localhost"])
    expect(await statusWith(world, { host }), host).toBe(200)
  for (const host of ["x.gateway.example.org", "other.example.org"])
    expect(await statusWith(world, { host }), host).toBe(421)
})

test("only pages of the gateway itself and of CORS_ORIGINS are served", async () => {
  const corsOrigins = ["https://portal.example.org"]
  const world = await startGateway({ config: { mcp: true, allowedHosts: ["gateway.example.org"], corsOrigins } })
  const host = "gateway.example.org"
  for (const origin of ["https://portal.example.org", "https://gateway.example.org"])
    expect(await statusWith(world, { host, origin }), origin).toBe(200)
  for (const origin of [
    "https://evil.example.org",
    "null",
    "https://gateway.example.org:8443",
    "http://localhost:4000",
  ])
    expect(await statusWith(world, { host, origin }), origin).toBe(403)
  expect(await statusWith(world, { host, origin: "https://evil.example.org" }, "OPTIONS")).toBe(403)
  const preflight = await fetch(`${await world.gateway.listen()}/mcp`, {
    method: "OPTIONS",
    headers: { origin: corsOrigins[0]!, "access-control-request-method": "POST" },
  })
  expect(preflight.headers.get("access-control-allow-origin")).toBe(corsOrigins[0])
  expect(preflight.headers.get("access-control-allow-headers")).toMatch(/MCP-Protocol-Version.*Mcp-Session-Id/)
})

test("methods other than POST are rejected: there are no sessions to listen to or to end", async () => {
  const world = await startGateway({ config: { mcp: true } })
  const url = `${await world.gateway.listen()}/mcp`
  for (const method of ["GET", "DELETE", "PUT"]) {
    const response = await fetch(url, { method, headers: { accept: "text/event-stream" } })
    expect([response.status, response.headers.get("allow")], method).toEqual([405, "POST, OPTIONS"])
  }
})

test.each([
  ["a body that is not JSON", "{", 400, -32_700],
  ["an empty body", "", 400, -32_700],
  ["a batch", [listTools, listTools], 400, -32_600],
  ["an empty batch", [], 400, -32_600],
  ["a GraphQL request", { query: "{ __typename }" }, 400, -32_600],
  ["a text", '"tools/list"', 400, -32_600],
  ["null", "null", 400, -32_600],
  ["another version of JSON-RPC", { ...listTools, jsonrpc: "1.0" }, 400, -32_600],
  [
    "a message that nests too deep",
    `{"jsonrpc":"2.0","id":1,"method":"x","params":${'{"a":'.repeat(65)}1${"}".repeat(65)}}`,
    400,
    -32_600,
  ],
  [
    "a message of 200,000 nested lists",
    `{"jsonrpc":"2.0","id":1,"method":"x","params":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
    400,
    -32_600,
  ],
  ["a subscription to lists that never change", { ...listTools, method: "subscriptions/listen" }, 404, -32_601],
])("%s is rejected as JSON-RPC requires", async (_what, body, status, code) => {
  const world = await startGateway({ config: { mcp: true } })
  const response = await post(world, body)
  expect(response.status).toBe(status)
  expect(errorIn(response.text)).toMatchObject({ code, message: expect.any(String) })
  expect(world.sandbox.requests).toEqual([])
  // A rejected message has its line in the log as every request.
  await vi.waitFor(() => expect(world.lines.filter(({ msg }) => msg === "request")).toHaveLength(1))
})

test("a message of an unknown method gets an error of JSON-RPC, and its text is in no log", async () => {
  const world = await startGateway({ config: { mcp: true } })
  const { text } = await post(world, { ...listTools, method: `tools/${tokens.ada}` })
  expect(text).toContain("-32601")
  await vi.waitFor(() => expect(world.lines.find(({ msg }) => msg === "request")).toMatchObject({ mcp: "other" }))
  expect(JSON.stringify(world.lines)).not.toContain(tokens.ada)
})

test("a body that is not UTF-8 is rejected instead of changed", async () => {
  const world = await startGateway({ config: { mcp: true } })
  const body = Buffer.from(`{"jsonrpc":"2.0","id":"\xff","method":"tools/list"}`, "latin1")
  const response = await post(world, body)
  expect([response.status, errorIn(response.text).code]).toEqual([400, -32_700])
  const declared = await post(world, listTools, { "content-type": "application/json; charset=latin1" })
  expect([declared.status, errorIn(declared.text).message]).toEqual([415, "The charset must be UTF-8."])
  expect((await post(world, listTools, { "content-type": 'application/json; charset="UTF-8"' })).status).toBe(200)
})

test("a revision of the protocol that does not exist is rejected, and names those that do", async () => {
  const world = await startGateway({ config: { mcp: true } })
  const old = await post(world, listTools, { "mcp-protocol-version": "1999-01-01" })
  expect(old.status).toBe(400)
  const _meta = { "io.modelcontextprotocol/protocolVersion": "2999-01-01" }
  const future = await post(world, { ...listTools, params: { _meta } }, { "mcp-protocol-version": "2999-01-01" })
  expect(future.status).toBe(400)
  expect(future.text).toContain("2026-07-28")
})

test("a message with another content type, and one that accepts no JSON, are rejected", async () => {
  const world = await startGateway({ config: { mcp: true } })
  expect((await post(world, listTools, { "content-type": "text/plain" })).status).toBe(415)
  expect((await post(world, listTools, { accept: "text/html" })).status).toBe(406)
})

test("a body that is too large is rejected as an error of JSON-RPC", async () => {
  const world = await startGateway({ config: { mcp: true, limits: { bodyBytes: 1_000 } } })
  const { status, text } = await post(world, { ...listTools, params: { a: "x".repeat(2_000) } })
  expect(status).toBe(413)
  expect(JSON.parse(text)).toMatchObject({
    jsonrpc: "2.0",
    id: null,
    error: { code: -32_000, message: expect.stringContaining("1000 bytes"), data: { code: "BAD_USER_INPUT" } },
  })
})

test("a client that floods is limited like any other, by the same counts", async () => {
  // No request becomes available again while the test runs.
  stopTime()
  const world = await startGateway({ config: { mcp: true, callerRequestsPerSecond: 1 } })
  const statuses: number[] = []
  for (let count = 0; count < 12; count++) {
    const { status, headers, text } = await post(world, listTools)
    statuses.push(status)
    if (status !== 429) continue
    expect(headers.get("retry-after")).toBe("1")
    expect(errorIn(text)).toMatchObject({ code: -32_000, data: { code: "RATE_LIMITED", retryAfterSeconds: 1 } })
  }
  expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(11)
  expect(statuses).toContain(429)
  // The caller's operations count together with the messages.
  expect((await world.ask("{ __typename }")).errors?.[0]?.extensions.code).toBe("RATE_LIMITED")
})

test("a caller's waiting tools count as subscriptions", async () => {
  const time = pushedTime()
  const world = await startGateway({ config: { mcp: true, callerSubscriptions: 1 }, clock: time })
  const agent = await connectAgent(world.gateway)
  const waiting = agent.call("wait_for_run", { id: seed.runningAlignment })
  await time.waits(2)
  expect(world.gateway.stats).toMatchObject({ subscriptions: 1, requests: 0, pollers: 1 })
  const second = await agent.call("wait_for_run", { id: seed.queuedSorting })
  expect(second.isError).toBe(true)
  expect(JSON.parse(second.content[0]!.text).errors[0].code).toBe("RATE_LIMITED")
  time.push(60)
  expect((await waiting).isError).not.toBe(true)
})

test("calls carry the caller's token and Agent-Id, and a request without a token is told what to do", async () => {
  const world = await startGateway({ config: { mcp: true } })
  const agent = await connectAgent(world.gateway, "SDK 2", {
    headers: { authorization: `Bearer ${tokens.grace}`, "agent-id": "curator" },
  })
  await agent.call("metadata_fields")
  expect(world.sandbox.requests.map(({ headers }) => [headers["agent-id"], headers.authorization])).toEqual([
    ["curator", `Basic ${Buffer.from(`${tokens.grace}:`).toString("base64")}`],
  ])
  const without = await connectAgent(world.gateway, "SDK 1", { headers: { authorization: "" } })
  const result = await without.call("metadata_fields")
  expect(result.isError).toBe(true)
  expect(JSON.parse(result.content[0]!.text).errors[0]).toMatchObject({
    code: "UNAUTHENTICATED",
    do: expect.stringContaining("access token"),
  })
})

test("a tool's line in the log has its operation, its calls, the method and no content", async () => {
  const world = await startGateway({ config: { mcp: true } })
  const agent = await connectAgent(world.gateway)
  await agent.call("show_run", { id: seed.hollowSuccess })
  const line = await vi.waitUntil(() => world.lines.find(({ operation }) => operation === "ShowRun"))
  expect(line).toMatchObject({ msg: "request", mcp: "tools/call", status: 200, upstreamCalls: 3, outcome: "ok" })
  const failed = await agent.call("run_query", { query: "{ nothing }" })
  expect(failed.isError).toBe(true)
  await vi.waitFor(() =>
    expect(world.lines.find(({ errorCodes }) => errorCodes !== undefined)).toMatchObject({
      errorCodes: { GRAPHQL_VALIDATION_FAILED: 1 },
      outcome: "errors",
    }),
  )
  expect(JSON.stringify(world.lines)).not.toContain("MemoryError")
  expect(JSON.stringify(world.lines)).not.toContain(tokens.ada)
})

const hanging: FaultName = "hang before headers"

test.each(generations)("a client of the %s that cancels ends the calls of its tool", async (generation) => {
  const route = "GET /capsules/c1"
  const { upstream, spoiled } = await startWithFault([route], hanging)
  const world = startGatewayOn(upstream.url, { config: { mcp: true } })
  const agent = await connectAgent(world.gateway, generation)
  const cancelling = new AbortController()
  const call = agent.call("show_capsule", { id: "c1" }, { signal: cancelling.signal }).then(
    () => "answered",
    () => "cancelled",
  )
  await vi.waitFor(() => expect(spoiled(route)).toHaveLength(1))
  expect(spoiled(route)).not.toEqual([{ aborted: true }])
  cancelling.abort("enough")
  expect(await call).toBe("cancelled")
  await vi.waitFor(() => expect(spoiled(route)).toEqual([{ aborted: true }]))
  await vi.waitFor(() =>
    expect(world.lines.filter(({ outcome }) => outcome === "cancelled")).toMatchObject([{ operation: "ShowCapsule" }]),
  )
})

test("one client does not cancel the calls of another of the same caller, whose requests have the same ids", async () => {
  const route = "GET /capsules/c1"
  const { upstream, spoiled } = await startWithFault([route], hanging)
  const world = startGatewayOn(upstream.url, { config: { mcp: true } })
  const [one, other] = [await connectAgent(world.gateway, "SDK 1"), await connectAgent(world.gateway, "SDK 1")]
  const cancelling = new AbortController()
  const call = (agent: typeof one, signal?: AbortSignal) =>
    agent.call("show_capsule", { id: "c1" }, signal && { signal }).then(
      () => "answered",
      () => "ended",
    )
  const calls = [call(one, cancelling.signal)]
  await vi.waitFor(() => expect(world.gateway.stats.requests).toBe(1))
  calls.push(call(other))
  await vi.waitFor(() => expect(world.gateway.stats.requests).toBe(2))
  cancelling.abort("enough")
  await calls[0]
  await vi.waitFor(() => expect(world.gateway.stats.requests).toBe(1))
  // Both share one call, which goes on for the other.
  expect(spoiled(route)).not.toEqual([{ aborted: true }])
  await other.close()
  await calls[1]
  await vi.waitFor(() => expect(world.gateway.stats.requests).toBe(0))
})

test("a client that hangs up ends the calls and the polls of its tool", async () => {
  const time = pushedTime()
  const world = await startGateway({ config: { mcp: true }, clock: time })
  const leaving = new AbortController()
  const params = { name: "wait_for_run", arguments: { id: seed.runningAlignment } }
  const left = fetch(`${await world.gateway.listen()}/mcp`, {
    method: "POST",
    headers: { "content-type": "application/json", accept, authorization: `Bearer ${tokens.ada}` },
    body: JSON.stringify({ ...listTools, method: "tools/call", params }),
    signal: leaving.signal,
  })
    .then((response) => response.text())
    .catch(() => "left")
  await time.waits(2)
  expect(world.gateway.stats).toMatchObject({ pollers: 1, listeners: 1 })
  leaving.abort()
  expect(await left).toBe("left")
  await vi.waitFor(() => expect(world.gateway.stats).toMatchObject({ listeners: 0, subscriptions: 0 }))
  await vi.waitFor(() =>
    expect(world.lines.find(({ msg }) => msg === "subscription")).toMatchObject({ outcome: "cancelled" }),
  )
})

test("a gateway that stops lets a waiting tool answer", async () => {
  const time = pushedTime()
  const world = await startGateway({ config: { mcp: true }, clock: time })
  const agent = await connectAgent(world.gateway)
  const onprogress = vi.fn()
  const waiting = agent.call("wait_for_run", { id: seed.runningAlignment }, { onprogress })
  await vi.waitFor(() => expect(onprogress).toHaveBeenCalled())
  const closed = world.gateway.close()
  const { isError, content } = await waiting
  expect(isError).not.toBe(true)
  expect(JSON.parse(content[0]!.text)).toMatchObject({ waiting: expect.any(String), state: "RUNNING" })
  expect(await closed).toBe(true)
})

test("a page of the gateway's own origin uses its session, and the cookie alone is not enough", async () => {
  const { gateway, sandbox, tab } = await startWithSession({ config: { mcp: true } })
  const url = await gateway.listen()
  sandbox.requests.length = 0
  const ofPage = { cookie: tab.cookie as string, origin: url, ...ownPage }
  expect((await callTool(url, "1", "metadata_fields", {}, ofPage)).left).toMatchObject({ fields: expect.any(Array) })
  expect(sandbox.requests).toHaveLength(1)
  const alone = await callTool(url, "2", "metadata_fields", {}, { cookie: tab.cookie as string })
  expect(alone.errors?.[0]?.code).toBe("UNAUTHENTICATED")
  expect(sandbox.requests).toHaveLength(1)
})
