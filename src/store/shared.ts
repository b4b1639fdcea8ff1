import type { Log } from "../log/log.ts"
import { createMemoryStore, MemoryDenials, MemoryLeases } from "./memory.ts"
import type { RedisStore } from "./redis.ts"
import { SharedCache } from "./sharedCache.ts"
import { noNote, type Store, type StoreWait } from "./store.ts"

/** The most that a request waits for Redis, in milliseconds, in all. */
export const defaultWaitMs = 50
/** The most that work in the background waits for Redis, in milliseconds. */
const maxBackgroundMs = 500
/** A wait of this length is always possible and is not counted, in milliseconds: it shows that Redis is well. */
const uncountedMs = 5

const probeIntervalMs = 1_000
/** After so many probes without any answer, the connections are replaced. */
const maxLostProbes = 3
/** How long the start of the gateway waits for Redis. */
const maxStartMs = 2_000

export interface SharedStoreOptions {
  url: string
  /** The beginning of all keys. */
  prefix: string
  log: Log
  /**
   * For so long after an outage no lease is given, in milliseconds. Redis may have lost those of other replicas, whose owners
   * renew them within this time. The cache is not used either, since other replicas may have dropped texts during the outage, and
   * begin to use Redis again within this time.
   */
  settleMs: number
  /** For tests: the most that a request waits for Redis, in milliseconds. No other time limit on Redis is shorter. */
  maxWaitMs?: number | undefined
  /** How long Redis must be available until the log says so. Outages that follow each other sooner are logged once. */
  stableMs?: number
}

/**
 * A store in Redis whose methods never reject and never take long. An answer that is an error, or does not arrive in time, opens a
 * circuit breaker: then the memory of this process is used, until a probe finds that Redis answers in time and accepts writes.
 */
