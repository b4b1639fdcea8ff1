import { describe, expect, test } from "vitest"
import { type LineageAsset, lineageGraph } from "../sandbox/lineage.ts"
import { seed } from "../sandbox/seed.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { callsOf, startGateway, startGatewayOn, type World } from "./support/gateway.ts"

const count = 1000
const graph = new Map(lineageGraph(count).map((asset) => [asset.id, asset]))
const all = [...graph.values()]
const last = all.at(-1) as LineageAsset
const first = all[0] as LineageAsset

interface Answer {
  nodes: {
    nodeId: string
    kind: string
    distance: number
    restricted: boolean
    node: { id: string; name?: string } | null
  }[]
  edges: { from: string; to: string; relation: string }[]
  truncated: boolean
}

async function lineage(world: World, id: string, depth: number, direction: string): Promise<Answer> {
  const { data, errors } = await world.ask(
    `query ($id: ID!, $depth: Int!, $direction: LineageDirection!) {
      dataAsset(id: $id) { lineage(depth: $depth, direction: $direction) {
        nodes { nodeId kind distance restricted node { id ... on DataAsset { name } ... on Computation { name } ... on Capsule { name } } }
        edges { from to relation }
        truncated
      } }
    }`,
    { id, depth, direction },
  )
  expect(errors).toBeUndefined()
  return data.dataAsset.lineage
}

/** The expected result of a walk, from the graph's description: data assets with their distance, and edges. */
function expected(root: string, depth: number, next: (asset: LineageAsset) => string[]) {
  const distances = new Map([[root, 0]])
  let generation = [root]
  for (let distance = 1; distance <= depth; distance++) {
    const reached: string[] = []
    for (const id of generation) {
      for (const other of next(graph.get(id) as LineageAsset)) {
        if (distances.has(other)) continue
        distances.set(other, distance)
        reached.push(other)
      }
    }
    generation = reached
  }
  return distances
}

const inputsOf = (asset: LineageAsset) => (asset.restricted ? [] : asset.inputs)
const offspringOf = ({ id }: LineageAsset) =>
  all.filter((asset) => !asset.restricted && asset.inputs.includes(id)).map((asset) => asset.id)

const assetsIn = (answer: Answer) =>
  new Map(answer.nodes.filter(({ kind }) => kind === "DATA_ASSET").map(({ nodeId, distance }) => [nodeId, distance]))

