// The second subgraph: experiments and their capsules. Of a capsule it has only the id.
import { ApolloServer } from "@apollo/server"
import { startStandaloneServer } from "@apollo/server/standalone"
import { buildSubgraphSchema } from "@apollo/subgraph"
import { parse } from "graphql"

// The ids are those of the demo's capsules.
const experiments = [
  { id: "1", title: "Count the cells of slide 12", capsuleId: "1d08ef13-683c-4308-9bdf-7ff3059f54d4" },
  { id: "2", title: "Count the cells of slide 13", capsuleId: "1d08ef13-683c-4308-9bdf-7ff3059f54d4" },
  { id: "3", title: "Sort the spikes of mouse 730945", capsuleId: "231c9a40-cbc0-4c17-847c-2fe2185c01db" },
  { id: "4", title: "Sort them again, with more units", capsuleId: "231c9a40-cbc0-4c17-847c-2fe2185c01db" },
  { id: "5", title: "Compare with the atlas", capsuleId: "074c9b22-283e-4d0b-bfd0-4f2ff2f6ba33" },
  { id: "6", title: "From a notebook of Grace's", capsuleId: "da3ab0c7-359d-47bf-8e92-e768b2f8d88b" },
]

const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])

  type Query {
    experiments: [Experiment!]!
  }

  type Experiment @key(fields: "id") {
    id: ID!
    title: String!
    capsule: Capsule
  }

  type Capsule @key(fields: "id") {
    id: ID!
    experiments: [Experiment!]!
  }
`)

const resolvers = {
  Query: { experiments: () => experiments },
  Experiment: {
    __resolveReference: ({ id }) => experiments.find((experiment) => experiment.id === id),
    capsule: ({ capsuleId }) => ({ id: capsuleId }),
  },
  Capsule: {
    experiments: ({ id }) => experiments.filter(({ capsuleId }) => capsuleId === id),
  },
}

const server = new ApolloServer({ schema: buildSubgraphSchema({ typeDefs, resolvers }) })
const listen = { host: "127.0.0.1", port: Number(process.env.PORT ?? 4010) }
const { url } = await startStandaloneServer(server, { listen })
console.log(`experiments: ${url}`)
