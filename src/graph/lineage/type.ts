import { badUserInput } from "../../errors.ts"
import { builder } from "../builder.ts"
import { type Context, oncePerRequest } from "../context.ts"
import type { DataAsset } from "../dataAsset/rest.ts"
import { enumValues } from "../enums.ts"
import { Node } from "../node/type.ts"
import * as walk from "./walk.ts"

export const maxDepth = 10

export const LineageDirection = builder.enumType("LineageDirection", {
  description: "The direction to walk from a data asset.",
  values: enumValues({
    up: "To what it was made from.",
    down: "To what was made from it.",
    both: "Both ways.",
  }),
})

const LineageKind = builder.enumType("LineageKind", {
  description: "The kind of a lineage node.",
  values: enumValues({ data_asset: "A data asset.", computation: "A run.", capsule: "The capsule that ran." }),
})

const LineageRelation = builder.enumType("LineageRelation", {
  description: "The relation between two nodes of a lineage.",
  values: enumValues({
    input: "The data asset was an input of the run, or of the result if its run is unknown.",
    produced: "The run produced the result. If the run is unknown, the edge starts at the capsule.",
    ran: "The run executed the capsule.",
    contained: "The data asset is part of the combined one.",
  }),
})

const LineageNode = builder.objectRef<walk.LineageNode>("LineageNode").implement({
  description: "A data asset, run or capsule in a lineage.",
  fields: (t) => ({
    nodeId: t.exposeID("id", { nullable: false, description: "Its id." }),
    kind: t.field({ type: LineageKind, nullable: false, description: "What it is.", resolve: ({ kind }) => kind }),
    distance: t.exposeInt("distance", {
      nullable: false,
      description: "How many generations it is away from the starting data asset.",
    }),
    restricted: t.boolean({
      nullable: false,
      description: "True if the caller may not see it, or it no longer exists. Then only its id is known.",
      resolve: ({ object }) => object === null,
    }),
    node: t.field({
      type: Node,
      description: "The DataAsset, Computation or Capsule. Null if `restricted`. Costs no REST call.",
      resolve: ({ object }) => object,
    }),
  }),
})

const LineageEdge = builder.objectRef<walk.LineageEdge>("LineageEdge").implement({
  description: "A step in the history of the data, from source to product.",
  fields: (t) => ({
    from: t.exposeID("from", { nullable: false, description: "The earlier node's id." }),
    to: t.exposeID("to", { nullable: false, description: "The later node's id." }),
    relation: t.field({
      type: LineageRelation,
      nullable: false,
      description: "The relation between the two nodes.",
      resolve: ({ relation }) => relation,
    }),
  }),
})

export const Lineage = builder.objectRef<walk.Lineage>("Lineage").implement({
  description: "What a data asset was made from, and what was made from it. Each node and each edge is listed once.",
  fields: (t) => ({
    nodes: t.field({
      type: [LineageNode],
      nullable: false,
      description:
        "The nodes. The starting data asset is the first. At the end is a null, with an error, for each unreadable id of a source.",
      resolve: ({ nodes }) => nodes as walk.LineageNode[],
    }),
    edges: t.field({
      type: [LineageEdge],
      nullable: false,
      description: "The edges between these nodes.",
      resolve: ({ edges }) => edges,
    }),
    truncated: t.exposeBoolean("truncated", {
      nullable: false,
      description: `True if the lineage continues beyond \`depth\`, beyond ${walk.maxNodes} nodes, or in data assets that can't be read.`,
    }),
  }),
})

/** The lineages of a request, by data asset. An asset that is read again after a change is another object. */
const lineages = oncePerRequest(() => new Map<DataAsset, Map<string, Promise<walk.Lineage>>>())

/** The lineage of a data asset, walked once for each depth and direction. Throws BAD_USER_INPUT for an invalid depth. */
export function lineageOf(context: Context, asset: DataAsset, depth: number, direction: string): Promise<walk.Lineage> {
  if (depth < 1 || depth > maxDepth) throw badUserInput(`\`depth\` must be from 1 to ${maxDepth}.`)
  const ofAsset = lineages(context).get(asset) ?? new Map<string, Promise<walk.Lineage>>()
  lineages(context).set(asset, ofAsset)
  const key = `${depth} ${direction}`
  let lineage = ofAsset.get(key)
  if (lineage === undefined) {
    lineage = walk.walkLineage(context, asset, depth, { up: direction !== "down", down: direction !== "up" })
    ofAsset.set(key, lineage)
  }
  return lineage
}
