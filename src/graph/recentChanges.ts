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
  /** True for each change. Of those that archive an object, another entry has whether it is archived now. */
  readonly #changes: LRUCache<string, boolean>
  readonly #store: Store
  #count = 0

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
    store.listen(topic, (text) => {
      const [change = "", value] = text.split(" ")
      this.#set(change, value === undefined || value === "true" ? true : value === "false" ? false : undefined)
    })
  }

  /**
   * To be called before a change is sent and after it. Resolves when the other replicas have been told, which usually takes less time
   * than the change, or when the request may not wait longer for the store.
   */
  add(caller: Caller & { readonly storeWait?: StoreWait }, id: string): Promise<void> {
    const change = changeOf(caller, id)
    this.#set(change, true)
    return this.#store.announce(topic, change, caller.storeWait)
  }

  /** How many changes of all callers are known, in any replica. It only grows. */
  get count(): number {
    return this.#count
  }

  has(caller: Caller, id: string): boolean {
    return this.#changes.size > 0 && this.#changes.has(changeOf(caller, id))
  }

  /** Archives or unarchives an object. If that fails, it is unknown which of the two it is. */
  async whileArchiving(
    caller: Caller & { readonly storeWait?: StoreWait },
    id: string,
    isArchived: boolean,
    write: () => Promise<void>,
  ): Promise<void> {
    const announce = (value: boolean | undefined) => {
      const change = changeOf(caller, `archived ${id}`)
      this.#set(change, value)
      return this.#store.announce(topic, `${change} ${value}`, caller.storeWait)
    }
    void announce(undefined)
    await write()
    // Before the client can ask another replica.
    await announce(isArchived)
  }

  /** Whether the caller has archived or unarchived it within the last minute. Undefined if neither. */
  isArchived(caller: Caller, id: string): boolean | undefined {
    return this.#changes.size === 0 ? undefined : this.#changes.get(changeOf(caller, `archived ${id}`))
  }

  #set(change: string, value: boolean | undefined): void {
    this.#count += 1
    if (value === undefined) this.#changes.delete(change)
    else this.#changes.set(change, value)
  }
}

/** Names neither caller nor object, since Redis may be read by others. Ids are compared without regard to case, as in Code Ocean. */
function changeOf({ tokenDigest }: Caller, id: string): string {
  return hash("sha256", `${tokenDigest} ${id.toLowerCase()}`, "base64url")
}
