import { readFile } from "node:fs/promises"
import { buildSchema, type GraphQLInterfaceType, type GraphQLObjectType, type GraphQLUnionType, print } from "graphql"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { apiSdl, subgraphSdl } from "../src/graph/federation/sdl.ts"
import { nodeLoaders } from "../src/graph/node/loaders.ts"
import { schema } from "../src/graph/schema.ts"
import { callsOf, startGateway } from "./support/gateway.ts"

const entities = `query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on Capsule { id name }
    ... on Pipeline { id name }
    ... on Computation { id name }
    ... on DataAsset { id name }
  }
}`

const reference = (type: string, id: string) => ({ __typename: type, id })

const tenCapsules = [
  seed.cellCounter,
  seed.releasedCellCounter,
  seed.verificationCellCounter,
  seed.spikeSorting,
  seed.spikeSortingCopy,
  seed.driftCorrection,
  seed.ecephysQuality,
  seed.sequenceAligner,
  seed.oldForms,
  seed.embargoed,
]

describe("references from other subgraphs", () => {
  test("references from other subgraphs are resolved to objects of every type, in their order", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(entities, {
      representations: [
        reference("DataAsset", seed.sortedSpikes),
        reference("Capsule", seed.cellCounter),
        reference("Computation", seed.countedCells),
        reference("Pipeline", seed.ecephysPipeline),
      ],
    })
    expect(errors).toBeUndefined()
    expect(data._entities).toEqual([
      { __typename: "DataAsset", id: seed.sortedSpikes, name: expect.any(String) },
      { __typename: "Capsule", id: seed.cellCounter, name: "Cell Counter" },
      { __typename: "Computation", id: seed.countedCells, name: expect.any(String) },
      { __typename: "Pipeline", id: seed.ecephysPipeline, name: "Ecephys Pipeline" },
    ])
  })

  test("fifty references to ten capsules are one search", async () => {
    const { ask, sandbox } = await startGateway()
    const representations = Array.from({ length: 50 }, (_, index) =>
      reference("Capsule", tenCapsules[index % 10] ?? ""),
    )
    const { data, errors } = await ask(entities, { representations })
    expect(errors).toBeUndefined()
    expect(data._entities.map(({ id }: { id: string }) => id)).toEqual(representations.map(({ id }) => id))
    expect(callsOf(sandbox.requests)).toEqual({ "POST /capsules/search": 1 })
  })

  test("fifty references to ten data assets are ten calls, all sent before the first is answered", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 10 } })
    const found = await ask(`{ searchDataAssets(first: 10, query: "tag:generated") { nodes { id } } }`)
    const ids: string[] = found.data.searchDataAssets.nodes.map(({ id }: { id: string }) => id)
    const before = sandbox.requests.length
    const hold = sandbox.hold()
    const representations = Array.from({ length: 50 }, (_, index) => reference("DataAsset", ids[index % 10] ?? ""))
    const answer = ask(entities, { representations })
    await hold.waitFor(10)
    hold.end()
    const { data, errors } = await answer
    expect(errors).toBeUndefined()
    expect(data._entities.map(({ id }: { id: string }) => id)).toEqual(representations.map(({ id }) => id))
    expect(callsOf(sandbox.requests.slice(before))).toEqual(
      Object.fromEntries(ids.map((id) => [`GET /data_assets/${id}`, 1])),
    )
  })

  test("a reference to a missing object is null, one to a forbidden object an error at its place, and the others are resolved", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(entities, {
      representations: [
        reference("Capsule", seed.graceNotebook),
        reference("Capsule", seed.cellCounter),
        reference("DataAsset", seed.graceLocked),
      ],
    })
    expect(data._entities).toEqual([null, { __typename: "Capsule", id: seed.cellCounter, name: "Cell Counter" }, null])
    expect(errors).toMatchObject([{ path: ["_entities", 2], extensions: { code: "FORBIDDEN" } }])
  })

  test("references of which only ids are selected cost no call, whatever is selected of other types", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(
      `query ($representations: [_Any!]!) {
        _entities(representations: $representations) {
          ... on Runnable { ...onlyId }
          ... on Computation { name }
          ... on DataAsset { __typename id }
        }
      }
      fragment onlyId on Node { id }`,
      {
        representations: [
          reference("Capsule", seed.cellCounter),
          reference("Computation", seed.countedCells),
          reference("DataAsset", seed.sortedSpikes),
        ],
      },
    )
    expect(data._entities).toEqual([
      { id: seed.cellCounter },
      { name: expect.any(String) },
      { __typename: "DataAsset", id: seed.sortedSpikes },
    ])
    expect(callsOf(sandbox.requests)).toEqual({ [`GET /computations/${seed.countedCells}`]: 1 })
  })

  test.each([
    ["no object", "Capsule", "one of Capsule, Computation, DataAsset, Pipeline"],
    ["a list", [reference("Capsule", seed.cellCounter)], "one of Capsule, Computation, DataAsset, Pipeline"],
    ["without a type", { id: seed.cellCounter }, "one of Capsule, Computation, DataAsset, Pipeline"],
    ["of a type that is no entity", reference("AppPanel", "a"), "one of Capsule, Computation, DataAsset, Pipeline"],
    ["of a type that is only JavaScript's", reference("constructor", "a"), "one of Capsule"],
    ["without an id", { __typename: "Capsule" }, "a reference to a Capsule needs an `id`, as a string."],
    ["with a number as its id", { __typename: "Capsule", id: 7 }, "a reference to a Capsule needs an `id`"],
    ["with an id that climbs", reference("Capsule", ".."), ""],
  ])("a reference that is %s is refused at its place, and the others are resolved", async (_what, odd, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(entities, { representations: [odd, reference("Capsule", seed.cellCounter)] })
    expect(data._entities).toEqual([null, { __typename: "Capsule", id: seed.cellCounter, name: "Cell Counter" }])
    expect(errors).toMatchObject([{ path: ["_entities", 0], extensions: { code: "BAD_USER_INPUT" } }])
    expect(errors?.[0]?.message).toContain(sentence)
    expect(sandbox.requests).toHaveLength(1)
  })

  test("references from other subgraphs can stand in the query itself", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(
      `query ($id: ID!) { _entities(representations: [{ __typename: "Capsule", id: $id }]) { ... on Capsule { name } } }`,
      { id: seed.cellCounter },
    )
    expect(data._entities).toEqual([{ name: "Cell Counter" }])
  })

  test("more than 1,000 references are refused before anything is sent", async () => {
    const { ask, sandbox } = await startGateway()
    const representations = Array.from({ length: 1001 }, (_, index) => reference("Capsule", `id-${index}`))
    const { errors } = await ask(entities, { representations })
    expect(errors).toMatchObject([{ extensions: { code: "BAD_USER_INPUT" } }])
    expect(errors?.[0]?.message).toContain("1001 entries; at most 1000")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("references from other subgraphs are read with the caller's own token, and with none are UNAUTHENTICATED", async () => {
    const { ask, sandbox } = await startGateway()
    const representations = [reference("Capsule", seed.graceNotebook)]
    const grace = await ask(entities, { representations }, { authorization: `Bearer ${tokens.grace}` })
    expect(grace.data._entities[0].id).toBe(seed.graceNotebook)
    const nobody = await ask(entities, { representations }, {})
    expect(nobody.data._entities).toEqual([null])
    expect(nobody.errors).toMatchObject([{ path: ["_entities", 0], extensions: { code: "UNAUTHENTICATED" } }])
    expect(sandbox.requests).toHaveLength(1)
  })
})

