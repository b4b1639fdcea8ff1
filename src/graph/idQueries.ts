import { builder, type ObjectType } from "./builder.ts"
import { cost, type SearchById } from "./cost.ts"
import { checksItems, maxListEntries } from "./inputLimits.ts"
import { byIdArgument, byIdsArgument, type loaderById } from "./loader.ts"

/** Defines the two id queries of a resource: one object by its id, and several objects by their ids. */
export function defineIdQueries<T extends { id: string }>(query: {
  one: string
  many: string
  /** The name of one object in descriptions. */
  noun: string
  type: ObjectType<T>
  loader: ReturnType<typeof loaderById<T>>
  /** The fields of an object that make no call if it was looked up by its id. */
  free?: readonly string[]
  /** The search that finds several of them. */
  searched?: SearchById
}): void {
  const { maxBulkIds } = query.loader
  const common = { ...(query.free && { free: query.free }), ...(query.searched && { searched: query.searched }) }
  const costs =
    maxBulkIds === undefined
      ? "Costs one REST call per distinct id."
      : `Several are found by a search, which costs one REST call per ${maxBulkIds} ids. Each that it does not find, such as an archived one, costs one more.`
  builder.queryField(query.one, (t) =>
    t.field({
      type: query.type,
      description: `Looks up a ${query.noun} by id. Null if not found. Costs one REST call. Costs none if only fields are selected that need nothing but the id, such as the permissions, and one of them finds something.`,
      extensions: cost({ calls: 1, byId: "id", ...common }),
      args: { id: t.arg.id({ required: true, description: "Code Ocean's own id." }) },
      resolve: byIdArgument(query.loader) as never,
    }),
  )
  builder.queryField(query.many, (t) =>
    t.field({
      type: [query.type],
      nullable: { list: false, items: true },
      description: `Looks up ${query.noun}s by their ids, in the same order. One that is not found is null. At most ${maxListEntries} ids. ${costs}`,
      extensions: cost({ calls: 1, byId: "ids", items: { argument: "ids", assumed: 0 }, ...common }),
      args: { ids: t.arg.idList({ required: true, description: "Code Ocean's own ids.", extensions: checksItems }) },
      resolve: byIdsArgument(query.loader),
    }),
  )
}
