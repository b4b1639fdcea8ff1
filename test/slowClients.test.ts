import { once } from "node:events"
import type { Socket } from "node:net"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway, type World } from "./support/gateway.ts"
import { untilLive } from "./support/live.ts"
import { connect } from "./support/socket.ts"

const crowd = 100
const clientTimeouts = { headersMs: 500, bodyMs: 500, keepAliveMs: 500, responseDrainMs: 500, checkIntervalMs: 100 }

const head = (length: number, more: string[] = []) =>
  [
    "POST /graphql HTTP/1.1",
    "Host: gateway",
    `Authorization: Bearer ${tokens.ada}`,
    "Content-Type: application/json",
    `Content-Length: ${length}`,
    ...more,
    "\r\n",
  ].join("\r\n")

function operation(query: string, more: string[] = []): string {
  const body = JSON.stringify({ query })
  return head(Buffer.byteLength(body), more) + body
}

const connectAll = (url: string, count = crowd) => Promise.all(Array.from({ length: count }, () => connect(url)))

/** Resolves when the gateway holds nothing for any client. */
async function untilNothingIsHeld({ gateway }: Pick<World, "gateway">): Promise<void> {
  await expect
    .poll(() => gateway.stats)
    .toMatchObject({ requests: 0, subscriptions: 0, connections: 0, openResponses: 0 })
}

/** The text that the gateway sent until it closed the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  let answer = ""
  socket.on("data", (chunk) => (answer += chunk))
  if (!socket.destroyed) await once(socket, "close")
  return answer
}

/** Gives a data asset a description of 900,000 characters, more than the gateway accepts as input. */
async function describeAtLength({ sandbox }: World): Promise<void> {
  const { status } = await fetch(`${sandbox.url}/api/v1/data_assets/${seed.cellImages}`, {
    method: "PUT",
    headers: { authorization: `Basic ${btoa(`${tokens.ada}:`)}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "Cell images", mount: "images", tags: [], description: "x".repeat(900_000) }),
  })
  expect(status).toBe(200)
}

describe("clients that are too slow", () => {
  test.each([
    ["send nothing", "", /^(HTTP\/1.1 408 .*)?$/s],
    ["never end their headers", "POST /graphql HTTP/1.1\r\nHost: x\r\nX: ", /^HTTP\/1.1 408 /],
    ["never end their body", `${head(1000)}{`, /^HTTP\/1.1 408 /],
    [
      "send a part of a chunked body",
      `${head(1000).replace(/Content-Length: \d+/, "Transfer-Encoding: chunked")}5\r\n{"qu`,
      /^HTTP\/1.1 408 /,
    ],
    ["send nothing after a request", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1.1 200 /],
  ])("a hundred clients that %s are closed", async (_name, text, answer) => {
    const world = await startGateway({ clientTimeouts })
    const url = await world.gateway.listen()
    const answers = Array.from({ length: crowd }, async () => {
      const socket = await connect(url)
      socket.write(text)
      return untilClosed(socket)
    })
    for (const received of await Promise.all(answers)) expect(received).toMatch(answer)
    await untilNothingIsHeld(world)
    expect(world.sandbox.requests).toHaveLength(0)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })

  test("a hundred clients that do not read their responses are closed", async () => {
    const world = await startGateway({ clientTimeouts })
    const url = await world.gateway.listen()
    await describeAtLength(world)
    // More than the operating system buffers for a client that does not read.
    const aliases = Array.from({ length: 12 }, (_, at) => `a${at}: dataAsset(id: "${seed.cellImages}") { description }`)
    const page = await (await fetch(`${url}/graphql`, { headers: { accept: "text/html" } })).text()
    const [, asset] = /src="([^"]+graphiql\.js)"/.exec(page) ?? []
    const script = `GET /graphql/${asset?.replace(/^.*graphiql\//, "graphiql/")} HTTP/1.1\r\nHost: x\r\n\r\n`

    const askers = await connectAll(url, 10)
    const visitors = await connectAll(url, crowd - 10)
    for (const socket of [...askers, ...visitors]) socket.pause()
    for (const socket of askers) socket.write(operation(`{ ${aliases.join(" ")} }`))
    for (const socket of visitors) socket.write(script.repeat(12))
    await untilNothingIsHeld(world)
    for (const socket of [...askers, ...visitors]) {
      let bytes = 0
      socket.on("data", (chunk) => {
        bytes += chunk.length
      })
      socket.resume()
      if (!socket.closed) await once(socket, "close")
      expect(bytes).toBeLessThan(10_000_000)
    }
  })
})

