import { LRUCache } from "lru-cache"
import { MemoryCache } from "./memoryCache.ts"
import { type LeaseRenewal, noNote, noteTtlMs, type Store, unfinished } from "./store.ts"

/** How many notes are kept. Work whose note is lost calls Code Ocean again. */
const maxNotes = 1_000

/** The leases of one process, without promises. */
export class MemoryLeases {
  readonly #leases = new Map<string, { owner: string; until: number }>()
  /** By size, since `max` reserves the memory for all of them at once. */
  readonly #notes = new LRUCache<string, string>({ maxSize: maxNotes, sizeCalculation: () => 1, ttl: noteTtlMs })

  take(name: string, owner: string, ttlMs: number): string | undefined {
    if (this.#hasOther(name, owner)) return undefined
    this.#leases.set(name, { owner, until: performance.now() + ttlMs })
    const note = this.#notes.get(name) ?? noNote
    if (note === noNote) this.#notes.set(name, unfinished)
    return note
  }

  renew(name: string, owner: string, ttlMs: number, isUnfinished: boolean): LeaseRenewal {
    if (this.#hasOther(name, owner)) return "lost"
    const isKept = performance.now() < (this.#leases.get(name)?.until ?? 0)
    this.#leases.set(name, { owner, until: performance.now() + ttlMs })
    if ((isUnfinished && isKept) || !this.#notes.has(name)) this.#notes.set(name, unfinished)
    return isKept ? "kept" : "retaken"
  }

  release(name: string, owner: string, note: string | undefined): void {
    if (this.#hasOther(name, owner)) return
    this.#leases.delete(name)
    if (note === noNote) this.#notes.delete(name)
    else if (note !== undefined) this.#notes.set(name, note)
  }

  #hasOther(name: string, owner: string): boolean {
    const lease = this.#leases.get(name)
    return lease !== undefined && lease.owner !== owner && performance.now() < lease.until
  }
}

/** How many names can be denied at once. The oldest ones are forgotten. */
const maxDenied = 100_000

/** The denied names of one process, without promises. */
export class MemoryDenials {
  readonly #denied = new LRUCache<string, true>({
    maxSize: maxDenied,
    sizeCalculation: () => 1,
    ttl: 1,
    ttlResolution: 0,
  })

  add(name: string, ttlMs: number): void {
    if (ttlMs >= 1) this.#denied.set(name, true, { ttl: Math.ceil(ttlMs) })
  }

  has(name: string): boolean {
    return this.#denied.has(name)
  }

  /** The names, each with the milliseconds that are left. */
  get entries(): (readonly [name: string, ttlMs: number])[] {
    return [...this.#denied.keys()].map((name) => [name, this.#denied.getRemainingTTL(name)] as const)
  }
}

/** The store of one process alone. */
export function createMemoryStore(): Store {
  const leases = new MemoryLeases()
  const denials = new MemoryDenials()
  const listeners = new Map<string, (text: string) => void>()
  return {
    takeLease: async (name, owner, ttlMs) => leases.take(name, owner, ttlMs),
    renewLease: async (name, owner, ttlMs, isUnfinished) => leases.renew(name, owner, ttlMs, isUnfinished),
    releaseLease: async (name, owner, note) => leases.release(name, owner, note),
    countRequests: async () => undefined,
    deny: async (name, ttlMs) => denials.add(name, ttlMs),
    isDenied: async (name) => denials.has(name),
    announce: async (topic, text) => listeners.get(topic)?.(text),
    listen: (topic, listener) => void listeners.set(topic, listener),
    publish: async () => undefined,
    follow: async () => undefined,
    unfollow: () => undefined,
    openCache: (options) => new MemoryCache(options),
    isAway: false,
    ready: async () => undefined,
    close: async () => undefined,
  }
}
