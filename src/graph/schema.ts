import "./scalars.ts"
import "./capsule/queries.ts"
import "./computation/queries.ts"
import "./customMetadata/queries.ts"
import "./dataAsset/queries.ts"
import "./federation/queries.ts"
import "./node/queries.ts"
import "./recentComputations/queries.ts"
import "./release/queries.ts"
import "./capsule/mutations.ts"
import "./computation/mutations.ts"
import "./dataAsset/bulk.ts"
import "./captureResult/mutation.ts"
import "./dataAsset/mutations.ts"
import "./permissions/mutations.ts"
import "./captureResult/subscription.ts"
import "./computation/subscription.ts"
import "./recentComputations/subscription.ts"
import { builder } from "./builder.ts"
import { limitStrings } from "./inputLimits.ts"
import { withNullableItems } from "./nullableItems.ts"

builder.queryType({ description: "All queries. Everything is read with the caller's own access token." })
builder.mutationType({
  description:
    "All changes. Each is sent to Code Ocean once and is never retried. A change that Code Ocean rejects is returned as MutationRefused.",
})
builder.subscriptionType({
  description:
    "All subscriptions, as server-sent events: send `Accept: text/event-stream`. An event equal to the previous one is not sent.",
})

/** The whole graph. */
export const schema = limitStrings(withNullableItems(builder.toSchema()))