export function createSharedStore(options: SharedStoreOptions): Store {
  const { log, settleMs, maxWaitMs = defaultWaitMs, stableMs = 10_000 } = options
  const host = URL.parse(options.url)?.host
  const leases = new MemoryLeases()
  const denials = new MemoryDenials()
  const topics = createMemoryStore()
  let redis: RedisStore | undefined
  let isClosed = false
  /** True before the first connection, too. */
  let isAway = true
  let wasShared = false
  let settledAt = Number.NEGATIVE_INFINITY
  /** At the start, too: others may have had an outage. */
  let cacheUsableAt = Number.POSITIVE_INFINITY
  let cache: SharedCache | undefined
  let isProbing = false
  let lostProbes = 0
  let isLogged = false
  let probeTimer: NodeJS.Timeout | undefined
  let stableTimer: NodeJS.Timeout | undefined

  // Loaded only with the setting, since it takes longer than all else at the start.
  const loaded = import("./redis.ts").then(({ createRedisStore }) => {
    if (isClosed) return
    const { url, prefix } = options
    redis = createRedisStore({ url, prefix, maxWaitMs, onConnected: () => void probe(), onDisconnected: leave })
    // If it neither connects nor fails.
    probeTimer = setTimeout(() => leave("no connection"), Math.max(maxStartMs, maxWaitMs)).unref()
  })

  function leave(reason: string): void {
    if (isClosed) return
    isAway = true
    clearTimeout(stableTimer)
    if (!isLogged) {
      isLogged = true
      log.warn({ host, reason: reason.slice(0, 200) }, "Redis is not available: this process works alone until it is")
    }
    clearTimeout(probeTimer)
    probeTimer = setTimeout(() => void probe(), probeIntervalMs).unref()
  }

  /** No request is a probe. */
  async function probe(): Promise<void> {
    if (redis === undefined || !isAway || isProbing || isClosed) return
    isProbing = true
    clearTimeout(probeTimer)
    try {
      await within(maxWaitMs, redis.probe())
      lostProbes = 0
      comeBack()
    } catch (error) {
      // What answers with an error is a Redis. The rest may be a dead connection.
      lostProbes = (error as Error).name === "ReplyError" ? 0 : lostProbes + 1
      if (lostProbes >= maxLostProbes) {
        lostProbes = 0
        redis.reconnect()
      }
      leave((error as Error).message)
    } finally {
      isProbing = false
    }
  }

  function comeBack(): void {
    if (isClosed) return
    isAway = false
    if (wasShared) settledAt = performance.now() + settleMs
    wasShared = true
    cacheUsableAt = performance.now() + settleMs
    void cache?.recover()
    clearTimeout(probeTimer)
    void redis?.repeatTexts().catch(() => undefined)
    void denyAgain()
    if (!isLogged) return
    stableTimer = setTimeout(() => {
      isLogged = false
      log.info({ host }, "Redis is available again")
    }, stableMs).unref()
  }

  /** Redis may have lost what was denied, or was not available when it was. */
  async function denyAgain(): Promise<void> {
    for (const [name, ttlMs] of denials.entries) {
      if (ttlMs >= 1) await sendInBackground((redis) => redis.deny(name, ttlMs))
    }
  }

  /** Sends a command that no request waits for. Resolves with its answer, or with undefined if there is none in time. */
  async function sendInBackground<T>(command: (redis: RedisStore) => Promise<T>): Promise<{ answer: T } | undefined> {
    if (redis === undefined || isAway) return undefined
    try {
      return { answer: await within(Math.max(maxBackgroundMs, maxWaitMs), command(redis)) }
    } catch (error) {
      leave((error as Error).message)
      return undefined
    }
  }

  /** Sends a command even if Redis counts as not available. Resolves with whether it was executed in time. */
  async function tryToSend(command: (redis: RedisStore) => Promise<unknown>): Promise<boolean> {
    if (redis === undefined) return false
    try {
      await within(Math.max(maxBackgroundMs, maxWaitMs), command(redis))
      return true
    } catch (error) {
      // The next probe must not be postponed.
      if (!isAway) leave((error as Error).message)
      return false
    }
  }

  /**
   * Does not use the cache for a while, and checks Redis in the background. Each request looks up texts, so on a busy machine one of
   * many look-ups takes too long: that is no outage.
   */
  function pauseCache(): void {
    cacheUsableAt = Math.max(cacheUsableAt, performance.now() + probeIntervalMs)
    void sendInBackground((redis) => redis.probe())
  }

  /**
   * Sends a command that a request waits for. Resolves like `sendInBackground`.
   * @param onSlow called if there is no answer in time
   */
  async function send<T>(
    storeWait: StoreWait | undefined,
    command: (redis: RedisStore) => Promise<T>,
    onSlow: (reason: string) => void = leave,
  ): Promise<{ answer: T } | undefined> {
    if (storeWait === undefined) return sendInBackground(command)
    if (redis === undefined || isAway) return undefined
    const startedAt = performance.now()
    const limitMs = Math.max(uncountedMs, maxWaitMs - storeWait.waitedMs)
    try {
      return { answer: await within(limitMs, command(redis)) }
    } catch (error) {
      // A request that had little time left says nothing about Redis.
      if (error !== noAnswer) leave((error as Error).message)
      else if (limitMs === maxWaitMs) onSlow(noAnswer.message)
      return undefined
    } finally {
      const waitedMs = performance.now() - startedAt
      if (waitedMs > uncountedMs) storeWait.waitedMs += waitedMs
    }
  }

  return {
    get isAway() {
      return isAway
    },
    async takeLease(name, owner, ttlMs, storeWait) {
      if (!isAway && performance.now() < settledAt) return undefined
      const sent = await send(storeWait, (redis) => redis.takeLease(name, owner, ttlMs))
      if (sent === undefined) return leases.take(name, owner, ttlMs)
      if (sent.answer === undefined) return undefined
      // Here, too, for an outage. Redis may have lost the note.
      const noteHere = leases.take(name, owner, ttlMs)
      return sent.answer || noteHere || noNote
    },
    async renewLease(name, owner, ttlMs, isUnfinished, storeWait) {
      const isHeldHere = leases.renew(name, owner, ttlMs, isUnfinished)
      const sent = await send(storeWait, (redis) => redis.renewLease(name, owner, ttlMs, isUnfinished))
      return sent?.answer ?? isHeldHere
    },
    async releaseLease(name, owner, note) {
      leases.release(name, owner, note)
      await sendInBackground((redis) => redis.releaseLease(name, owner, note))
    },
    countRequests: async (counts, msPerRequest) =>
      (await sendInBackground((redis) => redis.countRequests(counts, msPerRequest)))?.answer,
    async deny(name, ttlMs, storeWait) {
      denials.add(name, ttlMs)
      await send(storeWait, (redis) => redis.deny(name, ttlMs))
    },
    async isDenied(name, storeWait) {
      if (denials.has(name)) return true
      return (await send(storeWait, (redis) => redis.isDenied(name)))?.answer ?? false
    },
    async announce(topic, text, storeWait) {
      const sent = await send(storeWait, (redis) => redis.announce(topic, text))
      if (sent === undefined) await topics.announce(topic, text)
    },
    listen(topic, listener) {
      topics.listen(topic, listener)
      void loaded.then(() => redis?.listen(topic, listener))
    },
    async publish(topic, text) {
      await sendInBackground((redis) => redis.publish(topic, text))
    },
    follow: async (topic, listener, storeWait) =>
      (await send(storeWait, (redis) => redis.follow(topic, listener)))?.answer,
    unfollow: (topic) => redis?.unfollow(topic),
    openCache(cacheOptions) {
      const isUsable = () => !isAway && performance.now() >= cacheUsableAt
      cache = new SharedCache(
        { isUsable, send: (storeWait, command) => send(storeWait, command, pauseCache), tryToSend },
        cacheOptions,
      )
      return cache
    },
    async ready() {
      await loaded
      while (isAway && !isLogged) await new Promise((resolve) => setTimeout(resolve, 10))
    },
    async close() {
      isClosed = true
      isAway = true
      clearTimeout(probeTimer)
      clearTimeout(stableTimer)
      await loaded
      await redis?.close()
    },
  }
}

const noAnswer = new Error("no answer in time")

/**
 * Rejects if the promise takes longer. A timer that fires late, because the event loop was blocked, gives the answer that may have
 * arrived by then one turn to be read.
 */
function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(reject, noAnswer), ms)
    promise.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
