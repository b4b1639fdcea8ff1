import { once } from "node:events"
import { expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { run } from "./support/process.ts"
import { connect } from "./support/socket.ts"

function requestText(query: string, token: string = tokens.ada): string {
  const body = JSON.stringify({ query })
  return `POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** A large answer that costs no call. */
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

test("a connection that pipelines more than a hundred requests is closed, and nothing is begun for the rest", async () => {
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

test("requests that a client leaves behind in its pipeline are not begun", async () => {
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

test("others are answered while two hundred connections ask for large answers at the same moment", async () => {
  // A process of its own: here the clients would hold up one another.
  const env = { CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "0" }
  const url = await run(process.execPath, ["src/main.ts"], env).said(/"url":"(http:[^"]+)\/graphql"/)
  await (await fetch(`${url}/health`)).text()
  const sockets = await Promise.all(Array.from({ length: 200 }, () => connect(url)))
  for (const socket of sockets) socket.pause().write(requestText(large))
  const others = [
    () => fetch(`${url}/health`),
    // Another caller's operation doesn't wait for all those that came before it.
    () =>
      fetch(`${url}/graphql`, {
        method: "POST",
        headers: { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json" },
        body: JSON.stringify({ query: "{ __typename }" }),
      }),
  ]
  for (let times = 0; times < 10; times++) {
    for (const ask of others) {
      const begun = performance.now()
      expect((await ask()).status).toBe(200)
      expect(performance.now() - begun).toBeLessThan(2_000)
    }
  }
})
