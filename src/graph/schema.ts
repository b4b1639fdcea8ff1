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
import type { GraphQLSchema } from "graphql"
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

/** What tools show of the schema as a whole. */
const description =
  "Capsules, pipelines, their runs and data assets of a Code Ocean deployment. Everything is read and changed with the caller's own access token. Lists are connections with cursors. Changes that Code Ocean rejects are data (MutationRefused), other failures are errors with a code. Descriptions say how many REST calls a field costs; the header `X-Upstream-Cost: 1` adds the cost of a request to its response."

/** Tools show types and fields in their order. The names that only routers use begin with an underscore, and would be the first. */
function described(schema: GraphQLSchema): GraphQLSchema {
  schema.description = description
  moveUnderscoresToEnd(schema.getTypeMap(), (name) => !name.startsWith("__"))
  moveUnderscoresToEnd(schema.getQueryType()?.getFields() ?? {})
  return schema
}

function moveUnderscoresToEnd(map: Record<string, unknown>, isMoved = (_name: string) => true): void {
  for (const [name, value] of Object.entries(map)) {
    if (!name.startsWith("_") || !isMoved(name)) continue
    delete map[name]
    map[name] = value
  }
}

/** The whole graph. */
export const schema = described(limitStrings(withNullableItems(builder.toSchema())))
