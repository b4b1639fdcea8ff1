import { GraphQLError } from "graphql"
import type { ErrorCode } from "../../errors.ts"
import { DecodeError } from "../../upstream/decoders.ts"
import { isUsableId } from "../../upstream/route.ts"
import type { Kind } from "../capsule/rest.ts"
import { type Context, oncePerRequest } from "../context.ts"
import { invalidField } from "../fields.ts"
import { loaderById, loaderByKey } from "../loader.ts"
import { byAge, positionOf, type RunPosition } from "./position.ts"
import * as rest from "./rest.ts"

export const computationById = loaderById("Computation", (context, id) => rest.getComputation(context.upstream, id))

/** Which capsule or pipeline. */
export interface RunnableKey {
  id: string
  kind: Kind
}

/** A run in the list of its capsule or pipeline. */
export interface ListedRun extends RunPosition {
  /**
   * A run that could not be decoded comes behind all others. Replaced by the loader's object when a page contains the run: lists are
   * long, and pages short.
   */
  computation: rest.Computation | DecodeError
  isShown: boolean
}

const computationsByRunnable = loaderByKey((context, key) => readComputations(context, JSON.parse(key)))

function readComputations({ upstream }: Context, { kind, id }: RunnableKey): Promise<ListedRun[]> {
  return rest.listComputations(upstream, kind, id).then(listedRuns)
}

/** The runs of a capsule or pipeline as Code Ocean lists them, each once, newest first. */
export function listedRuns(listed: readonly (rest.Computation | DecodeError)[]): ListedRun[] {
  const isShort = listed.length <= maxCompared
  const compared: ListedRun[] = []
  const distinct = new Map<string, ListedRun>()
  const unreadable: ListedRun[] = []
  for (const computation of listed) {
    if (computation instanceof DecodeError) {
      unreadable.push({
        key: String(unreadable.length).padStart(4, "0"),
        created: Number.MIN_SAFE_INTEGER,
        computation,
        isShown: false,
      })
    } else {
      const { created, key } = positionOf(computation)
      const run: ListedRun = { key, created, computation, isShown: false }
      if (isShort) setRun(compared, run, computation.id)
      else distinct.set(computation.id, run)
    }
  }
  const runs = isShort ? compared : [...distinct.values()]
  // Usually they are in order. Sorting would copy them all the same.
  if (runs.some((run, index) => index > 0 && byAge(runs[index - 1] as ListedRun, run) > 0)) runs.sort(byAge)
  return unreadable.length === 0 ? runs : [...runs, ...unreadable]
}

/** Most lists. A Map takes several times as long for as few ids, since V8 interns each string that is a key of a look-up. */
const maxCompared = 20

function setRun(runs: ListedRun[], run: ListedRun, id: string): void {
  for (let index = 0; index < runs.length; index++) {
    const { computation } = runs[index] as ListedRun
    if ((computation as rest.Computation).id !== id) continue
    runs[index] = run
    return
  }
  runs.push(run)
}

/** Returns whether a run is the first with its id, for lists of several capsules and pipelines. One that can't be read has none. */
export function firstOfEachRun(): (run: ListedRun) => boolean {
  const ids = new Set<string>()
  return ({ computation }) => {
    if (computation instanceof DecodeError) return true
    if (ids.has(computation.id)) return false
    ids.add(computation.id)
    return true
  }
}

/**
 * All runs of a capsule or pipeline, newest first. One call, shared by all pages and filters of a request.
 * @param isUsedOnce whether the request needs them for one page. Then they are not kept for others
 */
export function computationsOf(context: Context, runnable: RunnableKey, isUsedOnce = false): Promise<ListedRun[]> {
  return isUsedOnce
    ? readComputations(context, runnable)
    : computationsByRunnable(context).load(JSON.stringify(runnable))
}

/** Drops every list of runs that this request has loaded. Called after a write that may have changed them. */
export function clearComputations(context: Context): void {
  computationsByRunnable(context).clearAll()
}

/**
 * Adds the runs to the request's loader, with the capsule or pipeline that ran, so that later fields need no call. Returns the loader's
 * objects.
 * @param isUsedOnce whether there are no such fields
 */
export function shownRuns(
  context: Context,
  runs: readonly ListedRun[],
  key: RunnableKey,
  isUsedOnce = false,
): (rest.Computation | DecodeError)[] {
  const ids: string[] = []
  const shown = runs.map((run) => {
    const { computation } = run
    if (computation instanceof DecodeError || run.isShown) return computation
    if (!isUsableId(computation.id)) return invalidField("id", "not an id")
    const own = computationById.own(computation)
    if (!isUsedOnce) computationById(context).prime(own)
    recordRunnable(own, key)
    run.computation = own
    run.isShown = true
    ids.push(own.id)
    return own
  })
  computationById.recordTypes(context, ids)
  return shown
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

/** The budget of one request for filtering and paging lists of runs: 50 for a run, 1 per character of its name, 5 per input. */
const maxExaminedCharacters = 200_000_000
export const examinedOfRun = 50
export const examinedOfInput = 5

const examined = oncePerRequest(() => ({ characters: 0 }))

/** Throws a GraphQLError if the request goes through too many runs. */
export function noteExamined(context: Context, characters: number): void {
  const sum = examined(context)
  sum.characters += characters
  if (sum.characters > maxExaminedCharacters) {
    throw new GraphQLError(
      "The filters and pages of this request go through too many runs. Split them into several requests.",
      { extensions: { code: "OPERATION_TOO_COSTLY" satisfies ErrorCode } },
    )
  }
}
