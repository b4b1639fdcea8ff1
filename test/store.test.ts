import { spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer as createHttpServer } from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { setImmediate, setTimeout as sleep } from "node:timers/promises"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { createLog } from "../src/log/log.ts"
import { systemClock } from "../src/polling/clock.ts"
import { createTasks, type Tasks } from "../src/polling/tasks.ts"
import type { Turn } from "../src/polling/turn.ts"
import { acquireLease } from "../src/store/lease.ts"
import { createMemoryStore } from "../src/store/memory.ts"
import { createRedisStore } from "../src/store/redis.ts"
import { createSharedStore, defaultWaitMs, type SharedStoreOptions } from "../src/store/shared.ts"
import { noNote, type Store, unfinished } from "../src/store/store.ts"
import { describeWithRedis, startHeldWay, startRedis } from "./support/redis.ts"
import { stopTime } from "./support/time.ts"

/** The limit on the wait for Redis that the gateway has. */
const asRequestsWait = { maxWaitMs: defaultWaitMs }

/** Unless a test is about the wait for Redis, it must not depend on how fast Redis answers on a loaded machine. */
function startShared(url: string, options: Partial<SharedStoreOptions> = {}) {
  const lines: Record<string, unknown>[] = []
  const log = createLog("info", { write: (line) => void lines.push(JSON.parse(line)) })
  const store = createSharedStore({ url, prefix: "test:", log, settleMs: 0, maxWaitMs: 60_000, ...options })
  onTestFinished(() => store.close())
  return { store, lines, messages: () => lines.map(({ msg }) => msg) }
}

/** What every store does. */
function describeContract(start: () => Promise<Omit<Store, "isAway" | "ready" | "openCache">>) {
  test("a lease belongs to one owner until it is released, and its note goes to the next one", async () => {
    const store = await start()
    expect(await store.takeLease("a", "ada", 60_000)).toBe(noNote)
    expect(await store.takeLease("a", "grace", 60_000)).toBeUndefined()
    expect(await store.renewLease("a", "grace", 60_000, false)).toBe("lost")
    await store.releaseLease("a", "grace", "stolen")
    expect(await store.takeLease("a", "grace", 60_000)).toBeUndefined()
    await store.releaseLease("a", "ada", "made by ada")
    expect(await store.takeLease("a", "grace", 60_000)).toBe("made by ada")
    expect(await store.takeLease("b", "ada", 60_000)).toBe(noNote)
  })

  test("a lease that is not renewed can be taken, and its note says that the work is unfinished", async () => {
    const store = await start()
    await store.takeLease("a", "ada", 20)
    await expect.poll(() => store.takeLease("a", "grace", 60_000), { interval: 5 }).toBe(unfinished)
    expect(await store.renewLease("a", "ada", 60_000, false)).toBe("lost")
    await store.releaseLease("a", "ada", "too late")
    await store.releaseLease("a", "grace", noNote)
    expect(await store.takeLease("a", "ada", 60_000)).toBe(noNote)
  })

  test("an owner whose lease was taken and released in the meantime learns that, and keeps the note of the other", async () => {
    const store = await start()
    await store.takeLease("a", "ada", 1)
    await sleep(10)
    await store.takeLease("a", "grace", 60_000)
    await store.releaseLease("a", "grace", "made by grace")
    expect(await store.renewLease("a", "ada", 60_000, true)).toBe("retaken")
    await store.releaseLease("a", "ada", undefined)
    expect(await store.takeLease("a", "joan", 60_000)).toBe("made by grace")
  })

  test("a lease that has expired can be renewed until another owner takes it", async () => {
    const store = await start()
    await store.takeLease("a", "ada", 1)
    await sleep(10)
    expect(await store.renewLease("a", "ada", 60_000, false)).toBe("retaken")
    expect(await store.takeLease("a", "grace", 60_000)).toBeUndefined()
  })

  test("a note is kept by an owner who finds it, unless the owner marks the work as unfinished", async () => {
    const store = await start()
    await store.takeLease("a", "ada", 60_000)
    await store.releaseLease("a", "ada", "first")
    await store.takeLease("a", "grace", 1)
    await sleep(10)
    expect(await store.takeLease("a", "joan", 60_000)).toBe("first")
    await store.renewLease("a", "joan", 1, true)
    await sleep(10)
    expect(await store.takeLease("a", "ada", 60_000)).toBe(unfinished)
  })

  test("of fifty owners at once, one gets the lease", async () => {
    const store = await start()
    const notes = await Promise.all(Array.from({ length: 50 }, (_, at) => store.takeLease("a", `owner ${at}`, 60_000)))
    expect(notes.filter((note) => note !== undefined)).toEqual([noNote])
  })

  test("a name is denied until its time has passed, and no other name is", async () => {
    const store = await start()
    await store.deny("long", 60_000)
    await store.deny("short", 20)
    expect(await store.isDenied("long")).toBe(true)
    expect(await store.isDenied("other")).toBe(false)
    await expect.poll(() => store.isDenied("short"), { interval: 5 }).toBe(false)
    expect(await store.isDenied("long")).toBe(true)
  })

  test("an announcement reaches the listener of its topic", async () => {
    const store = await start()
    const heard: string[] = []
    store.listen("news", (text) => void heard.push(text))
    store.listen("other", (text) => void heard.push(`other ${text}`))
    // A listener that is not connected yet gets it when it is.
    await store.announce("news", "one")
    await store.announce("other", "two")
    await expect.poll(() => [...new Set(heard)].toSorted()).toEqual(["one", "other two"])
  })
}

