import { setImmediate, setTimeout as sleep } from "node:timers/promises"
import { expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { type Admission, type AdmissionLimits, createAdmission } from "../src/http/admission.ts"
import { SharedRates } from "../src/http/sharedRates.ts"
import { createLog } from "../src/log/log.ts"
import { createMemoryStore } from "../src/store/memory.ts"
import { scripts } from "../src/store/redis.ts"
import { createSharedStore } from "../src/store/shared.ts"
import type { Store } from "../src/store/store.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { describeWithRedis, type RedisServer, startRedis } from "./support/redis.ts"
import { stopTime } from "./support/time.ts"

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
    const store = createSharedStore({ url: redis.url, prefix: "test:", log, settleMs: 0, maxWaitMs: 60_000 })
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

test("requests that were admitted while Redis was asked count in addition to its answer, and are reported next", async () => {
  const time = stopTime()
  const asked: (readonly (readonly [string, number])[])[] = []
  const answer = Promise.withResolvers<number[]>()
  const store: Store = {
    ...createMemoryStore(),
    countRequests(counts) {
      asked.push(counts)
      return answer.promise
    },
  }
  const rates = new SharedRates(store, 10, () => performance.now())
  const caller = { theoreticalArrivalMs: 0 }
  const count = () => rates.count("ada", caller, performance.now())
  count()
  count()
  time.pass(1)
  const sentAt = performance.now()
  expect(asked.map((counts) => counts.map(([, requests]) => requests))).toEqual([[2]])
  time.pass(50)
  for (let request = 0; request < 3; request++) count()
  answer.resolve([5_000])
  await setImmediate()
  // One request takes 100 ms of the rate.
  expect(caller.theoreticalArrivalMs).toBeCloseTo(sentAt + 5_000 + 3 * 100, -1)
  time.pass(100)
  expect(asked.map((counts) => counts.map(([, requests]) => requests))).toEqual([[2], [3]])
})

describeWithRedis("the rate of one caller over several replicas with one Redis", () => {
  /** A store whose Redis counts with the stopped clock of the test, and whose answers arrive after so many milliseconds of it. */
  function startTimedStore(redis: RedisServer, latencyMs: number) {
    // The last two arguments are the time.
    const script = scripts.countRequests.lua.replace('redis.call("TIME")', "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
    expect(script).not.toContain("TIME")
    let answers: { dueAt: number; answer: Promise<unknown>; arrive: (ms: number[]) => void }[] = []
    const store: Store = {
      ...createMemoryStore(),
      countRequests(counts, msPerRequest) {
        const now = performance.now()
        const keys = counts.map(([name]) => name)
        const requests = counts.map(([, count]) => count)
        const time = [Math.floor(now / 1_000), Math.round((now % 1_000) * 1_000)]
        const answer = redis.command("EVAL", script, keys.length, ...keys, msPerRequest, ...requests, ...time)
        return new Promise((arrive) => answers.push({ dueAt: now + latencyMs, answer, arrive }))
      },
    }
    /** Resolves when the replicas have read what is due. */
    async function arrived(): Promise<void> {
      await Promise.all(answers.map(({ answer }) => answer))
      const due = answers.filter(({ dueAt }) => dueAt <= performance.now())
      answers = answers.filter((answer) => !due.includes(answer))
      for (const { answer, arrive } of due) arrive(((await answer) as string[]).map(Number))
      await setImmediate()
    }
    return { store, arrived }
  }

  test.each([
    ["two replicas in turn, at 1,000 a second", 2, 1_000, 1, (turn: number) => turn % 2],
    ["two replicas in turn, with a Redis that takes 100 ms", 2, 1_000, 100, (turn: number) => turn % 2],
    ["three replicas in turn, at 200 a second", 3, 200, 1, (turn: number) => turn % 3],
    ["two replicas, one with a tenth of the requests", 2, 1_000, 1, (turn: number) => (turn % 10 === 0 ? 1 : 0)],
    ["two replicas that the client changes all the time", 2, 1_000, 1, () => (performance.now() % 600 < 300 ? 0 : 1)],
  ])("is within a tenth of the limit: %s", async (_title, count, rate, latencyMs, replicaOf) => {
    const redis = await startRedis()
    const time = stopTime()
    const { store, arrived } = startTimedStore(redis, latencyMs)
    const limits = { ...off, callerRequestsPerSecond: rate }
    const replicas = Array.from({ length: count }, () => createAdmission(limits, undefined, store))
    let turn = 0
    /** Sends five times as many requests as the limit allows. Returns how many were admitted. */
    async function flood(seconds: number) {
      let admitted = 0
      for (let ms = 0; ms < seconds * 1_000; ms++) {
        for (let request = 0; request < rate / 200; request++) {
          if (isAdmitted(replicas[replicaOf(turn++)] as Admission)) admitted += 1
        }
        time.pass(1)
        await arrived()
      }
      return admitted
    }
    const isWithinATenth = (ratio: number) => {
      expect(ratio).toBeGreaterThan(0.9)
      expect(ratio).toBeLessThan(1.1)
    }
    // From the first request: all that may be sent at once, and more as time passes.
    isWithinATenth((await flood(4)) / (rate * (10 + 4)))
    // When it is used up.
    isWithinATenth((await flood(2)) / (rate * 2))
  })

  test("counts what two replicas admitted at the same moment, and makes the caller wait for it", async () => {
    const replicas = await startReplicas(await startRedis(), 2, 100)
    for (const replica of replicas) {
      for (let request = 0; request < 1_000; request++) expect(isAdmitted(replica)).toBe(true)
    }
    for (const replica of replicas) {
      // Ten seconds in all, less what has passed. Of its own requests alone, it would be one.
      await expect.poll(() => replica.admit("ada").rejection?.retryAfterSeconds).toBeGreaterThan(1)
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
    await Promise.all([one?.gateway.listen(), two?.gateway.listen()])
    // Otherwise the gateways would admit more, the longer their responses take.
    stopTime()
    const status = async (world = one, headers: Record<string, string> = { authorization: `Bearer ${tokens.ada}` }) => {
      const url = `${await world?.gateway.listen()}/graphql?query={__typename}`
      return (await fetch(url, { headers: { "apollo-require-preflight": "1", ...headers } })).status
    }
    /** Resolves when Redis has counted requests of so many callers. A replica reports its callers in their order. */
    const counted = (callers: number) =>
      expect.poll(async () => ((await redis.command("KEYS", "*:rate:*")) as string[]).length).toBe(callers)
    let admittedByOne = 0
    while ((await status(one)) === 200) admittedByOne += 1
    // The clock of Redis goes on, and its answers are rounded.
    expect([9, 10]).toContain(admittedByOne)
    await status(one, {})
    await counted(2)
    await status(two)
    await status(two, { authorization: `Bearer ${tokens.grace}` })
    await counted(3)
    // By then it has read the answer that Redis gave before this one.
    await redis.command("PING")
    let admitted = 1
    while ((await status(two)) === 200) admitted += 1
    // Alone it would admit ten.
    expect(admitted).toBeLessThan(9)
    const dump = await redis.dump()
    expect(dump).toContain("rate:")
    for (const text of [...Object.values(tokens), "127.0.0.1", seed.cellCounter]) expect(dump).not.toContain(text)
  })
})