test.each([true, false])(
  "the subgraph's SDL is schema.graphql, and costs no call; with @defer: %s",
  async (incrementalDelivery) => {
    const { ask, sandbox } = await startGateway({ config: { incrementalDelivery } })
    const { data } = await ask("{ _service { sdl } }")
    expect(data._service.sdl).toBe(await readFile(new URL("../schema.graphql", import.meta.url), "utf8"))
    expect(sandbox.requests).toHaveLength(0)
  },
)

test("without introspection the subgraph does not return its SDL, and still resolves references", async () => {
  const { ask } = await startGateway({ config: { introspection: false } })
  const { data, errors } = await ask("{ ...text } fragment text on Query { aliased: _service { sdl } }")
  expect(data).toBeUndefined()
  expect(errors).toMatchObject([{ extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }])
  expect(errors?.[0]?.message).toContain("INTROSPECTION=true")
  const { data: found } = await ask(entities, { representations: [reference("Capsule", seed.cellCounter)] })
  expect(found._entities).toHaveLength(1)
})

test("the entities are the types that implement Node, each with its key", () => {
  const nodes = schema.getPossibleTypes(schema.getType("Node") as GraphQLInterfaceType)
  const entities = (schema.getType("_Entity") as GraphQLUnionType).getTypes()
  expect(new Set(entities)).toEqual(new Set(nodes))
  expect(new Set(nodeLoaders.keys())).toEqual(new Set(nodes.map(({ name }) => name)))
  for (const { name } of nodes)
    expect(subgraphSdl(schema)).toMatch(new RegExp(`^type ${name} .*@key\\(fields: "id"\\) {$`, "m"))
})