describe("lineage over a thousand data assets with diamonds and a cycle", () => {
  test("the lineage of six generations up is complete, and each object is fetched once", async () => {
    const world = await startGateway({ sandbox: { lineage: count } })
    const answer = await lineage(world, last.id, 6, "UP")
    const wanted = expected(last.id, 6, inputsOf)
    expect(wanted.size).toBeGreaterThan(50)
    expect(assetsIn(answer)).toEqual(wanted)
    for (const { nodeId: id, kind, restricted, node } of answer.nodes) {
      expect(restricted).toBe(kind === "DATA_ASSET" && (graph.get(id) as LineageAsset).restricted)
      expect(node?.id ?? null).toBe(restricted ? null : id)
    }
    expect(answer.nodes.some(({ restricted }) => restricted)).toBe(true)
    const fetched = world.sandbox.requests.flatMap(({ path, body }) =>
      path === "/capsules/search"
        ? (body as { query: string }).query.split(" ").map((term) => term.replace("id:", ""))
        : [path.split("/").at(-1)],
    )
    expect(fetched.toSorted()).toEqual(answer.nodes.map(({ nodeId }) => nodeId).toSorted())

    // The edges are exactly those of the graph between the walked data assets.
    const edges = new Set(answer.edges.map(({ from, to, relation }) => `${from} ${relation} ${to}`))
    expect(edges.size).toBe(answer.edges.length)
    let checked = 0
    for (const [id, distance] of wanted) {
      const { run, inputs, restricted } = graph.get(id) as LineageAsset
      if (distance === 6 || restricted) continue
      for (const input of inputs)
        expect(edges).toContain(run ? `${input} INPUT ${run.computation}` : `${input} CONTAINED ${id}`)
      if (run) expect(edges).toContain(`${run.computation} PRODUCED ${id}`)
      if (run) expect(edges).toContain(`${run.capsule} RAN ${run.computation}`)
      checked += inputs.length + (run ? 2 : 0)
    }
    expect(answer.edges).toHaveLength(checked)
    expect(answer.truncated).toBe(true)
  })

  test("a cycle in a lineage ends where it meets itself, and a complete lineage is not truncated", async () => {
    const world = await startGateway({ sandbox: { lineage: 60 } })
    const small = lineageGraph(60)
    const answer = await lineage(world, (small[0] as LineageAsset).id, 10, "UP")
    const ids = answer.nodes.map(({ nodeId }) => nodeId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toContain((small[12] as LineageAsset).id)
    expect(answer.truncated).toBe(false)
  })

  test("a lineage in both directions has each edge of a cycle once", async () => {
    const world = await startGateway({ sandbox: { lineage: 60 } })
    const { edges } = await lineage(world, (lineageGraph(60)[0] as LineageAsset).id, 10, "BOTH")
    expect(edges.length).toBeGreaterThan(20)
    expect(new Set(edges.map((edge) => JSON.stringify(edge))).size).toBe(edges.length)
  })

  test("the lineage of three generations down is complete, for a page of results and one of combined data assets", async () => {
    const world = await startGateway({ sandbox: { lineage: count } })
    const root = all[3] as LineageAsset
    const answer = await lineage(world, root.id, 3, "DOWN")
    expect(assetsIn(answer)).toEqual(expected(root.id, 3, offspringOf))
    expect(answer.nodes.length).toBeGreaterThan(10)
    expect(world.sandbox.requestsTo("POST /data_assets/search")).toHaveLength(2)
    expect(
      Object.entries(callsOf(world.sandbox.requests)).filter(([call, times]) => times > 1 && !call.startsWith("POST")),
    ).toEqual([])
  })

  test("a lineage in both directions has the nodes of either direction", async () => {
    const world = await startGateway({ sandbox: { lineage: count } })
    const middle = all[500] as LineageAsset
    const answer = await lineage(world, middle.id, 2, "BOTH")
    const wanted = new Set([...expected(middle.id, 2, inputsOf).keys(), ...expected(middle.id, 2, offspringOf).keys()])
    expect(new Set(assetsIn(answer).keys())).toEqual(wanted)
  })

  test("a lineage has at most two thousand nodes, and says if it is truncated", async () => {
    const world = await startGateway({ sandbox: { lineage: 8000 } })
    const answer = await lineage(world, first.id, 10, "DOWN")
    expect(answer.nodes).toHaveLength(2000)
    expect(answer.truncated).toBe(true)
    const ids = new Set(answer.nodes.map(({ nodeId }) => nodeId))
    expect(answer.edges.every(({ from, to }) => ids.has(from) && ids.has(to))).toBe(true)
  })
})

test.each([0, -1, 11])("a lineage with a depth of %i is refused", async (depth) => {
  const { ask } = await startGateway()
  const { errors } = await ask(`{ dataAsset(id: "${seed.sortedSpikes}") { lineage(depth: ${depth}) { truncated } } }`)
  expect(errors?.[0]?.message).toContain("from 1 to 10")
})

test("a data asset's lineage that can't be read for a passing reason is an error, not a shorter lineage", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext(`GET /computations/${seed.sortedRun}`, { status: 500 })
  const { data, errors } = await ask(
    `{ dataAsset(id: "${seed.sortedSpikes}") { name lineage(direction: UP) { truncated } } }`,
  )
  expect(data.dataAsset).toEqual({ name: expect.any(String), lineage: null })
  expect(errors?.[0]?.extensions.code).toBe("UPSTREAM_UNAVAILABLE")
})

test("the capsules and pipelines that use a data asset are found by its id, with their runs that used it", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`{ dataAsset(id: "${seed.cellImages}") {
    attachedTo { nodes { id computations(filter: {dataAssetId: "${seed.cellImages}"}) { nodes { id } } } }
    attachedToPipelines { nodes { id } }
  } }`)
  expect(errors).toBeUndefined()
  expect(data.dataAsset.attachedTo.nodes).toEqual([
    { id: seed.cellCounter, computations: { nodes: [{ id: seed.countedCells }, { id: seed.stoppedCount }] } },
  ])
  expect(data.dataAsset.attachedToPipelines.nodes).toEqual([])
  expect(sandbox.requests).toHaveLength(3)
})

test("the products of a data asset are found in linear work where thousands of results have the same many inputs", async () => {
  const inputs = ["d1", ...Array.from({ length: 50 }, (_, index) => `input-${index}`)]
  const page = Array.from({ length: 1000 }, (_, index) => ({
    id: `result-${index}`,
    type: "result",
    state: "ready",
    provenance: { data_assets: inputs },
  }))
  const upstream = await startFaultyUpstream(({ path }) =>
    path === "/data_assets/search"
      ? { body: { has_more: true, next_token: String(upstream.requests.length), results: page } }
      : { body: { id: path.split("/")[2], state: "ready", type: "dataset" } },
  )
  const { ask, gateway } = startGatewayOn(upstream.url)
  const answer = ask(`{ dataAsset(id: "d1") { lineage(depth: 1, direction: DOWN) { truncated } } }`)
  for (let asked = false; !asked; asked = upstream.requests.length > 20) {
    const begun = cpuMs()
    expect((await fetch(`${await gateway.listen()}/health`)).status).toBe(200)
    expect(cpuMs() - begun).toBeLessThan(2_000)
  }
  expect(await answer).toEqual({ data: { dataAsset: { lineage: { truncated: true } } } })
})

