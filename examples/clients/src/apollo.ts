import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client"
import { Defer20220824Handler } from "@apollo/client/incremental"
import { relayStylePagination } from "@apollo/client/utilities"
import { headers, url } from "./gateway.ts"
import { embeddedTypes } from "./generated/embeddedTypes.ts"
import generated from "./generated/possibleTypes.ts"

/** Pages of one search are joined, and those of different searches are not. */
const pages = () =>
  relayStylePagination((args) => Object.keys(args ?? {}).filter((name) => !/^(first|after)$/.test(name)))

/**
 * @param fetch sends the requests; by default the platform's own
 * @param links Apollo links before the HTTP link
 */
export function createApolloClient({
  fetch,
  links = [],
}: {
  fetch?: typeof globalThis.fetch
  links?: ApolloLink[]
} = {}) {
  return new ApolloClient({
    link: ApolloLink.from([...links, new HttpLink({ uri: url, headers, ...(fetch && { fetch }) })]),
    // The format of deferred parts, for gateways with INCREMENTAL_DELIVERY.
    incrementalHandler: new Defer20220824Handler(),
    cache: new InMemoryCache({
      possibleTypes: generated.possibleTypes,
      typePolicies: {
        // Two queries may select different fields of one panel. Merging keeps both.
        ...Object.fromEntries(embeddedTypes.map((name) => [name, { merge: true }])),
        Query: { fields: { searchCapsules: pages(), searchPipelines: pages(), searchDataAssets: pages() } },
        // Capsules and pipelines have these in common.
        Runnable: { fields: { computations: pages() } },
        DataAsset: { fields: { attachedTo: pages(), attachedToPipelines: pages() } },
      },
    }),
  })
}
