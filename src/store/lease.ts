import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import type { Store, StoreWait } from "./store.ts"

/** How long a lease is valid without a renewal. A replica that dies delays others by this time. */
export const leaseMs = 3_000

/** The first and the longest pause between two attempts to take a lease. */
const [minPauseMs, maxPauseMs] = [50, 500]

/**
 * Takes a lease, and waits while another owner has it. Undefined if that takes longer than `limitMs`.
 * @param storeWait how long the request has waited for the store itself
 */
export async function acquireLease(
  store: Store,
  name: string,
  { ttlMs = leaseMs, limitMs, storeWait }: { ttlMs?: number; limitMs: number; storeWait?: StoreWait },
): Promise<Lease | undefined> {
  const owner = randomUUID()
  const until = performance.now() + limitMs
  const take = async (storeWait?: StoreWait) => {
    const startedAt = performance.now()
    const note = await store.takeLease(name, owner, ttlMs, storeWait)
    return note === undefined ? undefined : new Lease(store, name, owner, ttlMs, startedAt, note)
  }
  let lease = await take(storeWait)
  for (let pauseMs = minPauseMs; lease === undefined && performance.now() < until; pauseMs *= 1.5) {
    // The command is sent during the pause, so this waits for the other owner and not for the store.
    ;[lease] = await Promise.all([take({ waitedMs: 0 }), sleep(Math.min(pauseMs, maxPauseMs))])
  }
  return lease
}

/** A lease that this process has. It is renewed until it is released. */
export class Lease {
  /** What the owner before has left. */
  readonly note: string
  readonly #store: Store
  readonly #name: string
  readonly #owner: string
  readonly #ttlMs: number
  readonly #timer: NodeJS.Timeout
  /** When it expires, unless it is renewed. */
  #heldUntil: number
  #isLost = false
  #isInterrupted = false

  constructor(store: Store, name: string, owner: string, ttlMs: number, takenAt: number, note: string) {
    this.#store = store
    this.#name = name
    this.#owner = owner
    this.#ttlMs = ttlMs
    this.note = note
    this.#heldUntil = takenAt + ttlMs
    this.#timer = setInterval(() => void this.renew(), ttlMs / 3).unref()
  }

  /** False if it may have expired, because the process was suspended, and belong to another owner now. */
  get isHeld(): boolean {
    return !this.#isLost && performance.now() < this.#heldUntil
  }

  /** Whether another owner may have had it since it was taken. */
  get isInterrupted(): boolean {
    return this.#isLost || this.#isInterrupted
  }

  /**
   * Renews it. Resolves with whether it is held, and has been all the time.
   * @param isUnfinished whether the note becomes `unfinished`
   */
  async renew(isUnfinished = false, storeWait?: StoreWait): Promise<boolean> {
    const startedAt = performance.now()
    const renewal = await this.#store.renewLease(this.#name, this.#owner, this.#ttlMs, isUnfinished, storeWait)
    if (renewal === "lost") this.#isLost = true
    else this.#heldUntil = Math.max(this.#heldUntil, startedAt + this.#ttlMs)
    if (renewal === "retaken") this.#isInterrupted = true
    return this.isHeld && !this.isInterrupted
  }

  /**
   * Releases it. Nothing needs to wait for it.
   * @param note what the next owner gets. Undefined leaves the note as it is
   */
  release(note: string | undefined): void {
    clearInterval(this.#timer)
    void this.#store.releaseLease(this.#name, this.#owner, note)
  }
}
