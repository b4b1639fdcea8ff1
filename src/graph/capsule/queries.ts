import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { defineLookups } from "../idQueries.ts"
import { pageArguments, pageItems } from "../pagination/page.ts"
import { runnableSearchArguments, searchRunnables } from "./search.ts"
import { Capsule, CapsuleConnection, capsuleById } from "./type.ts"

defineLookups({ one: "capsule", many: "capsules", type: Capsule, loader: capsuleById })

builder.queryField("searchCapsules", (t) =>
  t.field({
    type: CapsuleConnection,
    description: "Capsules that the caller may see. One call a page; null, with an error, where that fails.",
    extensions: cost({ calls: 1, items: pageItems }),
    args: { ...pageArguments, ...runnableSearchArguments },
    resolve: (_root, args, context) => searchRunnables(context, "capsules", args),
  }),
)
