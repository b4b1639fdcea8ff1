import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { examples } from "../src/http/graphiql/examples.ts"
import { everyField } from "./support/everyField.ts"
import { callsOf, startGateway } from "./support/gateway.ts"

const headline = `
  query CapsulePage {
    searchCapsules(first: 50, query: "tag:generated", orderBy: {field: LAST_ACCESSED, direction: DESC}) {
      nodes {
        id name status lastAccessed tags
        appPanel { general { title } parameters { name type defaultValue } dataAssets { mount dataAsset { name size state } } }
        computations(first: 5) { nodes { id name state endStatus runTime dataAssets { mount dataAsset { id name size } } } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }`

/** The ids of all data assets that an answer of the headline request shows. */
function dataAssetIds(data: {
  searchCapsules: { nodes: { computations: { nodes: { dataAssets: { dataAsset: { id: string } }[] }[] } }[] }
}) {
  return new Set(
    data.searchCapsules.nodes.flatMap((capsule) =>
      capsule.computations.nodes.flatMap((run) => run.dataAssets.map(({ dataAsset }) => dataAsset.id)),
    ),
  )
}

describe("the headline request over 50 capsules", () => {
  test("costs one search, a panel and a list of runs for each capsule, and each distinct data asset once", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 60 } })
    const { data, errors } = await ask(headline)
    expect(errors).toBeUndefined()
    expect(data.searchCapsules.nodes).toHaveLength(50)

    const assets = dataAssetIds(data)
    expect(assets.size).toBeGreaterThan(5)
    const expected: Record<string, number> = { "POST /capsules/search": 1 }
    for (const { id } of data.searchCapsules.nodes) {
      expected[`GET /capsules/${id}/app_panel`] = 1
      expected[`GET /capsules/${id}/computations`] = 1
    }
    for (const { path } of sandbox.requestsTo("GET /data_assets/*")) expected[`GET ${path}`] = 1
    expect(callsOf(sandbox.requests)).toEqual(expected)
    for (const id of assets) expect(sandbox.requestsTo(`GET /data_assets/${id}`)).toHaveLength(1)
  })

  test("takes three waves, each of them sent as a whole before anything of it is answered", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 60 }, config: { upstreamConnections: 500 } })
    const hold = sandbox.hold()
    const answer = ask(headline)

    const first = await hold.waitFor(1)
    expect(first.map(({ path }) => path)).toEqual(["/capsules/search"])
    hold.release()

    const second = await hold.waitFor(100)
    expect(second.filter(({ path }) => path.endsWith("/app_panel"))).toHaveLength(50)
    expect(second.filter(({ path }) => path.endsWith("/computations"))).toHaveLength(50)
    hold.release()

    // What the panels and runs name is known only now; the answer tells how many that are.
    hold.end()
    const { data } = await answer
    const third = sandbox.requests.slice(101)
    expect(third.every(({ path }) => path.startsWith("/data_assets/"))).toBe(true)
    expect(third.length).toBeGreaterThanOrEqual(dataAssetIds(data).size)
  })

  test("waits for no more than its turn when connections are few", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 60 }, config: { upstreamConnections: 10 } })
    const hold = sandbox.hold()
    const answer = ask(headline)
    await hold.waitFor(1)
    hold.release()
    expect(await hold.waitFor(10)).toHaveLength(10)
    hold.end()
    const { data } = await answer
    expect(data.searchCapsules.nodes).toHaveLength(50)
  })
})

test("asking only for ids of linked objects costs no call for them", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`
    fragment OnlyId on DataAsset { __typename id }
    query ($no: Boolean = false) {
      capsule(id: "${seed.cellCounter}") {
        releaseCapsule { id __typename }
        originalCapsule { capsule { id name @include(if: $no) } }
        appPanel { dataAssets { dataAsset { ...OnlyId } } }
        computations { nodes { runnable { id } dataAssets { dataAsset { ... on Node { id } } } } }
      }
    }`)
  expect(errors).toBeUndefined()
  expect(data.capsule.releaseCapsule).toEqual({ id: seed.releasedCellCounter, __typename: "Capsule" })
  expect(callsOf(sandbox.requests)).toEqual({
    [`GET /capsules/${seed.cellCounter}`]: 1,
    [`GET /capsules/${seed.cellCounter}/app_panel`]: 1,
    [`GET /capsules/${seed.cellCounter}/computations`]: 1,
  })
})

test("a capsule that a search returned, or that its runs lead back to, is not fetched again", async () => {
  const { ask, sandbox } = await startGateway()
  const { data } = await ask(`{
    searchCapsules(query: "id:${seed.cellCounter}") { nodes { computations { nodes { name runnable { name } } } } }
  }`)
  expect(data.searchCapsules.nodes[0].computations.nodes[0].runnable).toEqual({ name: "Cell Counter" })
  expect(callsOf(sandbox.requests)).toEqual({
    "POST /capsules/search": 1,
    [`GET /capsules/${seed.cellCounter}/computations`]: 1,
  })
})

test("a run that a list returned is not fetched again", async () => {
  const { ask, sandbox } = await startGateway()
  await ask(`mutation { archiveCapsule(input: {id: "${seed.cellCounter}", archived: true}) { __typename } }`)
  const before = sandbox.requests.length
  const { data } = await ask(`{
    capsule(id: "${seed.cellCounter}") {
      all: computations { nodes { id name } }
      newest: computations(first: 1) { nodes { id } }
    }
  }`)
  expect(data.capsule.newest.nodes[0].id).toBe(data.capsule.all.nodes[0].id)
  expect(sandbox.requests.slice(before)).toHaveLength(2)
})

