import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { TwoGenerationCache } from "../src/collections/twoGenerationCache.ts"
import { startAnswering } from "./support/faultyUpstream.ts"
import { callsOf, startGateway, startGatewayOn } from "./support/gateway.ts"

const nowhere = "00000000-0000-4000-8000-000000000000"

const nodeQuery = "query ($id: ID!) { node(id: $id) { __typename id } }"
const nodesQuery = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

const probesOf = (id: string) => ({
  [`GET /pipelines/${id}`]: 1,
  [`GET /capsules/${id}`]: 1,
  [`GET /computations/${id}`]: 1,
  [`GET /data_assets/${id}`]: 1,
})

describe("an id that the gateway does not know", () => {
  test.each([
    ["Capsule", seed.cellCounter],
    ["Pipeline", seed.ecephysPipeline],
    ["Computation", seed.countedCells],
    ["DataAsset", seed.sortedSpikes],
  ])(
    "an unknown id is found to be a %s by one call to each of the four routes, and by one call from then on",
    async (type, id) => {
      const { ask, sandbox } = await startGateway()
      const hold = sandbox.hold()
      const first = ask(nodeQuery, { id })
      await hold.waitFor(4)
      hold.end()
      expect((await first).data.node).toEqual({ __typename: type, id })
      expect(callsOf(sandbox.requests)).toEqual(probesOf(id))

      expect((await ask(nodeQuery, { id })).data.node).toEqual({ __typename: type, id })
      expect(sandbox.requests).toHaveLength(5)
    },
  )

  test("a node is not fetched again if the query has it elsewhere too", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(
      `query ($id: ID!) { node(id: $id) { ... on DataAsset { name provenance { capsule { name } } } } }`,
      { id: seed.sortedSpikes },
    )
    expect(errors).toBeUndefined()
    expect(data.node.provenance.capsule.name).toBe("Spike Sorting")
    expect(callsOf(sandbox.requests)).toEqual({
      ...probesOf(seed.sortedSpikes),
      [`GET /capsules/${seed.spikeSorting}`]: 1,
    })
  })

  test("a node is null if all four routes answer 404", async () => {
    const { ask, sandbox } = await startGateway()
    expect(await ask(nodeQuery, { id: nowhere })).toEqual({ data: { node: null } })
    expect(callsOf(sandbox.requests)).toEqual(probesOf(nowhere))
  })

  test("a node is FORBIDDEN if one route forbids it and none has it", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(nodeQuery, { id: seed.graceLocked })
    expect(data.node).toBeNull()
    expect(errors?.[0]?.extensions.code).toBe("FORBIDDEN")
    expect(errors?.[0]?.extensions.upstream).toEqual({ endpoint: "GET /data_assets/{id}", status: 403 })
  })

  test("a node is an error, not null, if a route fails that might have had it", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /computations/${nowhere}`, { status: 500 })
    const { data, errors } = await ask(nodeQuery, { id: nowhere })
    expect(data.node).toBeNull()
    expect(errors?.[0]?.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
  })

  test("a node is found even if another route fails", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /pipelines/${seed.sortedSpikes}`, { status: 500 })
    const { data, errors } = await ask(nodeQuery, { id: seed.sortedSpikes })
    expect(errors).toBeUndefined()
    expect(data.node.__typename).toBe("DataAsset")
  })

  test("a node is found with a token that may read nothing but its kind", async () => {
    const { ask } = await startGateway()
    const headers = { authorization: `Bearer ${tokens.noDatasets}` }
    const { data, errors } = await ask(nodeQuery, { id: seed.cellCounter }, headers)
    expect(errors).toBeUndefined()
    expect(data.node.__typename).toBe("Capsule")
  })

  test("a node id that can't be an id is refused before anything is sent", async () => {
    const { ask, sandbox } = await startGateway()
    expect((await ask(nodeQuery, { id: ".." })).errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })
})

describe("an id that the gateway has returned", () => {
  test("a node of an id that the gateway has returned costs one call", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(`{ capsule(id: "${seed.cellCounter}") { computations { nodes { id } } } }`)
    const before = sandbox.requests.length
    expect((await ask(nodeQuery, { id: seed.countedCells })).data.node.__typename).toBe("Computation")
    expect(callsOf(sandbox.requests.slice(before))).toEqual({ [`GET /computations/${seed.countedCells}`]: 1 })
  })

  test("a known id reveals no more to a caller without access than an unknown one", async () => {
    const { ask } = await startGateway()
    await ask(`{ dataAsset(id: "${seed.privateAsset}") { name } }`)
    const headers = { authorization: `Bearer ${tokens.grace}` }
    expect(await ask(nodeQuery, { id: seed.privateAsset }, headers)).toEqual({ data: { node: null } })
  })

  test("a node is null once the object is deleted", async () => {
    const { ask, sandbox } = await startGateway()
    const id = seed.archivedAsset
    expect((await ask(nodeQuery, { id })).data.node).toEqual({ __typename: "DataAsset", id })
    await ask(`mutation ($id: ID!) { deleteDataAsset(input: {id: $id}) { __typename } }`, { id })
    const before = sandbox.requests.length
    expect(await ask(nodeQuery, { id })).toEqual({ data: { node: null } })
    expect(callsOf(sandbox.requests.slice(before))).toEqual({ [`GET /data_assets/${id}`]: 1 })
  })

  test("the type of an id is known after a search that returned it", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(`{ searchCapsules(query: "id:${seed.cellCounter}") { nodes { id } } }`)
    await ask(nodeQuery, { id: seed.cellCounter })
    expect(callsOf(sandbox.requests)).toEqual({ "POST /capsules/search": 1, [`GET /capsules/${seed.cellCounter}`]: 1 })
  })

  test("a node of a known type is an error, not null, while Code Ocean fails", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(nodeQuery, { id: seed.countedCells })
    sandbox.failNext(`GET /computations/${seed.countedCells}`, { status: 500 })
    const { errors } = await ask(nodeQuery, { id: seed.countedCells })
    expect(errors?.[0]?.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
  })
})

