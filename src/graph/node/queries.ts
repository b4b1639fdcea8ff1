import { hasCode, isRejected, nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import { capsuleById, pipelineById, searchedById } from "../capsule/loader.ts"
import { maxSearchIds } from "../capsule/rest.ts"
import { computationById } from "../computation/loader.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { checksItems, maxListEntries } from "../inputLimits.ts"
import { idError } from "../loader.ts"
import { type NodeObject, nodeLoaders } from "./loaders.ts"
import { Node } from "./type.ts"

/** The object with this id, of any type. Null if not found. */
function nodeById(context: Context, id: string): Promise<NodeObject | null> {
  const known = nodeLoaders.get(context.typeById.get(context.state.key, id) ?? "")
  return known === undefined ? probe(context, id) : nullIfMissing(known(context).load(id))
}

/** Reads the id on every route at the same time, and records its type. */
async function probe(context: Context, id: string): Promise<NodeObject | null> {
  const [pipeline, capsule, computation, dataAsset] = await Promise.allSettled([
    pipelineById(context).load(id),
    capsuleById(context).load(id),
    computationById(context).load(id),
    dataAssetById(context).load(id),
  ])
  for (const answer of [pipeline, computation, dataAsset]) if (answer.status === "fulfilled") return answer.value
  // The route of capsules also returns pipelines, so only an object that the route of pipelines rejects is a capsule.
  if (capsule.status === "fulfilled" && pipeline.status === "rejected" && isRejected(pipeline.reason)) {
    context.typeById.set(context.state.key, capsule.value.id, "Capsule")
    return capsule.value
  }
  let forbidden: unknown
  for (const answer of [pipeline, capsule, computation, dataAsset]) {
    if (answer.status === "fulfilled" || hasCode(answer.reason, "NOT_FOUND")) continue
    // This route may have the object, so it cannot be reported as not found.
    if (!hasCode(answer.reason, "FORBIDDEN")) throw answer.reason
    forbidden ??= answer.reason
  }
  if (forbidden !== undefined) throw forbidden
  return null
}

/** Several are looked for by a search first. */
const searched = searchedById(capsuleById.typename, pipelineById.typename)

const costPerId =
  "one REST call if its type is known from an earlier read by the same caller, otherwise four at the same time, one for each possible type"

builder.queryField("node", (t) =>
  t.field({
    type: Node,
    description: `Looks up a capsule, pipeline, run or data asset by id. Null if not found. Costs ${costPerId}.`,
    extensions: cost({ calls: 4, byId: "id", searched }),
    args: { id: t.arg.id({ required: true, description: "Code Ocean's own id." }) },
    resolve: (_root, { id }, context) => nodeById(context, id),
  }),
)

builder.queryField("nodes", (t) =>
  t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description: `Looks up capsules, pipelines, runs and data assets by their ids, in the same order. One that is not found is null. At most ${maxListEntries} ids. Each distinct id costs ${costPerId}. Several cost up to two more per ${maxSearchIds}: a search for the capsules among them, and one for the pipelines.`,
    extensions: cost({ calls: 4, byId: "ids", searched, items: { argument: "ids", assumed: 0 } }),
    args: { ids: t.arg.idList({ required: true, description: "Code Ocean's own ids.", extensions: checksItems }) },
    resolve: (_root, { ids }, context) => ids.map((id, index) => idError(id, index) ?? nodeById(context, id)) as never,
  }),
)
