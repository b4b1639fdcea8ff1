import { once } from "node:events"
import { createConnection, type Socket } from "node:net"
import { describe, expect, onTestFinished, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { readConfig } from "../src/config/config.ts"
import { startGateway } from "./support/gateway.ts"
import { connect } from "./support/socket.ts"

const question = JSON.stringify({ query: "{ __typename }" })
const answered = '{"data":{"__typename":"Query"}}'

function head(more: Record<string, string | number> = {}, start = "POST /graphql"): string {
  const headers = {
    Host: "gateway",
    Authorization: `Bearer ${tokens.ada}`,
    "Content-Type": "application/json",
    ...more,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${start} HTTP/1.1\r\n${lines.join("")}\r\n`
}

const whole = head({ "Content-Length": question.length }) + question
const half = (more: Record<string, string | number> = {}) => `${head({ "Content-Length": 1000, ...more })}{`

/** A connection from another address of this machine. */
async function connectFrom(localAddress: string, url: string): Promise<Socket> {
  const socket = createConnection({ port: Number(new URL(url).port), host: "127.0.0.1", localAddress })
  socket.on("error", () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, "connect")
  return socket
}

/** The text that a connection has received so far. */
function reading(socket: Socket): { text: string; closed: boolean } {
  const read = { text: "", closed: false }
  socket.on("data", (chunk) => (read.text += chunk))
  socket.on("close", () => (read.closed = true))
  return read
}

const untilRead = (read: { text: string }, expected: RegExp | string) => expect.poll(() => read.text).toMatch(expected)

const untilStats = (gateway: { stats: object }, stats: object) => expect.poll(() => gateway.stats).toMatchObject(stats)

async function ask(socket: Socket): Promise<void> {
  const read = reading(socket)
  socket.write(whole)
  await untilRead(read, answered)
}

describe("a request that is half sent", () => {
  test.each([true, false])(
    "requests that are half sent do not count towards the limits of requests (fast path: %s)",
    async (fastPath) => {
      const { gateway } = await startGateway({
        fastPath,
        config: { concurrentRequests: 4, callerConcurrentRequests: 2 },
      })
      const url = await gateway.listen()
      const token = (n: number) => ({ Authorization: `Bearer made_up_${n % 2}` })
      for (let n = 0; n < 20; n++) (await connect(url)).write(half(token(n)))
      const chunked = `${head({ "Transfer-Encoding": "chunked", ...token(0) })}5\r\n{"que`
      for (let n = 0; n < 20; n++) (await connect(url)).write(chunked)
      await untilStats(gateway, { halfSent: 40, requests: 0 })
      await ask(await connect(url))
    },
  )

  test("a request that is half sent is ended when its address has a hundred newer ones, and the newest is answered", async () => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const reads: ReturnType<typeof reading>[] = []
    const sockets: Socket[] = []
    for (let n = 0; n < 101; n++) {
      const socket = await connect(url)
      sockets.push(socket)
      reads.push(reading(socket))
      socket.write(head({ "Content-Length": question.length }) + question.slice(0, -1))
      if (n === 0) await untilStats(gateway, { halfSent: 1 })
    }
    await untilRead(reads[0]!, /^HTTP\/1.1 408 Request Timeout\r\n.*connection: close\r\n.*"code":"BAD_USER_INPUT"/is)
    await expect.poll(() => reads[0]?.closed).toBe(true)
    await untilStats(gateway, { halfSent: 100 })
    sockets[100]?.write("}")
    await untilRead(reads[100]!, answered)
  })

  test("requests that are half sent do not end those of another address", async () => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const slow = await connectFrom("127.0.0.2", url)
    const read = reading(slow)
    slow.write(head({ "Content-Length": question.length }) + question.slice(0, -1))
    await untilStats(gateway, { halfSent: 1 })
    for (let n = 0; n < 110; n++) (await connect(url)).write(half())
    await untilStats(gateway, { halfSent: 101 })
    slow.write("}")
    await untilRead(read, answered)
  })

  test("a request that is half sent counts behind a trusted proxy for the address that the proxy names", async () => {
    const { gateway } = await startGateway({ config: { trustedProxies: 1, addressConnections: 10 } })
    const url = await gateway.listen()
    const slow = await connect(url)
    const read = reading(slow)
    const from = (address: string) => ({ "X-Forwarded-For": `10.0.0.1, ${address}` })
    slow.write(head({ "Content-Length": question.length, ...from("192.0.2.1") }) + question.slice(0, -1))
    await untilStats(gateway, { halfSent: 1 })
    for (let n = 0; n < 110; n++) (await connect(url)).write(half(from("192.0.2.2")))
    await untilStats(gateway, { halfSent: 101 })
    slow.write("}")
    await untilRead(read, answered)
  })

  test("requests that are half sent hold limited memory together, and the address that holds the most loses its oldest", async () => {
    const { gateway } = await startGateway({ clientTimeouts: { bodyMs: 60_000, bodyGraceMs: 60_000 } })
    const url = await gateway.listen()
    const other = await connectFrom("127.0.0.2", url)
    const read = reading(other)
    other.write(head({ "Content-Length": question.length }) + question.slice(0, -1))
    await untilStats(gateway, { halfSent: 1 })
    const mebibyte = 1024 * 1024
    const reads = []
    for (let n = 0; n < 70; n++) {
      const socket = await connect(url)
      reads.push(reading(socket))
      socket.write(head({ "Content-Length": mebibyte }) + "x".repeat(mebibyte - 1))
      expect(gateway.stats.halfSentBytes).toBeLessThan(65 * mebibyte)
    }
    await untilRead(reads[0]!, /^HTTP\/1.1 408 /)
    expect(reads.at(-1)?.text).toBe("")
    other.write("}")
    await untilRead(read, answered)
  })

  test("a body that arrives too slowly ends its request, even if some of it arrives all the time", async () => {
    const { gateway } = await startGateway({
      clientTimeouts: { bodyMs: 60_000, bodyGraceMs: 200, checkIntervalMs: 50 },
    })
    const url = await gateway.listen()
    const trickling = await connect(url)
    const read = reading(trickling)
    trickling.write(head({ "Transfer-Encoding": "chunked" }))
    const timer = setInterval(() => trickling.write("1\r\n \r\n"), 20)
    onTestFinished(() => clearInterval(timer))
    await untilRead(read, /^HTTP\/1.1 408 .*sent too slowly.*16 KiB a second/s)
    await untilStats(gateway, { halfSent: 0, connections: 0 })
  })

  test("a body that never ends ends its request in time, and its memory is released", async () => {
    const { gateway } = await startGateway({
      clientTimeouts: { bodyMs: 300, checkIntervalMs: 50 },
      config: { limits: { ...limits(), bodyBytes: 10_000 } },
    })
    const socket = await connect(await gateway.listen())
    const read = reading(socket)
    socket.write(head({ "Content-Length": 10_000 }) + "x".repeat(9_000))
    await untilStats(gateway, { halfSent: 1, halfSentBytes: 9_000 })
    await untilRead(read, /^HTTP\/1.1 408 .*complete within 0.3 s/s)
    await untilStats(gateway, { halfSent: 0, halfSentBytes: 0, connections: 0 })
  })

  test("a request that is half sent leaves nothing behind when its client leaves, and no line in the log", async () => {
    const { gateway, lines } = await startGateway()
    const url = await gateway.listen()
    for (const leave of [
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.end(),
    ]) {
      const socket = await connect(url)
      socket.write(half())
      await untilStats(gateway, { halfSent: 1 })
      leave(socket)
      await untilStats(gateway, { halfSent: 0, halfSentBytes: 0, requests: 0, openResponses: 0, connections: 0 })
    }
    expect(lines.filter(({ msg }) => msg === "request")).toEqual([])
    expect(lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([])
  })

  test("a body that arrives in thousands of tiny pieces is refused", async () => {
    const { gateway } = await startGateway()
    const socket = await connect(await gateway.listen())
    const read = reading(socket)
    socket.write(head({ "Transfer-Encoding": "chunked" }) + "1\r\n \r\n".repeat(10_001))
    await untilRead(read, /^HTTP\/1.1 413 .*Send larger ones/s)
  })

  test("a request that is half sent is answered while the gateway stops, if the rest arrives in time", async () => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const socket = await connect(url)
    const read = reading(socket)
    socket.write(whole.slice(0, -1))
    await untilStats(gateway, { halfSent: 1 })
    const closed = gateway.close()
    socket.write(whole.slice(-1))
    await untilRead(read, answered)
    expect(read.text).toMatch(/\r\nconnection: close\r\n/i)
    expect(await closed).toBe(true)
  })
})

