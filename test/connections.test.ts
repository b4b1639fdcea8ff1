import type { ServerResponse } from "node:http"
import { expect, onTestFinished, test, vi } from "vitest"
import { createLog } from "../src/log/log.ts"
import { object } from "../src/upstream/decoders.ts"
import { createUpstreamPool } from "../src/upstream/pool.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"

const silent = createLog("silent")

test("all connections are used at the same time, and no more, also after calls were lost, cancelled and timed out", async () => {
  const held: ServerResponse[] = []
  const upstream = await startFaultyUpstream((_request, response) => {
    held.push(response)
    return undefined
  })
  const connections = 40
  const pool = createUpstreamPool({
    url: new URL(`${upstream.url}/`),
    minServerVersion: "4.6.0",
    timeoutMs: 1_000,
    deadlineMs: 20_000,
    connections,
    maxCalls: 1_000,
    maxQueued: 0,
    retryPercent: 0,
    breakerCalls: 0,
    sharedReads: false,
    log: silent,
  })
  onTestFinished(() => pool.close())
  const start = (count: number) => {
    const cost = { upstreamCalls: 0, sharedCalls: 0 }
    const caller = { token: { value: "ada" }, tokenDigest: "ada", key: "ada", agentId: undefined, requestId: "request" }
    const request = pool.forCaller({ ...caller, log: silent, cost })
    const ids = Array.from({ length: count }, (_, index) => `c${index}`)
    const read = (id: string) => request.read({ method: "GET", route: "capsules/{id}", ids: { id }, decode: object })
    return { request, results: Promise.allSettled(ids.map(read)) }
  }
  const answer = (response: ServerResponse) => {
    response.setHeader("content-type", "application/json")
    response.end("{}")
  }
  const expectHeld = async () => {
    await vi.waitFor(() => expect(held).toHaveLength(connections))
    expect(upstream.connections()).toBeLessThanOrEqual(connections)
    expect(pool.counts.active).toBe(connections)
  }

  const first = start(100)
  await expectHeld()
  for (const response of held.splice(0, 15)) response.destroy()
  held.splice(0, 15).forEach(answer)
  await expectHeld()
  held.length = 0
  first.request.end()
  const outcomes = Map.groupBy(await first.results, ({ status }) => status)
  expect(outcomes.get("fulfilled")).toHaveLength(15)

  const late = start(60)
  await expectHeld()
  // The first forty are never answered.
  held.length = 0
  await vi.waitFor(() => expect(held).toHaveLength(20), 5_000)
  held.splice(0).forEach(answer)
  await late.results
  expect(pool.counts).toEqual({ active: 0, queued: 0 })

  const last = start(80)
  await expectHeld()
  held.splice(0).forEach(answer)
  await expectHeld()
  held.splice(0).forEach(answer)
  expect((await last.results).every(({ status }) => status === "fulfilled")).toBe(true)
})
