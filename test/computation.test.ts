import { describe, expect, test } from "vitest"
import { seed } from "../src/sandbox/seed.ts"
import { startGateway, type World } from "./support/gateway.ts"

const runs = [seed.countedCells, seed.stoppedCount, seed.failedCount, seed.workstation, seed.preemptedCount]

/** The ids of Cell Counter's runs that a filter leaves. */
async function filtered(filter: string): Promise<string[]> {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ capsule(id: "${seed.cellCounter}") { computations(filter: ${filter}) { nodes { id } } } }`,
  )
  expect(errors).toBeUndefined()
  return data.capsule.computations.nodes.map(({ id }: { id: string }) => id)
}

describe("the runs of a capsule", () => {
  test("come newest first", async () => {
    expect(await filtered("{}")).toEqual(runs)
  })

  test.each([
    ["{state: COMPLETED}", [0, 1, 3]],
    ["{state: [COMPLETED, FAILED]}", [0, 1, 2, 3, 4]],
    ["{state: []}", []],
    ["{endStatus: STOPPED}", [1]],
    ["{endStatus: [FAILED, STOPPED]}", [1, 2]],
    ["{endStatus: UNRECOGNIZED}", [4]],
    ['{name: "RUN"}', [0, 1, 2, 4]],
    ['{name: "all sections"}', [0]],
    ['{name: "nothing"}', []],
    ['{created: {from: "2025-12-31T00:00:00Z"}}', [0]],
    ['{created: {to: "2025-12-29"}}', [3, 4]],
    ['{created: {from: "2025-12-28T00:00:00Z", to: "2025-12-30T00:00:00Z"}}', [2, 3]],
    ['{state: COMPLETED, endStatus: SUCCEEDED, name: "run"}', [0]],
    [`{dataAssetId: "${seed.cellImages}"}`, [0, 1]],
  ])("are filtered by %s", async (filter, indices) => {
    expect(await filtered(filter)).toEqual(indices.map((index) => runs[index]))
  })

  test.each([
    ["{created: {}}", /`from`, `to` or both/],
    ['{created: {from: "2026-01-02", to: "2026-01-01"}}', /`from` must be before `to`/],
    ['{created: {from: "yesterday"}}', /ISO 8601/],
    ['{created: {from: "2026-02-30"}}', /ISO 8601/],
  ])("are not filtered by %s, and the error says why", async (filter, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(
      `{ capsule(id: "${seed.cellCounter}") { computations(filter: ${filter}) { nodes { id } } } }`,
    )
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(sandbox.requestsTo("GET /capsules/*/computations")).toHaveLength(0)
  })

  test("of which there are none are an empty page", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(
      `{ capsule(id: "${seed.ecephysQuality}") { computations { nodes { id } pageInfo { hasNextPage endCursor } } } }`,
    )
    expect(data.capsule.computations).toEqual({ nodes: [], pageInfo: { hasNextPage: false, endCursor: null } })
  })
})

const page = `query ($id: ID!, $first: Int, $after: String, $filter: ComputationFilterInput) {
  capsule(id: $id) { computations(first: $first, after: $after, filter: $filter) {
    edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}`

async function pageOf(ask: World["ask"], variables: Record<string, unknown>) {
  const { data, errors } = await ask(page, { id: seed.cellCounter, ...variables })
  expect(errors).toBeUndefined()
  const { edges, pageInfo } = data.capsule.computations
  return { ids: edges.map(({ node }: { node: { id: string } }) => node.id), edges, pageInfo }
}

describe("pages of runs", () => {
  test.each([1, 2, 4, 5, 6])("of %i lead through all of them", async (first) => {
    const { ask } = await startGateway()
    const seen: string[] = []
    for (let after: string | null = null; ; ) {
      const { ids, pageInfo } = await pageOf(ask, { first, after })
      seen.push(...ids)
      if (!pageInfo.hasNextPage) break
      after = pageInfo.endCursor
    }
    expect(seen).toEqual(runs)
  })

  test("go on behind any of them, and a new run at the head shifts nothing", async () => {
    const { ask, sandbox } = await startGateway()
    const { edges } = await pageOf(ask, { first: 3 })
    const wire = { name: "New", owner: "o", run_time: 0, state: "running" }
    sandbox.failNext("GET /capsules/*/computations", {
      status: 200,
      body: [
        { ...wire, id: "new", created: 2e9 },
        ...runs.map((id, index) => ({ ...wire, id, created: edges[index] ? 1e9 - index : 1 })),
      ],
    })
    const { ids } = await pageOf(ask, { first: 2, after: edges[1].cursor })
    expect(ids).not.toContain("new")
  })

  test("with runs of the same second are in a stable order", async () => {
    const { ask, sandbox } = await startGateway()
    const body = ["c", "a", "b"].map((id) => ({
      id,
      created: 5,
      name: id,
      owner: "o",
      run_time: 0,
      state: "completed",
    }))
    sandbox.failNext("GET /capsules/*/computations", { status: 200, body })
    sandbox.failNext("GET /capsules/*/computations", { status: 200, body: body.toReversed() })
    const { ids, pageInfo } = await pageOf(ask, { first: 1 })
    expect(ids).toEqual(["a"])
    expect((await pageOf(ask, { first: 5, after: pageInfo.endCursor })).ids).toEqual(["b", "c"])
  })

  test("that list a run twice show it once", async () => {
    const { ask, sandbox } = await startGateway()
    const run = { id: "a", created: 5, name: "a", owner: "o", run_time: 0, state: "completed" }
    sandbox.failNext("GET /capsules/*/computations", { status: 200, body: [run, { ...run }] })
    expect((await pageOf(ask, { first: 5 })).ids).toEqual(["a"])
  })

  test("don't take the cursor of another capsule or filter", async () => {
    const { ask } = await startGateway()
    const { pageInfo } = await pageOf(ask, { first: 1 })
    for (const variables of [{ id: seed.spikeSorting }, { id: seed.cellCounter, filter: { state: "COMPLETED" } }]) {
      const { errors } = await ask(page, { ...variables, after: pageInfo.endCursor })
      expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    }
  })

  test("are of 1 to 1,000 runs", async () => {
    const { ask } = await startGateway()
    for (const first of [0, -1, 1001]) {
      const { errors } = await ask(page, { id: seed.cellCounter, first })
      expect(errors?.[0]?.message).toContain("from 1 to 1000")
    }
  })
})

test("a run that moves through its states is shown as it is each time", async () => {
  const { ask, sandbox } = await startGateway()
  const state = async () =>
    (await ask(`{ computation(id: "${seed.queuedSorting}") { state endStatus } }`)).data.computation
  expect(await state()).toEqual({ state: "INITIALIZING", endStatus: null })
  sandbox.clock.advance(61)
  expect(await state()).toEqual({ state: "RUNNING", endStatus: null })
  sandbox.clock.advance(301)
  expect(await state()).toEqual({ state: "FINALIZING", endStatus: null })
  sandbox.clock.advance(60)
  expect(await state()).toEqual({ state: "FAILED", endStatus: "FAILED" })
})

test("what a run belongs to is null where it was not reached from it", async () => {
  const { ask } = await startGateway()
  const { data } = await ask(`{ computation(id: "${seed.countedCells}") { runnable { id } } }`)
  expect(data.computation.runnable).toBeNull()
})
