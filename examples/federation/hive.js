// Hive Gateway as the router: `hive-gateway supergraph -c hive.js`
import { defineConfig } from "@graphql-hive/gateway"
import { headersFor } from "./headers.js"

// The maximum cost of an operation, by the weights of the subgraphs' fields.
const maxCost = process.env.MAX_COST

export const gatewayConfig = defineConfig({
  supergraph: process.env.SUPERGRAPH ?? "supergraph.graphql",
  host: "127.0.0.1",
  port: Number(process.env.PORT ?? 4020),
  ...(maxCost && { demandControl: { maxCost: Number(maxCost), includeExtensionMetadata: true } }),
  propagateHeaders: {
    fromClientToSubgraphs: ({ request, subgraphName }) => headersFor(subgraphName, Object.fromEntries(request.headers)),
  },
})
