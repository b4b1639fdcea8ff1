import { hasCode, nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import { capsuleById, pipelineById } from "../capsule/loader.ts"
import { computationById } from "../computation/loader.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { maxListEntries } from "../inputLimits.ts"
import { type NodeObject, nodeLoaders } from "./loaders.ts"
import { Node } from "./type.ts"

/** The object with this id, of whatever type; null where there is none. */
function nodeById(context: Context, id: string): Promise<NodeObject | null> {
  const known = nodeLoaders.get(context.typeById.get(context.state.key, id) ?? "")
  return known === undefined ? probe(context, id) : nullIfMissing(known(context).load(id))
}

/** Asks every route for the id, all at once, and notes of which type it is. */
async function probe(context: Context, id: string): Promise<NodeObject | null> {
  const [pipeline, capsule, computation, dataAsset] = await Promise.allSettled([
    pipelineById(context).load(id),
    capsuleById(context).load(id),
    computationById(context).load(id),
    dataAssetById(context).load(id),
  ])
  for (const answer of [pipeline, computation, dataAsset]) if (answer.status === "fulfilled") return answer.value
  // Pipelines answer as capsules too: a capsule is only what the pipelines' route doesn't have.
  if (capsule.status === "fulfilled" && pipeline.status === "rejected" && isRefusal(pipeline.reason)) {
    context.typeById.set(context.state.key, capsule.value.id, "Capsule")
    return capsule.value
  }
  let forbidden: unknown
  for (const answer of [pipeline, capsule, computation, dataAsset]) {
    if (answer.status === "fulfilled" || hasCode(answer.reason, "NOT_FOUND")) continue
    // It may be what this route would have answered, so nobody can say yet that there is none.
    if (!hasCode(answer.reason, "FORBIDDEN")) throw answer.reason
    forbidden ??= answer.reason
  }
  if (forbidden !== undefined) throw forbidden
  return null
}

/** Whether upstream answered, and it was no: asking again would give the same. */
function isRefusal(error: unknown): boolean {
  return hasCode(error, "NOT_FOUND", "FORBIDDEN", "UNAUTHENTICATED", "BAD_USER_INPUT")
}

const howMany =
  "One call where the caller has met the id before, so that the gateway knows its type, else four at once: one for each type it can be"

builder.queryField("node", (t) =>
  t.field({
    type: Node,
    description: `The capsule, pipeline, computation or data asset with this id; null: there is none. ${howMany}.`,
    extensions: cost({ calls: 4, byId: "id" }),
    args: { id: t.arg.id({ required: true, description: "Code Ocean's own id." }) },
    resolve: (_root, { id }, context) => nodeById(context, id),
  }),
)

builder.queryField("nodes", (t) =>
  t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description: `The capsules, pipelines, computations and data assets with these ids, in their order; null stands for one that there isn't. For each different id: ${howMany.charAt(0).toLowerCase()}${howMany.slice(1)}. At most ${maxListEntries} ids.`,
    extensions: cost({ calls: 4, byId: "ids", items: { argument: "ids", assumed: 0 } }),
    args: { ids: t.arg.idList({ required: true, description: "Code Ocean's own ids." }) },
    resolve: (_root, { ids }, context) => ids.map((id) => nodeById(context, id)) as never,
  }),
)
