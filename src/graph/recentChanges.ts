import { LRUCache } from "lru-cache"
import type { Caller } from "../upstream/call.ts"

const retentionMs = 60_000
const maxChanges = 10_000

/**
 * Which objects each caller has changed within the last minute, whichever agents acted. Search indexes lag behind, so these are
 * read directly.
 */
export class RecentChanges {
  readonly #changes: LRUCache<string, true>

  /** @param clock for tests */
  constructor(clock: { now(): number } = performance) {
    this.#changes = new LRUCache({
      maxSize: maxChanges,
      sizeCalculation: () => 1,
      ttl: retentionMs,
      ttlResolution: 0,
      perf: clock,
    })
  }

  add({ tokenDigest }: Caller, id: string): void {
    this.#changes.set(`${tokenDigest} ${id}`, true)
  }

  has({ tokenDigest }: Caller, id: string): boolean {
    return this.#changes.size > 0 && this.#changes.has(`${tokenDigest} ${id}`)
  }
}
