// Hive Gateway as the router: `hive-gateway supergraph -c hive.js`
import { defineConfig } from "@graphql-hive/gateway"
import { headersFor } from "./headers.js"

export const gatewayConfig = defineConfig({
  supergraph: process.env.SUPERGRAPH ?? "supergraph.graphql",
  host: "127.0.0.1",
  port: Number(process.env.PORT ?? 4020),
  propagateHeaders: {
    fromClientToSubgraphs: ({ request, subgraphName }) => headersFor(subgraphName, Object.fromEntries(request.headers)),
  },
})
