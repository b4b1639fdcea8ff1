import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { enumValues } from "../enums.ts"
import { defineIdQueries } from "../idQueries.ts"
import { atMost, longest } from "../inputLimits.ts"
import { pageArguments, pageItems } from "../pagination/connection.ts"
import { OrderDirection, Ownership, SearchFilterInput, wireFilters } from "../pagination/filters.ts"
import type { PageArguments } from "../pagination/page.ts"
import { capsuleById, pipelineById, runnablePage } from "./loader.ts"
import { Capsule, CapsuleConnection, CapsuleStatus, Pipeline, PipelineConnection } from "./type.ts"

defineIdQueries({ one: "capsule", many: "capsules", type: Capsule, loader: capsuleById })

defineIdQueries({ one: "pipeline", many: "pipelines", type: Pipeline, loader: pipelineById })

const CapsuleOrderField = builder.enumType("CapsuleOrderField", {
  description: "What capsules and pipelines can be ordered by.",
  values: enumValues({
    created: "When it was created.",
    name: "The display name.",
    last_accessed: "When anyone last opened it.",
  }),
})

const CapsuleOrderInput = builder.inputType("CapsuleOrderInput", {
  description: "An order of capsules or pipelines.",
  fields: (t) => ({
    field: t.field({ type: CapsuleOrderField, required: true, description: "What to order by." }),
    direction: t.field({
      type: OrderDirection,
      required: true,
      defaultValue: "asc",
      description: "Which end comes first.",
    }),
  }),
})

/** The arguments of the searches for capsules and for pipelines. */
const searchArguments = builder.args((t) => ({
  query: t.string({
    description:
      'Free text, or terms such as `tag:ecephys` with a field: id, name, doi, tag, field, affiliation, journal, article, author. The same field twice means either, different fields mean both. Phrases need quotes: a bare `name:` of more than 20 characters finds nothing, `name:"exact name"` does. A data asset\'s id finds what it is attached to.',
    extensions: atMost(longest.query),
  }),
  filters: t.field({ type: [SearchFilterInput], description: "Conditions that must all hold." }),
  status: t.field({ type: CapsuleStatus.ref, description: "Releases, or work in progress." }),
  ownership: t.field({ type: Ownership, description: "Whose objects to find." }),
  favorite: t.boolean({ description: "True finds the caller's favorites, false the others." }),
  archived: t.boolean({ description: "True finds archived ones." }),
  orderBy: t.field({
    type: CapsuleOrderInput,
    description: "Without it, by relevance where there is a `query`, else by name.",
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

/** A search's criteria and order as the wire has them. */
function wireParams(args: SearchArguments) {
  return {
    query: args.query || undefined,
    filters: wireFilters(args.filters),
    status: CapsuleStatus.toWire(args.status),
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
    description: "Capsules that the caller may see. One call a page; null, with an error, where that fails.",
    extensions: cost({ calls: 1, items: pageItems }),
    args: { ...pageArguments, ...searchArguments },
    resolve: (_root, args, context) => runnablePage(context, "capsules", wireParams(args), args),
  }),
)

builder.queryField("searchPipelines", (t) =>
  t.field({
    type: PipelineConnection,
    description: "Pipelines that the caller may see. One call a page; null, with an error, where that fails.",
    extensions: cost({ calls: 1, items: pageItems }),
    args: { ...pageArguments, ...searchArguments },
    resolve: (_root, args, context) => runnablePage(context, "pipelines", wireParams(args), args),
  }),
)
