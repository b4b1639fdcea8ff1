import { describe, expect, test } from "vitest"
import { sendMuch, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"

describe("the bytes of all responses to one request", () => {
  const largest = 16 * 1024 * 1024
  const capsules = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"
  const idsOf = (count: number) => ({ ids: Array.from({ length: count }, (_, index) => `c${index}`) })

  async function startLarge() {
    const upstream = await startFaultyUpstream(({ path }, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.write(JSON.stringify({ id: path.split("/")[2], name: "Large" }))
      sendMuch(response, largest)
      return undefined
    })
    return { upstream, ...startGatewayOn(upstream.url, { config: { upstreamConnections: 4 } }) }
  }

  test("the bytes of all responses to one request are limited to 128 MiB: later reads are OPERATION_TOO_COSTLY, and earlier results stay", async () => {
    const { ask, upstream } = await startLarge()
    const { data, errors } = await ask(capsules, idsOf(20))
    const there = data.capsules.filter((capsule: object | null) => capsule !== null)
    expect(there.length).toBeGreaterThanOrEqual(4)
    expect(there.length).toBeLessThan(8)
    expect(errors).toHaveLength(20 - there.length)
    for (const { message, extensions } of errors!) {
      expect(message).toContain("134217728 bytes")
      expect(extensions.code).toBe("OPERATION_TOO_COSTLY")
    }
    expect(upstream.requests.length).toBeLessThan(14)
    expect((await ask(capsules, idsOf(2))).errors).toBeUndefined()
  })

  test("the bytes of all responses to one request are counted for each request, even if requests share a call", async () => {
    const { ask } = await startLarge()
    const [many, few] = await Promise.all([ask(capsules, idsOf(12)), ask(capsules, idsOf(2))])
    expect(many.errors!.length).toBeGreaterThan(0)
    expect(few.errors).toBeUndefined()
  })
})
