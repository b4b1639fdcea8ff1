import "./scalars.ts"
import "./capsule/queries.ts"
import "./computation/queries.ts"
import "./dataAsset/queries.ts"
import "./pipeline/queries.ts"
import "./capsule/mutations.ts"
import "./pipeline/mutations.ts"
import { builder } from "./builder.ts"

builder.queryType({ description: "What can be asked. Everything is read with the caller's own access token." })
builder.mutationType({
  description:
    "What can be changed. Each change is sent to Code Ocean once and never repeated. What Code Ocean refuses comes as MutationRefused.",
})

/** The whole graph. */
export const schema = builder.toSchema()