describe("connections beyond the limit", () => {
  test.each([
    ["of one address", { addressConnections: 3 }],
    ["of all", { connections: 3 }],
  ])(
    "connections beyond the limit %s replace the one that has waited longest for its client",
    async (_name, config) => {
      const { gateway } = await startGateway({ config })
      const url = await gateway.listen()
      const [silent, partial, begun] = [await connect(url), await connect(url), await connect(url)]
      const reads = [silent, partial, begun].map(reading)
      partial.write("POST /graphql HTTP/1.1\r\nHost: ")
      begun.write(half())
      await untilStats(gateway, { halfSent: 1, connections: 3 })
      for (const [at, expected] of [/^$/, /^$/, /^HTTP\/1.1 408 .*needed its memory/s].entries()) {
        await ask(await connect(url))
        await expect.poll(() => reads[at]?.closed).toBe(true)
        expect(reads[at]?.text).toMatch(expected)
      }
    },
  )

  test("connections beyond the limit are closed when all others are processing requests", async () => {
    const { gateway, sandbox } = await startGateway({ config: { addressConnections: 2 } })
    const url = await gateway.listen()
    const hold = sandbox.hold()
    const busy = [await connect(url), await connect(url)]
    const reads = busy.map(reading)
    for (const [at, socket] of busy.entries()) {
      const body = JSON.stringify({ query: `{ searchCapsules(first: ${at + 1}) { nodes { id } } }` })
      socket.write(head({ "Content-Length": body.length }) + body)
    }
    await hold.waitFor(2)
    const third = reading(await connect(url))
    await expect.poll(() => third.closed).toBe(true)
    expect(third.text).toBe("")
    await ask(await connectFrom("127.0.0.2", url))
    hold.end()
    for (const read of reads) await untilRead(read, "searchCapsules")
  })

  test("connections are not counted by address behind a trusted proxy", async () => {
    const { gateway } = await startGateway({ config: { addressConnections: 2, trustedProxies: 1 } })
    const url = await gateway.listen()
    const reads = []
    for (let n = 0; n < 5; n++) reads.push(reading(await connect(url)))
    await untilStats(gateway, { connections: 5 })
    await ask(await connect(url))
    expect(reads.map(({ closed }) => closed)).toEqual(Array(5).fill(false))
  })

  test("connections beyond the limit close idle ones first, in the order in which they became idle", async () => {
    const { gateway } = await startGateway({ config: { addressConnections: 2 } })
    const url = await gateway.listen()
    const [first, second] = [await connect(url), await connect(url)]
    const reads = [reading(first), reading(second)]
    await ask(second)
    await ask(first)
    await ask(await connect(url))
    await expect.poll(() => reads.map(({ closed }) => closed)).toEqual([false, true])
  })
})

