import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { getHeapStatistics } from "node:v8"
import { expect, test } from "vitest"
import { sendRendered } from "../src/http/respond.ts"
import { connect } from "./support/socket.ts"

const allocated = () => getHeapStatistics().total_allocated_bytes

test("a response of any size and of any characters arrives as it was rendered, and V8 copies no large one", async () => {
  const bodies = ["a", "é🧠", "x".repeat(65_535), "x".repeat(65_536), "é🧠".repeat(100_000), "x".repeat(3_000_000)]
  const copied: number[] = []
  let next = 0
  const server = createServer((_request, response) => {
    // Flat, as JSON.stringify makes it.
    const body = JSON.parse(JSON.stringify(bodies[next++])) as string
    const headers = { "content-length": Buffer.byteLength(body) }
    const before = allocated()
    sendRendered(response, { status: 200, headers, body, hasData: true })
    copied.push(allocated() - before)
  }).listen(0)
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  for (const body of bodies) {
    const response = await fetch(`http://127.0.0.1:${port}`)
    expect((await response.text()) === body).toBe(true)
  }
  // V8 counts what it sets aside for small objects, too.
  expect(copied.at(-1)).toBeLessThan(1_500_000)

  // Pipelined on one connection: the next begins where the last one ends.
  next = 0
  const socket = await connect(`http://127.0.0.1:${port}`)
  let received = ""
  socket.setEncoding("utf8").on("data", (chunk) => (received += chunk))
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(bodies.length))
  const arrived = () => received.split(/HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\n/).slice(1)
  await expect.poll(() => arrived().join("").length).toBe(bodies.join("").length)
  expect(arrived().every((body, n) => body === bodies[n])).toBe(true)
  socket.destroy()
  server.close()
})
