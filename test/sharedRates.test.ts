import { setTimeout as sleep } from "node:timers/promises"
import { expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { type Admission, type AdmissionLimits, createAdmission } from "../src/http/admission.ts"
import { createLog } from "../src/log/log.ts"
import { createSharedStore } from "../src/store/shared.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { describeWithRedis, type RedisServer, startRedis } from "./support/redis.ts"

const off: AdmissionLimits = {
  callerRequestsPerSecond: 0,
  callerConcurrentRequests: 0,
  callerSubscriptions: 0,
  concurrentRequests: 0,
  eventLoopLagMs: 0,
}

async function startReplicas(redis: RedisServer, count: number, callerRequestsPerSecond: number) {
  const log = createLog("silent", { write() {} })
  const replicas: Admission[] = []
  for (let replica = 0; replica < count; replica++) {
    const store = createSharedStore({ url: redis.url, prefix: "test:", log, settleMs: 0 })
    onTestFinished(() => store.close())
    await store.ready()
    replicas.push(createAdmission({ ...off, callerRequestsPerSecond }, undefined, store))
  }
  return replicas
}

/** Sends a request of the caller. Returns whether it was admitted. */
function isAdmitted(replica: Admission, caller = "ada"): boolean {
  const { ticket } = replica.admit(caller)
  ticket?.release()
  return ticket !== undefined
}

describeWithRedis("the rate of one caller over several replicas with one Redis", () => {
  test.each([
    ["two replicas in turn, at 1,000 a second", 2, 1_000, (turn: number) => turn % 2],
    ["three replicas in turn, at 200 a second", 3, 200, (turn: number) => turn % 3],
    ["two replicas, one with a tenth of the requests", 2, 1_000, (turn: number) => (turn % 10 === 0 ? 1 : 0)],
    ["two replicas that the client changes all the time", 2, 1_000, () => (Date.now() % 600 < 300 ? 0 : 1)],
  ])("is within a tenth of the limit: %s", async (_title, count, rate, replicaOf) => {
    const replicas = await startReplicas(await startRedis(), count, rate)
    let turn = 0
    /** Sends up to five times as many requests as the limit allows, until the condition holds. Returns how many were admitted, and in which time. */
    async function flood(isOver: (wasAdmitted: boolean, ms: number, rejected: number) => boolean) {
      const startedAt = performance.now()
      let admitted = 0
      let rejected = 0
      for (;;) {
        for (let request = 0; request < rate / 200; request++) {
          const wasAdmitted = isAdmitted(replicas[replicaOf(turn++)] as Admission)
          if (wasAdmitted) admitted += 1
          else rejected += 1
          const ms = performance.now() - startedAt
          if (isOver(wasAdmitted, ms, rejected)) return { admitted, ms }
        }
        await sleep(1)
      }
    }
    const isWithinATenth = (ratio: number) => {
      expect(ratio).toBeGreaterThan(0.9)
      expect(ratio).toBeLessThan(1.1)
    }
    // From the first request: all that may be sent at once, and more as time passes.
    const all = await flood((_, ms, rejected) => ms > 2_000 && rejected > rate)
    isWithinATenth(all.admitted / (rate * (10 + all.ms / 1_000)))
    // When it is used up.
    await flood((wasAdmitted) => wasAdmitted)
    const steady = await flood((_, ms) => ms > 2_000)
    isWithinATenth(steady.admitted / ((rate * steady.ms) / 1_000))
  })

  test("counts what two replicas admitted at the same moment, and makes the caller wait for it", async () => {
    const replicas = await startReplicas(await startRedis(), 2, 100)
    for (const replica of replicas) {
      for (let request = 0; request < 1_000; request++) expect(isAdmitted(replica)).toBe(true)
    }
    for (const replica of replicas) {
      await expect.poll(() => replica.admit("ada").rejection?.retryAfterSeconds).toBeGreaterThan(8)
      expect(replica.admit("ada").rejection?.retryAfterSeconds).toBeLessThanOrEqual(11)
      expect(isAdmitted(replica, "grace")).toBe(true)
    }
  })

  test("is that of each replica while Redis is away, and of all again when it is back", async () => {
    const redis = await startRedis()
    const [one, two] = (await startReplicas(redis, 2, 1)) as [Admission, Admission]
    const burst = (replica: Admission, caller: string) =>
      Array.from({ length: 20 }, () => isAdmitted(replica, caller)).filter(Boolean).length
    await redis.kill()
    expect([burst(one, "ada"), burst(two, "ada")]).toEqual([10, 10])
    await redis.start()
    await expect
      .poll(async () => {
        const caller = `caller at ${performance.now()}`
        burst(one, caller)
        isAdmitted(two, caller)
        await sleep(50)
        return burst(two, caller)
      })
      .toBe(0)
  })

  test("leaves a key in Redis for each caller only until the caller may send a full burst again", async () => {
    const redis = await startRedis()
    const [replica] = (await startReplicas(redis, 1, 1_000)) as [Admission]
    for (let caller = 0; caller < 2_000; caller++) isAdmitted(replica, `made-up token ${caller}`)
    await expect
      .poll(async () =>
        Number(/cmdstat_set:calls=(\d+)/.exec(String(await redis.command("INFO", "commandstats")))?.[1]),
      )
      .toBeGreaterThanOrEqual(2_000)
    await expect.poll(async () => String(await redis.command("KEYS", "test:rate:*"))).toBe("")
  })

  test("holds for two gateways, and neither tokens nor addresses are in Redis", async () => {
    const sandbox = await startSandbox()
    onTestFinished(() => sandbox.close())
    const redis = await startRedis()
    const config = { redisUrl: redis.url, callerRequestsPerSecond: 1 }
    const [one, two] = [1, 2].map(() => startGatewayOn(sandbox.url, { config }))
    const status = async (world = one, headers: Record<string, string> = { authorization: `Bearer ${tokens.ada}` }) => {
      const url = `${await world?.gateway.listen()}/graphql?query={__typename}`
      return (await fetch(url, { headers: { "apollo-require-preflight": "1", ...headers } })).status
    }
    for (let request = 0; request < 10; request++) expect(await status(one)).toBe(200)
    expect(await status(one)).toBe(429)
    await status(one, {})
    let admitted = 0
    while ((await status(two)) === 200) admitted += 1
    // Alone it would admit ten.
    expect(admitted).toBeLessThan(9)
    const dump = await redis.dump()
    expect(dump).toContain("rate:")
    for (const text of [...Object.values(tokens), "127.0.0.1", seed.cellCounter]) expect(dump).not.toContain(text)
  })
})
