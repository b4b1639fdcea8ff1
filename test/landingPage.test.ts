import { describe, expect, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { exchangeRaw } from "./support/socket.ts"

const browser = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" }

async function start(graphiql: boolean) {
  const world = await startGateway({ config: { graphiql } })
  return { ...world, url: await world.gateway.listen() }
}

const get = async (address: string, headers: Record<string, string> = {}, method = "GET") => {
  const response = await fetch(address, { method, headers, redirect: "manual" })
  return { response, body: await response.text() }
}

describe("a browser", () => {
  test.each([
    [false, "/"],
    [true, "/"],
    [false, "/graphql"],
    [false, "/graphql/"],
    [false, "/graphql?query=%7B__typename%7D"],
  ])(
    "with GraphiQL %s, a browser at %s gets a page that names the gateway, without a version",
    async (graphiql, path) => {
      const { url, sandbox } = await start(graphiql)
      for (const method of ["GET", "HEAD"]) {
        const { response, body } = await get(url + path, browser, method)
        expect(response.status).toBe(200)
        expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8")
        expect(response.headers.get("content-security-policy")).toMatch(
          /^default-src 'none'; style-src 'sha256-\S{44}'; /,
        )
        expect(response.headers.get("x-request-id")).toBeTruthy()
        if (method === "HEAD") expect(body).toBe("")
        else expect(body).toContain("Code Ocean GraphQL gateway")
        expect(body.includes('graphql">Open GraphiQL')).toBe(graphiql && method === "GET")
        const all = JSON.stringify([...response.headers]) + body
        expect(all).not.toContain(packageJson.version)
        expect(all).not.toContain(new URL(sandbox.url).host)
      }
      expect(sandbox.requests).toEqual([])
    },
  )

  test("with GraphiQL on, a browser at /graphql still gets GraphiQL", async () => {
    const { url } = await start(true)
    expect((await get(`${url}/graphql`, browser)).body).toContain('id="graphiql"')
  })
})

describe("a client of the API", () => {
  test.each([
    undefined,
    "*/*",
    "application/json",
    "application/json, text/html;q=0.9",
    "text/html;q=0",
    "text/event-stream",
  ])("a client of the API with Accept: %s gets what it got without the page", async (accept) => {
    const { url } = await start(false)
    const headers: Record<string, string> = accept === undefined ? {} : { accept }
    const { response, body } = await get(`${url}/`, headers)
    expect([response.status, body]).toEqual([404, "Not found. GraphQL is at /graphql.\n"])
    const { body: answer } = await get(`${url}/graphql?query=%7B__typename%7D`, {
      ...headers,
      authorization: `Bearer ${tokens.ada}`,
    })
    if (accept !== "text/html;q=0") expect(answer).toContain('{"data":{"__typename":"Query"}}')
  })

  test("a POST with a browser's Accept header is an operation", async () => {
    const { url } = await start(false)
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { ...browser, "content-type": "application/json" },
      body: '{"query":"{ __typename }"}',
    })
    expect(await response.json()).toEqual({ data: { __typename: "Query" } })
  })
})

describe("a WebSocket", () => {
  const upgrade = (target: string, protocol: string, method = "GET") =>
    `${method} ${target} HTTP/1.1\r\nHost: gateway\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`

  test.each(["/graphql", "/graphql/", "/", "/subscriptions", "/graphql?token=x"])(
    "a WebSocket upgrade at %s is refused with a hint to server-sent events",
    async (path) => {
      const { url } = await start(true)
      // What follows is no HTTP, and ends the connection.
      const answer = await exchangeRaw(url, `${upgrade(path, "websocket")}\x81\x05hello`)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).toContain("Subscriptions are sent as server-sent events, not over WebSockets.")
      expect(answer).not.toContain("101 Switching")
    },
  )

  test("the client of a browser learns that its WebSocket is refused", async () => {
    const { url } = await start(true)
    const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-transport-ws")
    const event = await new Promise<Event>((resolve) => {
      socket.onopen = resolve
      socket.onerror = resolve
    })
    expect(event.type).toBe("error")
  })

  test("a thousand upgrades that are refused leave no connection and no response behind", async () => {
    const { url, gateway } = await start(true)
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 100 }, () => exchangeRaw(url, `${upgrade("/graphql", "WebSocket")}\x81\x05hello`)),
      )
    }
    await expect.poll(() => gateway.stats).toMatchObject({ connections: 0, openResponses: 0 })
  })

  test("an upgrade to another protocol is ignored, as HTTP says", async () => {
    const { url } = await start(true)
    const answer = await exchangeRaw(url, upgrade("/health", "h2c").replace("keep-alive", "close"))
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })
})
