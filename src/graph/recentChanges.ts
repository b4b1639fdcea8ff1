import { hash } from "node:crypto"
import { LRUCache } from "lru-cache"
import type { Store, StoreWait } from "../store/store.ts"
import type { Caller } from "../upstream/call.ts"

const retentionMs = 60_000
const maxChanges = 10_000
const topic = "changes"

/**
 * Which objects each caller has changed within the last minute, in any replica and whichever agents acted. Search indexes lag
 * behind, so these are read directly.
 */
export class RecentChanges {
  readonly #changes: LRUCache<string, true>
  readonly #store: Store

  /** @param clock for tests */
  constructor(store: Store, clock: { now(): number } = performance) {
    this.#changes = new LRUCache({
      maxSize: maxChanges,
      sizeCalculation: () => 1,
      ttl: retentionMs,
      ttlResolution: 0,
      perf: clock,
    })
    this.#store = store
    store.listen(topic, (change) => void this.#changes.set(change, true))
  }

  /**
   * To be called before a change is sent and after it. Resolves when the other replicas have been told, which usually takes less time
   * than the change, or when the request may not wait longer for the store.
   */
  add(caller: Caller & { readonly storeWait?: StoreWait }, id: string): Promise<void> {
    const change = changeOf(caller, id)
    this.#changes.set(change, true)
    return this.#store.announce(topic, change, caller.storeWait)
  }

  has(caller: Caller, id: string): boolean {
    return this.#changes.size > 0 && this.#changes.has(changeOf(caller, id))
  }
}

/** Names neither caller nor object, since Redis may be read by others. */
function changeOf({ tokenDigest }: Caller, id: string): string {
  return hash("sha256", `${tokenDigest} ${id}`, "base64url")
}
