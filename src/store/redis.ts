import { Redis } from "ioredis"
import { type Found, type LeaseRenewal, noNote, noteTtlMs, renewalMs, type Store, unfinished } from "./store.ts"

/** How long the latest text of a topic is kept for replicas that follow it later. */
const textTtlMs = 5 * 60_000

/** How long an announcement is kept for replicas that connect later, and how many of one topic. */
const announcementTtlMs = 60_000
const maxAnnouncements = 10_000

/** How long the version of an owner's texts is kept. Without it, the owner's texts are not found. */
const versionTtlMs = 24 * 3_600_000

const connectTimeoutMs = 2_000
const reconnectMs = 500
/** Frees what waits for an answer that never comes. The time limit of requests is that of shared.ts, and is far shorter. */
const commandTimeoutMs = 1_000

/** Redis. All methods reject if it fails, and may take long. */
export interface RedisStore extends Omit<Store, "isAway" | "ready" | "openCache"> {
  /** Resolves if Redis answers and accepts writes. */
  probe(): Promise<void>
  /** Calls the listeners with all announcements of the last minute, and the followers with the latest texts. */
  repeatTexts(): Promise<void>
  /** Looks up texts of a cache, as in store.ts. `newVersion` is for an owner without one. */
  getTexts(owner: string, names: readonly string[], newVersion: string): Promise<Found[]>
  setText(name: string, version: string, text: string, ttlMs: number): Promise<void>
  deleteText(name: string, version: string): Promise<void>
  dropTexts(owner: string, newVersion: string, quietMs: number): Promise<void>
  dropAllTexts(newVersion: string): Promise<void>
  /** Drops the connections and makes new ones. */
  reconnect(): void
}

export interface RedisOptions {
  url: string
  /** The beginning of all keys. */
  prefix: string
  /** The most that a request waits for Redis, in milliseconds. Its other time limits are longer. */
  maxWaitMs: number
  onConnected(): void
  /** Called when a connection fails or ends. */
  onDisconnected(reason: string): void
}

/**
 * The scripts. Each runs as a whole. KEYS are those of the lease and its note, or of the topic. Keys that a script writes are
 * never left without an expiry.
 */
export const scripts = {
  takeLease: {
    numberOfKeys: 2,
    lua: `
      local holder = redis.call("GET", KEYS[1])
      if holder and holder ~= ARGV[1] then return false end
      redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
      local note = redis.call("GET", KEYS[2])
      if not note then redis.call("SET", KEYS[2], "${unfinished}", "PX", ${noteTtlMs}) end
      return note or ""`,
  },
  renewLease: {
    numberOfKeys: 2,
    lua: `
      local holder = redis.call("GET", KEYS[1])
      if holder and holder ~= ARGV[1] then return "lost" end
      redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
      if holder and ARGV[3] == "1" then redis.call("SET", KEYS[2], "${unfinished}", "PX", ${noteTtlMs})
      else redis.call("SET", KEYS[2], "${unfinished}", "NX", "PX", ${noteTtlMs}) end
      return holder and "kept" or "retaken"`,
  },
  releaseLease: {
    numberOfKeys: 2,
    lua: `
      local holder = redis.call("GET", KEYS[1])
      if holder and holder ~= ARGV[1] then return 0 end
      if ARGV[2] == "${noNote}" then redis.call("DEL", KEYS[2])
      elseif ARGV[2] then redis.call("SET", KEYS[2], ARGV[2], "PX", ${noteTtlMs}) end
      redis.call("DEL", KEYS[1])
      return 1`,
  },
  countRequests: {
    lua: `
      local time = redis.call("TIME")
      local now = time[1] * 1000 + time[2] / 1000
      local ahead = {}
      for index, key in ipairs(KEYS) do
        local arrival = math.max(tonumber(redis.call("GET", key)) or 0, now) + ARGV[index + 1] * ARGV[1]
        redis.call("SET", key, string.format("%.3f", arrival), "PX", math.ceil(arrival - now) + 1)
        ahead[index] = string.format("%.3f", arrival - now)
      end
      return ahead`,
  },
  announceText: {
    numberOfKeys: 1,
    lua: `
      local time = redis.call("TIME")
      local now = time[1] * 1000 + math.floor(time[2] / 1000)
      redis.call("ZADD", KEYS[1], now, ARGV[1])
      redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now - ${announcementTtlMs})
      redis.call("ZREMRANGEBYRANK", KEYS[1], 0, ${-maxAnnouncements - 1})
      redis.call("PEXPIRE", KEYS[1], ${announcementTtlMs})
      redis.call("PUBLISH", KEYS[1], ARGV[1])
      return 1`,
  },
  // KEYS are the version of all texts, and that of the owner, which begins with a "-" while none of the owner's is kept.
  getTexts: {
    numberOfKeys: 2,
    lua: `
      local version = ""
      for index, key in ipairs(KEYS) do
        local part = redis.call("GET", key)
        if not part then
          part = ARGV[2]
          redis.call("SET", key, part, "PX", ${versionTtlMs})
        end
        if index == 2 and string.sub(part, 1, 1) == "-" then return {version .. part} end
        version = version .. part
      end
      local found = {version}
      for index = 3, #ARGV do
        local key = ARGV[1] .. version .. ":" .. ARGV[index]
        local text = redis.call("GET", key)
        local ttl = text and tonumber(string.match(text, "^%d+")) or 0
        local due = text and redis.call("PTTL", key) * 2 <= ttl
          and redis.call("SET", key .. ":due", "", "NX", "PX", ${renewalMs}) and 1 or 0
        found[2 * index - 4] = text
        found[2 * index - 3] = due
      end
      return found`,
  },
}

