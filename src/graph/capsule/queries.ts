import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { enumValues } from "../enums.ts"
import { defineIdQueries } from "../idQueries.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { pageArguments, pageItems, shownPage } from "../pagination/connection.ts"
import { OrderDirection, Ownership, SearchFilterInput, wireFilters } from "../pagination/filters.ts"
import type { PageArguments } from "../pagination/page.ts"
import { capsuleById, pipelineById, runnablePage, searchedById } from "./loader.ts"
import { Capsule, CapsuleConnection, CapsuleStatus, Pipeline, PipelineConnection } from "./type.ts"

defineIdQueries({
  one: "capsule",
  many: "capsules",
  noun: "capsule",
  type: Capsule,
  loader: capsuleById,
  searched: searchedById("Capsule"),
})

defineIdQueries({
  one: "pipeline",
  many: "pipelines",
  noun: "pipeline",
  type: Pipeline,
  loader: pipelineById,
  searched: searchedById("Pipeline"),
})

const CapsuleOrderField = builder.enumType("CapsuleOrderField", {
  description: "The fields by which capsules and pipelines can be ordered.",
  values: enumValues({
    created: "The time of creation.",
    name: "The display name.",
    last_accessed: "The time when anyone last opened it.",
  }),
})

const CapsuleOrderInput = builder.inputType("CapsuleOrderInput", {
  description: "The order of capsules or pipelines.",
  fields: (t) => ({
    field: t.field({ type: CapsuleOrderField, required: true, description: "The field to order by." }),
    direction: t.field({
      type: OrderDirection,
      required: true,
      defaultValue: "asc",
      description: "The direction of the order.",
    }),
  }),
})

/** The arguments of the searches for capsules and for pipelines. */
const searchArguments = builder.args((t) => ({
  query: t.string({
    description:
      'Free text, or terms such as `tag:ecephys` with a field: id, name, doi, tag, field, affiliation, journal, article, author. Terms with the same field are combined by OR, terms with different fields by AND. Phrases need quotes: `name:` with more than 20 unquoted characters finds nothing, `name:"exact name"` does. The id of a data asset finds what it is attached to.',
    extensions: limitLength(maxLength.query),
  }),
  filters: t.field({ type: [SearchFilterInput], description: "Conditions, combined by AND." }),
  status: t.field({ type: CapsuleStatus.ref, description: "Only releases, or only work in progress." }),
  ownership: t.field({ type: Ownership, description: "Whose objects to search." }),
  favorite: t.boolean({ description: "True finds only the caller's favorites, false only the others." }),
  archived: t.boolean({ description: "True finds only archived ones." }),
  orderBy: t.field({
    type: CapsuleOrderInput,
    description: "The default is by relevance with a `query`, otherwise by name.",
  }),
}))

interface SearchArguments extends PageArguments {
  query?: string | null | undefined
  filters?: readonly (typeof SearchFilterInput.$inferInput)[] | null | undefined
  status?: string | null | undefined
  ownership?: string | null | undefined
  favorite?: boolean | null | undefined
  archived?: boolean | null | undefined
  orderBy?: typeof CapsuleOrderInput.$inferInput | null | undefined
}

/** A search's criteria and order in the form of the REST API. */
function wireParams(args: SearchArguments) {
  return {
    query: args.query || undefined,
    filters: wireFilters(args.filters),
    status: CapsuleStatus.toWire(args.status, "status"),
    ownership: args.ownership ?? undefined,
    favorite: args.favorite ?? undefined,
    archived: args.archived ?? undefined,
    sort_field: args.orderBy?.field,
    sort_order: args.orderBy?.direction,
  }
}

builder.queryField("searchCapsules", (t) =>
  t.field({
    type: CapsuleConnection,
    description:
      "Searches the capsules that the caller may see. Null, with an error, if the search fails. Costs one REST call per page.",
    extensions: cost({ calls: 1, items: pageItems, free: ["Capsule.archived"] }),
    args: { ...pageArguments, ...searchArguments },
    resolve: async (_root, args, context, info) =>
      shownPage(await runnablePage(context, "capsules", wireParams(args), args), info),
  }),
)

builder.queryField("searchPipelines", (t) =>
  t.field({
    type: PipelineConnection,
    description:
      "Searches the pipelines that the caller may see. Null, with an error, if the search fails. Costs one REST call per page.",
    extensions: cost({ calls: 1, items: pageItems, free: ["Pipeline.archived"] }),
    args: { ...pageArguments, ...searchArguments },
    resolve: async (_root, args, context, info) =>
      shownPage(await runnablePage(context, "pipelines", wireParams(args), args), info),
  }),
)
