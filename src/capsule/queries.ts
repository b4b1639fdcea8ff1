import { builder } from "../builder.ts"
import { defineLookups } from "../lookup.ts"
import { runnableSearchArguments, searchRunnables } from "../runnable/queries.ts"
import { pageArguments } from "../search/page.ts"
import { Capsule, CapsuleConnection, capsuleById } from "./type.ts"

defineLookups({ one: "capsule", many: "capsules", type: Capsule, loader: capsuleById })

builder.queryField("searchCapsules", (t) =>
  t.field({
    type: CapsuleConnection,
    description: "Capsules that the caller may see. One call a page; null, with an error, where that fails.",
    args: { ...pageArguments, ...runnableSearchArguments },
    resolve: (_root, args, context) => searchRunnables(context, "capsules", args),
  }),
)
