import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { asGraph, everyField, everyPlace, filledPlaces } from "./support/everyField.ts"
import { startAnswering } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn, type World } from "./support/gateway.ts"
import { restAt } from "./support/rest.ts"

const runs = [seed.countedCells, seed.stoppedCount, seed.failedCount, seed.workstation, seed.preemptedCount]

/** The ids of Cell Counter's runs that match a filter. */
async function filtered(filter: string): Promise<string[]> {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ capsule(id: "${seed.cellCounter}") { computations(filter: ${filter}) { nodes { id } } } }`,
  )
  expect(errors).toBeUndefined()
  return data.capsule.computations.nodes.map(({ id }: { id: string }) => id)
}

describe("the runs of a capsule", () => {
  test("runs come newest first", async () => {
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
    ['{created: {from: "2025-12-31T01:00:00+01:00"}}', [0]],
    ['{created: {from: "2025-12-27T00:00:00.750Z", to: "2025-12-28"}}', [4]],
    ['{created: {to: "2025-12-27T00:00:00.750Z"}}', []],
    ["{state: UNRECOGNIZED}", []],
    ['{state: null, endStatus: null, name: "", created: null}', [0, 1, 2, 3, 4]],
    [`{dataAssetId: "${seed.cellImages}"}`, [0, 1]],
  ])("runs are filtered by %s", async (filter, indices) => {
    expect(await filtered(filter)).toEqual(indices.map((index) => runs[index]))
  })

  test.each([
    ["{created: {}}", /`from`, `to` or both/],
    ["{created: {from: null, to: null}}", /`from`, `to` or both/],
    ['{created: {from: "2026-01-01", to: "2026-01-01"}}', /`from` must be before `to`/],
    ["{state: DONE}", /"DONE"/],
    ['{created: {from: "2026-01-02", to: "2026-01-01"}}', /`from` must be before `to`/],
    ['{created: {from: "yesterday"}}', /ISO 8601/],
    ['{created: {from: "2026-02-30"}}', /ISO 8601/],
  ])("runs are not filtered by %s, and the error says why", async (filter, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(
      `{ capsule(id: "${seed.cellCounter}") { computations(filter: ${filter}) { nodes { id } } } }`,
    )
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(sandbox.requestsTo("GET /capsules/*/computations")).toHaveLength(0)
  })

  test("a capsule without runs has an empty page of them", async () => {
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
  test.each([1, 2, 4, 5, 6])("pages of %i runs lead through all of them", async (first) => {
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

  test("a page continues after any run, whatever begins or is deleted meanwhile", async () => {
    const { ask, sandbox } = await startGateway()
    const { edges } = await pageOf(ask, { first: 3 })
    const { json } = await restAt(sandbox.url, tokens.ada)(`GET /capsules/${seed.cellCounter}/computations`)
    const begun = { id: "new", name: "New", owner: "o", run_time: 0, state: "running" }
    for (const [index, { cursor }] of edges.entries()) {
      sandbox.failNext("GET /capsules/*/computations", {
        status: 200,
        body: [{ ...begun, created: 2e9 }, ...json.filter(({ id }: { id: string }) => id !== runs[index])],
      })
      expect((await pageOf(ask, { first: 2, after: cursor })).ids).toEqual(runs.slice(index + 1, index + 3))
    }
  })

  test("runs of the same second are in a stable order", async () => {
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

  test("a run that upstream lists twice is shown once", async () => {
    const { ask, sandbox } = await startGateway()
    const run = { id: "a", created: 5, name: "a", owner: "o", run_time: 0, state: "completed" }
    sandbox.failNext("GET /capsules/*/computations", { status: 200, body: [run, { ...run }] })
    expect((await pageOf(ask, { first: 5 })).ids).toEqual(["a"])
  })

  test("a cursor of runs of another capsule or filter is refused", async () => {
    const { ask } = await startGateway()
    const { pageInfo } = await pageOf(ask, { first: 1 })
    for (const variables of [{ id: seed.spikeSorting }, { id: seed.cellCounter, filter: { state: "COMPLETED" } }]) {
      const { errors } = await ask(page, { ...variables, after: pageInfo.endCursor })
      expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    }
  })

  test("a page of runs has 1 to 1,000 runs", async () => {
    const { ask } = await startGateway()
    for (const first of [0, -1, 1001]) {
      const { errors } = await ask(page, { id: seed.cellCounter, first })
      expect(errors?.[0]?.message).toContain("from 1 to 1000")
    }
  })

  test("an invalid cursor or page size of runs is refused without fetching the runs", async () => {
    const { ask, sandbox } = await startGateway()
    for (const variables of [{ after: "" }, { after: "1.abc.def" }, { first: 0 }]) {
      const { data, errors } = await ask(page, { id: seed.cellCounter, ...variables })
      expect(data.capsule).toEqual({ computations: null })
      expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    }
    expect(sandbox.requestsTo("GET /capsules/*/computations")).toHaveLength(0)
  })

  test("pages and filters of one request share one call", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(`{ capsule(id: "${seed.cellCounter}") {
      newest: computations(first: 1) { nodes { id } }
      failed: computations(filter: {state: FAILED}) { nodes { id } }
    } }`)
    expect(data.capsule).toEqual({
      newest: { nodes: [{ id: runs[0] }] },
      failed: { nodes: [{ id: runs[2] }, { id: runs[4] }] },
    })
    expect(sandbox.requestsTo("GET /capsules/*/computations")).toHaveLength(1)
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

test("the runnable of a run is null if the run was not reached from it", async () => {
  const { ask } = await startGateway()
  const { data } = await ask(`{ computation(id: "${seed.countedCells}") { runnable { id } } }`)
  expect(data.computation.runnable).toBeNull()
})

const cast = [
  ...runs,
  seed.releasedCount,
  seed.sortedRun,
  seed.hollowSuccess,
  seed.failedSorting,
  seed.queuedSorting,
  seed.copiedSorting,
  seed.correctedDrift,
  seed.runningAlignment,
  seed.pipelineRun,
  seed.failedPipelineRun,
  seed.stitchedRun,
  seed.graceRun,
]

test("every field of every run is what the REST API has", async () => {
  const { ask, sandbox } = await startGateway()
  const rest = restAt(sandbox.url, tokens.admin)
  // All runs have ended by then, so that both responses have the same times.
  sandbox.clock.advance(10_000)
  const { data, errors } = await ask(
    `query ($ids: [ID!]!) { computations(ids: $ids) { ${everyField("Computation")} } }`,
    { ids: cast },
    { authorization: `Bearer ${tokens.admin}` },
  )
  expect(errors).toBeUndefined()
  for (const [index, id] of cast.entries()) {
    const { json } = await rest(`GET /computations/${id}`)
    expect(data.computations[index], json.name).toEqual(asGraph("Computation", json))
  }
  const filled = new Set(data.computations.flatMap((run: object) => filledPlaces("Computation", run)))
  // The wire's run has no runnable: it is known only if the run was reached from it.
  expect(everyPlace("Computation").filter((place) => !filled.has(place))).toEqual(["Computation.runnable"])
})

test("a run in a list is the same as by its id, and has its runnable", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.clock.advance(10_000)
  const { json } = await restAt(sandbox.url, tokens.ada)(`GET /capsules/${seed.spikeSorting}/computations`)
  const { data } = await ask(
    `{ capsule(id: "${seed.spikeSorting}") { computations { nodes { ${everyField("Computation")} } } } }`,
  )
  const expected = json.map((wire: object) => ({
    ...asGraph("Computation", wire),
    runnable: { id: seed.spikeSorting },
  }))
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
  expect(data.capsule.computations.nodes.toSorted(byId)).toEqual(expected.sort(byId))
})

test("the exit code decides whether a run succeeded, whatever its end status says", async () => {
  const { ask } = await startGateway()
  const { data } = await ask(`{ computation(id: "${seed.hollowSuccess}") { state endStatus exitCode hasResults } }`)
  expect(data.computation).toEqual({ state: "COMPLETED", endStatus: "SUCCEEDED", exitCode: 1, hasResults: true })
})

test("a pipeline's run leads to the capsules of its processes and to its inputs", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{ computation(id: "${seed.pipelineRun}") {
    dataAssets { mount dataAsset { name } }
    processes { name version public capsule { id name } parameters { paramName value } }
  } }`)
  expect(errors).toBeUndefined()
  expect(data.computation).toEqual({
    dataAssets: [{ mount: "ecephys_730945", dataAsset: { name: "ecephys_730945_2024-06-13" } }],
    processes: [
      {
        name: "capsule_drift_correction_1",
        version: null,
        public: null,
        capsule: { id: seed.driftCorrection, name: "Drift Correction" },
        parameters: [{ paramName: "window", value: "30" }],
      },
      {
        name: "capsule_spike_sorting_2",
        version: 2,
        public: true,
        capsule: { id: seed.spikeSorting, name: "Spike Sorting" },
        parameters: null,
      },
    ],
  })
})

