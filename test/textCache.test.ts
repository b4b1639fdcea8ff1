import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { setImmediate } from "node:timers/promises"
import { describe, expect, onTestFinished, test } from "vitest"
import { createLog } from "../src/log/log.ts"
import { MemoryCache } from "../src/store/memoryCache.ts"
import { createSharedStore, type SharedStoreOptions } from "../src/store/shared.ts"
import { renewalMs, type TextCache } from "../src/store/store.ts"
import { describeWithRedis, type RedisServer, startHeldWay, startRedis } from "./support/redis.ts"
import { stopTime } from "./support/time.ts"

const quietMs = 60_000
const secret = "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a"

/** A cache, and what lets time pass for it. */
interface World {
  cache: TextCache
  age(ms: number): Promise<void>
}

/** The text that is found, or why there is none. */
async function found(cache: TextCache, owner: string, name: string): Promise<string> {
  const answer = await cache.get(owner, name)
  if (answer === undefined) return "not usable"
  return answer.isOpen ? (answer.text ?? "nothing") : "closed"
}

/** Keeps a text under the present version of its owner. Resolves when it can be found. */
async function keep(cache: TextCache, owner: string, name: string, text: string, ttlMs = 60_000): Promise<void> {
  const answer = await cache.get(owner, name)
  cache.set(name, answer?.version as string, text, ttlMs)
  await expect.poll(() => found(cache, owner, name)).toBe(text)
}

/** What every cache does. */
function describeContract(start: () => Promise<World>) {
  test("a text is found under its name until its time has passed", async () => {
    const { cache, age } = await start()
    expect(await found(cache, "ada", "a")).toBe("nothing")
    await keep(cache, "ada", "a", "12 of ada's é\n")
    await keep(cache, "grace", "g", "", 120_000)
    expect(await found(cache, "ada", "g")).toBe("nothing")
    await age(59_000)
    expect(await found(cache, "ada", "a")).toBe("12 of ada's é\n")
    await age(1_001)
    expect(await found(cache, "ada", "a")).toBe("nothing")
    expect(await found(cache, "grace", "g")).toBe("")
  })

  test("a drop takes all texts of the owner, and none is kept until its quiet time has passed", async () => {
    const { cache, age } = await start()
    await keep(cache, "ada", "a", "old", 10 * quietMs)
    await keep(cache, "ada", "b", "old", 10 * quietMs)
    await keep(cache, "grace", "g", "hers", 10 * quietMs)
    const { version } = (await cache.get("ada", "a"))!
    await cache.drop("ada")
    const dropped = (await cache.get("ada", "a"))!
    expect(dropped).toMatchObject({ isOpen: false })
    expect(dropped.version).not.toBe(version)
    await cache.drop("ada")
    expect((await cache.get("ada", "a"))!.version).not.toBe(dropped.version)
    await age(quietMs - 1_000)
    expect(await found(cache, "ada", "b")).toBe("closed")
    await age(1_001)
    for (const name of ["a", "b"]) expect(await found(cache, "ada", name)).toBe("nothing")
    expect(await found(cache, "grace", "g")).toBe("hers")
    await keep(cache, "ada", "a", "new")
  })

  test("a text that was read before a drop is not found after it", async () => {
    const { cache, age } = await start()
    const { version } = (await cache.get("ada", "a"))!
    await cache.drop("ada")
    const during = (await cache.get("ada", "a"))!
    cache.set("a", version, "old", 10 * quietMs)
    cache.set("a", during.version, "perhaps old", 10 * quietMs)
    await age(quietMs + 1)
    // What was sent before this one has arrived.
    await keep(cache, "ada", "b", "new")
    expect(await found(cache, "ada", "a")).toBe("nothing")
  })

  test("a text is due for renewal once in the second half of its time, and again after 30 seconds", async () => {
    const { cache, age } = await start()
    const isDue = async () => (await cache.get("ada", "a"))?.isDue
    await keep(cache, "ada", "a", "one", 200_000)
    expect(await isDue()).toBe(false)
    await age(99_000)
    expect(await isDue()).toBe(false)
    await age(1_001)
    expect(await Promise.all([isDue(), isDue(), isDue()])).toEqual([true, false, false])
    await age(renewalMs - 1_000)
    expect(await isDue()).toBe(false)
    await age(1_001)
    expect(await isDue()).toBe(true)
    await keep(cache, "ada", "a", "two", 200_000)
    expect(await isDue()).toBe(false)
  })

  test("a text can be dropped alone", async () => {
    const { cache } = await start()
    await keep(cache, "ada", "a", "one")
    await keep(cache, "ada", "b", "two")
    cache.delete("a", (await cache.get("ada", "a"))!.version)
    await expect.poll(() => found(cache, "ada", "a")).toBe("nothing")
    expect(await found(cache, "ada", "b")).toBe("two")
  })
}

