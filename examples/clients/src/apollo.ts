import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client"
import { Defer20220824Handler } from "@apollo/client/incremental"
import { relayStylePagination } from "@apollo/client/utilities"
import { headers, url } from "./gateway.ts"
import { embeddedTypes } from "./generated/embeddedTypes.ts"
import generated from "./generated/possibleTypes.ts"

/** Pages of one search go together; of another search, they don't. */
const pages = () =>
  relayStylePagination((args) => Object.keys(args ?? {}).filter((name) => !/^(first|after)$/.test(name)))

/**
 * @param fetch what sends requests, if not the platform's own
 * @param links what requests pass before they are sent
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
    // For gateways with INCREMENTAL_DELIVERY: the form in which they send what @defer puts off.
    incrementalHandler: new Defer20220824Handler(),
    cache: new InMemoryCache({
      possibleTypes: generated.possibleTypes,
      typePolicies: {
        // Two queries may select different fields of one panel: keep both, where the later would replace the earlier.
        ...Object.fromEntries(embeddedTypes.map((name) => [name, { merge: true }])),
        Query: { fields: { searchCapsules: pages(), searchPipelines: pages(), searchDataAssets: pages() } },
        // What both runnables have in common.
        Runnable: { fields: { computations: pages() } },
        DataAsset: { fields: { attachedTo: pages(), attachedToPipelines: pages() } },
      },
    }),
  })
}
