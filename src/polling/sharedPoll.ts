import { hash } from "node:crypto"
import { acquireLease, type Lease } from "../store/lease.ts"
import { noNote, type Store } from "../store/store.ts"
import { isObject } from "../upstream/decoders.ts"
import { parseJson } from "../upstream/json.ts"
import type { Clock } from "./clock.ts"
import type { Snapshot } from "./source.ts"

/** How long a replica that died is still taken for the one that polls an object, in milliseconds. */
export const pollLeaseMs = 5_000

/** A larger object is polled by each replica, in characters of its JSON. */
const maxLength = 256 * 1024

/** @param ageMs how long ago it was read, in milliseconds */
export type ReceiveSnapshot<T> = (snapshot: Snapshot<T>, ageMs: number) => void

/**
 * The polling of one object by several replicas: one of them has the lease and reads, and sends what it has read to the others. They
 * must be of the same caller and agent.
 */
export class SharedPoll<T> {
  readonly #store: Store
  readonly #clock: Clock
  readonly #name: string
  readonly #onSnapshot: ReceiveSnapshot<T>
  #lease: Lease | undefined
  #follows = false
  #isStopped = false

  /**
   * @param key what is polled and for whom
   * @param onSnapshot called with what another replica has read
   */
  constructor(store: Store, clock: Clock, key: string, onSnapshot: ReceiveSnapshot<T>) {
    this.#store = store
    this.#clock = clock
    this.#name = hash("sha256", `poll of ${key}`, "base64url")
    this.#onSnapshot = onSnapshot
  }

  /** Whether this replica has to read the object now. If not, another one does. */
  async mustRead(hasSnapshot: boolean): Promise<boolean> {
    if (this.#lease?.isHeld) return true
    this.#drop()
    // A client may be waiting for the first event.
    const storeWait = { waitedMs: 0 }
    const lease = await acquireLease(this.#store, this.#name, { ttlMs: pollLeaseMs, limitMs: 0, storeWait })
    if (this.#isStopped) {
      lease?.release(noNote)
      return false
    }
    if (lease !== undefined) {
      this.#unfollow()
      this.#lease = lease
      return true
    }
    if (!this.#follows) {
      this.#follows = true
      const latest = await this.#store.follow(this.#name, (text) => this.#receive(text, true), storeWait)
      if (this.#isStopped) return false
      if (latest !== undefined) return !this.#receive(latest, false)
    }
    // The other replica may have read nothing yet, or may have just died.
    return !hasSnapshot
  }

  /** Sends what was read to the other replicas. */
  send(snapshot: Snapshot<T>): void {
    if (this.#lease === undefined) return
    const text = JSON.stringify({ ...snapshot, readAt: this.#clock.wallTime() } satisfies SentSnapshot<T>)
    if (text.length <= maxLength) void this.#store.publish(this.#name, text)
    // The others then read it themselves.
    else this.#drop()
  }

  /** Lets the other replicas read the object themselves, or one for all of them. */
  pause(): void {
    this.#drop()
    this.#unfollow()
  }

  /** Ends everything, also what is about to begin, until `start` is called. */
  stop(): void {
    this.#isStopped = true
    this.pause()
  }

  start(): void {
    this.#isStopped = false
  }

  #drop(): void {
    this.#lease?.release(noNote)
    this.#lease = undefined
  }

  #unfollow(): void {
    if (this.#follows) this.#store.unfollow(this.#name)
    this.#follows = false
  }

  /**
   * Returns whether the text was a snapshot.
   * @param isNew whether it has just been sent, whatever the clocks of the replicas say
   */
  #receive(text: string, isNew: boolean): boolean {
    if (this.#isStopped) return false
    const sent = snapshotIn<T>(text)
    if (sent === undefined) return false
    const { readAt, ...snapshot } = sent
    this.#onSnapshot(snapshot, isNew ? 0 : Math.max(0, this.#clock.wallTime() - readAt))
    return true
  }
}

interface SentSnapshot<T> extends Snapshot<T> {
  /** When it was read, in milliseconds since 1970 by the clock of the replica that read it. */
  readAt: number
}

/** Whoever can write to Redis can send anything. */
function snapshotIn<T>(text: string): SentSnapshot<T> | undefined {
  try {
    const { value, stage, isFinal, readAt } = parseJson(text) as SentSnapshot<T>
    const isSnapshot = isObject(value) && typeof stage === "string" && typeof isFinal === "boolean"
    return isSnapshot ? { value, stage, isFinal, readAt: typeof readAt === "number" ? readAt : 0 } : undefined
  } catch {
    return undefined
  }
}
