import { hash } from "node:crypto"
import { acquireLease, type Lease, leaseMs } from "../store/lease.ts"
import { noNote, type Store, type StoreWait, unfinished } from "../store/store.ts"

/** The time in which a part of a task runs alone, in all replicas. */
export interface Turn {
  /** What the caller's last turn has left for this key, at most a day ago. */
  readonly note: string | undefined
  /** Whether an earlier turn may have made a change without a note of it: its process died, or the outcome was unknown. */
  readonly wasCutOff: boolean
  /**
   * Sets what the caller's next turn gets: a note, or `unfinished` if the outcome of this one is unknown. Without this call it gets
   * the same as this one.
   */
  leave(note: string): void
  /**
   * To be called just before a change is made. If the process was suspended for so long that another one may have the turn, the
   * part ends with an error, and is repeated when it has the turn again.
   */
  confirm(): Promise<void>
}

class LostTurn extends Error {}

interface TurnOptions {
  callerKey: string
  key: string
  /** How long to wait for other callers. Then the part runs all the same. */
  waitMs: number
  leaseMs?: number | undefined
  storeWait?: StoreWait | undefined
}

/** Runs the part while no other process runs one with the same caller's key, and, within limits, with the same key. */
export async function inTurn<T>(
  store: Store,
  { callerKey, key, waitMs, leaseMs: ttlMs = leaseMs, storeWait }: TurnOptions,
  part: (turn: Turn) => Promise<T>,
): Promise<T> {
  for (;;) {
    // Always in this order, so that two callers never wait for each other.
    const own = (await acquireLease(store, nameOf(callerKey), {
      ttlMs,
      limitMs: Number.POSITIVE_INFINITY,
      storeWait,
    })) as Lease
    const common = await acquireLease(store, nameOf(key), { ttlMs, limitMs: waitMs, storeWait })
    let left: string | undefined
    try {
      return await part({
        note: own.note === noNote || own.note === unfinished ? undefined : own.note,
        wasCutOff: own.note === unfinished || common?.note === unfinished,
        leave(note) {
          left = note
        },
        async confirm() {
          for (const lease of [own, common]) if (lease !== undefined) await confirm(lease, storeWait)
        },
      })
    } catch (error) {
      if (!(error instanceof LostTurn)) throw error
      left = undefined
    } finally {
      own.release(left ?? noteBefore(own))
      common?.release(left === undefined ? noteBefore(common) : left === unfinished ? unfinished : noNote)
    }
  }
}

/** The note that a lease had when it was taken. Undefined if another owner may have left a later one. */
function noteBefore(lease: Lease): string | undefined {
  return lease.isInterrupted ? undefined : lease.note
}

async function confirm(lease: Lease, storeWait: StoreWait | undefined): Promise<void> {
  // A lease without a note was marked as unfinished when it was taken.
  const isMarked = lease.note === noNote || lease.note === unfinished
  if (isMarked && lease.isHeld && !lease.isInterrupted) return
  if (!(await lease.renew(true, storeWait))) throw new LostTurn()
}

/** Keys can be long, and may contain text of the caller. */
function nameOf(key: string): string {
  return hash("sha256", key, "base64url")
}