test("the lineages of one request read so many inputs together, and the rest of them are OPERATION_TOO_COSTLY", async () => {
  const inputs = Array.from({ length: 400 }, (_, index) => `input${index}`)
  const results = Array.from({ length: 500 }, (_, index) => ({
    id: `result${index}`,
    name: "r",
    state: "ready",
    type: "result",
    provenance: { data_assets: inputs },
  }))
  const { url } = await startFaultyUpstream(({ path }) =>
    path.startsWith("/data_assets/search")
      ? { body: { has_more: false, results } }
      : { body: { id: path.slice("/data_assets/".length), name: "d", state: "ready", type: "dataset" } },
  )
  const { ask } = startGatewayOn(url)
  const before = process.cpuUsage()
  const { data, errors } = await ask(
    "query ($ids: [ID!]!) { dataAssets(ids: $ids) { lineage(direction: DOWN, depth: 1) { truncated } } }",
    { ids: inputs.slice(0, 50) },
  )
  const { user, system } = process.cpuUsage(before)
  const lineages = data.dataAssets.map(({ lineage }: { lineage: unknown }) => lineage)
  expect(lineages.filter((lineage: unknown) => lineage !== null).length).toBeGreaterThan(2)
  expect(lineages.filter((lineage: unknown) => lineage === null).length).toBeGreaterThan(30)
  expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(new Set(["OPERATION_TOO_COSTLY"]))
  expect((user + system) / 1000).toBeLessThan(4_000)
})

test("the inputs that runs list count towards the inputs that one request may read in lineages", async () => {
  // Each entry counts, also of the same data asset, and loading many data assets takes long.
  const data_assets = Array.from({ length: 8_000 }, (_, index) => ({ id: `input${index % 50}`, mount: "m" }))
  const { url } = await startFaultyUpstream(({ path }) => {
    const [, kind, id] = path.split("/")
    if (kind === "computations") return { body: { id, name: "r", state: "completed", created: 1, data_assets } }
    if (!id?.startsWith("result")) return { status: 404, body: { message: "not found" } }
    return { body: { id, name: "d", state: "ready", type: "result", provenance: { computation: "run" } } }
  })
  const { ask } = startGatewayOn(url)
  const ids = Array.from({ length: 300 }, (_, index) => `result${index}`)
  const { data, errors } = await ask(
    "query ($ids: [ID!]!) { dataAssets(ids: $ids) { lineage(direction: UP, depth: 1) { truncated } } }",
    { ids },
  )
  expect(data.dataAssets).toHaveLength(300)
  expect(errors?.map(({ extensions }) => extensions.code)).toContain("OPERATION_TOO_COSTLY")
})

test.each<[string, (page: number) => { next_token?: unknown; results: string[] }, calls: number]>([
  ["tokens that come again", (page) => ({ next_token: page % 2 === 0 ? "A" : "B", results: [`r${page % 2}`] }), 3],
  ["a token that comes at once again", () => ({ next_token: 7, results: ["r0"] }), 2],
  ["no token", () => ({ results: ["r0"] }), 1],
  ["an unusable token", () => ({ next_token: { page: 2 }, results: ["r0"] }), 1],
  ["ever new tokens", (page) => ({ next_token: `t${page}`, results: [`r${page}`] }), 10],
  ["ever new tokens and no results", (page) => ({ next_token: `t${page}`, results: [] }), 10],
])("a lineage whose search for results leads on by %s ends, and is truncated", async (_what, pageOf, calls) => {
  let page = 0
  const { url, requests } = await startFaultyUpstream(({ path, body }) => {
    if (path !== "/data_assets/search") return { body: { id: "d", name: "d", state: "ready", type: "dataset" } }
    if (!body.includes('"result"')) return { body: { has_more: false, results: [] } }
    const { results, ...more } = pageOf(page++)
    const shown = results.map((id) => ({
      id,
      name: "r",
      state: "ready",
      type: "result",
      provenance: { data_assets: ["d"] },
    }))
    return { body: { has_more: true, results: shown, ...more } }
  })
  const { ask } = startGatewayOn(url)
  const { data, errors } = await ask(
    '{ dataAsset(id: "d") { lineage(direction: DOWN, depth: 1) { nodes { nodeId } truncated } } }',
  )
  expect(errors).toBeUndefined()
  const { nodes, truncated } = data.dataAsset.lineage
  expect(truncated).toBe(true)
  const ids = nodes.map(({ nodeId }: { nodeId: string }) => nodeId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(requests.filter(({ body }) => body.includes('"result"'))).toHaveLength(calls)
})
