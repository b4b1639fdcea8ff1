import { expect, test } from "vitest"
import type { GatewayOptions } from "../src/server.ts"
import { cacheFor } from "./support/cache.ts"
import { type Result, startGatewayOn } from "./support/gateway.ts"
import { startModelUpstream } from "./support/mixedRequests/modelUpstream.ts"
import { Sequence, type TestedGateway, type Time, ttlSeconds } from "./support/mixedRequests/sequence.ts"
import { fc } from "./support/properties.ts"
import { watchProcess } from "./support/unnoticed.ts"

/** How many sequences of requests are generated, each of about five. More of them find rarer defects. */
const sequences = Number(process.env.MIXED_SEQUENCES ?? 80)

async function startGateway(url: string, options: GatewayOptions & { hasCache: boolean }): Promise<TestedGateway> {
  const { hasCache, sharedReads = true } = options
  const config = { upstreamRetryPercent: 0, upstreamBreakerCalls: 0, ...(hasCache && cacheFor(String(ttlSeconds))) }
  const { gateway } = startGatewayOn(url, { config, ...options })
  const address = `${await gateway.listen()}/graphql`
  const ask: TestedGateway["ask"] = async ({ query, variables }, token, requestId, agent) => {
    const response = await fetch(address, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "accept-encoding": "identity",
        authorization: `Bearer ${token}`,
        "x-request-id": requestId,
        "x-upstream-cost": "1",
        ...(agent && { "agent-id": agent }),
      },
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as Result
  }
  return { ask, hasCache, sharesReads: sharedReads }
}

/** The clock of this process, which can be put forward. */
function startClock(): Time & { stop(): void } {
  const { now } = performance
  let passed = 0
  performance.now = () => now.call(performance) + passed
  return {
    now: () => performance.now(),
    pass(ms) {
      passed += ms
    },
    stop() {
      performance.now = now
    },
  }
}

test("a value is that of the object with its id, as its caller may see it, whatever else is read at the same time", {
  timeout: 60_000 + sequences * 500,
}, async () => {
  watchProcess()
  const time = startClock()
  const upstream = await startModelUpstream(time.now)
  const gateways = await Promise.all([
    startGateway(upstream.url, { fastPath: true, hasCache: false }),
    startGateway(upstream.url, { fastPath: true, hasCache: true }),
    startGateway(upstream.url, { fastPath: false, hasCache: false, sharedReads: false }),
    startGateway(upstream.url, { fastPath: false, hasCache: true }),
  ])
  let requests = 0
  const property = fc.asyncProperty(fc.gen(), fc.nat({ max: gateways.length - 1 }), async (g, which) => {
    requests += await new Sequence(g, upstream, gateways[which] as TestedGateway, time).run()
  })
  try {
    // A failure says all about its request. To shrink it would take minutes.
    await fc.assert(property, { numRuns: sequences, endOnFailure: true })
    expect(requests).toBeGreaterThan(sequences)
  } finally {
    await upstream.close()
    time.stop()
  }
})
