import { Client, type Exchange, fetchExchange } from "@urql/core"
import { cacheExchange } from "@urql/exchange-graphcache"
import { relayPagination } from "@urql/exchange-graphcache/extras"
import { headers, url } from "./gateway.ts"
import { embeddedTypes } from "./generated/embeddedTypes.ts"
import schema from "./generated/introspection.ts"

/**
 * @param fetch sends the requests; by default the platform's own
 * @param exchanges urql exchanges before the fetch exchange
 */
export function createUrqlClient({
  fetch,
  exchanges = [],
}: {
  fetch?: typeof globalThis.fetch
  exchanges?: Exchange[]
} = {}) {
  const pages = relayPagination()
  return new Client({
    url,
    fetchOptions: { headers },
    preferGetMethod: false,
    // Subscriptions use server-sent events on the same URL.
    fetchSubscriptions: true,
    ...(fetch && { fetch }),
    exchanges: [
      cacheExchange({
        schema,
        // The default for objects without an id. Naming them prevents warnings in development.
        keys: Object.fromEntries(embeddedTypes.map((name) => [name, () => null])),
        resolvers: {
          Query: { searchCapsules: pages, searchPipelines: pages, searchDataAssets: pages },
          Capsule: { computations: pages },
          Pipeline: { computations: pages },
          DataAsset: { attachedTo: pages, attachedToPipelines: pages },
        },
      }),
      ...exchanges,
      fetchExchange,
    ],
  })
}
