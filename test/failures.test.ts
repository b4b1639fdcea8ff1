import { once } from "node:events"
import { createConnection, Server } from "node:net"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { startSandbox } from "../sandbox/server.ts"
import { measureLag } from "../src/http/admission.ts"
import { bodyTimes } from "../src/http/body.ts"
import { createListener, type Handler } from "../src/http/listener.ts"
import { createRefusalLog, guarded } from "../src/http/respond.ts"
import { createLog, type Log } from "../src/log.ts"
import { startGateway } from "./support/gateway.ts"
import { run } from "./support/process.ts"

const boom = () => {
  throw new Error("boom")
}

/** A listener with one handler; vitest fails the run if anything it throws reaches the process. */
async function listening(handle: Handler, refuse: () => void = boom) {
  const lines: Record<string, unknown>[] = []
  const listener = createListener(
    {
      headersMs: 1_000,
      ...bodyTimes,
      bodyMs: 200,
      takingMs: 1_000,
      takingGraceMs: 1_000,
      waitingBytes: 1_000_000,
      keepAliveMs: 1_000,
      checkedMs: 50,
      connections: 100,
      addressConnections: 100,
      reservedDescriptors: 0,
      trustedProxies: 0,
      largestBody: 1_000,
      stoppingMs: 100,
    },
    {
      log: createLog("debug", { write: (line) => void lines.push(JSON.parse(line)) }),
      addressOf: () => "somewhere",
      refuse,
      refusalOf: () => undefined,
      handle: (request, response, bodies) =>
        request.url === "/fine" ? void response.end("fine") : handle(request, response, bodies),
    },
  )
  const url = await listener.listen(0, "127.0.0.1")
  onTestFinished(async () => void (await listener.close()))
  return { url, lines }
}

describe("an exception is the failure of its own request, and of no other", () => {
  const read: Handler = (request, response, bodies) => bodies.read(request, response, boom)
  const decoded: Handler = (request, response, bodies) =>
    bodies.read(request, response, (body) => bodies.decode(response, body, "identity", boom))
  test.each<[string, Handler, RequestInit]>([
    ["in the handler", boom, {}],
    ["when the body is whole", read, { method: "POST", body: "x" }],
    ["when the body is decoded", decoded, { method: "POST", body: "x" }],
    ["in the refusal of a body that is too large", read, { method: "POST", body: new Blob(["x".repeat(1_001)]) }],
  ])("%s", async (_name, handle, init) => {
    const { url, lines } = await listening(handle)
    const response = await fetch(url, init)
    expect(response.status).toBe(500)
    expect((await response.json()).errors[0]).toMatchObject({
      message: "Unexpected error. The gateway's log has the details.",
      extensions: { code: "INTERNAL_SERVER_ERROR" },
    })
    expect(lines).toEqual([
      expect.objectContaining({ msg: "unexpected error", err: expect.objectContaining({ message: "boom" }) }),
    ])
    expect(await (await fetch(`${url}/fine`)).text()).toBe("fine")
  })

  test("when the answer has begun: the connection is closed", async () => {
    const { url, lines } = await listening((_request, response) => {
      response.write("some")
      boom()
    })
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow()
    expect(lines).toHaveLength(1)
    expect(await (await fetch(`${url}/fine`)).text()).toBe("fine")
  })

  test("in the refusal of a body that is too slow, from a timer", async () => {
    const { url, lines } = await listening((request, response, bodies) => bodies.read(request, response, boom))
    const socket = createConnection(Number(new URL(url).port), "127.0.0.1")
    onTestFinished(() => void socket.destroy())
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1.1 500 /)
    expect(lines).toHaveLength(1)
    expect(await (await fetch(`${url}/fine`)).text()).toBe("fine")
  })
})

describe("an exception in a timer doesn't end the process", () => {
  test("in that which measures the event loop, which goes on", async () => {
    const lines: unknown[] = []
    let times = 0
    const lag = measureLag(createLog("debug", { write: (line) => void lines.push(line) }), () => {
      times += 1
      boom()
    })
    onTestFinished(() => lag.stop())
    await expect.poll(() => times).toBeGreaterThan(1)
    expect(lines.length).toBeGreaterThan(0)
  })

  test("in that which logs refusals", () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const refusals = createRefusalLog({ warn: boom, error: boom } as unknown as Log)
    refusals.note({ status: 503, code: "OVERLOADED", message: "" })
    vi.advanceTimersByTime(10_000)
    refusals.close()
  })

  test("even if the log fails too", () => {
    expect(guarded({ error: boom } as unknown as Log, boom)).not.toThrow()
  })
})

test.each(["EMFILE", "ENFILE"])(
  "a connection that can't be accepted for want of descriptors (%s) is one line in ten seconds",
  async (code) => {
    const listen = vi.spyOn(Server.prototype, "listen")
    onTestFinished(() => void listen.mockRestore())
    const { gateway, lines } = await startGateway()
    const url = await gateway.listen()
    const server = listen.mock.contexts.at(-1) as Server
    for (let times = 0; times < 20; times++) server.emit("error", Object.assign(new Error(`accept ${code}`), { code }))
    const said = lines.filter(({ msg }) => String(msg).startsWith("out of file descriptors"))
    expect(said).toEqual([expect.objectContaining({ level: "error", code })])
    server.emit("error", Object.assign(new Error("accept ECONNABORTED"), { code: "ECONNABORTED" }))
    expect((await fetch(`${url}/health`)).status).toBe(200)
  },
)

test("a gateway that may open few files keeps some for its calls, says so, and is as before when its clients leave", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const { said, output } = run("bash", ["-c", `ulimit -n 60; exec "${process.execPath}" src/main.ts`], {
    PORT: "0",
    CODEOCEAN_URL: sandbox.url,
    CODEOCEAN_TOKEN: "cop_any",
  })
  const url = await said(/"url":"([^"]+)"/)
  const crowd = Array.from({ length: 200 }, () => createConnection(Number(new URL(url).port), "127.0.0.1"))
  for (const socket of crowd) {
    socket.on("error", () => undefined)
    onTestFinished(() => void socket.destroy())
  }
  await said(/out of file descriptors/)
  const ask = async (path: string) => (await fetch(new URL(path, url))).status
  expect(await ask("/health")).toBe(200)
  expect(await ask("/ready")).toBe(200)
  for (const socket of crowd) socket.destroy()
  await Promise.all(Array.from({ length: 10 }, () => ask("/health"))).then((statuses) =>
    expect(statuses).toEqual(Array(10).fill(200)),
  )
  expect(output().match(/out of file descriptors/g)).toHaveLength(1)
})
