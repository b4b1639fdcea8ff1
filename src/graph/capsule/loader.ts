import type { GraphQLObjectType, GraphQLResolveInfo } from "graphql"
import { emptyIfSearchFails, isRejected, nullIfMissing } from "../../errors.ts"
import type { Upstream } from "../../upstream/client.ts"
import type { DecodeError } from "../../upstream/decoders.ts"
import { clearAppPanels } from "../appPanel/loader.ts"
import { noteFound } from "../archive/loader.ts"
import { clearComputations, type RunnableKey } from "../computation/loader.ts"
import type { Context } from "../context.ts"
import type { SearchById } from "../cost.ts"
import { loaderById, loaderByKey, otherIdForm, type Typed } from "../loader.ts"
import { needsOnlyTheId } from "../ownCall.ts"
import { type Page, type PageArguments, pageOfSearch } from "../pagination/page.ts"
import type { BulkFetch } from "../wave.ts"
import * as rest from "./rest.ts"

/** For recent changes: an object of which only another form of its id is known. */
const unknownId = ""

/** Finds several by one search for their ids. */
const searchById = (kind: rest.Kind): BulkFetch<rest.Runnable> => ({
  maxIds: rest.maxSearchIds,
  // The search index lags behind changes.
  accepts: ({ recentChanges, state }, id) =>
    rest.isSearchableId(id) && !recentChanges.has(state, id) && !recentChanges.has(state, unknownId),
  fetch: async (context, ids) => {
    const found = await emptyIfSearchFails(rest.findRunnables(context.upstream, kind, ids))
    noteFound(context, found, false)
    return found
  },
})

/** What such searches add to the cost of fields that look up several of these types. */
export const searchedById = (...types: string[]): SearchById => ({
  types,
  maxIds: rest.maxSearchIds,
  isSearchable: rest.isSearchableId,
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

/** The capsule or pipeline of a run. Makes a call unless only its id is selected, or fields that need nothing else of it. */
export function linkRunnable(context: Context, kind: rest.Kind, id: string, info: GraphQLResolveInfo) {
  const { typename } = loaderOfKind[kind]
  const isKnown = needsOnlyTheId(info.schema.getType(typename) as GraphQLObjectType, info)
  return isKnown
    ? ({ id, __typename: typename } as Typed<rest.Runnable>)
    : nullIfMissing(loaderOfKind[kind].link(context, id, info))
}

/** Which capsule or pipeline has this id, if that is known without a call. */
export function knownRunnable({ typeById, state }: Context, id: string): RunnableKey | undefined {
  const typename = otherIdForm.test(id) ? undefined : typeById.get(state.key, id)
  if (typename === capsuleById.typename) return { id, kind: "capsules" }
  return typename === pipelineById.typename ? { id, kind: "pipelines" } : undefined
}

/**
 * Finds out which capsule or pipeline has this id, which may be an alternative id. The route of capsules also returns pipelines, so the
 * other one is asked first.
 */
export async function findRunnable(upstream: Upstream, id: string): Promise<RunnableKey> {
  try {
    const pipeline = await rest.getRunnable(upstream, "pipelines", id)
    return { id: pipeline.id, kind: "pipelines" }
  } catch (error) {
    if (!isRejected(error)) throw error
  }
  const capsule = await rest.getRunnable(upstream, "capsules", id)
  return { id: capsule.id, kind: "capsules" }
}

/** One page of a search. Makes one call. The objects found are not fetched again in this request. */
export async function runnablePage(
  context: Context,
  kind: rest.Kind,
  params: Record<string, unknown> & { archived?: boolean | undefined },
  args: PageArguments,
): Promise<Page<Typed<rest.Runnable> | DecodeError>> {
  const page = await pageOfSearch(kind, params, args, (body) => rest.searchRunnables(context.upstream, kind, body))
  noteFound(context, page.nodes, params.archived)
  return { ...page, nodes: loaderOfKind[kind].primeItems(context, page.nodes) }
}

/** Which capsules or pipelines a data asset is attached to. */
interface AttachedKey extends PageArguments {
  kind: rest.Kind
  dataAssetId: string
  archived?: boolean | null | undefined
}

const attachedPageByKey = loaderByKey((context, key) => {
  const { kind, dataAssetId, archived, ...page }: AttachedKey = JSON.parse(key)
  return runnablePage(context, kind, { query: dataAssetId, archived: archived ?? undefined }, page)
})

/** One page of the capsules or pipelines that the data asset is attached to. Makes one call for each distinct page. */
export function attachedPage(
  context: Context,
  kind: rest.Kind,
  dataAssetId: string,
  { first, after, archived }: PageArguments & Pick<AttachedKey, "archived">,
): Promise<Page<Typed<rest.Runnable> | DecodeError>> {
  const key: AttachedKey = { kind, dataAssetId, first, after, archived }
  return attachedPageByKey(context).load(JSON.stringify(key))
}

/**
 * Sends a write that may change this capsule or pipeline. Afterwards, even after a failure, the request loads it again, and the
 * caller's requests read it directly for a minute, not by a search.
 */
export async function changeRunnable<T>(context: Context, id: string, write: () => Promise<T>): Promise<T> {
  const changed = otherIdForm.test(id) ? unknownId : id
  const announced = context.recentChanges.add(context.state, changed)
  try {
    return await write()
  } finally {
    // Before the client can ask another replica.
    await announced
    void context.recentChanges.add(context.state, changed)
    capsuleById(context).clear(id)
    pipelineById(context).clear(id)
    clearAppPanels(context)
    clearComputations(context)
    attachedPageByKey(context).clearAll()
  }
}
