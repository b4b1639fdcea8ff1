import { emptyIfRejected } from "../../errors.ts"
import { builder } from "../builder.ts"
import { loaderById, type Typed } from "../loader.ts"
import { Node } from "../node/type.ts"
import { connectionOf } from "../pagination/page.ts"
import * as rest from "./rest.ts"
import { Runnable } from "./runnableType.ts"

/** Pipelines answer on the capsules' route too. */
export const capsuleById = loaderById("Capsule", (context, id) => rest.getRunnable(context.upstream, "capsules", id), {
  fetchesOthers: true,
  finderFor: ({ bulkCapsuleReads, upstream }) =>
    bulkCapsuleReads ? (ids) => emptyIfRejected(rest.findCapsules(upstream, ids)) : undefined,
})

export const Capsule = builder.objectRef<Typed<rest.Runnable>>("Capsule")
Capsule.implement({
  description: "A compute capsule: code, environment and data that run the same for everyone.",
  interfaces: () => [Runnable, Node],
})

export const CapsuleConnection = connectionOf("Capsule", Capsule)
