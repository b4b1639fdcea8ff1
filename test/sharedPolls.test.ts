import { expect, onTestFinished, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { createLog } from "../src/log/log.ts"
import { createPollers } from "../src/polling/pollers.ts"
import type { Snapshot, Source, Update } from "../src/polling/source.ts"
import { createSharedStore } from "../src/store/shared.ts"
import { follow, pushedTime } from "./support/live.ts"
import { describeWithRedis, type RedisServer, startRedis } from "./support/redis.ts"
import { startReplica } from "./support/replicas.ts"

interface Run {
  state: string
  size?: unknown
}

/** Several replicas with clocks that the test advances, and an object that all of them follow. */
async function startReplicas(redis: RedisServer, count = 2) {
  const log = createLog("silent", { write() {} })
  const object: Run = { state: "running" }
  const replicas = await Promise.all(
    Array.from({ length: count }, async () => {
      // Who reads must not depend on how fast Redis answers on a loaded machine.
      const store = createSharedStore({ url: redis.url, prefix: "test:", log, settleMs: 0, maxWaitMs: 60_000 })
      const time = pushedTime()
      const pollers = createPollers(time, store)
      onTestFinished(async () => {
        pollers.close()
        await store.close()
      })
      await store.ready()
      const replica = { store, time, pollers, reads: 0, failure: undefined as unknown, watch, watchAlone }
      /** Follows the object with the same clock, as one process does. */
      function watchAlone() {
        let reads = 0
        const own = createPollers(time)
        onTestFinished(() => own.close())
        const read = async (): Promise<Snapshot<Run>> => {
          reads += 1
          return { value: { ...object }, stage: object.state, isFinal: object.state === "completed" }
        }
        const updates = own.watch("run", { read, retryAfterMs: () => undefined, slowestMs: 30_000 })
        void (async () => {
          for await (const _ of updates);
        })()
        return { reads: () => reads }
      }
      function watch(source: Partial<Source<Run>> = {}, key = "ada run") {
        const seen: (string | { error: unknown })[] = []
        const read = async (): Promise<Snapshot<Run>> => {
          replica.reads += 1
          if (replica.failure !== undefined) throw replica.failure
          return { value: { ...object }, stage: object.state, isFinal: object.state === "completed" }
        }
        const updates = pollers.watch(key, {
          read,
          retryAfterMs: (error) => (error === "temporary" ? 0 : undefined),
          slowestMs: 30_000,
          ...source,
        })
        const ended = (async () => {
          for await (const update of updates as AsyncIterable<Update<Run>>) {
            seen.push("error" in update ? { error: update.error } : update.value.state)
          }
        })()
        return { seen, updates, ended }
      }
      return replica
    }),
  )
  const reads = () => replicas.map((replica) => replica.reads)
  const totalReads = () => reads().reduce((sum, count) => sum + count, 0)
  async function passSecond() {
    for (const { time } of replicas) time.push(1)
    if (replicas.some(({ store }) => !store.isAway)) await redis.command("PING")
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  /** Lets so much time pass on all replicas, in steps in which the sockets get their turn. */
  async function pass(seconds: number) {
    for (let second = 0; second < seconds; second++) await passSecond()
  }
  /** Lets time pass on all replicas until each of these has seen these states. */
  async function passUntilSeen(watches: { seen: unknown[] }[], ...states: unknown[]) {
    const isSeen = () => watches.every(({ seen }) => seen.length >= states.length)
    while (!isSeen()) await passSecond()
    for (const { seen } of watches) expect(seen).toEqual(states)
  }
  return { replicas, object, reads, totalReads, pass, passUntilSeen }
}

describeWithRedis("an object that is followed through several replicas with one Redis", () => {
  test("is read by one of them, and all get its changes", async () => {
    const redis = await startRedis()
    const { replicas, object, totalReads, pass, passUntilSeen } = await startReplicas(redis, 3)
    const watches = replicas.flatMap((replica) => [replica.watch(), replica.watch()])
    const alone = replicas[0]?.watchAlone()
    for (const { seen } of watches) await expect.poll(() => seen).toEqual(["running"])
    // One that has no news yet reads itself, so that no client waits for its first event.
    expect(totalReads()).toBeLessThanOrEqual(3)
    await pass(120)
    object.state = "finalizing"
    await passUntilSeen(watches, "running", "finalizing")
    object.state = "completed"
    await passUntilSeen(watches, "running", "finalizing", "completed")
    await Promise.all(watches.map(({ ended }) => ended))
    expect(alone?.reads()).toBeGreaterThan(8)
    expect(totalReads()).toBeLessThanOrEqual((alone?.reads() as number) + 2)
  })

  test("is read once more for clients of another one that join between two reads", async () => {
    const redis = await startRedis()
    const { replicas, object, reads, pass, passUntilSeen } = await startReplicas(redis)
    const [reader, other] = replicas as [(typeof replicas)[0], (typeof replicas)[0]]
    const first = reader.watch()
    await expect.poll(() => first.seen).toEqual(["running"])
    // The waits have grown to 30 seconds, and the last read is 25 seconds ago.
    await pass(5 + 7.5 + 11.25 + 16.875 + 25.3 + 30 + 25)
    const [before = 0] = reads()
    object.state = "finalizing"
    const joined = [other.watch(), other.watch(), other.watch()]
    for (const { seen } of joined) await expect.poll(() => seen).toEqual(["finalizing"])
    expect(reads()).toEqual([before, 1])
    expect(first.seen).toEqual(["running"])
    await passUntilSeen([first], "running", "finalizing")
    expect(reads()[1]).toBe(1)
  })

  test("is taken over when the one that reads loses its listeners, or dies", async () => {
    const redis = await startRedis()
    const { replicas, object, reads, passUntilSeen } = await startReplicas(redis, 3)
    const [leaves, dies, stays] = replicas as [(typeof replicas)[0], (typeof replicas)[0], (typeof replicas)[0]]
    const first = leaves.watch()
    await expect.poll(() => first.seen).toEqual(["running"])
    const second = dies.watch()
    await expect.poll(() => second.seen).toEqual(["running"])
    const third = stays.watch()
    await expect.poll(() => third.seen).toEqual(["running"])
    expect(reads()).toEqual([1, 0, 0])
    await first.updates.return?.()
    object.state = "second"
    await passUntilSeen([second, third], "running", "second")
    // Its process ends without a word: nothing is released and nothing renewed.
    const leader = dies.reads > 0 ? dies : stays
    const follower = leader === dies ? stays : dies
    expect([dies.reads > 0, stays.reads > 0].filter(Boolean)).toHaveLength(1)
    await leader.store.close()
    object.state = "third"
    await redis.command(
      "EVAL",
      "for _, key in ipairs(redis.call('KEYS', 'test:lease:*')) do redis.call('DEL', key) end",
      0,
    )
    await passUntilSeen([follower === stays ? third : second], "running", "second", "third")
    expect(follower.reads).toBeGreaterThan(0)
  })

  test("is read by each of them while Redis is dead, and by one again when it is back", async () => {
    const redis = await startRedis()
    const { replicas, object, reads, totalReads, pass, passUntilSeen } = await startReplicas(redis)
    const watches = replicas.map((replica) => replica.watch())
    for (const { seen } of watches) await expect.poll(() => seen).toEqual(["running"])
    await redis.kill()
    for (const { store } of replicas) await expect.poll(() => store.isAway).toBe(true)
    object.state = "second"
    const before = reads()
    await passUntilSeen(watches, "running", "second")
    for (const [at, count] of reads().entries()) expect(count).toBeGreaterThan(before[at] as number)
    await redis.start()
    for (const { store } of replicas) await expect.poll(() => store.isAway).toBe(false)
    // Leases are renewed in real time.
    const whoReads = async () => {
      const before = reads()
      await pass(70)
      return reads().filter((count, at) => count > (before[at] as number))
    }
    await expect.poll(whoReads).toHaveLength(1)
    const total = totalReads()
    await pass(90)
    expect(totalReads() - total).toBeLessThanOrEqual(4)
    object.state = "completed"
    await passUntilSeen(watches, "running", "second", "completed")
  })

  test("is read by another one if the first fails, and each reports an error of its own", async () => {
    const redis = await startRedis()
    const { replicas, object, passUntilSeen } = await startReplicas(redis)
    const [fails, works] = replicas as [(typeof replicas)[0], (typeof replicas)[0]]
    const first = fails.watch()
    await expect.poll(() => first.seen).toEqual(["running"])
    const second = works.watch()
    await expect.poll(() => second.seen).toEqual(["running"])
    fails.failure = "temporary"
    object.state = "second"
    await passUntilSeen([first, second], "running", "second")
    works.failure = "permanent"
    fails.failure = "permanent"
    await passUntilSeen([first, second], "running", "second", { error: "permanent" })
    await Promise.all([first.ended, second.ended])
  })

  test("keeps numbers that a double cannot hold", async () => {
    const redis = await startRedis()
    const { replicas, object } = await startReplicas(redis)
    object.size = JSON.rawJSON("12345678901234567890")
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]]
    await expect.poll(() => first.watch().seen).toBeDefined()
    await expect.poll(() => redis.command("KEYS", "test:latest:*")).toHaveLength(1)
    const { value } = await second.pollers
      .watch("ada run", { read: neverRead, retryAfterMs: () => undefined, slowestMs: 30_000 })
      .next()
    expect(JSON.stringify(value)).toBe('{"value":{"state":"running","size":12345678901234567890},"isFinal":false}')
  })

  test("is read by each of them if it is very large, or if a client wants it read less often", async () => {
    const redis = await startRedis()
    const { replicas, object, reads, pass, passUntilSeen } = await startReplicas(redis)
    object.size = "x".repeat(300_000)
    const watches = replicas.map((replica) => replica.watch())
    await passUntilSeen(watches, "running")
    while (reads().some((count) => count <= 2)) await pass(1)
    expect(await redis.command("KEYS", "test:latest:*")).toEqual([])
    await Promise.all(watches.map(({ updates }) => updates.return?.()))
    object.size = 1
    const before = reads()
    const slow = replicas.map((replica) => replica.watch({ fastestMs: 20_000 }, "slow run"))
    await pass(50)
    await passUntilSeen(slow, "running")
    for (const [at, count] of reads().entries()) expect(count - (before[at] as number)).toBe(3)
  })

  test("is not changed by what is no object of Code Ocean", async () => {
    const redis = await startRedis()
    const { replicas, object, passUntilSeen } = await startReplicas(redis)
    const watches = replicas.map((replica) => replica.watch())
    for (const { seen } of watches) await expect.poll(() => seen).toEqual(["running"])
    const [topic] = (await redis.command("KEYS", "test:latest:*")) as [string]
    const deep = `{"value":${"[".repeat(5_000)}${"]".repeat(5_000)},"stage":"a","isFinal":false}`
    for (const text of ["", "null", "[]", '{"value":null}', '{"value":{},"stage":1,"isFinal":false}', deep]) {
      await redis.command("PUBLISH", topic, text)
      await redis.command("SET", topic, text)
    }
    object.state = "second"
    await passUntilSeen(watches, "running", "second")
  })

  test("leaves nothing in Redis and no topic when nobody follows it any more", async () => {
    const redis = await startRedis()
    const { replicas } = await startReplicas(redis, 3)
    const watches = replicas.map((replica) => replica.watch())
    for (const { seen } of watches) await expect.poll(() => seen).toEqual(["running"])
    await Promise.all(watches.map(({ updates }) => updates.return?.()))
    await expect.poll(() => redis.command("PUBSUB", "CHANNELS", "test:latest:*")).toEqual([])
    await expect.poll(() => redis.command("KEYS", "test:lease:*")).toEqual([])
    expect(await redis.command("KEYS", "test:note:*")).toEqual([])
  })

  test("is read by another process when the one that reads it is killed", async () => {
    const sandbox = await startSandbox()
    onTestFinished(() => sandbox.close())
    const redis = await startRedis()
    const env = { CODEOCEAN_URL: sandbox.url, REDIS_URL: redis.url, CLOCK_SPEED: "20" }
    const [first, second] = await Promise.all([startReplica(env), startReplica(env)])
    const run = `subscription { computation(id: "${seed.runningAlignment}") { state } }`
    const lost = await follow(first.url, run)
    await lost.next()
    await expect.poll(() => redis.dump()).toContain("latest:")
    const kept = await follow(second.url, run)
    expect(await kept.next()).toEqual({ data: { computation: { state: "RUNNING" } } })
    await first.kill()
    sandbox.clock.advance(10_000)
    // Its lease would end within five seconds.
    const leases = (await redis.command("KEYS", "*lease:*")) as string[]
    for (const lease of leases) {
      expect(await redis.command("PTTL", lease)).not.toBe(-1)
      await redis.command("DEL", lease)
    }
    expect(await kept.rest()).toEqual([{ data: { computation: { state: "COMPLETED" } } }])
  })
})

function neverRead(): Promise<never> {
  throw new Error("must not be read")
}
