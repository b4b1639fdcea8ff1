import { once } from "node:events"
import { connect } from "node:net"
import { expect, onTestFinished, test, vi } from "vitest"
import { createErrorLog, createLog, RequestLog } from "../src/log/log.ts"
import { startFaultyUpstream, type UpstreamAnswer } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"

type Line = Record<string, unknown>

const isRequestLine = ({ msg }: Line) => msg === "request"
const withoutDebug = ({ level }: Line) => level !== "debug"

/** Looks up 250 ids in one request, for which upstream sends this; resolves with the log's lines. */
async function lookUpMany(answer: UpstreamAnswer): Promise<Line[]> {
  const upstream = await startFaultyUpstream(() => answer)
  const { ask, lines } = startGatewayOn(upstream.url, { config: { upstreamRetryPercent: 0, upstreamBreakerCalls: 0 } })
  const ids = Array.from({ length: 250 }, (_, at) => `id-${at}`)
  await ask("query Many($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids })
  await vi.waitFor(() => expect(lines.some(isRequestLine)).toBe(true))
  return lines
}

function memoryLog() {
  const lines: Line[] = []
  return { lines, log: createLog("info", { write: (line) => void lines.push(JSON.parse(line)) }) }
}

test("a request for 250 ids that do not exist is one line of the log", async () => {
  const lines = await lookUpMany({ status: 404, body: { message: "not found" } })
  expect(lines.filter(withoutDebug)).toMatchObject([{ msg: "request", upstreamCalls: 1_000 }])
})

test("a request for 250 ids that upstream refuses is one line of the log", async () => {
  const lines = await lookUpMany({ status: 403, body: { message: "forbidden" } })
  expect(lines.filter(withoutDebug)).toMatchObject([{ msg: "request", upstreamCalls: 1_000 }])
})

test("a request that fails in a thousand calls takes 20 lines beside its own, which says how many were left out", async () => {
  for (const answer of [{ status: 500, body: { message: "it fails" } }, { status: 404 }, { body: "no JSON" }]) {
    const lines = await lookUpMany(answer)
    expect(lines).toHaveLength(21)
    expect(lines.at(-1)).toMatchObject({ msg: "request", linesLeftOut: 980 })
  }
})

test("a request that lasts for hours gets new lines every minute", () => {
  vi.useFakeTimers({ toFake: ["performance"] })
  onTestFinished(() => void vi.useRealTimers())
  const { lines, log } = memoryLog()
  const requestLog = new RequestLog(log, "r1")
  const fail = () => {
    for (let number = 0; number < 50; number++) requestLog.warn({ number }, "it failed")
  }
  fail()
  expect(lines).toHaveLength(20)
  vi.advanceTimersByTime(61_000)
  fail()
  expect(lines).toHaveLength(40)
  expect(lines).toContainEqual(expect.objectContaining({ requestId: "r1", number: 0, level: "warn" }))
  expect(requestLog.linesLeftOut).toBe(60)
})

test("of the unexpected errors of ten seconds five are logged, and the others are counted", () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const { lines, log } = memoryLog()
  const logError = createErrorLog(log)
  for (let number = 0; number < 100; number++) logError("error", new Error("one of many"), "it failed")
  expect(lines).toHaveLength(5)
  vi.advanceTimersByTime(10_000)
  expect(lines.slice(5)).toMatchObject([{ level: "error", linesLeftOut: 95 }])
  logError("warn", new Error("another one"), "it failed")
  expect(lines.slice(6)).toMatchObject([{ level: "warn", err: { message: "another one" } }])
})

test("of the warnings and errors of all requests a thousand in ten seconds are logged, and the others are counted", () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const { lines, log } = memoryLog()
  for (let number = 0; number < 600; number++) {
    const requestLog = new RequestLog(log, `r${number}`)
    requestLog.warn({}, "it failed")
    requestLog.error({}, "it failed")
    log.info({}, "request")
  }
  expect(lines.filter(({ level }) => level === "info")).toHaveLength(600)
  expect(lines).toHaveLength(1_600)
  vi.advanceTimersByTime(10_000)
  expect(lines.slice(1_600)).toMatchObject([{ level: "warn", linesLeftOut: 200 }])
  log.error({}, "it failed")
  expect(lines).toHaveLength(1_602)
})

test("no line of the log is longer than 8 KiB, however long the texts of clients and upstream are", async () => {
  const long = "\u0001".repeat(100_000)
  const upstream = await startFaultyUpstream(() => ({ status: 500, body: { message: long } }))
  const { gateway, lines } = startGatewayOn(upstream.url)
  const url = await gateway.listen()
  const alias = "a".repeat(100_000)
  for (const name of ["", "N".repeat(100_000)]) {
    await fetch(`${url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: "Bearer cop_1",
        "x-request-id": "i".repeat(10_000),
      },
      body: JSON.stringify({ query: `query ${name} { ${alias}: capsule(id: "c1") { ${alias}: name } }` }),
    })
  }
  await vi.waitFor(() => expect(lines.filter(isRequestLine)).toHaveLength(2))
  for (const line of lines) expect(JSON.stringify(line).length).toBeLessThan(8 * 1024)
})

for (const [how, head] of [
  ["a chunked body", 'transfer-encoding: chunked\r\n\r\n20\r\n{"query":'],
  ["a body with its length", 'content-length: 100\r\n\r\n{"query":'],
  ["a compressed body", "content-encoding: gzip\r\ncontent-length: 100\r\n\r\n\x1f"],
] as const) {
  test(`a client that leaves in the middle of ${how} is no error in the log`, async () => {
    const upstream = await startFaultyUpstream(() => ({ status: 404 }))
    const { gateway, lines } = startGatewayOn(upstream.url)
    const url = await gateway.listen()
    for (const [path, type] of [
      ["/graphql", "application/json"],
      ["/graphql/", "application/json"],
      ["/graphql", "application/graphql"],
    ]) {
      const socket = connect(Number(new URL(url).port), "127.0.0.1")
      socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n${head}`)
      await vi.waitFor(() => expect(gateway.stats).toMatchObject({ openResponses: 1, halfSent: 1 }))
      socket.destroy()
      await once(socket, "close")
      await vi.waitFor(() => expect(gateway.stats.openResponses).toBe(0))
    }
    await gateway.close()
    expect(lines.filter(({ level }) => level !== "debug" && level !== "info")).toEqual([])
  })
}
