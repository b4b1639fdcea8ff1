import { Environment, Network, RecordSource, Store } from "relay-runtime"
import { headers, url } from "../gateway.ts"

/** @param fetch sends the requests; by default the platform's own */
export function createRelayEnvironment(fetch = globalThis.fetch) {
  return new Environment({
    network: Network.create(async ({ text }, variables) => {
      const response = await fetch(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ query: text, variables }),
      })
      return response.json()
    }),
    store: new Store(new RecordSource()),
  })
}
