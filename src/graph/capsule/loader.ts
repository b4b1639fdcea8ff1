import type { GraphQLResolveInfo } from "graphql"
import { emptyIfSearchFails, nullIfMissing } from "../../errors.ts"
import { clearAppPanels } from "../appPanel/loader.ts"
import { clearComputations } from "../computation/loader.ts"
import type { Context } from "../context.ts"
import { type BulkFetch, loaderById, type Typed } from "../loader.ts"
import { type Page, type PageArguments, pageOfSearch } from "../pagination/page.ts"
import * as rest from "./rest.ts"

/** Finds several by one search for their ids. */
const searchById = (kind: rest.Kind): BulkFetch<rest.Runnable> => ({
  maxIds: rest.maxSearchIds,
  // The search index lags behind changes.
  accepts: (context, id) => rest.isSearchableId(id) && !context.recentChanges.has(context.state, id),
  fetch: (context, ids) => emptyIfSearchFails(rest.findRunnables(context.upstream, kind, ids)),
})

/** A pipeline is read on the route of capsules too, but the search for capsules does not find it. */
export const capsuleById = loaderById("Capsule", (context, id) => rest.getRunnable(context.upstream, "capsules", id), {
  fetchesOthers: true,
  bulk: searchById("capsules"),
})

export const pipelineById = loaderById(
  "Pipeline",
  (context, id) => rest.getRunnable(context.upstream, "pipelines", id),
  { bulk: searchById("pipelines") },
)

const loaderOfKind = { capsules: capsuleById, pipelines: pipelineById } as const

/** The capsule or pipeline with this id, or null. Makes a call unless only its id is selected. */
export function linkRunnable(context: Context, kind: rest.Kind, id: string, info: GraphQLResolveInfo) {
  return nullIfMissing(loaderOfKind[kind].link(context, id, info))
}

/** One page of a search. Makes one call. The objects found are not fetched again in this request. */
export async function runnablePage(
  context: Context,
  kind: rest.Kind,
  params: object,
  args: PageArguments,
): Promise<Page<Typed<rest.Runnable>>> {
  const page = await pageOfSearch(kind, params, args, (body) => rest.searchRunnables(context.upstream, kind, body))
  return { ...page, nodes: loaderOfKind[kind].prime(context, page.nodes) }
}

/**
 * Sends a write that may change this capsule or pipeline. Afterwards, even after a failure, the request loads it again, and the
 * caller's requests read it directly for a minute, not by a search.
 */
export async function changeRunnable<T>(context: Context, id: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } finally {
    context.recentChanges.add(context.state, id)
    capsuleById(context).clear(id)
    pipelineById(context).clear(id)
    clearAppPanels(context)
    clearComputations(context)
  }
}
