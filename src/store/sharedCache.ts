import { createHmac, hash, randomBytes } from "node:crypto"
import type { RedisStore } from "./redis.ts"
import type { Found, StoreWait, TextCache, TextCacheOptions } from "./store.ts"

/** The most that waits to be sent to Redis, in bytes. Further texts are not kept. */
const maxUnsentBytes = 8 * 1024 * 1024

/** How many texts are looked up by one command. Their total size is 8 MiB at most. */
const maxNames = 32

interface Lookup {
  owner: string
  name: string
  storeWait: StoreWait | undefined
  resolve(found: Found | undefined): void
}

const unusable = Promise.resolve(undefined)

/** How a cache uses Redis. */
export interface CacheConnection {
  /** False while Redis is not available, and until other replicas have had the time to say what they have dropped meanwhile. */
  isUsable(): boolean
  /** Sends a command that a request waits for, and resolves with its answer. Undefined if there is none in time. */
  send<T>(
    storeWait: StoreWait | undefined,
    command: (redis: RedisStore) => Promise<T>,
  ): Promise<{ answer: T } | undefined>
  /** Sends a command even if Redis is not available. Resolves with whether it was executed. */
  tryToSend(command: (redis: RedisStore) => Promise<unknown>): Promise<boolean>
}

/** Texts in Redis. While it is not available, none is kept or found, since other replicas could not drop them. */
export class SharedCache implements TextCache {
  readonly kind = "redis"
  readonly bytes = 0
  readonly #connection: CacheConnection
  readonly #options: TextCacheOptions
  #lookups: Lookup[] = []
  #lastOwner = ""
  #lastOwnerName = ""
  #unsentBytes = 0
  /** How many drops may not have reached Redis, and for how many of them all texts have been dropped since. */
  #lostDrops = 0
  #recoveredDrops = 0
  #isRecovering = false

  constructor(connection: CacheConnection, options: TextCacheOptions) {
    this.#connection = connection
    this.#options = options
  }

  get(owner: string, name: string, storeWait?: StoreWait): Promise<Found | undefined> {
    if (!this.#isUsable) return unusable
    return new Promise((resolve) => {
      if (this.#lookups.length === 0) process.nextTick(() => this.#lookUp())
      this.#lookups.push({ owner, name, storeWait, resolve })
    })
  }

  /** Sends the look-ups of one moment. Those of one request take one command, which costs as much as a single look-up. */
  #lookUp(): void {
    const lookups = this.#lookups
    this.#lookups = []
    for (let start = 0; start < lookups.length; ) {
      const { owner, storeWait } = lookups[start] as Lookup
      let end = start + 1
      while (end - start < maxNames && lookups[end]?.owner === owner && lookups[end]?.storeWait === storeWait) end++
      void this.#send(lookups.slice(start, end), owner, storeWait)
      start = end
    }
  }

  async #send(lookups: readonly Lookup[], owner: string, storeWait: StoreWait | undefined): Promise<void> {
    const sent = await this.#connection.send(storeWait, (redis) => {
      const names = lookups.map(({ name }) => this.#nameOf(name))
      return redis.getTexts(this.#nameOfOwner(owner), names, newVersion())
    })
    for (const [index, { resolve }] of lookups.entries()) resolve(sent?.answer[index])
  }

  set(name: string, version: string, text: string, ttlMs: number): void {
    const { length } = text
    if (!this.#isUsable || this.#unsentBytes + length > maxUnsentBytes) return
    this.#unsentBytes += length
    void this.#connection
      .send(undefined, (redis) => redis.setText(this.#nameOf(name), version, text, ttlMs))
      .finally(() => {
        this.#unsentBytes -= length
      })
  }

  delete(name: string, version: string): void {
    if (!this.#isUsable) return
    void this.#connection.send(undefined, (redis) => redis.deleteText(this.#nameOf(name), version))
  }

  async drop(owner: string, storeWait?: StoreWait): Promise<void> {
    const drop = (redis: RedisStore) => redis.dropTexts(this.#nameOfOwner(owner), newVersion(), this.#options.quietMs)
    if ((await this.#connection.send(storeWait, drop)) !== undefined) return
    this.#lostDrops += 1
    void this.recover()
  }

  /**
   * Drops the texts of all owners if the drop of one was lost. To be called when Redis is available again. Called at once, too, since
   * other replicas may still use Redis.
   */
  async recover(): Promise<void> {
    if (this.#isRecovering) return
    this.#isRecovering = true
    while (this.#lostDrops !== this.#recoveredDrops) {
      const lost = this.#lostDrops
      if (!(await this.#connection.tryToSend((redis) => redis.dropAllTexts(newVersion())))) break
      this.#recoveredDrops = lost
    }
    this.#isRecovering = false
  }

  get #isUsable(): boolean {
    return this.#lostDrops === this.#recoveredDrops && this.#connection.isUsable()
  }

  /** The owner's name in Redis. Does not depend on the secret, so that replicas tell each other of changes while it is replaced. */
  #nameOfOwner(owner: string): string {
    if (owner !== this.#lastOwner) {
      this.#lastOwner = owner
      this.#lastOwnerName = hash("sha256", `cache ${owner}`, "base64url")
    }
    return this.#lastOwnerName
  }

  #nameOf(name: string): string {
    return createHmac("sha256", this.#options.secret).update(name).digest("base64url")
  }
}

/**
 * Never one that was used before: an owner whose version Redis has lost must not get back to old texts. Without a "-", which stands
 * before the version of an owner whose texts are not kept.
 */
function newVersion(): string {
  return randomBytes(12).toString("hex")
}
