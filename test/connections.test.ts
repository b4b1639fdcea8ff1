import type { ServerResponse } from "node:http"
import { setImmediate } from "node:timers/promises"
import { expect, onTestFinished, test } from "vitest"
import { createLog } from "../src/log/log.ts"
import { object } from "../src/upstream/decoders.ts"
import { createUpstreamPool } from "../src/upstream/pool.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startProxy } from "./support/proxy.ts"
import { stopTime } from "./support/time.ts"

const silent = createLog("silent")

test.each(["directly", "through a proxy"])(
  "all connections are used at the same time %s, and no more, also after calls were lost, cancelled and timed out",
  async (way) => {
    const time = stopTime()
    const held: ServerResponse[] = []
    const upstream = await startFaultyUpstream((_request, response) => {
      held.push(response)
      return undefined
    })
    const http = way === "directly" ? undefined : new URL((await startProxy()).url)
    const connections = 40
    const timeoutMs = 1_000
    const pool = createUpstreamPool({
      url: new URL(`${upstream.url}/`),
      minServerVersion: "4.6.0",
      timeoutMs,
      deadlineMs: 20_000,
      connections,
      maxCalls: 1_000,
      maxQueued: 0,
      retryPercent: 0,
      breakerCalls: 0,
      sharedReads: false,
      proxies: http && { http, https: undefined, except: "" },
      log: silent,
    })
    onTestFinished(() => pool.close())
    const start = (count: number) => {
      const cost = { upstreamCalls: 0, sharedCalls: 0 }
      const caller = {
        token: { value: "ada" },
        tokenDigest: "ada",
        key: "ada",
        agentId: undefined,
        requestId: "request",
      }
      const request = pool.forCaller({ ...caller, log: silent, cost })
      const ids = Array.from({ length: count }, (_, index) => `c${index}`)
      const read = (id: string) => request.read({ method: "GET", route: "capsules/{id}", ids: { id }, decode: object })
      return { request, results: Promise.allSettled(ids.map(read)) }
    }
    const answer = (response: ServerResponse) => {
      response.setHeader("content-type", "application/json")
      response.end("{}")
    }
    /** Waits for this number of calls, and for some turns of the event loop in which more could come. */
    const expectHeld = async (count = connections) => {
      for (let turn = 0; turn < 200_000 && held.length < count; turn++) await setImmediate()
      for (let turn = 0; turn < 20; turn++) await setImmediate()
      expect(held).toHaveLength(count)
      expect(upstream.connections()).toBeLessThanOrEqual(connections)
      expect(pool.counts.active).toBe(count)
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
    time.pass(timeoutMs)
    await expectHeld(20)
    held.splice(0).forEach(answer)
    await late.results
    expect(pool.counts).toEqual({ active: 0, queued: 0 })

    const last = start(80)
    await expectHeld()
    held.splice(0).forEach(answer)
    await expectHeld()
    held.splice(0).forEach(answer)
    expect((await last.results).every(({ status }) => status === "fulfilled")).toBe(true)
  },
)
