import { hash } from "node:crypto"
import { DecodeError, isObject } from "../../upstream/decoders.ts"
import { isUsableId } from "../../upstream/route.ts"
import { firstOfEachRun, type ListedRun, type RunnableKey } from "./loader.ts"
import { outcomeOf } from "./outcome.ts"
import { byAge, isBehind, positionOf, type RunPosition } from "./position.ts"
import type { Computation } from "./rest.ts"

/** How many of the newest runs are followed, and how many older ones that are in progress. */
export const maxNewest = 100
const maxOlder = 400

/** A followed run, with the capsule or pipeline that ran. */
interface FollowedRun {
  run: Computation
  runnable: RunnableKey
  /** Of everything in it that counts as a change. */
  digest: string
}

/** The followed runs as they are. It is polled, and replicas share it. */
export interface RunList {
  /** Newest first. */
  runs: FollowedRun[]
  /** The position of the oldest of the newest runs. Of those behind it, only the ones in progress are followed. Null if all are. */
  end: RunPosition | null
  /** The capsules and pipelines whose runs could not be read this time. */
  unread: RunnableKey[]
}

/** What has changed in a list since a listener has seen it. */
export interface RunChanges {
  isFirst: boolean
  /** Newest first. */
  added: FollowedRun[]
  changed: FollowedRun[]
  removedIds: string[]
  /** Runs that were in progress and are no longer followed: they have ended, or were deleted. */
  left: { id: string; runnable: RunnableKey }[]
  unread: RunnableKey[]
}

/** The list to follow, of the runs of these capsules and pipelines. Runs that can't be read are left out. */
export function runListOf(
  lists: readonly { runnable: RunnableKey; runs: readonly ListedRun[] }[],
  unread: RunnableKey[],
): RunList {
  const all: (RunPosition & { run: Computation; runnable: RunnableKey })[] = []
  const isNew = firstOfEachRun()
  for (const { runnable, runs } of lists) {
    for (const run of runs) {
      const { computation, created, key } = run
      if (computation instanceof DecodeError || !isUsableId(computation.id) || !isNew(run)) continue
      all.push({ run: computation, runnable, created, key })
    }
  }
  all.sort(byAge)
  const newest = all.slice(0, maxNewest)
  const older = all
    .slice(maxNewest)
    .filter(({ run }) => isInProgress(run))
    .slice(0, maxOlder)
  const last = newest.at(-1)
  return {
    runs: [...newest, ...older].map(({ run, runnable }) => ({ run, runnable, digest: digestOf(run) })),
    end: all.length === newest.length || last === undefined ? null : { created: last.created, key: last.key },
    unread,
  }
}

function isInProgress(run: Computation): boolean {
  return outcomeOf(run).outcome === "IN_PROGRESS"
}

/** The run time of a run in progress grows with every read, and is no change. */
function digestOf(run: Computation): string {
  const { run_time, ...rest } = run
  return hash("sha256", JSON.stringify(isInProgress(run) ? rest : run), "base64url").slice(0, 16)
}

/** A digest of what a list's readers wait for: while it stays the same, the list is read less often. */
export function stageOf({ runs }: RunList): string {
  const newest = runs[0]?.run.id
  const waiting = runs.filter(({ run }) => isInProgress(run)).map(({ run }) => [run.id, run.state])
  return hash("sha256", JSON.stringify([newest, waiting]), "base64url")
}

/** Whether this is a list: whoever can write to Redis can send anything. */
export function isRunList(value: unknown): value is RunList {
  const { runs, end, unread } = value as Partial<RunList>
  return (
    Array.isArray(runs) &&
    runs.every((one) => isObject(one) && isRun(one.run) && typeof one.digest === "string" && isKey(one.runnable)) &&
    (end === null || (isObject(end) && typeof end.created === "number" && typeof end.key === "string")) &&
    Array.isArray(unread) &&
    unread.every(isKey)
  )
}

function isRun(value: unknown): boolean {
  return isObject(value) && typeof value.id === "string" && isUsableId(value.id)
}

function isKey(value: unknown): value is RunnableKey {
  return isObject(value) && typeof value.id === "string" && (value.kind === "capsules" || value.kind === "pipelines")
}

interface Seen {
  digest: string
  position: RunPosition
  runnable: RunnableKey
  isInProgress: boolean
}

/** What one listener has seen of a list. However many versions of the list it skips, the next changes lead to the present one. */
export class SeenRuns {
  /** How many of the newest runs the first changes have, beside those in progress. */
  readonly #first: number
  readonly #seen = new Map<string, Seen>()
  #end: RunPosition | null | undefined

  constructor(first: number) {
    this.#first = first
  }

  /** The changes that lead to this list. Undefined if there are none. */
  update(list: RunList): RunChanges | undefined {
    const isFirst = this.#end === undefined
    const changes: RunChanges = { isFirst, added: [], changed: [], removedIds: [], left: [], unread: list.unread }
    const present = new Set<string>()
    for (const [index, one] of list.runs.entries()) {
      const { run, runnable, digest } = one
      present.add(run.id)
      const before = this.#seen.get(run.id)
      if (before?.digest === digest) continue
      const now = { digest, position: positionOf(run), runnable, isInProgress: isInProgress(run) }
      this.#seen.set(run.id, now)
      if (before !== undefined) changes.changed.push(one)
      else if (isFirst ? index < this.#first || now.isInProgress : this.#isNew(now)) changes.added.push(one)
    }
    for (const [id, before] of this.#seen) {
      if (present.has(id) || isAmong(list.unread, before.runnable)) continue
      this.#seen.delete(id)
      if (list.end === null || !isBehind(before.position, list.end)) changes.removedIds.push(id)
      else if (before.isInProgress) changes.left.push({ id, runnable: before.runnable })
    }
    this.#end = list.end
    const { added, changed, removedIds, left } = changes
    return isFirst || added.length + changed.length + removedIds.length + left.length > 0 ? changes : undefined
  }

  /** A run that is behind the former end is old: newer ones were deleted, or could not be read. */
  #isNew({ position, isInProgress }: Seen): boolean {
    return isInProgress || this.#end == null || !isBehind(position, this.#end)
  }
}

function isAmong(keys: readonly RunnableKey[], { kind, id }: RunnableKey): boolean {
  return keys.some((key) => key.id === id && key.kind === kind)
}