test("the printed schema is one that any GraphQL tool reads, and is the served one without the federation fields", () => {
  const sdl = apiSdl(schema)
  expect(sdl).not.toMatch(/^ *(_|directive|.*@(key|link|shareable))/m)
  const { _entities, _service, ...fields } = schema.getQueryType()?.getFields() ?? {}
  const api = buildSchema(sdl)
  expect(Object.keys(api.getQueryType()?.getFields() ?? {}).sort()).toEqual(Object.keys(fields).sort())
  expect(_entities && _service).toBeDefined()
})

describe("the cost directives of the SDL", () => {
  const sdl = subgraphSdl(schema)
  const subgraph = buildSchema(sdl, { assumeValidSDL: true })
  const page =
    '@listSize(assumedSize: 20, slicingArguments: ["first"], requireOneSlicingArgument: false, sizedFields: ["edges", "nodes"])'

  test.each([
    ["a call", "Capsule", "appPanel", "AppPanel @cost(weight: 11)"],
    ["two calls for a value that is no object", "File", "json", "JSON @cost(weight: 20)"],
    ["a page", "Query", "searchCapsules", `CapsuleConnection @cost(weight: 11) ${page}`],
    [
      "a page of an interface, whose fields can't have weights",
      "Runnable",
      "computations",
      `ComputationConnection ${page}`,
    ],
    [
      "a call for a whole list",
      "Folder",
      "entries",
      '[FolderEntry] @cost(weight: 2) @listSize(assumedSize: 20, slicingArguments: ["first"], requireOneSlicingArgument: false)',
    ],
    ["a call for each item", "Provenance", "dataAssets", "[DataAsset] @cost(weight: 11) @listSize(assumedSize: 5)"],
    ["a call for each id", "Query", "capsules", "[Capsule]!"],
    ["a list that is there already", "Computation", "dataAssets", "[ComputationDataAsset] @listSize(assumedSize: 5)"],
    [
      "calls for each generation",
      "DataAsset",
      "lineage",
      'Lineage @cost(weight: 751) @listSize(assumedSize: 100, sizedFields: ["edges", "nodes"])',
    ],
    ["a call that a request makes once", "Query", "customMetadata", "CustomMetadataSchema @cost(weight: 11)"],
    ["the same call under a list", "CustomMetadataEntry", "units", "String"],
    ["nothing", "Capsule", "name", "String!"],
  ])("the SDL has the cost of a field that needs %s", (_what, type, name, expected) => {
    const field = (subgraph.getType(type) as GraphQLObjectType).getFields()[name]?.astNode
    expect(print({ ...field, arguments: [], description: undefined } as never)).toBe(`${name}: ${expected}`)
  })

  test("the SDL has the cost of a call for each id at the argument with the ids", () => {
    expect(sdl).toContain("ids: [ID!]! @cost(weight: 10)")
  })

  test("cost directives leave the graph's own directives in place", () => {
    const old = buildSchema('type Query { old: Int @deprecated(reason: "Ask for `new`.") }')
    expect(subgraphSdl(old)).toContain('old: Int @deprecated(reason: "Ask for `new`.")')
  })
})
