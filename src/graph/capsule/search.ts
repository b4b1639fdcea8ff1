import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { inCapitals } from "../enums.ts"
import { atMost, longest } from "../inputLimits.ts"
import { OrderDirection, Ownership, SearchFilterInput, wireFilters } from "../pagination/filters.ts"
import type { PageArguments } from "../pagination/page.ts"
import type * as rest from "./rest.ts"
import { CapsuleStatus, runnablePage } from "./runnableType.ts"

const CapsuleOrderField = builder.enumType("CapsuleOrderField", {
  description: "What capsules and pipelines can be ordered by.",
  values: inCapitals({
    created: "When it was created.",
    name: "The display name.",
    last_accessed: "When anyone last opened it.",
  }),
})

export const CapsuleOrderInput = builder.inputType("CapsuleOrderInput", {
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
export const runnableSearchArguments = builder.args((t) => ({
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

/** One page of a search. One call. */
export function searchRunnables(context: Context, kind: rest.Kind, args: SearchArguments) {
  const params = {
    query: args.query || undefined,
    filters: wireFilters(args.filters),
    status: CapsuleStatus.toWire(args.status),
    ownership: args.ownership ?? undefined,
    favorite: args.favorite ?? undefined,
    archived: args.archived ?? undefined,
    sort_field: args.orderBy?.field,
    sort_order: args.orderBy?.direction,
  }
  return runnablePage(context, kind, params, args)
}