type Commands = Redis & {
  takeLease(lease: string, noteKey: string, owner: string, ttlMs: number): Promise<string | null>
  renewLease(lease: string, noteKey: string, owner: string, ttlMs: number, isUnfinished: 0 | 1): Promise<LeaseRenewal>
  releaseLease(lease: string, noteKey: string, owner: string, ...note: string[]): Promise<0 | 1>
  countRequests(keyCount: number, ...args: (string | number)[]): Promise<string[]>
  announceText(topic: string, text: string): Promise<1>
  getTexts(
    allVersion: string,
    ownerVersion: string,
    textPrefix: string,
    newVersion: string,
    ...names: readonly string[]
  ): Promise<[version: string, ...textsAndDue: (string | null | 0 | 1)[]]>
}

export function createRedisStore({ url, prefix, maxWaitMs, onConnected, onDisconnected }: RedisOptions): RedisStore {
  const commands = new Redis(url, {
    lazyConnect: true,
    connectTimeout: Math.max(connectTimeoutMs, maxWaitMs),
    commandTimeout: Math.max(commandTimeoutMs, 2 * maxWaitMs),
    retryStrategy: () => reconnectMs,
    // A command that can't be sent now fails now, and one whose connection was lost is not sent again.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // After a failover the address may lead to another server.
    reconnectOnError: ({ message }) => message.startsWith("READONLY"),
    // ioredis does not catch the error of a subscription that fails.
    autoResubscribe: false,
    disableClientInfo: true,
    scripts,
  }) as Commands
  // A connection that listens can send no other commands.
  const subscriber = commands.duplicate()
  const listeners = new Map<string, (text: string) => void>()
  const followers = new Map<string, (text: string) => void>()
  let reason = "the connection was closed"
  /**
   * Identifies the run of the Redis server, and is part of all names of the cache. A server that starts again may have restored an
   * earlier state, in which drops are missing. Empty if the server does not tell: then no texts are kept.
   */
  let serverRun: string | undefined

  for (const connection of [commands, subscriber]) {
    connection.on("error", (error: NodeJS.ErrnoException) => {
      reason = error.message || error.code || "unknown error"
      if (connection === commands) onDisconnected(reason)
    })
    // It rejects if the first attempt fails. Further attempts follow.
    connection.connect().catch(() => undefined)
  }
  commands.on("ready", onConnected)
  commands.on("close", () => {
    serverRun = undefined
    onDisconnected(reason)
  })
  subscriber.on("message", (topic: string, text: string) => (listeners.get(topic) ?? followers.get(topic))?.(text))
  subscriber.on("ready", () => void subscribe())

  const leaseKeys = (name: string) => [`${prefix}lease:${name}`, `${prefix}note:${name}`] as const
  const topicKey = (topic: string) => `${prefix}topic:${topic}`
  const latestKey = (topic: string) => `${prefix}latest:${topic}`
  const cacheKey = (name: string) => {
    if (serverRun === undefined) throw new Error("the run of the server is not known")
    return `${prefix}cache:${serverRun}:${name}`
  }
  const textKey = (name: string, version: string) => cacheKey(`text:${version}:${name}`)

  async function subscribe(): Promise<void> {
    try {
      const topics = [...listeners.keys(), ...followers.keys()]
      if (topics.length > 0) await subscriber.subscribe(...topics)
      // What was sent before.
      await repeatTexts()
    } catch {
      // It is repeated when the connection is ready again.
    }
  }

  async function repeatTexts(): Promise<void> {
    for (const [topic, listener] of listeners) {
      for (const text of await commands.zrange(topic, 0, -1)) listener(text)
    }
    for (const topic of followers.keys()) {
      const text = await commands.get(topic)
      if (text !== null) followers.get(topic)?.(text)
    }
  }

  return {
    takeLease: async (name, owner, ttlMs) => (await commands.takeLease(...leaseKeys(name), owner, ttlMs)) ?? undefined,
    renewLease: (name, owner, ttlMs, isUnfinished) =>
      commands.renewLease(...leaseKeys(name), owner, ttlMs, isUnfinished ? 1 : 0),
    async releaseLease(name, owner, note) {
      await commands.releaseLease(...leaseKeys(name), owner, ...(note === undefined ? [] : [note]))
    },
    async countRequests(counts, msPerRequest) {
      const keys = counts.map(([name]) => `${prefix}rate:${name}`)
      const requests = counts.map(([, count]) => count)
      return (await commands.countRequests(keys.length, ...keys, msPerRequest, ...requests)).map(Number)
    },
    async deny(name, ttlMs) {
      await commands.set(`${prefix}denied:${name}`, "", "PX", Math.ceil(ttlMs))
    },
    isDenied: async (name) => (await commands.exists(`${prefix}denied:${name}`)) === 1,
    async announce(topic, text) {
      await commands.announceText(topicKey(topic), text)
    },
    listen(topic, listener) {
      listeners.set(topicKey(topic), listener)
      if (subscriber.status === "ready") void subscribe()
    },
    async publish(topic, text) {
      const key = latestKey(topic)
      await Promise.all([commands.set(key, text, "PX", textTtlMs), commands.publish(key, text)])
    },
    async follow(topic, listener) {
      const key = latestKey(topic)
      followers.set(key, listener)
      if (subscriber.status === "ready") await subscriber.subscribe(key)
      return (await commands.get(key)) ?? undefined
    },
    unfollow(topic) {
      followers.delete(latestKey(topic))
      if (subscriber.status === "ready") subscriber.unsubscribe(latestKey(topic)).catch(() => undefined)
    },
    async getTexts(owner, names, newVersion) {
      if (serverRun === "") return names.map(() => ({ version: "", isOpen: false }))
      const keys = [cacheKey("all"), cacheKey(`owner:${owner}`)] as const
      const [version, ...found] = await commands.getTexts(...keys, cacheKey("text:"), newVersion, ...names)
      const isOpen = found.length > 0
      return names.map((_, index) => {
        const stored = found[2 * index] as string | null | undefined
        const text = stored?.slice(stored.indexOf(" ") + 1)
        return { version, isOpen, text, isDue: found[2 * index + 1] === 1 }
      })
    },
    async setText(name, version, text, ttlMs) {
      await commands.set(textKey(name, version), `${ttlMs} ${text}`, "PX", ttlMs)
    },
    async deleteText(name, version) {
      await commands.del(textKey(name, version))
    },
    async dropTexts(owner, newVersion, quietMs) {
      await commands.set(cacheKey(`owner:${owner}`), `-${newVersion}`, "PX", quietMs)
    },
    async dropAllTexts(newVersion) {
      await commands.set(cacheKey("all"), newVersion, "PX", versionTtlMs)
    },
    async probe() {
      serverRun ??= /^run_id:(\S+)/m.exec(await commands.info("server"))?.[1] ?? ""
      await commands.set(`${prefix}probe`, "", "PX", 1_000)
    },
    repeatTexts,
    reconnect() {
      commands.disconnect(true)
      subscriber.disconnect(true)
    },
    async close() {
      commands.disconnect()
      subscriber.disconnect()
    },
  }
}