test("an input that the caller may not open is null with FORBIDDEN, its entry and its neighbours stay", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ computation(id: "${seed.correctedDrift}") { dataAssets { dataAssetId mount dataAsset { name } } } }`,
  )
  expect(data.computation.dataAssets).toEqual([
    { dataAssetId: seed.mouseRecording, mount: "recording", dataAsset: { name: "ecephys_730945_2024-06-13" } },
    { dataAssetId: seed.graceLocked, mount: "reference", dataAsset: null },
  ])
  expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
    [["computation", "dataAssets", 1, "dataAsset"], "FORBIDDEN"],
  ])
})

test("a run that does not exist, or that the caller may not know of, is null without an error", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{
    missing: computation(id: "00000000-0000-4000-8000-000000000000") { name }
    secret: computation(id: "${seed.graceRun}") { name }
  }`)
  expect(errors).toBeUndefined()
  expect(data).toEqual({ missing: null, secret: null })
})

test("a run that the caller may not open is null with FORBIDDEN, and so is a list of runs, whose capsule stays", async () => {
  const { ask, sandbox } = await startGateway()
  const forbidden = { status: 403, body: { message: "you are not allowed to view this" } }
  sandbox.failNext("GET /computations/*", forbidden)
  sandbox.failNext("GET /capsules/*/computations", forbidden)
  const { data, errors } = await ask(`{
    computation(id: "${seed.countedCells}") { name }
    capsule(id: "${seed.cellCounter}") { name computations { nodes { id } } }
  }`)
  expect(data).toEqual({ computation: null, capsule: { name: "Cell Counter", computations: null } })
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual(["FORBIDDEN", "FORBIDDEN"])
})