test("when too many bytes wait for clients that do not read, the responses that have waited longest are closed", async () => {
  const shortTimeouts = {
    responseDrainMs: 60_000,
    responseDrainGraceMs: 200,
    maxUnreadBytes: 12_000_000,
    checkIntervalMs: 50,
  }
  // Otherwise a request could share the read of the one before it, whose response is still being received.
  const world = await startGateway({ clientTimeouts: shortTimeouts, sharedReads: false })
  const url = await world.gateway.listen()
  await describeAtLength(world)
  const aliases = Array.from({ length: 10 }, (_, at) => `a${at}: dataAsset(id: "${seed.cellImages}") { description }`)
  const sockets = await connectAll(url, 3)
  for (const [at, socket] of sockets.entries()) {
    socket.pause()
    socket.write(operation(`{ ${aliases.join(" ")} }`))
    await expect.poll(() => world.sandbox.requestsTo(`GET /data_assets/${seed.cellImages}`)).toHaveLength(2 * at + 1)
    // When this request is answered, the response before it is open or already closed.
    await world.ask(`{ dataAsset(id: "${seed.cellImages}") { name } }`)
  }
  await expect.poll(() => world.gateway.stats.openResponses).toBeLessThan(3)
  const [first, , last] = sockets.map((socket) => {
    const received = { bytes: 0, closed: once(socket, "close") }
    socket.on("data", (chunk) => {
      received.bytes += chunk.length
    })
    socket.resume()
    return received
  })
  await first!.closed
  expect(first!.bytes).toBeLessThan(9_000_000)
  await expect.poll(() => last!.bytes).toBeGreaterThan(9_000_000)
})

describe("clients that hang up", () => {
  const question = `{ capsule(id: "${seed.cellCounter}") { name } }`

  test.each<[string, (socket: Socket) => void]>([
    ["by a reset", (socket) => socket.resetAndDestroy()],
    ["by closing", (socket) => socket.destroy()],
  ])(
    "a hundred clients that hang up %s while Code Ocean hangs cancel their calls, and leave nothing open",
    async (_name, leave) => {
      const world = await startGateway({ config: { callerConcurrentRequests: 0 } })
      const url = await world.gateway.listen()
      const hold = world.sandbox.hold()
      const sockets = await connectAll(url)
      for (const [at, socket] of sockets.entries()) {
        socket.write(operation(`{ searchCapsules(first: ${at + 1}) { nodes { id } } }`))
      }
      const calls = await hold.waitFor(crowd)
      expect(world.gateway.stats).toMatchObject({ requests: crowd, connections: crowd, openResponses: crowd })
      for (const socket of sockets) leave(socket)
      await untilNothingIsHeld(world)
      await expect.poll(() => calls.filter(({ aborted }) => !aborted)).toEqual([])
      hold.end()
      expect(world.lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([])
      const outcomes = world.lines.filter(({ msg }) => msg === "request").map(({ outcome }) => outcome)
      expect(outcomes).toEqual(Array(crowd).fill("cancelled"))
    },
  )

  test("a hundred clients that hang up in the middle of a request leave nothing open", async () => {
    const world = await startGateway()
    const url = await world.gateway.listen()
    const sockets = await connectAll(url)
    for (const [at, socket] of sockets.entries()) {
      const text = operation(question)
      socket.end(text.slice(0, 1 + Math.floor((at / crowd) * (text.length - 1))))
    }
    await Promise.all(sockets.map(untilClosed))
    await untilNothingIsHeld(world)
    expect(world.sandbox.requests).toHaveLength(0)
    expect(world.lines.filter(({ level }) => level === "error")).toEqual([])
  })

  test("a hundred clients that hang up after ten requests in a row leave nothing open", async () => {
    const world = await startGateway({ config: { callerConcurrentRequests: 0, callerRequestsPerSecond: 0 } })
    const url = await world.gateway.listen()
    const hold = world.sandbox.hold()
    const sockets = await connectAll(url)
    for (const socket of sockets) socket.write(operation(question).repeat(10))
    await expect.poll(() => world.gateway.stats.requests).toBeGreaterThanOrEqual(crowd)
    for (const socket of sockets) socket.resetAndDestroy()
    await untilNothingIsHeld(world)
    hold.end()
  })

  test("the subscriptions of a hundred clients that hang up end", async () => {
    const world = await startGateway()
    const url = await world.gateway.listen()
    const sockets = await connectAll(url)
    const text = operation(`subscription { computation(id: "${seed.runningAlignment}") { state } }`, [
      "Accept: text/event-stream",
    ])
    for (const socket of sockets) socket.write(text)
    await untilLive(world.gateway, { listeners: crowd })
    expect(world.gateway.stats).toMatchObject({ requests: 0, subscriptions: crowd })
    for (const socket of sockets) socket.resetAndDestroy()
    await untilLive(world.gateway, { listeners: 0, pollers: 0 })
    await untilNothingIsHeld(world)
  })
})