describe("a pipeline, which answers as a capsule too", () => {
  const id = seed.ecephysPipeline

  test("a pipeline is a Pipeline even after it was read as a capsule", async () => {
    const { ask } = await startGateway()
    expect((await ask(`{ capsule(id: "${id}") { name } }`)).data.capsule.name).toBe("Ecephys Pipeline")
    for (let times = 0; times < 2; times++) {
      expect((await ask(nodeQuery, { id })).data.node).toEqual({ __typename: "Pipeline", id })
    }
  })

  test("a pipeline is a Pipeline in the same request in which it is read as a capsule", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`{ capsule(id: "${id}") { name } node(id: "${id}") { __typename id } }`)
    expect(data.node).toEqual({ __typename: "Pipeline", id })
  })

  test("a pipeline is a Pipeline after a capsule's edge led to it", async () => {
    const copy = { id: "copy", name: "Copy", original_capsule: { id: "original" } }
    const original = { id: "original", name: "Original" }
    const { url } = await startAnswering({
      "/capsules/copy": copy,
      "/capsules/original": original,
      "/pipelines/original": original,
    })
    const { ask } = startGatewayOn(url)
    const edge = await ask(`{ capsule(id: "copy") { originalCapsule { capsule { __typename name } } } }`)
    expect(edge.data.capsule.originalCapsule.capsule).toEqual({ __typename: "Capsule", name: "Original" })
    expect((await ask(nodeQuery, { id: "original" })).data.node).toEqual({ __typename: "Pipeline", id: "original" })
  })

  test("a pipeline is not taken for a capsule while the pipelines' route fails", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /pipelines/${id}`, { status: 500 })
    const { data, errors } = await ask(nodeQuery, { id })
    expect(data.node).toBeNull()
    expect(errors?.[0]?.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
    expect((await ask(nodeQuery, { id })).data.node.__typename).toBe("Pipeline")
  })
})

describe("many ids", () => {
  test("nodes come in the order of their ids, null if missing, and equal ids are fetched once", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(nodesQuery, { ids: [seed.cellCounter, seed.sortedSpikes] })
    const before = sandbox.requests.length
    const ids = [seed.sortedSpikes, nowhere, seed.cellCounter, seed.sortedSpikes]
    const { data, errors } = await ask(nodesQuery, { ids })
    expect(errors).toBeUndefined()
    expect(data.nodes).toEqual([
      { __typename: "DataAsset", id: seed.sortedSpikes },
      null,
      { __typename: "Capsule", id: seed.cellCounter },
      { __typename: "DataAsset", id: seed.sortedSpikes },
    ])
    expect(callsOf(sandbox.requests.slice(before))).toEqual({
      [`GET /data_assets/${seed.sortedSpikes}`]: 1,
      // The known capsule and the probe are one search.
      "POST /capsules/search": 1,
      ...probesOf(nowhere),
    })
  })

  test("a forbidden node leaves the other nodes as they are", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(nodesQuery, { ids: [seed.graceLocked, seed.countedCells] })
    expect(data.nodes).toEqual([null, { __typename: "Computation", id: seed.countedCells }])
    expect(errors).toHaveLength(1)
    expect(errors?.[0]?.path).toEqual(["nodes", 0])
    expect(errors?.[0]?.extensions.code).toBe("FORBIDDEN")
  })

  test("more than 1,000 node ids are refused before anything is sent", async () => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(nodesQuery, { ids: Array.from({ length: 1001 }, (_, index) => `id-${index}`) })
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(errors?.[0]?.message).toContain("1001")
    expect(sandbox.requests).toHaveLength(0)
  })
})

test("two gateways do not share known types of ids", async () => {
  const { ask, sandbox } = await startGateway()
  await ask(nodeQuery, { id: seed.countedCells })
  const other = startGatewayOn(sandbox.url)
  await other.ask(nodeQuery, { id: seed.countedCells })
  expect(sandbox.requests).toHaveLength(8)
})

test("the known types of ids are dropped in the order of their last use", () => {
  const types = new TwoGenerationCache(2)
  types.set("ada", "a", "Capsule")
  types.set("ada", "b", "Pipeline")
  expect(types.get("ada", "a")).toBe("Capsule")
  types.set("ada", "c", "DataAsset")
  expect(["a", "b", "c"].map((id) => types.get("ada", id))).toEqual(["Capsule", undefined, "DataAsset"])
})
