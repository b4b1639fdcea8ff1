// Apollo Server as the router.
import { readFile } from "node:fs/promises"
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway"
import { ApolloServer } from "@apollo/server"
import { startStandaloneServer } from "@apollo/server/standalone"
import { headersFor } from "./headers.js"

const gateway = new ApolloGateway({
  supergraphSdl: await readFile(process.env.SUPERGRAPH ?? "supergraph.graphql", "utf8"),
  buildService: ({ name, url }) =>
    new RemoteGraphQLDataSource({
      url,
      willSendRequest({ request, context }) {
        for (const [header, value] of Object.entries(headersFor(name, context))) request.http.headers.set(header, value)
      },
    }),
})

const server = new ApolloServer({ gateway, includeStacktraceInErrorResponses: false })
const { url } = await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: Number(process.env.PORT ?? 4020) },
  context: async ({ req }) => req.headers,
})
console.log(`router: ${url}`)