/** A cache of one process, with its clock. */
function startMemory(maxBytes?: number) {
  let nowMs = 1
  const cache = new MemoryCache({ quietMs, ...(maxBytes !== undefined && { maxBytes }) }, { now: () => nowMs })
  const age = async (ms: number) => {
    nowMs += ms
  }
  return { cache, age }
}

describe("the memory of a process", () => {
  describeContract(async () => startMemory())

  test("texts, names and owners together take no more than the limit, and those that are used stay", async () => {
    const { cache } = startMemory(100_000)
    await keep(cache, "ada", "used", "x".repeat(10_000))
    for (let at = 0; at < 2_000; at++) {
      // In V8, a text with a character beyond Latin-1 takes two bytes for each.
      cache.set(`long ${at} ${"n".repeat(300)}`, cache.get(`owner ${at}`, "").version, "€".repeat(at % 500), 60_000)
      expect(cache.bytes).toBeLessThanOrEqual(100_000)
      if (at % 10 === 0) expect(await found(cache, "ada", "used")).toHaveLength(10_000)
    }
    expect(cache.bytes).toBeGreaterThan(50_000)
    cache.set("huge", cache.get("ada", "").version, "x".repeat(200_000), 60_000)
    expect(await found(cache, "ada", "huge")).toBe("nothing")
  })

  test("the limit is above what the heap grows by", () => {
    const { gc } = globalThis as { gc?: () => void }
    const { cache } = startMemory(8_000_000)
    const usedAfter = (fill: () => void) => {
      gc?.()
      const before = process.memoryUsage().heapUsed
      fill()
      gc?.()
      return process.memoryUsage().heapUsed - before
    }
    const grown = usedAfter(() => {
      for (let at = 0; at < 20_000; at++) cache.set(`/capsules/${at}`, "1", `{"id":"${at}"}`.repeat(3), 60_000)
    })
    // Without a garbage collection on request, the heap has other things too.
    if (gc !== undefined) expect(grown).toBeLessThan(1.2 * cache.bytes)
    expect(cache.bytes).toBeLessThanOrEqual(8_000_000)
  })

  test("an owner that was forgotten finds none of its old texts", async () => {
    const { cache } = startMemory(20_000)
    const { version } = cache.get("ada", "a")
    cache.set("a", version, "old", 60_000)
    for (let at = 0; at < 100; at++) cache.get(`owner ${at}`, "")
    cache.set("a", version, "old", 60_000)
    expect(await found(cache, "ada", "a")).toBe("nothing")
  })
})

