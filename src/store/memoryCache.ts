import { LRUCache } from "lru-cache"
import { type Found, renewalMs, type TextCache, type TextCacheOptions } from "./store.ts"

/** The most memory that the texts of a process take, with their names, in bytes. */
export const maxCacheBytes = 64 * 1024 * 1024

/** What an entry takes beside its name and text, in bytes. */
const entryBytes = 300

interface Entry {
  text: string
  expiresAt: number
  /** When it is due for renewal. */
  dueAt: number
}

interface Owner {
  version: string
  /** Until when none of its texts is kept. 0 if they are. */
  quietUntil: number
}

/** The texts of one process. Those that were not used for the longest time make room for others. */
export class MemoryCache implements TextCache {
  readonly kind = "memory"
  /** Owners by their names, and texts by their versions and names. An owner that is forgotten gets a new version. */
  readonly #entries: LRUCache<string, Entry | Owner>
  readonly #quietMs: number
  readonly #clock: { now(): number }
  #versions = 0

  /** @param clock for tests */
  constructor(
    { quietMs, maxBytes = maxCacheBytes }: Pick<TextCacheOptions, "quietMs"> & { maxBytes?: number },
    clock: { now(): number } = { now: () => performance.now() },
  ) {
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (entry, name) => entryBytes + bytesOf(name) + ("text" in entry ? bytesOf(entry.text) : 0),
    })
    this.#quietMs = quietMs
    this.#clock = clock
  }

  get(owner: string, name: string): Found {
    const now = this.#clock.now()
    let known = this.#entries.get(owner) as Owner | undefined
    // What was kept in the quiet time is not found after it.
    if (known === undefined || (known.quietUntil > 0 && now >= known.quietUntil)) {
      known = { version: this.#newVersion(), quietUntil: 0 }
      this.#entries.set(owner, known)
    }
    const { version } = known
    if (known.quietUntil > 0) return { version, isOpen: false }
    const key = keyOf(version, name)
    const entry = this.#entries.get(key) as Entry | undefined
    if (entry === undefined) return { version, isOpen: true }
    if (now >= entry.expiresAt) {
      this.#entries.delete(key)
      return { version, isOpen: true }
    }
    const isDue = now >= entry.dueAt
    if (isDue) entry.dueAt = now + renewalMs
    return { version, isOpen: true, text: entry.text, isDue }
  }

  set(name: string, version: string, text: string, ttlMs: number): void {
    const now = this.#clock.now()
    this.#entries.set(keyOf(version, name), { text, expiresAt: now + ttlMs, dueAt: now + ttlMs / 2 })
  }

  delete(name: string, version: string): void {
    this.#entries.delete(keyOf(version, name))
  }

  async drop(owner: string): Promise<void> {
    this.#entries.set(owner, { version: this.#newVersion(), quietUntil: this.#clock.now() + this.#quietMs })
  }

  get bytes(): number {
    return this.#entries.calculatedSize
  }

  #newVersion(): string {
    this.#versions += 1
    return String(this.#versions)
  }
}

function keyOf(version: string, name: string): string {
  return `${version} ${name}`
}

/** V8 keeps a text in one byte for each character, or in two if it has any beyond Latin-1. */
function bytesOf(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length
}
