import { badUserInput } from "../../errors.ts"
import { DecodeError, isReadable } from "../../upstream/decoders.ts"
import { noteFound } from "../archive/loader.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { defineSubscription, watchDescription } from "../defineSubscription.ts"
import { enumValues } from "../enums.ts"
import { defineIdQueries } from "../idQueries.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { connectionOf, pageArguments, pageItems, shownPage } from "../pagination/connection.ts"
import { OrderDirection, Ownership, SearchFilterInput, wireFilters } from "../pagination/filters.ts"
import { pageOfSearch } from "../pagination/page.ts"
import { dataAssetById } from "./loader.ts"
import * as rest from "./rest.ts"
import { DataAsset, DataAssetState, DataAssetType } from "./type.ts"

defineIdQueries({ one: "dataAsset", many: "dataAssets", noun: "data asset", type: DataAsset, loader: dataAssetById })

export const watchDataAsset = defineSubscription({
  name: "dataAsset",
  description: `Follows a data asset until it is READY or FAILED. ${watchDescription}`,
  type: DataAsset,
  loader: dataAssetById,
  get: rest.getDataAsset,
  state: DataAssetState.required("state"),
  finalStates: ["ready", "failed"],
  slowestMs: 60_000,
})

const DataAssetOriginFilter = builder.enumType("DataAssetOriginFilter", {
  description: "Where a data asset's files are kept.",
  values: enumValues({ internal: "In Code Ocean.", external: "In an external bucket." }),
})

const DataAssetOrderField = builder.enumType("DataAssetOrderField", {
  description: "The fields by which data assets can be ordered.",
  values: enumValues({
    created: "When it was created.",
    type: "The kind of its contents.",
    name: "The display name.",
    size: "Its size.",
  }),
})

const DataAssetOrderInput = builder.inputType("DataAssetOrderInput", {
  description: "The order of data assets.",
  fields: (t) => ({
    field: t.field({ type: DataAssetOrderField, required: true, description: "The field to order by." }),
    direction: t.field({
      type: OrderDirection,
      required: true,
      defaultValue: "asc",
      description: "The direction of the order.",
    }),
  }),
})

const queryDescription =
  "Free text, or terms such as `tag:ecephys` with a field: name, tag, run_script, commit_id, contained_data_id. Terms with the same field are combined by OR, terms with different fields by AND. Phrases need quotes."

builder.queryField("searchDataAssets", (t) =>
  t.field({
    type: connectionOf("DataAsset", DataAsset),
    description:
      "Searches the data assets that the caller may see. Null, with an error, if the search fails. Costs one REST call per page.",
    extensions: cost({ calls: 1, items: pageItems, free: ["DataAsset.archived"] }),
    args: {
      ...pageArguments,
      query: t.arg.string({ description: queryDescription, extensions: limitLength(maxLength.query) }),
      filters: t.arg({ type: [SearchFilterInput], description: "Conditions, combined by AND." }),
      type: t.arg({ type: DataAssetType.ref, description: "The kind of their contents." }),
      origin: t.arg({ type: DataAssetOriginFilter, description: "Where their files are kept." }),
      ownership: t.arg({ type: Ownership, description: "Whose data assets to find." }),
      favorite: t.arg.boolean({ description: "True finds the caller's favorites, false the others." }),
      archived: t.arg.boolean({ description: "True finds archived ones." }),
      orderBy: t.arg({ type: DataAssetOrderInput, description: "The default is by time of creation." }),
    },
    resolve: async (_root, args, context, info) => {
      const params = {
        ...wireCriteria(args),
        sort_field: args.orderBy?.field,
        sort_order: args.orderBy?.direction,
      }
      const page = await pageOfSearch("data_assets", params, args, (body) =>
        rest.searchDataAssets(context.upstream, body),
      )
      noteFound(context, page.nodes, args.archived)
      return shownPage({ ...page, nodes: dataAssetById.primeItems(context, page.nodes) }, info)
    },
  }),
)

/** The search criteria as an input type, for mutations of all data assets that a search finds. */
export const DataAssetSearchInput = builder.inputType("DataAssetSearchInput", {
  description: "Selects the data assets that a search finds. At least one condition is required.",
  fields: (t) => ({
    query: t.string({ description: queryDescription, extensions: limitLength(maxLength.query) }),
    filters: t.field({ type: [SearchFilterInput], description: "Conditions, combined by AND." }),
    type: t.field({ type: DataAssetType.ref, description: "The kind of their contents." }),
    origin: t.field({ type: DataAssetOriginFilter, description: "Where their files are kept." }),
    ownership: t.field({ type: Ownership, description: "Whose data assets to find." }),
    favorite: t.boolean({ description: "True finds the caller's favorites, false the others." }),
    archived: t.boolean({ description: "True finds archived ones." }),
  }),
})

/** Converts search criteria to the wire format. */
function wireCriteria(criteria: typeof DataAssetSearchInput.$inferInput) {
  return {
    query: criteria.query || undefined,
    filters: wireFilters(criteria.filters),
    type: DataAssetType.toWire(criteria.type, "type"),
    origin: criteria.origin ?? undefined,
    ownership: criteria.ownership ?? undefined,
    favorite: criteria.favorite ?? undefined,
    archived: criteria.archived ?? undefined,
  }
}

/** The maximum number of data assets that a mutation may find. */
export const maxFound = 1000

/**
 * The ids of all data assets that the search finds, and an error for each that can't be read. Throws BAD_USER_INPUT if they are too
 * many for one mutation.
 */
export async function findDataAssets(
  context: Context,
  search: typeof DataAssetSearchInput.$inferInput,
): Promise<{ ids: string[]; unreadable: DecodeError[] }> {
  const criteria = wireCriteria(search)
  if (Object.values(criteria).every((value) => value === undefined)) {
    throw badUserInput("`search` has no condition and would find every data asset. Give at least one condition.")
  }
  const answer = await rest.searchDataAssets(context.upstream, { ...criteria, limit: maxFound })
  if (answer.has_more && answer.results.length < maxFound) {
    throw new DecodeError(
      `Code Ocean sent an invalid response: it has more results than the ${answer.results.length} that it sent, although ${maxFound} were requested. Nothing was changed.`,
    )
  }
  if (answer.has_more || answer.results.length > maxFound) {
    throw badUserInput(`\`search\` finds more than ${maxFound} data assets. Narrow it down. Nothing was changed.`)
  }
  noteFound(context, answer.results, criteria.archived)
  const found = dataAssetById.primeItems(context, answer.results)
  return {
    ids: [...new Set(found.filter(isReadable).map(({ id }) => id))],
    unreadable: found.filter((item) => item instanceof DecodeError),
  }
}
