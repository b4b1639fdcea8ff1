import { once } from "node:events"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"
import { connect } from "./support/socket.ts"

const body = JSON.stringify({ query: `{ capsule(id: "${seed.cellCounter}") { name } }` })
const request = `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.ada}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

test("a stopping gateway closes idle connections at once, and others after their response, with `Connection: close`", async () => {
  const { gateway, sandbox } = await startGateway()
  const url = await gateway.listen()
  const hold = sandbox.hold()
  const [idle, busy, later] = [await connect(url), await connect(url), await connect(url)]
  for (const socket of [idle, later]) {
    socket.write(health)
    await once(socket, "data")
  }
  busy.write(request)
  later.write(request.slice(0, -1))
  await hold.waitFor(1)
  await expect.poll(() => gateway.stats).toMatchObject({ requests: 1, halfSent: 1 })

  const answers = [busy, later].map((socket) => once(socket, "data"))
  const gone = [idle, busy, later].map((socket) => once(socket, "close"))
  const closed = gateway.close()
  await gone[0]
  expect(gateway.stats).toMatchObject({ requests: 1, halfSent: 1, connections: 2 })
  later.write(request.slice(-1))
  hold.end()
  for (const [answer] of await Promise.all(answers)) {
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(String(answer)).toMatch(/\r\nconnection: close\r\n/i)
    expect(String(answer)).toContain("Cell Counter")
  }
  await Promise.all(gone)
  expect(await closed).toBe(true)
})

test("a stopping gateway answers a new request while others are in flight", async () => {
  const { gateway, sandbox } = await startGateway()
  const url = await gateway.listen()
  const hold = sandbox.hold()
  const early = await connect(url)
  early.write(request)
  await hold.waitFor(1)
  const closed = gateway.close()
  const late = await connect(url)
  late.write(health)
  const [answer] = await once(late, "data")
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(String(answer)).toMatch(/\r\nconnection: close\r\n/i)
  hold.end()
  expect(await closed).toBe(true)
})

test("behind a proxy, a stopping gateway still answers on idle and on new connections, and says at /ready that it is stopping", async () => {
  const { gateway } = await startGateway({ config: { trustedProxies: 1 }, clientTimeouts: { idleGraceMs: 1_000 } })
  const url = await gateway.listen()
  const idle = await connect(url)
  idle.write(health)
  await once(idle, "data")
  const closed = gateway.close()
  const ready = await fetch(new URL("/ready", url))
  expect(ready.status).toBe(503)
  expect(await ready.text()).toContain("is stopping")
  idle.write(request)
  const [answer] = await once(idle, "data")
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(String(answer)).toMatch(/\r\nconnection: close\r\n/i)
  expect(await closed).toBe(true)
})

test("a stopping gateway whose upstream hangs stops at the request's deadline, after an UPSTREAM_TIMEOUT", async () => {
  const { gateway, sandbox } = await startGateway({ config: { requestDeadlineMs: 500 } })
  const url = await gateway.listen()
  const hold = sandbox.hold()
  const socket = await connect(url)
  socket.write(request)
  await hold.waitFor(1)
  const answer = once(socket, "data")
  expect(await gateway.close()).toBe(true)
  expect(String((await answer)[0])).toContain("UPSTREAM_TIMEOUT")
  hold.end()
})

test("closing a gateway twice closes it once", async () => {
  const { gateway } = await startGateway()
  await gateway.listen()
  expect(await Promise.all([gateway.close(), gateway.close()])).toEqual([true, true])
})
