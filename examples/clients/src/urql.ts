import { Client, type Exchange, fetchExchange } from "@urql/core"
import { cacheExchange } from "@urql/exchange-graphcache"
import { relayPagination } from "@urql/exchange-graphcache/extras"
import { headers, url } from "./gateway.ts"
import { embeddedTypes } from "./generated/embeddedTypes.ts"
import schema from "./generated/introspection.ts"

/**
 * @param fetch what sends requests, if not the platform's own
 * @param exchanges what requests pass before they are sent
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
    // Subscriptions come as server-sent events on the same address.
    fetchSubscriptions: true,
    ...(fetch && { fetch }),
    exchanges: [
      cacheExchange({
        schema,
        // What the cache does anyway with objects that have no id. Said here, it prints no warning in development.
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
