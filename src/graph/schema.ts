import "./scalars.ts"
import "./capsule/queries.ts"
import "./computation/queries.ts"
import "./customMetadata/queries.ts"
import "./dataAsset/queries.ts"
import "./federation/queries.ts"
import "./node/queries.ts"
import "./capsule/mutations.ts"
import "./computation/mutations.ts"
import "./dataAsset/bulk.ts"
import "./captureResult/mutation.ts"
import "./dataAsset/mutations.ts"
import "./permissions/mutations.ts"
import "./captureResult/subscription.ts"
import { builder } from "./builder.ts"
import { limitTexts } from "./inputLimits.ts"

builder.queryType({ description: "What can be asked. Everything is read with the caller's own access token." })
builder.mutationType({
  description:
    "What can be changed. Each change is sent to Code Ocean once and never repeated. What Code Ocean refuses comes as MutationRefused.",
})
builder.subscriptionType({
  description:
    "What can be followed, as server-sent events: send `Accept: text/event-stream`. An event that says the same as the one before is left out.",
})

/** The whole graph. */
export const schema = limitTexts(builder.toSchema())
