import type { GraphQLResolveInfo } from "graphql"
import { emptyIfRejected, nullIfMissing } from "../../errors.ts"
import type { Context } from "../context.ts"
import { loaderById, type Typed } from "../loader.ts"
import { type Page, type PageArguments, searchPage } from "../pagination/page.ts"
import * as rest from "./rest.ts"

/** Pipelines answer on the capsules' route too. */
export const capsuleById = loaderById("Capsule", (context, id) => rest.getRunnable(context.upstream, "capsules", id), {
  fetchesOthers: true,
  finderFor: ({ bulkCapsuleReads, upstream }) =>
    bulkCapsuleReads ? (ids) => emptyIfRejected(rest.findCapsules(upstream, ids)) : undefined,
})

export const pipelineById = loaderById("Pipeline", (context, id) => rest.getRunnable(context.upstream, "pipelines", id))

const loaderOfKind = { capsules: capsuleById, pipelines: pipelineById } as const

/** The capsule or pipeline with this id; a call, unless the query asks for its id alone. */
export function linkRunnable(context: Context, kind: rest.Kind, id: string, info: GraphQLResolveInfo) {
  return nullIfMissing(loaderOfKind[kind].link(context, id, info))
}

/** One page of what upstream finds with these parameters; it isn't fetched again in this request. One call. */
export async function runnablePage(
  context: Context,
  kind: rest.Kind,
  params: object,
  args: PageArguments,
): Promise<Page<Typed<rest.Runnable>>> {
  const page = await searchPage(kind, params, args, (body) => rest.searchRunnables(context.upstream, kind, body))
  return { ...page, nodes: loaderOfKind[kind].prime(context, page.nodes) }
}
