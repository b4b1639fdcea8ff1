import { builder, type ObjectType } from "./builder.ts"
import { cost } from "./cost.ts"
import { maxListEntries } from "./inputLimits.ts"
import type { loaderById } from "./loader.ts"

/** Defines the two lookups that every resource has: one object by its id, and many by theirs. */
export function defineIdQueries<T extends { id: string }>(lookup: {
  one: string
  many: string
  type: ObjectType<T>
  loader: ReturnType<typeof loaderById<T>>
}): void {
  builder.queryField(lookup.one, (t) =>
    t.field({
      type: lookup.type,
      description: "The one with this id; null: there is none. One call.",
      extensions: cost({ calls: 1, byId: "id" }),
      args: { id: t.arg.id({ required: true, description: "Code Ocean's own id." }) },
      resolve: (_root, { id }, context) => lookup.loader(context).loadOrNull(id) as never,
    }),
  )
  builder.queryField(lookup.many, (t) =>
    t.field({
      type: [lookup.type],
      nullable: { list: false, items: true },
      description: `Those with these ids, in their order; null stands for one that there isn't. One call for each different id; at most ${maxListEntries} ids.`,
      extensions: cost({ calls: 1, byId: "ids", items: { argument: "ids", assumed: 0 } }),
      args: { ids: t.arg.idList({ required: true, description: "Code Ocean's own ids." }) },
      resolve: (_root, { ids }, context) => {
        const loader = lookup.loader(context)
        return ids.map((id) => loader.loadOrNull(id)) as never
      },
    }),
  )
}
