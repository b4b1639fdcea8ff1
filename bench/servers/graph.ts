import { GraphQLScalarType } from "graphql"
import { edgesOf, inOrder, offsetOf, pageInfoOf, pageOfList, searchForIds } from "./pages.ts"

/** The part of the schema that the queries need, as SDL with resolvers, for Apollo Server and Mercurius. */
export const typeDefs = `
  scalar DateTime
  scalar ByteCount
  enum CapsuleStatus { NON_RELEASE RELEASE }
  enum ComputationState { INITIALIZING RUNNING FINALIZING COMPLETED FAILED }
  enum ComputationEndStatus { SUCCEEDED FAILED STOPPED }
  enum DataAssetState { DRAFT READY FAILED }
  enum AppPanelParameterType { TEXT LIST FILE }
  enum CapsuleOrderField { CREATED NAME LAST_ACCESSED }
  enum OrderDirection { ASC DESC }
  type Capsule {
    id: ID! name: String! status: CapsuleStatus! owner: String! slug: String! created: DateTime! lastAccessed: DateTime
    description: String field: String tags: [String!]
    versions: [Version!]
    appPanel: AppPanel
    computations(first: Int, after: String): ComputationConnection
  }
  type Version { majorVersion: Int minorVersion: Int releaseTime: DateTime doi: String }
  type AppPanel { general: AppPanelGeneral parameters: [AppPanelParameter!] dataAssets: [AttachedDataAsset!] }
  type AppPanelGeneral { title: String }
  type AppPanelParameter { name: String type: AppPanelParameterType defaultValue: String }
  type AttachedDataAsset { mount: String dataAsset: DataAsset }
  type DataAsset { id: ID! name: String! size: ByteCount state: DataAssetState! }
  type Computation {
    id: ID! name: String! state: ComputationState! endStatus: ComputationEndStatus runTime: Int! dataAssets: [AttachedDataAsset!]
  }
  type ComputationConnection { edges: [ComputationEdge!]! nodes: [Computation!]! pageInfo: PageInfo! }
  type ComputationEdge { cursor: String! node: Computation! }
  type CapsuleConnection { edges: [CapsuleEdge!]! nodes: [Capsule!]! pageInfo: PageInfo! }
  type CapsuleEdge { cursor: String! node: Capsule! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  input CapsuleOrderInput { field: CapsuleOrderField! direction: OrderDirection! = ASC }
  input ArchiveCapsuleInput { id: ID! archived: Boolean! }
  type ArchiveCapsulePayload { capsule: Capsule }
  type MutationRefused { code: String! message: String! }
  union ArchiveCapsuleResult = ArchiveCapsulePayload | MutationRefused
  type Query {
    capsule(id: ID!): Capsule
    capsules(ids: [ID!]!): [Capsule]!
    searchCapsules(first: Int, after: String, query: String, orderBy: CapsuleOrderInput): CapsuleConnection!
  }
  type Mutation { archiveCapsule(input: ArchiveCapsuleInput!): ArchiveCapsuleResult }
`

// biome-ignore lint/suspicious/noExplicitAny: the wire's objects have no types here.
type Json = any

/** How a server calls the REST API, with the caller's credentials. Paths are relative to `/api/v1/`. */
export interface Rest {
  read(path: string): Promise<Json>
  search(body: object): Promise<Json>
  change(path: string): Promise<unknown>
}

type Context = { rest: Rest }

const dataAsset = ({ id }: Json, _args: object, { rest }: Context) => rest.read(`data_assets/${id}`)

const upper = (key: string) => (parent: Json) => parent[key]?.toUpperCase()
const at = (key: string) => (parent: Json) => parent[key]

export const resolvers = {
  DateTime: new GraphQLScalarType({
    name: "DateTime",
    serialize: (seconds) => new Date(Number(seconds) * 1000).toISOString(),
  }),
  ByteCount: new GraphQLScalarType({ name: "ByteCount", serialize: Number }),
  Query: {
    capsule: (_: unknown, { id }: Json, { rest }: Context) => rest.read(`capsules/${id}`),
    async capsules(_: unknown, { ids }: Json, { rest }: Context) {
      const { results } = await rest.search(searchForIds(ids))
      return inOrder(results, ids)
    },
    async searchCapsules(_: unknown, { first, after, query, orderBy }: Json, { rest }: Context) {
      const offset = offsetOf(after)
      const order = orderBy && { sort_field: orderBy.field.toLowerCase(), sort_order: orderBy.direction.toLowerCase() }
      const { results, has_more } = await rest.search({ limit: first ?? 20, offset, query, ...order })
      return { nodes: results, offset, hasNextPage: has_more }
    },
  },
  Mutation: {
    async archiveCapsule(_: unknown, { input }: Json, { rest }: Context) {
      await rest.change(`capsules/${input.id}/archive?archive=${input.archived}`)
      return { __typename: "ArchiveCapsulePayload", id: input.id }
    },
  },
  ArchiveCapsulePayload: {
    capsule: ({ id }: Json, _args: object, { rest }: Context) => rest.read(`capsules/${id}`),
  },
  Capsule: {
    status: upper("status"),
    lastAccessed: at("last_accessed"),
    appPanel: ({ id }: Json, _args: object, { rest }: Context) => rest.read(`capsules/${id}/app_panel`),
    async computations({ id }: Json, { first, after }: Json, { rest }: Context) {
      return pageOfList(await rest.read(`capsules/${id}/computations`), first, after)
    },
  },
  Version: {
    majorVersion: at("major_version"),
    minorVersion: at("minor_version"),
    releaseTime: at("release_time"),
  },
  CapsuleConnection: { edges: edgesOf, pageInfo: pageInfoOf },
  ComputationConnection: { edges: edgesOf, pageInfo: pageInfoOf },
  AppPanel: { dataAssets: at("data_assets") },
  AppPanelParameter: { type: upper("type"), defaultValue: at("default_value") },
  AttachedDataAsset: { dataAsset },
  DataAsset: { state: upper("state") },
  Computation: {
    state: upper("state"),
    endStatus: upper("end_status"),
    runTime: at("run_time"),
    dataAssets: at("data_assets"),
  },
}
