/**
 * What replicas share, or what one process keeps for itself. Names and texts are short, and contain no secrets.
 *
 * A lease belongs to one owner until it is released, or until its time has passed without a renewal. It has a note, which outlives
 * it by a day: what its last owner has left, or `unfinished` if the owner has not released it, because its process died.
 */
export interface Store {
  /**
   * Takes the lease, and returns its note. Undefined if another owner has the lease. If there is no note, it is `unfinished` from
   * now on.
   * @param storeWait of the request that waits for the answer. Undefined for work in the background
   */
  takeLease(name: string, owner: string, ttlMs: number, storeWait?: StoreWait): Promise<string | undefined>
  /**
   * Renews the lease, also if it has expired and no other owner has it.
   * @param isUnfinished whether the note of a lease that has not expired becomes `unfinished`
   */
  renewLease(
    name: string,
    owner: string,
    ttlMs: number,
    isUnfinished: boolean,
    storeWait?: StoreWait,
  ): Promise<LeaseRenewal>
  /**
   * Releases the lease. Does nothing if another owner has it.
   * @param note what the next owner gets. Undefined leaves the note as it is
   */
  releaseLease(name: string, owner: string, note: string | undefined): Promise<void>
  /**
   * Counts requests in rate limits that all replicas share. Returns how far the theoretical arrival time of each (GCRA) is ahead of
   * the present, in milliseconds. Undefined if only this process knows of its requests.
   */
  countRequests(
    counts: readonly (readonly [name: string, requests: number])[],
    msPerRequest: number,
  ): Promise<number[] | undefined>
  /** Denies a name in all replicas for so long. Kept in this process, too, for the time that Redis is not available. */
  deny(name: string, ttlMs: number, storeWait?: StoreWait): Promise<void>
  /** Whether a name is denied, as far as can be known in time. */
  isDenied(name: string, storeWait?: StoreWait): Promise<boolean>
  /** Calls the topic's listener in each replica, this one included. Resolves when Redis has sent it to them, or may not be waited for. */
  announce(topic: string, text: string, storeWait?: StoreWait): Promise<void>
  /** Sets the listener of a topic. May be called more than once for one announcement. */
  listen(topic: string, listener: (text: string) => void): void
  /** Sends a text to the followers of a topic in other replicas, and keeps the latest one for those who follow it later. */
  publish(topic: string, text: string): Promise<void>
  /**
   * Calls the listener with what is published from now on, and resolves with the latest text. May be called more than once for one text.
   * Undefined if there is none, or if nobody else publishes.
   */
  follow(topic: string, listener: (text: string) => void, storeWait?: StoreWait): Promise<string | undefined>
  unfollow(topic: string): void
  /** Opens the cache. To be called once. */
  openCache(options: TextCacheOptions): TextCache
  /** Whether this process works alone because the server of the store fails. */
  readonly isAway: boolean
  /** Resolves when it can be used. Nothing needs to wait for it. */
  ready(): Promise<void>
  close(): Promise<void>
}

/**
 * `kept`: the owner has had the lease all the time. `retaken`: it had expired or was lost, and another owner may have had it in the
 * meantime. `lost`: another owner has it.
 */
export type LeaseRenewal = "kept" | "retaken" | "lost"

/** In place of a note. */
export const noNote = ""
export const unfinished = "?"

/** How long one request has waited for the store, in milliseconds, without very short waits. The store limits it, and adds to it. */
export interface StoreWait {
  waitedMs: number
}

/** How long a note is kept. */
export const noteTtlMs = 24 * 3_600_000

/**
 * A cache of texts. Each text has an owner and a name. All texts of an owner are dropped at once, in all replicas that share the
 * cache. No method rejects.
 */
export interface TextCache {
  readonly kind: "memory" | "redis"
  /**
   * Looks up a text. Undefined if the cache cannot be used now.
   * @param storeWait of the request that waits for the answer
   */
  get(owner: string, name: string, storeWait?: StoreWait): Found | undefined | Promise<Found | undefined>
  /**
   * Keeps a text. Nobody waits for it. Nobody finds it if the owner's texts have been dropped since `version` was found.
   * @param ttlMs how long it may be found
   */
  set(name: string, version: string, text: string, ttlMs: number): void
  /** Drops one text. Nobody waits for it. */
  delete(name: string, version: string): void
  /**
   * Drops all texts of an owner. For `quietMs` none of them is kept. Resolves when this is so in all replicas, or when the request may
   * not wait longer.
   */
  drop(owner: string, storeWait?: StoreWait): Promise<void>
  /** How much memory of this process it uses. */
  readonly bytes: number
}

/** The answer to a look-up. */
export interface Found {
  /** Of the owner's texts. Another one after each drop. */
  readonly version: string
  /** False while no texts of the owner are kept. */
  readonly isOpen: boolean
  readonly text?: string | undefined
  /** Whether the text should be replaced by a newer one now. Once for each text, in the second half of its time. */
  readonly isDue?: boolean
}

export interface TextCacheOptions {
  /** How long no text of an owner is kept after a drop. */
  quietMs: number
  /** Protects the names in Redis. All replicas have the same. */
  secret: string
}

/** How long a text is not due again after it was found to be due, so that it is not read twice while that takes long. */
export const renewalMs = 30_000
