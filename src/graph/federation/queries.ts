import type { GraphQLResolveInfo } from "graphql"
import { badUserInput, nullIfMissing } from "../../errors.ts"
import { problemOfId } from "../../upstream/route.ts"
import { builder } from "../builder.ts"
import { searchedById } from "../capsule/loader.ts"
import { Capsule, Pipeline } from "../capsule/type.ts"
import { Computation } from "../computation/type.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { maxListEntries } from "../inputLimits.ts"
import { type NodeObject, nodeLoaders } from "../node/loaders.ts"
import { subgraphSdl } from "./sdl.ts"

/*
 * The fields that the routers of a federated graph query. The specification defines their names:
 * https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
 */

const Any = builder.scalarType("_Any", {
  description: "A reference from another subgraph to an object of this one: its `__typename` and its key, `id`.",
  serialize: (value) => value,
})

const Entity = builder.unionType("_Entity", {
  description: "What other subgraphs may refer to and extend.",
  types: [Capsule, Computation, DataAsset, Pipeline],
})

builder.queryField("_entities", (t) =>
  t.field({
    type: [Entity],
    nullable: { list: false, items: true },
    description: `For routers: looks up the objects that the references name, in the same order. An object that does not exist is null. At most ${maxListEntries} references. Costs one REST call per distinct reference, or none if only ids are selected.`,
    extensions: cost({
      calls: 1,
      byId: "representations",
      searched: searchedById("Capsule", "Pipeline"),
      idsAreFree: true,
      items: { argument: "representations", assumed: 0 },
    }),
    args: { representations: t.arg({ type: [Any], required: true, description: "The references." }) },
    resolve: (_root, { representations }, context, info) =>
      representations.map((reference, index) => entityOf(reference, index, context, info)) as never,
  }),
)

async function entityOf(
  reference: unknown,
  index: number,
  context: Context,
  info: GraphQLResolveInfo,
): Promise<NodeObject | null> {
  const { __typename: typename, id } = (reference ?? {}) as Record<string, unknown>
  const loader = typeof typename === "string" ? nodeLoaders.get(typename) : undefined
  if (loader === undefined) {
    throw badUserInput(
      `\`representations[${index}]\` must be an object whose \`__typename\` is one of ${[...nodeLoaders.keys()].join(", ")}.`,
    )
  }
  if (typeof id !== "string")
    throw badUserInput(`\`representations[${index}]\`: a reference to a ${typename} needs an \`id\`, as a string.`)
  const problem = problemOfId(id)
  if (problem !== undefined) throw badUserInput(`\`representations[${index}].id\` ${problem}`)
  return nullIfMissing(loader.link(context, id, info))
}

const Service = builder.objectRef<{ sdl: string }>("_Service").implement({
  description: "The gateway as a subgraph of a federated graph.",
  fields: (t) => ({
    sdl: t.exposeString("sdl", {
      extensions: cost({ bytes: 90_000 }),
      description: "This schema in the form that registries and routers of Federation 2 read.",
    }),
  }),
})

let sdl: string | undefined

builder.queryField("_service", (t) =>
  t.field({
    type: Service,
    nullable: false,
    description: "For registries and routers that read the schema from the subgraph itself. Costs no REST call.",
    resolve: (_root, _args, _context, { schema }) => {
      // Printed with the first query for it, because most gateways never get one.
      sdl ??= subgraphSdl(schema)
      return { sdl }
    },
  }),
)
