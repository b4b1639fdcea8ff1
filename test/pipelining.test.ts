import { once } from "node:events"
import { expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { connect } from "./support/socket.ts"

function requestText(query: string, token: string = tokens.ada): string {
  const body = JSON.stringify({ query })
  return `POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** An operation with a large response that costs no call. */
const large = `{ ${Array.from({ length: 10 }, (_, index) => `a${index}: __schema { types { fields { name description } } }`).join(" ")} }`

test("pipelined requests are answered in their order, one at a time", async () => {
  const { gateway, sandbox } = await startGateway()
  const socket = await connect(await gateway.listen())
  let answers = ""
  socket.on("data", (chunk) => (answers += chunk))
  const hold = sandbox.hold()
  const names = ["a", "b", "c"]
  socket.write(names.map((name) => requestText(`{ ${name}: searchCapsules(first: 1) { nodes { id } } }`)).join(""))
  await hold.waitFor(1)
  expect(gateway.stats).toMatchObject({ requests: 1, openResponses: 3 })
  hold.end()
  await expect.poll(() => answers.match(/"(\w)":\{"nodes"/g)).toEqual(names.map((name) => `"${name}":{"nodes"`))
  expect(sandbox.requests).toHaveLength(3)
})

test("a connection that pipelines more than a hundred requests is closed, and the rest is not executed", async () => {
  const { gateway, sandbox } = await startGateway()
  const socket = await connect(await gateway.listen())
  const closed = once(socket, "close")
  const hold = sandbox.hold()
  socket.write(requestText("{ searchCapsules(first: 1) { nodes { id } } }").repeat(150))
  await closed
  hold.end()
  expect(sandbox.requests.length).toBeLessThanOrEqual(1)
  await expect.poll(() => gateway.stats).toMatchObject({ requests: 0, openResponses: 0, connections: 0 })
})

test("pipelined requests of a client that has disconnected are not executed", async () => {
  const { gateway, sandbox } = await startGateway()
  const socket = await connect(await gateway.listen())
  const hold = sandbox.hold()
  socket.write(requestText("{ searchCapsules(first: 1) { nodes { id } } }").repeat(5))
  await hold.waitFor(1)
  socket.destroy()
  await expect.poll(() => gateway.stats).toMatchObject({ requests: 0, openResponses: 0 })
  hold.end()
  expect(sandbox.requests).toHaveLength(1)
})

test("other callers are answered before two hundred operations that were read at the same moment", async () => {
  const { gateway } = await startGateway({ config: { callerRequestsPerSecond: 0, callerConcurrentRequests: 0 } })
  const url = await gateway.listen()
  const [sockets, other] = await Promise.all([
    Promise.all(Array.from({ length: 200 }, () => connect(url))),
    connect(url),
  ])
  await expect.poll(() => gateway.stats.connections).toBe(201)
  // All of them are in one process, so the order in which responses begin does not depend on the speed of the machine.
  const begun: string[] = []
  const ended = Promise.all(
    sockets.map(async (socket) => {
      socket.write(requestText(large))
      const [first] = await once(socket, "data")
      begun.push(String(first).slice(0, 15))
      socket.resume()
    }),
  )
  other.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
  other.write(requestText("{ __typename }", tokens.grace))
  let answers = ""
  for await (const chunk of other) {
    answers += chunk
    if (answers.includes('{"data":{"__typename":"Query"}}')) break
  }
  expect(answers.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"])
  expect(begun.length).toBeLessThan(200)
  await ended
  expect(new Set(begun)).toEqual(new Set(["HTTP/1.1 200 OK"]))
})
