import { onTestFinished } from "vitest"
import { createLog } from "../../src/log/log.ts"
import type { Call, Caller } from "../../src/upstream/call.ts"
import { createUpstreamPool, type UpstreamOptions } from "../../src/upstream/pool.ts"
import { startFaultyUpstream, type UpstreamAnswer } from "./faultyUpstream.ts"

const silent = createLog("silent")

/** A pool with one connection to an upstream that responds by the number of the request. */
export async function startPool(
  answer: (count: number) => UpstreamAnswer | undefined,
  options: Partial<UpstreamOptions> = {},
) {
  const upstream = await startFaultyUpstream(() => answer(upstream.requests.length))
  const pool = createUpstreamPool({
    url: new URL(`${upstream.url}/`),
    minServerVersion: "4.6.0",
    timeoutMs: 5_000,
    deadlineMs: 20_000,
    connections: 1,
    maxCalls: 1_000_000,
    maxQueued: 0,
    retryPercent: 20,
    breakerCalls: 0,
    sharedReads: true,
    log: silent,
    ...options,
  })
  onTestFinished(() => pool.close())
  const callerWith = (odd: Partial<Caller> = {}): Caller => ({
    token: { value: "ada" },
    tokenDigest: "ada",
    key: "ada",
    agentId: undefined,
    requestId: "request",
    log: silent,
    cost: { upstreamCalls: 0, sharedCalls: 0 },
    ...odd,
  })
  return { pool, upstream, callerWith }
}

/** A read of a capsule. */
export const capsule = (id = "c1"): Call<unknown> => ({
  method: "GET",
  route: "capsules/{id}",
  ids: { id },
  decode: (body) => body,
})