test("the same id asked for many times is fetched once, and answers stay with their ids", async () => {
  const { ask, sandbox } = await startGateway()
  const ids = [seed.cellCounter, "00000000-0000-4000-8000-000000000000", seed.spikeSorting, seed.cellCounter]
  const { data, errors } = await ask(`query ($ids: [ID!]!) { capsules(ids: $ids) { id name } }`, { ids })
  expect(errors).toBeUndefined()
  expect(data.capsules.map((capsule: { id: string } | null) => capsule?.id ?? null)).toEqual([
    ids[0],
    null,
    ids[2],
    ids[0],
  ])
  expect(sandbox.requests).toHaveLength(3)
})

test("of many ids, one that fails leaves the others as they are", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext(`GET /capsules/${seed.spikeSorting}`, { status: 500 })
  const { data, errors } = await ask(`query ($ids: [ID!]!) { capsules(ids: $ids) { id } }`, {
    ids: [seed.cellCounter, seed.spikeSorting, seed.driftCorrection],
  })
  expect(data.capsules).toEqual([{ id: seed.cellCounter }, null, { id: seed.driftCorrection }])
  expect(errors).toHaveLength(1)
  expect(errors?.[0]?.path).toEqual(["capsules", 1])
})

test("more than 1,000 ids are refused before anything is sent", async () => {
  const { ask, sandbox } = await startGateway()
  const ids = Array.from({ length: 1001 }, (_, index) => `id-${index}`)
  const { errors } = await ask(`query ($ids: [ID!]!) { dataAssets(ids: $ids) { id } }`, { ids })
  expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  expect(errors?.[0]?.message).toContain("1001")
  expect(sandbox.requests).toHaveLength(0)
})

describe("where capsules may be read in bulk", () => {
  const config = { bulkCapsuleReads: true }
  const capsules = `query ($ids: [ID!]!) { capsules(ids: $ids) { ${everyField("Capsule")} } }`
  const some = [seed.cellCounter, seed.spikeSorting, seed.driftCorrection]

  test("several that are wanted at once are one search, and the same to the last field", async () => {
    const bulk = await startGateway({ config })
    const single = await startGateway()
    const answer = await bulk.ask(capsules, { ids: some })
    expect(answer.errors).toBeUndefined()
    expect(answer).toEqual(await single.ask(capsules, { ids: some }))
    expect(callsOf(bulk.sandbox.requests)).toEqual({ "POST /capsules/search": 1 })
    expect(single.sandbox.requests).toHaveLength(3)
  })

  test("a single one is read by itself", async () => {
    const { ask, sandbox } = await startGateway({ config })
    await ask(capsules, { ids: [seed.cellCounter] })
    expect(callsOf(sandbox.requests)).toEqual({ [`GET /capsules/${seed.cellCounter}`]: 1 })
  })

  test("what the search doesn't find is read by itself: archived ones, pipelines, what isn't there", async () => {
    const { ask, sandbox } = await startGateway({ config })
    const others = [seed.archivedNotebook, seed.ecephysPipeline, "00000000-0000-4000-8000-000000000000"]
    const { data, errors } = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id } }", {
      ids: [...some, ...others],
    })
    expect(errors).toBeUndefined()
    expect(data.capsules.map((capsule: { id: string } | null) => capsule?.id ?? null)).toEqual([
      ...some,
      seed.archivedNotebook,
      seed.ecephysPipeline,
      null,
    ])
    expect(callsOf(sandbox.requests)).toEqual({
      "POST /capsules/search": 1,
      ...Object.fromEntries(others.map((id) => [`GET /capsules/${id}`, 1])),
    })
  })

  test("an id that could be more than one term is never part of a search", async () => {
    const { ask, sandbox } = await startGateway({ config })
    await ask(capsules, { ids: [`${seed.cellCounter} name:a`, "*", seed.spikeSorting] })
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(0)
    expect(sandbox.requests).toHaveLength(3)
  })

  test("a search that is refused is made up for one by one; one that fails is not", async () => {
    const { ask, sandbox } = await startGateway({ config })
    sandbox.failNext("POST /capsules/search", { status: 400 })
    expect((await ask(capsules, { ids: some })).errors).toBeUndefined()
    expect(sandbox.requests).toHaveLength(4)
    sandbox.failNext("POST /capsules/search", { status: 500 })
    const { data, errors } = await ask(capsules, { ids: some })
    expect(data.capsules).toEqual([null, null, null])
    expect(errors?.map(({ extensions }) => extensions.upstream.endpoint)).toEqual(
      Array(3).fill("POST /capsules/search"),
    )
    expect(sandbox.requests).toHaveLength(5)
  })

  test("150 are two searches", async () => {
    const { ask, sandbox } = await startGateway({ config, sandbox: { generate: 150 } })
    const { data } = await ask(`{ searchCapsules(first: 150, query: "tag:generated") { nodes { id } } }`)
    const ids = data.searchCapsules.nodes.map(({ id }: { id: string }) => id)
    const before = sandbox.requests.length
    const answer = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id name } }", { ids })
    expect(answer.data.capsules.map(({ id }: { id: string }) => id)).toEqual(ids)
    expect(sandbox.requests.slice(before).map(({ path }) => path)).toEqual(["/capsules/search", "/capsules/search"])
  })
})

test("two requests never share what they loaded", async () => {
  const { ask, sandbox } = await startGateway()
  const query = `{ capsule(id: "${seed.cellCounter}") { name } }`
  await ask(query)
  await ask(query)
  expect(sandbox.requestsTo(`GET /capsules/${seed.cellCounter}`)).toHaveLength(2)
})

test("the examples in GraphiQL answer without an error", async () => {
  const { ask } = await startGateway()
  for (const { query, variables } of examples) expect((await ask(query, variables)).errors, query).toBeUndefined()
})
