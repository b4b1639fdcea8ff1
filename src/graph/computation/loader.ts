import { DecodeError } from "../../upstream/decoders.ts"
import { isUsableId } from "../../upstream/route.ts"
import type { Kind } from "../capsule/rest.ts"
import type { Context } from "../context.ts"
import { invalidField, readableFloat } from "../fields.ts"
import { loaderById, loaderByKey } from "../loader.ts"
import { markOf } from "../pagination/position.ts"
import * as rest from "./rest.ts"

export const computationById = loaderById("Computation", (context, id) => rest.getComputation(context.upstream, id))

/** Which capsule or pipeline. */
export interface RunnableKey {
  id: string
  kind: Kind
}

/** A run in the list of its capsule or pipeline. */
export interface ListedRun {
  /** Its id, or a digest of an id that is too long for a cursor. Runs that started at the same time are in the order of their keys. */
  key: string
  /** Epoch seconds. 0 if it is absent or can't be read: the run comes last. */
  created: number
  /** A run that could not be decoded comes behind all others. */
  computation: rest.Computation | DecodeError
  /** The loader's object for the run. Set when a page contains the run, because lists are long and pages short. */
  shown?: rest.Computation
}

const createdOf = readableFloat("created")

const computationsByRunnable = loaderByKey(async (context, key) => {
  const { kind, id }: RunnableKey = JSON.parse(key)
  const listed = await rest.listComputations(context.upstream, kind, id)
  const distinct = new Map<string, ListedRun>()
  const unreadable: ListedRun[] = []
  for (const computation of listed) {
    if (computation instanceof DecodeError) {
      unreadable.push({
        key: String(unreadable.length).padStart(4, "0"),
        created: Number.MIN_SAFE_INTEGER,
        computation,
      })
    } else {
      const key = shortKey(computation.id)
      distinct.set(computation.id, { key, created: createdOf(computation) ?? 0, computation })
    }
  }
  return [...[...distinct.values()].sort((a, b) => b.created - a.created || (a.key < b.key ? -1 : 1)), ...unreadable]
})

/** A cursor takes an id of Code Ocean's own form as it is, and up to eight characters for each of another id's. */
function shortKey(id: string): string {
  return id.length <= maxKeyLength || /^[\w-]+$/.test(id) ? id : markOf(id)
}

const maxKeyLength = 36

/** All runs of a capsule or pipeline, newest first. One call, shared by all pages and filters of a request. */
export function computationsOf(context: Context, runnable: RunnableKey): Promise<ListedRun[]> {
  return computationsByRunnable(context).load(JSON.stringify(runnable))
}

/** Drops every list of runs that this request has loaded. Called after a write that may have changed them. */
export function clearComputations(context: Context): void {
  computationsByRunnable(context).clearAll()
}

/** Adds the run to the request's loader, with the capsule or pipeline that ran, so that later fields need no call. */
export function shownRun(context: Context, run: ListedRun, key: RunnableKey): rest.Computation | DecodeError {
  if (run.computation instanceof DecodeError) return run.computation
  if (run.shown === undefined) {
    if (!isUsableId(run.computation.id)) return invalidField("id", "not an id")
    const [computation = run.computation] = computationById.prime(context, [run.computation])
    recordRunnable(computation, key)
    run.shown = computation
  }
  return run.shown
}

const runnable = Symbol("the capsule or pipeline that ran")

/** Records for this request that the run belongs to that capsule or pipeline, which upstream's computations do not name. */
export function recordRunnable(computation: rest.Computation, key: RunnableKey): void {
  ;(computation as Ran)[runnable] = key
}

/** The capsule or pipeline that ran. Undefined if the request has not found out. */
export function runnableOf(computation: rest.Computation): RunnableKey | undefined {
  return (computation as Ran)[runnable]
}

/** The property is not copied to responses that requests share: a loader's objects are the request's own. */
interface Ran extends rest.Computation {
  [runnable]?: RunnableKey
}
