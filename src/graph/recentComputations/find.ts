import { partMissing } from "../../errors.ts"
import type { DecodeError } from "../../upstream/decoders.ts"
import { runnablePage } from "../capsule/loader.ts"
import type * as capsuleRest from "../capsule/rest.ts"
import { computationsOf, noteExamined, type RunnableKey, runnableOf } from "../computation/loader.ts"
import type * as rest from "../computation/rest.ts"
import type { Context } from "../context.ts"
import { loaderByKey, type Typed } from "../loader.ts"
import {
  type FoundPage,
  type FoundRunnable,
  isClosedTo,
  type LastAccessed,
  mergeByLastAccess,
  type RunnableSearch,
  runnableSearches,
  searchParams,
} from "./lastAccessed.ts"

export type FoundObject = Typed<capsuleRest.Runnable>

interface SearchedRunnables extends LastAccessed<FoundObject> {
  /** An error for each search that failed, and for each object that could not be decoded. */
  problems: unknown[]
}

/** The last accessed capsules and pipelines, so many. Rejects if no search succeeds. Searched once per request. */
export const lastAccessed = loaderByKey(async (context, count): Promise<SearchedRunnables> => {
  const pages = await Promise.allSettled(runnableSearches.map((search) => foundBy(context, search, Number(count))))
  const searched = pages.filter((page) => page.status === "fulfilled")
  if (searched.length === 0) throw (pages[0] as PromiseRejectedResult).reason
  const merged = mergeByLastAccess(
    searched.map(({ value }) => value),
    Number(count),
  )
  const problems: unknown[] = [...(merged.unreadable as DecodeError[])]
  for (const [index, page] of pages.entries()) {
    if (page.status === "rejected") problems.push(missingSearch(runnableSearches[index] as RunnableSearch, page.reason))
  }
  return { ...merged, problems }
})

async function foundBy(context: Context, search: RunnableSearch, first: number): Promise<FoundPage<FoundObject>> {
  const { nodes, hasNextPage, failure } = await runnablePage(context, search.kind, searchParams(search), { first })
  return { kind: search.kind, items: nodes, hasMore: hasNextPage || failure !== undefined }
}

export const keyOf = ({ kind, runnable: { id } }: FoundRunnable): RunnableKey => ({ id, kind })

function missingSearch({ kind, ownership }: RunnableSearch, error: unknown): unknown {
  const whose = ownership === "created" ? "that the caller created" : "that were shared with the caller"
  return partMissing(`The runs of ${kind} ${whose} are missing.`, error)
}

export function missingRuns({ kind, id }: RunnableKey, error: unknown): unknown {
  const noun = kind === "capsules" ? "capsule" : "pipeline"
  return partMissing(`The runs of the ${noun} ${id} are missing.`, error, { runnableId: id })
}

/** How many lists of runs are read at the same time, until one of them has the run. */
const listsAtOnce = 5

/**
 * The capsule or pipeline of a run: the one by which the request has reached the run, or one of the last accessed. Undefined if none of
 * them has it. Rejects if it is not found and a part could not be read.
 */
export async function findRunnable(
  context: Context,
  computation: rest.Computation,
  count: number,
): Promise<RunnableKey | undefined> {
  const known = runnableOf(computation)
  if (known !== undefined) return known
  const { found, problems } = await lastAccessed(context).load(String(count))
  let [problem] = problems
  for (let start = 0; start < found.length; start += listsAtOnce) {
    const part = found.slice(start, start + listsAtOnce).map(keyOf)
    const lists = await Promise.allSettled(part.map((key) => computationsOf(context, key)))
    for (const [index, list] of lists.entries()) {
      const key = part[index] as RunnableKey
      if (list.status === "fulfilled") {
        noteExamined(context, list.value.length)
        if (list.value.some((run) => "id" in run.computation && run.computation.id === computation.id)) return key
      } else if (!isClosedTo(list.reason)) problem ??= missingRuns(key, list.reason)
    }
  }
  if (problem !== undefined) throw problem
  return undefined
}