describeWithRedis("Redis", () => {
  const away = "redis://127.0.0.1:9"
  /** Longer than Redis ever takes, also on a loaded machine. Where it hangs, the clock is stopped. */
  const maxWaitMs = 60_000

  async function startShared(url: string, options: Partial<SharedStoreOptions> = {}, key = secret) {
    const log = createLog("info", { write: () => undefined })
    const store = createSharedStore({ url, prefix: "test:", log, settleMs: 0, maxWaitMs, ...options })
    onTestFinished(() => store.close())
    const cache = store.openCache({ quietMs, secret: key })
    await store.ready()
    return { store, cache }
  }

  /** Lets the time of all keys pass. */
  const ageOf = (redis: RedisServer) => async (ms: number) => {
    for (const key of (await redis.command("KEYS", "*")) as string[]) {
      const left = Number(await redis.command("PTTL", key)) - ms
      if (left <= 0) await redis.command("DEL", key)
      else await redis.command("PEXPIRE", key, left)
    }
  }

  describeContract(async () => {
    const redis = await startRedis()
    const { cache } = await startShared(redis.url)
    return { cache, age: ageOf(redis) }
  })

  test("a text that one replica keeps is found by another, and a drop by one is a drop for all", async () => {
    const redis = await startRedis()
    const [one, two] = [await startShared(redis.url), await startShared(redis.url)]
    await keep(one.cache, "ada", "a", "old")
    expect(await found(two.cache, "ada", "a")).toBe("old")
    await two.cache.drop("ada")
    expect(await found(one.cache, "ada", "a")).toBe("closed")
  })

  test("replicas with different secrets do not find each other's texts, but learn of each other's drops", async () => {
    const redis = await startRedis()
    const one = await startShared(redis.url)
    const two = await startShared(redis.url, {}, "the next secret, which replaces the first one")
    await keep(one.cache, "ada", "a", "old")
    expect(await found(two.cache, "ada", "a")).toBe("nothing")
    await two.cache.drop("ada")
    expect(await found(one.cache, "ada", "a")).toBe("closed")
  })

  test("look-ups of one moment get the text of their own owner and name, whatever their number", async () => {
    const redis = await startRedis()
    const { cache } = await startShared(redis.url)
    const names = Array.from({ length: 150 }, (_, at) => `name ${at}`)
    for (const owner of ["ada", "grace"]) {
      const { version } = (await cache.get(owner, ""))!
      for (const name of names.slice(0, 100)) cache.set(name, version, `${name} of ${owner}`, 60_000)
      await expect.poll(() => found(cache, owner, "name 99")).toBe(`name 99 of ${owner}`)
    }
    await cache.drop("joan")
    const storeWait = { waitedMs: 0 }
    const lookups = names.flatMap((name, at) =>
      ["ada", "grace", "joan"].map(async (owner) => {
        const answer = await cache.get(owner, name, at % 3 === 0 ? { waitedMs: 0 } : storeWait)
        return [owner, name, answer?.isOpen, answer?.text]
      }),
    )
    const expected = names.flatMap((name, at) =>
      ["ada", "grace", "joan"].map((owner) => {
        const isKept = owner !== "joan" && at < 100
        return [owner, name, owner !== "joan", isKept ? `${name} of ${owner}` : undefined]
      }),
    )
    expect(await Promise.all(lookups)).toEqual(expected)
  })

  test("texts of a thousand owners are kept, whatever their versions are", async () => {
    const redis = await startRedis()
    const { cache } = await startShared(redis.url)
    const owners = Array.from({ length: 1_000 }, (_, at) => `owner ${at}`)
    const closed: string[] = []
    for (const owner of owners) if ((await found(cache, owner, "a")) !== "nothing") closed.push(owner)
    expect(closed).toEqual([])
  })

  test("Redis has neither names nor owners, and all keys expire", async () => {
    const redis = await startRedis()
    const { cache } = await startShared(redis.url)
    await keep(cache, "digest of ada", "digest of ada /capsules/c1", "text", 30_000)
    await ageOf(redis)(20_000)
    await cache.get("digest of ada", "digest of ada /capsules/c1")
    await cache.drop("digest of grace")
    const dump = await redis.dump()
    // The names in Redis are random, so a short text such as "ada" is in some of them by chance.
    for (const text of ["digest of", "of ada", "/capsules", secret]) expect(dump).not.toContain(text)
    const keys = (await redis.command("KEYS", "*")) as string[]
    expect(keys.some((key) => key.endsWith(":due"))).toBe(true)
    for (const key of keys) expect(await redis.command("PTTL", key), key).toBeGreaterThan(0)
  })

  test("an owner whose version Redis has evicted finds none of its old texts", async () => {
    const redis = await startRedis()
    const { cache } = await startShared(redis.url)
    for (const lost of ["owner", "all"]) {
      await keep(cache, "ada", "a", `before the loss of ${lost}`)
      const keys = (await redis.command("KEYS", `*:${lost}*`)) as string[]
      expect(keys).toHaveLength(1)
      await redis.command("DEL", ...keys)
      expect(await found(cache, "ada", "a")).toBe("nothing")
    }
  })

  test("a Redis that starts again with an earlier state gives none of the texts that it has restored", async () => {
    const folder = mkdtempSync(`${tmpdir()}/cache-`)
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const redis = await startRedis({ args: ["--dir", folder] })
    const { store, cache } = await startShared(redis.url)
    await keep(cache, "ada", "a", "old", 3_600_000)
    await redis.command("SAVE")
    await cache.drop("ada")
    await redis.kill()
    await expect.poll(() => store.isAway).toBe(true)
    await redis.start()
    await expect.poll(() => store.isAway).toBe(false)
    expect(await redis.dump()).toContain("old")
    expect(await found(cache, "ada", "a")).toBe("nothing")
    await keep(cache, "ada", "a", "new")
  })

  test("while Redis is away, nothing is kept or found, and nothing waits", async () => {
    const { cache, store } = await startShared(away)
    expect(store.isAway).toBe(true)
    stopTime()
    expect(await found(cache, "ada", "a")).toBe("not usable")
    cache.set("a", "1", "text", 60_000)
    cache.delete("a", "1")
    await cache.drop("ada")
    expect(await found(cache, "ada", "a")).toBe("not usable")
  })

  test("a drop that does not reach a Redis that hangs is made up for before a text is found again", async () => {
    const redis = await startRedis()
    const [one, two] = [await startShared(redis.url), await startShared(redis.url)]
    await keep(one.cache, "ada", "a", "old", 3_600_000)
    await keep(one.cache, "grace", "g", "old", 3_600_000)
    const time = stopTime()
    redis.hang()
    const dropped = one.cache.drop("ada", { waitedMs: 0 })
    time.pass(maxWaitMs)
    await dropped
    expect(await found(one.cache, "ada", "a")).toBe("not usable")
    await time.passUntil(() => one.store.isAway)
    redis.resume()
    await expect.poll(() => found(one.cache, "ada", "a")).not.toBe("not usable")
    for (const { cache } of [one, two]) {
      expect(["nothing", "closed"]).toContain(await found(cache, "ada", "a"))
      expect(await found(cache, "grace", "g")).toBe("nothing")
    }
  })

  test("a drop by a replica that Redis does not answer reaches the others, and until then that replica finds nothing", async () => {
    const redis = await startRedis()
    const way = await startHeldWay(redis.port)
    const [cut, other] = [await startShared(way.url), await startShared(redis.url)]
    await keep(other.cache, "ada", "a", "old", 3_600_000)
    expect(await found(cut.cache, "ada", "a")).toBe("old")
    const time = stopTime()
    way.hold()
    const dropped = cut.cache.drop("ada", { waitedMs: 0 })
    time.pass(maxWaitMs)
    await dropped
    // Redis gets it, only the answer is held back.
    await expect.poll(() => found(other.cache, "ada", "a")).not.toBe("old")
    expect(await found(cut.cache, "ada", "a")).toBe("not usable")
    way.letGo()
    await expect.poll(() => found(cut.cache, "ada", "a")).not.toBe("not usable")
    expect(await found(cut.cache, "ada", "a")).not.toBe("old")
  })

  test("after an outage, nothing is found until other replicas could say what they have dropped in it", async () => {
    const redis = await startRedis()
    const { cache, store } = await startShared(redis.url, { settleMs: 3_600_000 })
    expect(store.isAway).toBe(false)
    const time = stopTime()
    expect(await found(cache, "ada", "a")).toBe("not usable")
    // The stopped clock begins at 0, the real one has been running.
    time.pass(2 * 3_600_000)
    expect(await found(cache, "ada", "a")).toBe("nothing")
  })

  test("a request waits for a Redis that hangs as long as it may, and then no longer", async () => {
    const redis = await startRedis()
    const { cache, store } = await startShared(redis.url)
    await cache.get("ada", "a")
    const time = stopTime()
    // The stopped clock begins at 0, and the cache is used from the real time of its start on.
    time.pass(24 * 3_600_000)
    redis.hang()
    const storeWait = { waitedMs: 0 }
    const answers = Promise.all(Array.from({ length: 20 }, () => cache.get("ada", "a", storeWait)))
    // They are sent at the end of this moment.
    await setImmediate()
    time.pass(maxWaitMs)
    expect(await answers).toEqual(Array(20).fill(undefined))
    // One slow look-up is no outage, but the cache is not used for a second.
    expect(store.isAway).toBe(false)
    // The clock is stopped.
    expect(await cache.get("ada", "a", storeWait)).toBeUndefined()
    time.pass(maxWaitMs)
    await setImmediate()
    await setImmediate()
    expect(store.isAway).toBe(true)
    await cache.drop("ada", storeWait)
    redis.resume()
  })

  test("a Redis that is full keeps nothing, and nothing fails", async () => {
    const redis = await startRedis()
    const { cache, store } = await startShared(redis.url)
    expect(await found(cache, "ada", "a")).toBe("nothing")
    await redis.command("CONFIG", "SET", "maxmemory", "1")
    await expect
      .poll(async () => {
        await cache.drop("ada")
        return `${await found(cache, "ada", "a")} ${store.isAway}`
      })
      .toBe("not usable true")
  })

  test("what waits to be sent to Redis has a limit", async () => {
    const redis = await startRedis()
    const { cache } = await startShared(redis.url)
    const { version } = (await cache.get("ada", "a"))!
    redis.hang()
    for (let at = 0; at < 200; at++) cache.set(`a${at}`, version, "x".repeat(256 * 1024), 60_000)
    redis.resume()
    await expect.poll(() => found(cache, "ada", "a0")).toHaveLength(256 * 1024)
    await keep(cache, "ada", "last", "text")
    const keys = (await redis.command("KEYS", "*text:*")) as string[]
    // 32 of them are 8 MiB.
    expect(keys).toHaveLength(32 + 1)
  })

  test("a text that somebody else has written into Redis is no reason to fail", async () => {
    const redis = await startRedis()
    const { cache, store } = await startShared(redis.url)
    await keep(cache, "ada", "a", "text")
    const [key] = (await redis.command("KEYS", "*text:*")) as [string]
    await redis.command("SET", key, "no time in front", "PX", 60_000)
    expect(await found(cache, "ada", "a")).toBe("time in front")
    expect(store.isAway).toBe(false)
  })
})
