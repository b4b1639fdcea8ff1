import { RESTDataSource } from "@apollo/datasource-rest"
import { ApolloServer } from "@apollo/server"
import { startStandaloneServer } from "@apollo/server/standalone"
import { type Rest, resolvers, typeDefs } from "./graph.ts"

/** Apollo Server with its REST data source, as in its documentation: each GET is sent once per request. */
class CodeOcean extends RESTDataSource implements Rest {
  override baseURL = `${process.env.UPSTREAM_URL}/api/v1/`
  readonly #authorization: string

  constructor(authorization: string) {
    super()
    this.#authorization = authorization
  }
  override willSendRequest(_path: string, request: { headers: Record<string, string> }) {
    request.headers.authorization = this.#authorization
  }
  read = (path: string) => this.get(path)
  search = (body: object) => this.post("capsules/search", { body })
  change = (path: string) => this.patch(path)
}

await startStandaloneServer(new ApolloServer({ typeDefs, resolvers }), {
  listen: { host: "127.0.0.1", port: Number(process.env.PORT) },
  context: async ({ req }) => ({ rest: new CodeOcean(req.headers.authorization ?? "") }),
})