describe("hundreds of filters on a long list of runs", () => {
  const runs = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => ({
      id: `r${index}`,
      name: `${name}${index}`,
      owner: "o",
      created: index,
      run_time: 1,
      state: "running",
    }))
  const declared = Array.from({ length: 400 }, (_, index) => `$f${index}: ComputationFilterInput`).join(" ")
  const selected = Array.from(
    { length: 400 },
    (_, index) => `a${index}: computations(filter: $f${index}) { nodes { id } }`,
  ).join(" ")

  test.each<[string, ReturnType<typeof runs>, (index: number) => object]>([
    ["states, each many times over", runs(20_000, "Run "), () => ({ state: Array(40).fill("FAILED") })],
    [
      "parts of names, among names that nearly match",
      runs(3_000, "a".repeat(1_000)),
      (index) => ({ name: `${"a".repeat(100)}b${"a".repeat(50)}${index}` }),
    ],
    ["data assets", runs(20_000, "Run "), (index) => ({ dataAssetId: `d${index}` })],
  ])("hundreds of filters of %s on a long list of runs delay no other request", async (_name, computations, filter) => {
    const { url } = await startAnswering({
      "/capsules/c1": { id: "c1", name: "C", slug: "1", status: "release", owner: "o", created: 1 },
      "/capsules/c1/computations": computations,
    })
    const { ask, gateway } = startGatewayOn(url)
    const address = await gateway.listen()
    const variables = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`f${index}`, filter(index)]))
    let isAnswered = false
    const answered = ask(`query (${declared}) { capsule(id: "c1") { ${selected} } }`, variables).finally(() => {
      isAnswered = true
    })
    while (!isAnswered) {
      const asked = cpuMs()
      await fetch(`${address}/health`)
      expect(cpuMs() - asked).toBeLessThan(2_000)
    }
    const { errors } = await answered
    expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(new Set(["OPERATION_TOO_COSTLY"]))
    expect(errors?.[0]?.message).toContain("go through too many runs")
    const one = await ask(
      `query ($f0: ComputationFilterInput) { capsule(id: "c1") { computations(filter: $f0) { nodes { id } } } }`,
      variables,
    )
    expect(one).toEqual({ data: { capsule: { computations: { nodes: [] } } } })
  })
})
