import { createServer } from "node:http"
import SchemaBuilder from "@pothos/core"
import DataLoader from "dataloader"
import { createYoga, type YogaInitialContext } from "graphql-yoga"
import { fetch } from "undici"
import { edgesOf, inOrder, offsetOf, type Page, pageInfoOf, pageOfList, searchForIds } from "./pages.ts"

/**
 * The gateway's libraries in their usual form: Yoga with default settings, a Pothos schema, a loader for each resource, and undici's
 * `fetch`.
 */
const base = `${process.env.UPSTREAM_URL}/api/v1`

// biome-ignore lint/suspicious/noExplicitAny: the wire's objects have no types here.
type Json = any

interface Context extends YogaInitialContext {
  send(method: string, path: string, body?: object): Promise<Json>
  reads: DataLoader<string, Json>
}

function contextFor({ request }: YogaInitialContext): Omit<Context, keyof YogaInitialContext> {
  const authorization = request.headers.get("authorization") ?? ""
  const send = async (method: string, path: string, body?: object): Promise<Json> => {
    const response = await fetch(`${base}/${path}`, {
      method,
      headers: { authorization, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    return response.status === 204 ? undefined : response.json()
  }
  return { send, reads: new DataLoader((paths) => Promise.all(paths.map((path) => send("GET", path)))) }
}

const builder = new SchemaBuilder<{
  Context: Context
  Scalars: { DateTime: { Input: number; Output: number }; ByteCount: { Input: number; Output: number } }
}>({})

builder.scalarType("DateTime", { serialize: (seconds) => new Date(Number(seconds) * 1000).toISOString() })
builder.scalarType("ByteCount", { serialize: Number })
const enumOf = (name: string, ...values: string[]) =>
  builder.enumType(name, { values: Object.fromEntries(values.map((value) => [value.toUpperCase(), { value }])) })
const CapsuleStatus = enumOf("CapsuleStatus", "non_release", "release")
const ComputationState = enumOf("ComputationState", "initializing", "running", "finalizing", "completed", "failed")
const ComputationEndStatus = enumOf("ComputationEndStatus", "succeeded", "failed", "stopped")
const DataAssetState = enumOf("DataAssetState", "draft", "ready", "failed")
const ParameterType = enumOf("AppPanelParameterType", "text", "list", "file")
const CapsuleOrderField = enumOf("CapsuleOrderField", "created", "name", "last_accessed")
const OrderDirection = enumOf("OrderDirection", "asc", "desc")

const DataAsset = builder.objectRef<Json>("DataAsset").implement({
  fields: (t) => ({
    id: t.exposeID("id", { nullable: false }),
    name: t.exposeString("name"),
    size: t.expose("size", { type: "ByteCount" }),
    state: t.expose("state", { type: DataAssetState }),
  }),
})

const AttachedDataAsset = builder.objectRef<Json>("AttachedDataAsset").implement({
  fields: (t) => ({
    mount: t.exposeString("mount"),
    dataAsset: t.field({ type: DataAsset, resolve: ({ id }, _args, { reads }) => reads.load(`data_assets/${id}`) }),
  }),
})

const Computation = builder.objectRef<Json>("Computation").implement({
  fields: (t) => ({
    id: t.exposeID("id", { nullable: false }),
    name: t.exposeString("name"),
    state: t.expose("state", { type: ComputationState }),
    endStatus: t.expose("end_status", { type: ComputationEndStatus }),
    runTime: t.exposeInt("run_time"),
    dataAssets: t.expose("data_assets", { type: [AttachedDataAsset] }),
  }),
})

const PageInfo = builder.objectRef<ReturnType<typeof pageInfoOf>>("PageInfo").implement({
  fields: (t) => ({
    hasNextPage: t.exposeBoolean("hasNextPage", { nullable: false }),
    endCursor: t.exposeString("endCursor"),
  }),
})

function connectionOf(name: string, node: typeof Computation) {
  const Edge = builder.objectRef<{ cursor: string; node: Json }>(`${name}Edge`).implement({
    fields: (t) => ({ cursor: t.exposeString("cursor", { nullable: false }), node: t.expose("node", { type: node }) }),
  })
  return builder.objectRef<Page>(`${name}Connection`).implement({
    fields: (t) => ({
      edges: t.field({ type: [Edge], resolve: edgesOf }),
      nodes: t.expose("nodes", { type: [node] }),
      pageInfo: t.field({ type: PageInfo, nullable: false, resolve: pageInfoOf }),
    }),
  })
}

const ComputationConnection = connectionOf("Computation", Computation)

const Parameter = builder.objectRef<Json>("AppPanelParameter").implement({
  fields: (t) => ({
    name: t.exposeString("name"),
    type: t.expose("type", { type: ParameterType }),
    defaultValue: t.exposeString("default_value"),
  }),
})

const General = builder.objectRef<Json>("AppPanelGeneral").implement({
  fields: (t) => ({ title: t.exposeString("title") }),
})

const AppPanel = builder.objectRef<Json>("AppPanel").implement({
  fields: (t) => ({
    general: t.expose("general", { type: General }),
    parameters: t.expose("parameters", { type: [Parameter] }),
    dataAssets: t.expose("data_assets", { type: [AttachedDataAsset] }),
  }),
})

const Version = builder.objectRef<Json>("Version").implement({
  fields: (t) => ({
    majorVersion: t.exposeInt("major_version"),
    minorVersion: t.exposeInt("minor_version"),
    releaseTime: t.expose("release_time", { type: "DateTime" }),
    doi: t.exposeString("doi"),
  }),
})

const Capsule = builder.objectRef<Json>("Capsule").implement({
  fields: (t) => ({
    id: t.exposeID("id", { nullable: false }),
    name: t.exposeString("name"),
    status: t.expose("status", { type: CapsuleStatus }),
    owner: t.exposeString("owner"),
    slug: t.exposeString("slug"),
    created: t.expose("created", { type: "DateTime" }),
    lastAccessed: t.expose("last_accessed", { type: "DateTime" }),
    description: t.exposeString("description"),
    field: t.exposeString("field"),
    tags: t.exposeStringList("tags"),
    versions: t.expose("versions", { type: [Version] }),
    appPanel: t.field({
      type: AppPanel,
      resolve: ({ id }, _args, { reads }) => reads.load(`capsules/${id}/app_panel`),
    }),
    computations: t.field({
      type: ComputationConnection,
      args: { first: t.arg.int(), after: t.arg.string() },
      resolve: async ({ id }, { first, after }, { reads }) =>
        pageOfList(await reads.load(`capsules/${id}/computations`), first, after),
    }),
  }),
})

const CapsuleConnection = connectionOf("Capsule", Capsule)

const CapsuleOrderInput = builder.inputType("CapsuleOrderInput", {
  fields: (t) => ({
    field: t.field({ type: CapsuleOrderField, required: true }),
    direction: t.field({ type: OrderDirection, required: true, defaultValue: "asc" }),
  }),
})

builder.queryType({
  fields: (t) => ({
    capsule: t.field({
      type: Capsule,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_root, { id }, { reads }) => reads.load(`capsules/${id}`),
    }),
    capsules: t.field({
      type: [Capsule],
      nullable: { list: false, items: true },
      args: { ids: t.arg.idList({ required: true }) },
      async resolve(_root, { ids }, { send }) {
        const { results } = await send("POST", "capsules/search", searchForIds(ids.map(String)))
        return inOrder(results, ids.map(String))
      },
    }),
    searchCapsules: t.field({
      type: CapsuleConnection,
      args: {
        first: t.arg.int(),
        after: t.arg.string(),
        query: t.arg.string(),
        orderBy: t.arg({ type: CapsuleOrderInput }),
      },
      async resolve(_root, { first, after, query, orderBy }, { send }) {
        const offset = offsetOf(after)
        const { results, has_more } = await send("POST", "capsules/search", {
          limit: first ?? 20,
          offset,
          query,
          sort_field: orderBy?.field,
          sort_order: orderBy?.direction,
        })
        return { nodes: results, offset, hasNextPage: has_more }
      },
    }),
  }),
})

const ArchiveCapsuleInput = builder.inputType("ArchiveCapsuleInput", {
  fields: (t) => ({ id: t.id({ required: true }), archived: t.boolean({ required: true }) }),
})
const ArchiveCapsulePayload = builder.objectRef<{ id: string }>("ArchiveCapsulePayload").implement({
  fields: (t) => ({
    capsule: t.field({ type: Capsule, resolve: ({ id }, _args, { reads }) => reads.load(`capsules/${id}`) }),
  }),
})
const MutationRefused = builder.objectRef<{ message: string }>("MutationRefused").implement({
  fields: (t) => ({ message: t.exposeString("message") }),
})
const ArchiveCapsuleResult = builder.unionType("ArchiveCapsuleResult", {
  types: [ArchiveCapsulePayload, MutationRefused],
  resolveType: () => "ArchiveCapsulePayload",
})

builder.mutationType({
  fields: (t) => ({
    archiveCapsule: t.field({
      type: ArchiveCapsuleResult,
      args: { input: t.arg({ type: ArchiveCapsuleInput, required: true }) },
      async resolve(_root, { input: { id, archived } }, { send }) {
        await send("PATCH", `capsules/${id}/archive?archive=${archived}`)
        return { id: String(id) }
      },
    }),
  }),
})

const yoga = createYoga<YogaInitialContext>({ schema: builder.toSchema(), context: contextFor })
createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1")
