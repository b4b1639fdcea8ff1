import type { GraphQLResolveInfo } from "graphql"
import { capsuleById, pipelineById } from "../capsule/loader.ts"
import { computationById } from "../computation/loader.ts"
import type { Context } from "../context.ts"
import { dataAssetById } from "../dataAsset/loader.ts"

/** An object of one of the types that implement `Node`. Its `__typename` names the type. */
export interface NodeObject {
  id: string
}

interface NodeLoader {
  (context: Context): { load(id: string): Promise<NodeObject> }
  link(context: Context, id: string, info: GraphQLResolveInfo): Promise<NodeObject> | NodeObject
}

/** The loaders of all types that implement `Node`, by the name of the type. */
export const nodeLoaders: ReadonlyMap<string, NodeLoader> = new Map<string, NodeLoader>([
  ["Capsule", capsuleById],
  ["Computation", computationById],
  ["DataAsset", dataAssetById],
  ["Pipeline", pipelineById],
])