describe("the memory of a process", () => describeContract(async () => createMemoryStore()))

describeWithRedis("a Redis server", () => {
  async function connect(url: string) {
    const { promise: isConnected, resolve: onConnected } = Promise.withResolvers<void>()
    const store = createRedisStore({ url, prefix: "test:", maxWaitMs: 60_000, onConnected, onDisconnected() {} })
    onTestFinished(() => store.close())
    await isConnected
    return store
  }
  describeContract(async () => connect((await startRedis()).url))

  describe("behind the circuit breaker", () =>
    describeContract(async () => {
      const { url } = await startRedis()
      const { store } = startShared(url)
      await store.ready()
      expect(store.isAway).toBe(false)
      return store
    }))

  describe("that is away, behind the circuit breaker", () =>
    describeContract(async () => {
      const { store } = startShared("redis://127.0.0.1:9")
      await store.ready()
      expect(store.isAway).toBe(true)
      return store
    }))

  test("the rights that the documents name are enough", async () => {
    const redis = await startRedis()
    const [, rights] =
      /^ACL SETUSER (.+)$/m.exec(readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8")) ?? []
    await redis.command("ACL", "SETUSER", ...(rights as string).split(" "))
    const { store, lines } = startShared(redis.url.replace("//", "//gateway:password@"), {
      prefix: "codeocean-gateway:test:",
    })
    await store.ready()
    const heard: string[] = []
    store.listen("news", (text) => void heard.push(text))
    await store.takeLease("a", "ada", 60_000)
    await store.renewLease("a", "ada", 60_000, true)
    await store.releaseLease("a", "ada", noNote)
    expect(await store.countRequests([["ada", 10]], 1_000)).toEqual([10_000])
    await store.announce("news", "one")
    await expect.poll(() => heard).toContain("one")
    await store.follow("run", (text) => void heard.push(text))
    await store.publish("run", "running")
    await expect.poll(() => heard).toContain("running")
    store.unfollow("run")
    const cache = store.openCache({ quietMs: 1_000, secret: "" })
    const version = (await cache.get("ada", "a"))?.version as string
    cache.set("a", version, "text", 60_000)
    await expect.poll(async () => (await cache.get("ada", "a"))?.text).toBe("text")
    cache.delete("a", version)
    await cache.drop("ada")
    expect(await cache.get("ada", "a")).toMatchObject({ isOpen: false })
    expect(lines).toEqual([])
    expect(store.isAway).toBe(false)
  })

  test("whoever follows a topic gets the latest text, the following ones, and what was missed while not connected", async () => {
    const redis = await startRedis()
    const [{ store }, { store: other }] = [startShared(redis.url), startShared(redis.url)]
    await Promise.all([store.ready(), other.ready()])
    const heard: string[] = []
    await other.publish("run", "one")
    expect(await store.follow("run", (text) => void heard.push(text))).toBe("one")
    await other.publish("run", "two")
    await expect.poll(() => heard).toEqual(["two"])
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    await other.publish("run", "three")
    await expect.poll(() => heard.at(-1)).toBe("three")
    store.unfollow("run")
    await expect.poll(() => redis.command("PUBSUB", "NUMSUB", "test:latest:run")).toEqual(["test:latest:run", 0])
  })

  test("all keys have the prefix and expire", async () => {
    const redis = await startRedis()
    const { store } = startShared(redis.url)
    await store.ready()
    await store.takeLease("a", "ada", 60_000)
    await store.takeLease("b", "ada", 60_000)
    await store.releaseLease("b", "ada", "note")
    await store.announce("news", "one")
    await store.countRequests([["a", 10]], 1_000)
    await store.publish("run", "running")
    const keys = (await redis.command("KEYS", "*")) as string[]
    expect(keys.toSorted()).toEqual(
      ["latest:run", "lease:a", "note:a", "note:b", "probe", "rate:a", "topic:news"].map((key) => `test:${key}`),
    )
    for (const key of keys) expect(await redis.command("PTTL", key), key).toBeGreaterThan(0)
  })

  test("the announcements of the last minute reach a replica that connects later, at most 10,000 of them", async () => {
    const redis = await startRedis()
    const { store } = startShared(redis.url)
    await store.ready()
    for (let block = 0; block < 101; block++) {
      await Promise.all(Array.from({ length: 100 }, (_, at) => store.announce("news", `${block} ${at}`)))
    }
    expect(store.isAway).toBe(false)
    expect(await redis.command("ZCARD", "test:topic:news")).toBe(10_000)
    const heard = new Set<string>()
    const { store: later } = startShared(redis.url)
    later.listen("news", (text) => void heard.add(text))
    await expect.poll(() => heard.size).toBe(10_000)
    expect(heard).toContain("100 99")
    expect(heard).not.toContain("0 0")
  })

  test("a replica that lost its connection gets what was announced in the meantime", async () => {
    const redis = await startRedis()
    const [{ store }, { store: other }] = [startShared(redis.url), startShared(redis.url)]
    const heard = new Set<string>()
    store.listen("news", (text) => void heard.add(text))
    await other.ready()
    await other.announce("news", "one")
    await expect.poll(() => [...heard]).toEqual(["one"])
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    await other.announce("news", "two")
    await expect.poll(() => [...heard]).toEqual(["one", "two"])
  })

  describe("that fails", () => {
    const away = "Redis is not available: this process works alone until it is"
    const back = "Redis is available again"

    /** Uses the store as a capture does. It works also alone. */
    async function use(store: Store): Promise<void> {
      const name = randomUUID()
      expect(await store.takeLease(name, "ada", 60_000)).toBe(noNote)
      expect(await store.renewLease(name, "ada", 60_000, false)).toBe("kept")
      await store.releaseLease(name, "ada", noNote)
      await store.announce("news", "one")
    }

    test("leases are given by the process while Redis is dead, and by Redis when it is back; the log says both once", async () => {
      const redis = await startRedis()
      const { store, messages } = startShared(redis.url, { stableMs: 0 })
      await store.ready()
      await store.takeLease("a", "ada", 60_000)
      await redis.kill()
      await expect.poll(() => store.isAway).toBe(true)
      for (let at = 0; at < 20; at++) await use(store)
      // What this process holds is known here, too.
      expect(await store.takeLease("a", "grace", 60_000)).toBeUndefined()
      await redis.start()
      await expect.poll(() => store.isAway).toBe(false)
      // The owner renews what Redis has lost.
      expect(await store.renewLease("a", "ada", 60_000, false)).toBe("retaken")
      expect(await store.takeLease("a", "grace", 60_000)).toBeUndefined()
      await expect.poll(messages).toEqual([away, back])
    })

    test("one use waits 50 ms for a Redis that hangs, and the following ones not at all", async () => {
      const redis = await startRedis()
      const time = stopTime()
      const { store, messages } = startShared(redis.url, asRequestsWait)
      await untilUsed(store)
      redis.hang()
      let isDone = false
      const first = store.takeLease("a", "ada", 60_000, { waitedMs: 0 }).finally(() => {
        isDone = true
      })
      time.pass(defaultWaitMs - 1)
      await untilIdle()
      expect(isDone).toBe(false)
      time.pass(1)
      expect(await first).toBe(noNote)
      expect(store.isAway).toBe(true)
      // The clock is stopped.
      for (let at = 0; at < 20; at++) await use(store)
      expect(messages()).toEqual([away])
      redis.resume()
      await time.passUntilOther(() => !store.isAway)
      // Redis has executed the command that nobody waited for. Its owner is the same.
      expect(await store.renewLease("a", "ada", 60_000, false)).toBe("kept")
      expect(await store.takeLease("a", "grace", 60_000)).toBeUndefined()
    })

    test("work in the background waits half a second for a Redis that hangs", async () => {
      const redis = await startRedis()
      const time = stopTime()
      const { store } = startShared(redis.url, asRequestsWait)
      await untilUsed(store)
      redis.hang()
      const counted = store.countRequests([["ada", 1]], 1)
      time.pass(499)
      await untilIdle()
      expect(store.isAway).toBe(false)
      time.pass(1)
      expect(await counted).toBeUndefined()
      expect(store.isAway).toBe(true)
      expect(await store.countRequests([["ada", 1]], 1)).toBeUndefined()
      redis.resume()
    })

    test("a request waits 50 ms in all for a slow Redis, and others still use it", async () => {
      const redis = await startRedis()
      const way = await startHeldWay(redis.port)
      const time = stopTime()
      const { store } = startShared(way.url, asRequestsWait)
      await untilUsed(store)
      await redis.command("SET", "test:note:b", "known to Redis alone")
      await redis.command("SET", "test:note:d", "known to Redis alone")
      const storeWait = { waitedMs: 0 }
      const take = async (name: string, waitMs: number) => {
        way.hold()
        const taken = store.takeLease(name, "ada", 60_000, storeWait)
        await untilIdle()
        time.pass(waitMs)
        await untilIdle()
        way.letGo()
        return taken
      }
      expect(await take("a", 30)).toBe(noNote)
      expect(storeWait.waitedMs).toBe(30)
      expect(await take("b", 20)).toBe(noNote)
      expect(storeWait.waitedMs).toBe(50)
      expect(store.isAway).toBe(false)
      // A short wait is always possible.
      expect(await take("c", 4)).toBe(noNote)
      expect(storeWait.waitedMs).toBe(50)
      expect(await store.takeLease("d", "grace", 60_000)).toBe("known to Redis alone")
    })

    test("an answer that arrived while this process was busy counts as in time", async () => {
      const redis = await startRedis()
      const time = stopTime()
      const { store } = startShared(redis.url, asRequestsWait)
      await untilUsed(store)
      await redis.command("SET", "test:note:a", "known to Redis alone")
      // Redis knows the script from here on, so that one answer is enough.
      await store.takeLease("b", "ada", 60_000)
      // Sockets are read between a timer and what it does in the next turn, not in the turn in which they are read already.
      await setImmediate()
      const taken = store.takeLease("a", "ada", 60_000, { waitedMs: 0 })
      // Redis answers in the order of the questions.
      expect(spawnSync("redis-cli", ["-p", `${redis.port}`, "GET", "test:lease:a"]).stdout.toString()).toBe("ada\n")
      time.pass(4 * defaultWaitMs)
      expect(await taken).toBe("known to Redis alone")
      expect(store.isAway).toBe(false)
    })

    test("a Redis that is full is not used until it accepts writes, although it answers", async () => {
      const redis = await startRedis({ args: ["--maxmemory-policy", "noeviction"] })
      const { store, lines } = startShared(redis.url)
      await store.ready()
      const time = stopTime()
      await redis.command("CONFIG", "SET", "maxmemory", 1)
      await use(store)
      expect(store.isAway).toBe(true)
      const errors = async () => Number(/errorstat_OOM:count=(\d+)/.exec(String(await redis.command("INFO")))?.[1])
      for (let probe = 2; probe <= 5; probe++) {
        time.pass(1_000)
        await expect.poll(errors).toBe(probe)
        await use(store)
        expect(store.isAway).toBe(true)
      }
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatchObject({ level: "warn", msg: away, reason: expect.stringContaining("OOM") })
      await redis.command("CONFIG", "SET", "maxmemory", 0)
      await time.passUntilOther(() => !store.isAway)
    })

    test("a Redis with another password is not used, and neither the log nor Redis gets the password", async () => {
      const redis = await startRedis({ args: ["--requirepass", "right"] })
      const { store, lines } = startShared(redis.url.replace("//", "//:secret-of-ada@"))
      await store.ready()
      await use(store)
      expect(store.isAway).toBe(true)
      expect(lines).toMatchObject([{ level: "warn", host: `127.0.0.1:${redis.port}`, reason: /WRONGPASS/ }])
      expect(JSON.stringify(lines)).not.toContain("secret-of-ada")
      const { store: other, lines: none } = startShared(redis.url.replace("//", "//:right@"))
      await other.ready()
      await use(other)
      expect(other.isAway).toBe(false)
      expect(none).toEqual([])
    })

    test("a web server, and a server that never answers, are not used", async () => {
      const web = createHttpServer((_request, response) => response.end())
      const silent = createServer((socket) => socket.on("error", () => undefined))
      for (const server of [web, silent]) {
        await once(server.listen(0, "127.0.0.1"), "listening")
        onTestFinished(() => void server.close())
        const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
        const { store, messages } = startShared(url, asRequestsWait)
        await store.ready()
        await use(store)
        expect(store.isAway).toBe(true)
        await expect.poll(messages).toEqual([away])
        await store.close()
      }
    })

    test("an outage that comes and goes is logged once, and its end when Redis has been available for ten seconds", async () => {
      const redis = await startRedis()
      const time = stopTime()
      const { store, messages } = startShared(redis.url, asRequestsWait)
      await untilUsed(store)
      for (let outage = 0; outage < 3; outage++) {
        redis.hang()
        const used = store.takeLease(`${outage}`, "ada", 60_000, { waitedMs: 0 })
        time.pass(defaultWaitMs)
        await used
        expect(store.isAway).toBe(true)
        redis.resume()
        await time.passUntilOther(() => !store.isAway)
        time.pass(5_000)
      }
      expect(messages()).toEqual([away])
      time.pass(5_000)
      expect(messages()).toEqual([away, back])
    })

    test("after an outage no lease is given until their owners have renewed those that Redis may have lost", async () => {
      const redis = await startRedis()
      const { store } = startShared(redis.url, { settleMs: 3_000 })
      await store.ready()
      const owner = await connect(redis.url)
      expect(await owner.takeLease("a", "grace", 60_000)).toBe(noNote)
      expect(store.isAway).toBe(false)
      // All timers of the outage are on the stopped clock, also those that begin when the connection ends.
      const time = stopTime()
      await redis.kill()
      await expect.poll(() => store.isAway).toBe(true)
      await redis.start()
      await time.passUntilOther(() => !store.isAway)
      // From here on no time passes by itself, so it is certain that the owner comes in time.
      expect(await store.takeLease("a", "ada", 60_000)).toBeUndefined()
      expect(await store.takeLease("b", "ada", 60_000)).toBeUndefined()
      const sameOwner = await connect(redis.url)
      expect(await sameOwner.renewLease("a", "grace", 60_000, false)).toBe("retaken")
      time.pass(2_999)
      expect(await store.takeLease("b", "ada", 60_000)).toBeUndefined()
      time.pass(1)
      expect(await store.takeLease("b", "ada", 60_000)).toBe(noNote)
      expect(await store.takeLease("a", "ada", 60_000)).toBeUndefined()
      await sameOwner.releaseLease("a", "grace", "made by grace")
      expect(await store.takeLease("a", "ada", 60_000)).toBe("made by grace")
    })

    test("a lease is renewed for as long as it is held, and whoever waits for it gets it when it is released", async () => {
      const redis = await startRedis()
      const [{ store }, { store: other }] = [startShared(redis.url), startShared(redis.url)]
      await Promise.all([store.ready(), other.ready()])
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
      onTestFinished(() => void vi.useRealTimers())
      const lease = await acquireLease(store, "a", { ttlMs: 60_000, limitMs: 0 })
      const leftMs = () => redis.command("PTTL", "test:lease:a")
      for (let renewal = 0; renewal < 3; renewal++) {
        await redis.command("PEXPIRE", "test:lease:a", 40_000)
        vi.advanceTimersByTime(20_000)
        await expect.poll(leftMs).toBeGreaterThan(40_000)
      }
      expect(await acquireLease(other, "a", { ttlMs: 60_000, limitMs: 0 })).toBeUndefined()
      expect(lease?.isHeld).toBe(true)
      const waiting = acquireLease(other, "a", { ttlMs: 60_000, limitMs: 60_000 })
      lease?.release("made here")
      const next = await waiting
      expect(next?.note).toBe("made here")
      next?.release(noNote)
    })

    test("work whose process was suspended just before a change is begun again when it is its turn", async () => {
      const redis = await startRedis()
      const [{ store }, { store: other }] = [startShared(redis.url), startShared(redis.url)]
      await Promise.all([store.ready(), other.ready()])
      const time = stopTime()
      const leaseMs = 60_000
      const [tasks, otherTasks] = [store, other].map((one) => createTasks(one, systemClock, leaseMs)) as [Tasks, Tasks]
      const notes: (string | undefined)[] = []
      let changes = 0
      const make = (turn: Turn) => {
        changes += 1
        turn.leave("made")
        return Promise.resolve("made")
      }
      const result = await tasks.run("ada", "key", "this", ({ alone }) =>
        alone(async (turn) => {
          notes.push(turn.note)
          if (turn.note !== undefined) return turn.note
          time.pass(leaseMs)
          await redis.command(
            "EVAL",
            "for _, key in ipairs(redis.call('KEYS', 'test:lease:*')) do redis.call('DEL', key) end",
            0,
          )
          await otherTasks.run("ada", "key", "this", (task) => task.alone(make))
          await turn.confirm()
          return make(turn)
        }),
      )
      expect(result).toBe("made")
      expect(notes).toEqual([undefined, "made"])
      expect(changes).toBe(1)
    })

    test("a process that was suspended finds that its lease belongs to another", async () => {
      const redis = await startRedis()
      const [{ store }, { store: other }] = [startShared(redis.url), startShared(redis.url)]
      await Promise.all([store.ready(), other.ready()])
      const time = stopTime()
      const lease = await acquireLease(store, "a", { ttlMs: 60_000, limitMs: 0 })
      // No timer has renewed it.
      time.pass(60_000)
      expect(lease?.isHeld).toBe(false)
      await redis.command("DEL", "test:lease:a")
      const next = await acquireLease(other, "a", { ttlMs: 60_000, limitMs: 0 })
      expect(next?.note).toBe(unfinished)
      expect(await lease?.renew()).toBe(false)
      lease?.release("too late")
      expect(await redis.command("GET", "test:note:a")).toBe(unfinished)
      next?.release(noNote)
    })
  })
})

/** Resolves when the store uses Redis, without the clock: on a loaded machine the first answer may take longer than 50 ms. */
async function untilUsed(store: Store): Promise<void> {
  while (store.isAway) await setImmediate()
}

/** Lets sockets and promises do what they can without the clock. */
async function untilIdle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await setImmediate()
}
