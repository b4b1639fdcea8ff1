import { once } from "node:events"
import { createConnection, Server } from "node:net"
import { gzipSync } from "node:zlib"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { startSandbox } from "../sandbox/server.ts"
import { type Admission, measureLag } from "../src/http/admission.ts"
import { bodyTimeouts } from "../src/http/body.ts"
import { createIdentifyClient } from "../src/http/clientIdentity.ts"
import { createConnections } from "../src/http/connections.ts"
import type { OperationHandler } from "../src/http/fastPath.ts"
import { createListener } from "../src/http/listener.ts"
import { createRejectionLog, guarded } from "../src/http/logging.ts"
import { createOpenResponses } from "../src/http/openResponses.ts"
import { createRequestHandler } from "../src/http/requestHandler.ts"
import { createLog, type Log } from "../src/log/log.ts"
import { startGateway } from "./support/gateway.ts"
import { run } from "./support/process.ts"

const boom = () => {
  throw new Error("boom")
}

/** A listener with this handler of operations. Vitest fails the run if an exception reaches the process. */
async function listening(answerOperation: OperationHandler, admit: Admission["admit"] = admitAll) {
  const lines: Record<string, unknown>[] = []
  const log = createLog("debug", { write: (line) => void lines.push(JSON.parse(line)) })
  const timeouts = {
    headersMs: 1_000,
    ...bodyTimeouts,
    bodyMs: 200,
    responseDrainMs: 1_000,
    responseDrainGraceMs: 1_000,
    maxUnreadBytes: 1_000_000,
    keepAliveMs: 1_000,
    checkIntervalMs: 50,
    idleGraceMs: 0,
    shutdownGraceMs: 100,
  }
  const clientAddress = () => "somewhere"
  const connections = createConnections({ connections: 100, addressConnections: 100, trustedProxies: 0 }, clientAddress)
  const responses = createOpenResponses(timeouts, connections, log)
  const handler = createRequestHandler({
    log,
    telemetry: {},
    route: ({ url }) => (url === "/fine" ? "other" : "operation"),
    identifyClient: createIdentifyClient(),
    clientAddress,
    admission: { admit, check: () => undefined },
    connections,
    responses,
    bodyTimeouts: timeouts,
    maxBodyBytes: 1_000,
    corsOrigins: [],
    sendLandingPage: () => {},
    answerOperation,
    answerFile: () => undefined,
    answerOther: (_request, response) => void response.end("fine"),
  })
  const listener = createListener(timeouts, {
    log,
    connections,
    connectionLimit: { max: 100, isByDescriptors: false },
    responses,
    onRequest: handler.handle,
    check: handler.check,
  })
  const url = await listener.listen(0, "127.0.0.1")
  onTestFinished(async () => void (await listener.close()))
  return { url, lines }
}

const admitAll = () => ({ ticket: { subscribe: () => undefined, release() {} } })

describe("an exception while a request is handled", () => {
  const gzipped = { headers: { "content-encoding": "gzip" }, body: new Uint8Array(gzipSync("x")) }
  const tooLarge = { body: new Blob(["x".repeat(1_001)]).stream(), duplex: "half" }
  test.each<[string, Admission["admit"], RequestInit]>([
    ["in the handler", admitAll, {}],
    ["when the body is complete", admitAll, { method: "POST", body: "x" }],
    ["when the body is decoded", admitAll, { method: "POST", ...gzipped }],
    ["in the rejection of a body that is too large", boom, { method: "POST", ...tooLarge }],
  ])("an exception %s fails its own request with a 500, and no other", async (_name, admit, init) => {
    const { url, lines } = await listening(boom, admit)
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

  test("an exception after the response has begun closes the connection of its own request alone", async () => {
    const { url, lines } = await listening((_request, response) => {
      response.write("some")
      boom()
    })
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow()
    expect(lines).toHaveLength(1)
    expect(await (await fetch(`${url}/fine`)).text()).toBe("fine")
  })

  test("an exception in the rejection of a slow body, from a timer, fails its own request alone", async () => {
    const { url, lines } = await listening(boom, boom)
    const socket = createConnection(Number(new URL(url).port), "127.0.0.1")
    onTestFinished(() => void socket.destroy())
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1.1 500 /)
    expect(lines).toHaveLength(1)
    expect(await (await fetch(`${url}/fine`)).text()).toBe("fine")
  })
})

describe("an exception in a timer doesn't end the process", () => {
  test("an exception in the timer that measures the event loop does not end the process, and the timer goes on", async () => {
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

  test("an exception in the timer that logs rejections does not end the process", () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const rejections = createRejectionLog({ warn: boom, error: boom } as unknown as Log)
    rejections.add({ code: "OVERLOADED" })
    vi.advanceTimersByTime(10_000)
    rejections.close()
  })

  test("a guarded function that throws does not throw further, even if the log fails too", () => {
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
  const { child, said, exited, output } = run("bash", ["-c", `ulimit -n 60; exec "${process.execPath}" src/main.ts`], {
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
  child.kill("SIGTERM")
  expect(await exited).toBe(0)
  expect(output().match(/out of file descriptors/g)).toHaveLength(1)
})