describe("requests on one connection", () => {
  test("requests on one connection are answered in their order", async () => {
    const { gateway } = await startGateway()
    const socket = await connect(await gateway.listen())
    const read = reading(socket)
    const body = JSON.stringify({ query: "{ second: __typename }" })
    socket.write(whole + head({ "Content-Length": body.length }) + body + whole)
    await expect
      .poll(() => read.text.match(/\{"data":\{.*?\}\}/g))
      .toEqual([answered, '{"data":{"second":"Query"}}', answered])
  })

  test("the timeout of a half-sent request behind another one begins when that one is answered", async () => {
    const { gateway, sandbox } = await startGateway({
      clientTimeouts: { bodyMs: 200, bodyGraceMs: 200, checkIntervalMs: 50 },
    })
    const socket = await connect(await gateway.listen())
    const read = reading(socket)
    const hold = sandbox.hold()
    const body = JSON.stringify({ query: "{ searchCapsules(first: 1) { nodes { id } } }" })
    socket.write(head({ "Content-Length": body.length }) + body + half())
    await hold.waitFor(1)
    expect(gateway.stats).toMatchObject({ openResponses: 2, halfSent: 0 })
    expect(read.text).toBe("")
    hold.end()
    await untilRead(read, /^HTTP\/1.1 200 OK.*searchCapsules.*HTTP\/1.1 408 /s)
  })

  test.each([
    ["a body that is too large", head({ "Content-Length": 1_100_000 }), 413],
    ["a body in an unknown encoding", head({ "Content-Length": 1_100_000 - 100_000, "Content-Encoding": "lzma" }), 415],
    ["a GET's body", head({ "Content-Length": 1_100_000 }, "GET /graphql?query={__typename}"), 200],
    ["a HEAD's body", head({ "Content-Length": 1_100_000 }, "HEAD /graphql?query={__typename}"), 200],
    ["a body for another path", head({ "Content-Length": 1_100_000 }, "POST /elsewhere"), 404],
  ])("the next request is answered after %s", async (_name, text, status) => {
    const { gateway } = await startGateway()
    const socket = await connect(await gateway.listen())
    const read = reading(socket)
    socket.write(text)
    // The response is sent before the body has arrived.
    await untilRead(read, new RegExp(`^HTTP/1.1 ${status} `))
    socket.write(" ".repeat(Number(/Content-Length: (\d+)/.exec(text)?.[1])))
    socket.write(whole)
    await untilRead(read, answered)
  })

  test("a refused body that doesn't end is read only so far", async () => {
    const { gateway } = await startGateway({ config: { limits: { ...limits(), bodyBytes: 1_000 } } })
    const socket = await connect(await gateway.listen())
    const read = reading(socket)
    socket.write(head({ "Transfer-Encoding": "chunked" }, "POST /elsewhere"))
    await untilRead(read, /^HTTP\/1.1 404 /)
    socket.write(`4000\r\n${" ".repeat(0x4000)}\r\n`)
    await expect.poll(() => read.closed).toBe(true)
  })

  test("a client that waits for 100 Continue gets it only if its body is wanted", async () => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const socket = await connect(url)
    const read = reading(socket)
    socket.write(head({ "Content-Length": question.length, Expect: "100-continue" }))
    await untilRead(read, /^HTTP\/1.1 100 Continue\r\n\r\n$/)
    socket.write(question)
    await untilRead(read, answered)
    const refused = await connect(url)
    const refusal = reading(refused)
    refused.write(head({ "Content-Length": 2_000_000, Expect: "100-continue" }))
    await untilRead(refusal, /^HTTP\/1.1 413 .*\r\nconnection: close\r\n/is)
    await expect.poll(() => refusal.closed).toBe(true)
  })

  test("an upgrade to a protocol that is not offered is ignored, and CONNECT is closed", async () => {
    const { gateway } = await startGateway()
    const url = await gateway.listen()
    const socket = await connect(url)
    const read = reading(socket)
    socket.write(head({ "Content-Length": question.length, Connection: "Upgrade", Upgrade: "websocket" }) + question)
    await untilRead(read, answered)
    const tunnel = await connect(url)
    const nothing = reading(tunnel)
    tunnel.write("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
    await expect.poll(() => nothing.closed).toBe(true)
    await ask(await connect(url))
  })
})

function limits() {
  return readConfig({ CODEOCEAN_URL: "http://localhost" }).limits
}
