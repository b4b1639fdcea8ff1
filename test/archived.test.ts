import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

const asAda = { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" }
const uuid = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`

describe("whether an object is archived", () => {
  test("it is found out by a search, of which the estimate knows", async () => {
    const { ask } = await startGateway()
    const archived = async (field: string, id: string) => {
      const { data, errors, extensions } = await ask(`{ it: ${field}(id: "${id}") { name archived } }`, {}, asAda)
      expect(errors).toBeUndefined()
      const { upstreamCalls, estimatedUpstreamCalls } = extensions.cost
      expect(upstreamCalls).toBeLessThanOrEqual(estimatedUpstreamCalls)
      return [data.it.archived, upstreamCalls, estimatedUpstreamCalls]
    }
    expect(await archived("capsule", seed.archivedNotebook)).toEqual([true, 2, 3])
    expect(await archived("capsule", seed.cellCounter)).toEqual([false, 3, 3])
    expect(await archived("pipeline", seed.archivedPipeline)).toEqual([true, 2, 3])
    expect(await archived("pipeline", seed.ecephysPipeline)).toEqual([false, 2, 3])
    expect(await archived("dataAsset", seed.archivedAsset)).toEqual([true, 2, 2])
    expect(await archived("dataAsset", seed.cellImages)).toEqual([false, 2, 2])
  })

  test("a pipeline that is read as a capsule is found among the pipelines", async () => {
    const { ask } = await startGateway()
    const { data } = await ask(`{ capsule(id: "${seed.archivedPipeline}") { name archived } }`)
    expect(data.capsule).toEqual({ name: "Archived Pipeline", archived: true })
  })

  test("a pipeline that is read as a capsule and as a pipeline is looked for among the pipelines once", async () => {
    const { ask, sandbox } = await startGateway({ sharedReads: false })
    const id = seed.archivedPipeline
    const { data } = await ask(`{ pipeline(id: "${id}") { name archived } capsule(id: "${id}") { name archived } }`)
    expect([data.pipeline.archived, data.capsule.archived]).toEqual([true, true])
    expect(sandbox.requestsTo("POST /pipelines/search")).toHaveLength(1)
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(1)
  })

  test("what a search of the request has found needs no other call", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(
      `{
        active: searchCapsules { nodes { archived } }
        archived: searchCapsules(archived: true) { nodes { archived } }
        assets: searchDataAssets(first: 3) { nodes { archived } }
        archivedAssets: searchDataAssets(archived: true) { nodes { archived } }
        capsules(ids: ["${seed.cellCounter}", "${seed.spikeSorting}"]) { archived }
      }`,
    )
    const states = (nodes: { archived: boolean }[]) => [...new Set(nodes.map(({ archived }) => archived))]
    expect([data.active, data.archived, data.assets, data.archivedAssets].map(({ nodes }) => states(nodes))).toEqual([
      [false],
      [true],
      [false],
      [true],
    ])
    expect(states(data.capsules)).toEqual([false])
    expect(sandbox.requests).toHaveLength(5)
  })

  test("it is found out for each object of a list, although they come one by one", async () => {
    const upstream = await startLarge(120)
    const { ask } = startGatewayOn(upstream.url)
    const page = await ask(
      `{ dataAsset(id: "${uuid(0)}") { containedDataAssets { dataAsset { archived } } } }`,
      {},
      asAda,
    )
    expect(page.errors).toBeUndefined()
    const contained = page.data.dataAsset.containedDataAssets as { dataAsset: { archived: boolean } }[]
    expect(contained.map(({ dataAsset }) => dataAsset.archived)).toEqual(contained.map((_, index) => index % 2 === 0))
  })

  test("objects that come while a search is in flight wait for the next one", async () => {
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const answer = ask(`{
      one: dataAsset(id: "${seed.cellImages}") { name archived }
      two: dataAsset(id: "${seed.archivedAsset}") { name archived }
      three: dataAsset(id: "${seed.mouseRecording}") { name archived }
    }`)
    const [first] = await hold.waitFor(3)
    expect(first?.method).toBe("GET")
    hold.release()
    // All three come within the time of the first search.
    await hold.waitFor(1)
    await expect.poll(() => sandbox.requestsTo("POST /data_assets/search").length).toBe(1)
    hold.end()
    const { data } = await answer
    expect(data).toMatchObject({ one: { archived: false }, two: { archived: true }, three: { archived: false } })
    expect(sandbox.requestsTo("POST /data_assets/search").length).toBeLessThanOrEqual(2)
  })

  test("the caller's own change counts before a search knows of it, also in its payload", async () => {
    const { ask, sandbox } = await startGateway()
    const archive = (id: string, archived: boolean) =>
      ask(
        `mutation ($id: ID!, $archived: Boolean!) {
          archiveCapsule(input: { id: $id, archived: $archived }) { ... on ArchiveCapsulePayload { capsule { id archived } } }
        }`,
        { id, archived },
      )
    const { data } = await archive(seed.cellCounter, true)
    expect(data.archiveCapsule.capsule.archived).toBe(true)
    expect(sandbox.requests).toHaveLength(1)
    expect((await ask(`{ capsule(id: "${seed.cellCounter}") { archived } }`)).data.capsule.archived).toBe(true)
    expect((await archive(seed.cellCounter, false)).data.archiveCapsule.capsule.archived).toBe(false)
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(0)

    // Another caller's change is not known here.
    const other = await ask(
      `{ capsule(id: "${seed.cellCounter}") { archived } }`,
      {},
      {
        authorization: `Bearer ${tokens.readOnly}`,
      },
    )
    expect(other.data.capsule.archived).toBe(false)
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(1)
  })

  test("after a change that failed, a search decides again", async () => {
    const { ask, sandbox } = await startGateway()
    const archive = (archived: boolean) =>
      ask(`mutation { archiveDataAsset(input: { id: "${seed.archivedAsset}", archived: ${archived} }) { __typename } }`)
    const isArchived = async () =>
      (await ask(`{ dataAsset(id: "${seed.archivedAsset}") { archived } }`)).data.dataAsset.archived
    await archive(false)
    expect(await isArchived()).toBe(false)
    sandbox.failNext(`PATCH /data_assets/${seed.archivedAsset}/archive`, { status: 503 })
    await archive(true)
    expect(await isArchived()).toBe(false)
    expect(sandbox.requestsTo("POST /data_assets/search")).toHaveLength(1)
  })

  test("a failing search loses this field only", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("POST /capsules/search", { status: 403, body: { message: "no" } })
    const { data, errors } = await ask(`{ capsule(id: "${seed.cellCounter}") { name archived } }`)
    expect(data.capsule).toEqual({ name: expect.any(String), archived: null })
    expect(errors).toMatchObject([{ path: ["capsule", "archived"], extensions: { code: "FORBIDDEN" } }])
  })

  test.each([
    ["more than it returns", { has_more: true, results: [] }],
    ["something unreadable", { has_more: false, results: [{ name: "no id" }, 7, null] }],
  ])("null says that a search found %s", async (_what, body) => {
    const upstream = await startFaultyUpstream(({ path }) =>
      path.endsWith("search") ? { body } : { body: { id: uuid(1), name: "a", state: "ready", type: "dataset" } },
    )
    const { ask } = startGatewayOn(upstream.url)
    const { data, errors } = await ask(
      `{ capsule(id: "${uuid(1)}") { archived } pipeline(id: "${uuid(1)}") { archived } dataAsset(id: "${uuid(1)}") { archived } }`,
    )
    expect(errors).toBeUndefined()
    expect(data).toEqual({ capsule: { archived: null }, pipeline: { archived: null }, dataAsset: { archived: null } })
  })

  test.each(["capsules", "pipelines"])(
    "null says that of the two searches for a capsule that may be a pipeline, that for %s found more than it returned",
    async (kind) => {
      const upstream = await startFaultyUpstream(({ path }) =>
        path.endsWith("search")
          ? { body: { has_more: path.startsWith(`/${kind}/`), results: [] } }
          : { body: { id: uuid(1), name: "a" } },
      )
      const { ask } = startGatewayOn(upstream.url)
      const { data, errors } = await ask(`{ capsule(id: "${uuid(1)}") { archived } }`)
      expect(errors).toBeUndefined()
      expect(data).toEqual({ capsule: { archived: null } })
    },
  )

  test.each([undefined, null, "", {}, ["a"]])(
    "null, without a search, for a data asset whose name is %j",
    async (name) => {
      const upstream = await startFaultyUpstream(() => ({ body: { id: "odd", name, state: "ready", type: "dataset" } }))
      const { ask } = startGatewayOn(upstream.url)
      const { data } = await ask('{ dataAsset(id: "odd") { archived } capsule(id: "odd") { archived } }')
      expect(data).toEqual({ dataAsset: { archived: null }, capsule: { archived: null } })
      expect(upstream.requests).toHaveLength(2)
    },
  )

  test("names of any form are sought by filters, not as terms of a query", async () => {
    const upstream = await startLarge(3, (index) => [' "a" id:b ', "a\\", "\u{1F9E0} *"][index] as string)
    const { ask } = startGatewayOn(upstream.url)
    const { data } = await ask(
      `{ nodes(ids: ["${uuid(1)}", "${uuid(2)}", "${uuid(3)}"]) { ... on DataAsset { archived } } }`,
    )
    expect(data.nodes).toEqual([{ archived: true }, { archived: false }, { archived: true }])
    const sought = upstream.requests
      .filter(({ path }) => path === "/data_assets/search")
      .map(({ body }) => JSON.parse(body))
    for (const search of sought) expect(search.query).toBeUndefined()
    expect(sought.flatMap(({ filters }) => filters[0].values ?? filters[0].value).sort()).toEqual(
      ['"a" id:b', "a\\", "\u{1F9E0} *"].sort(),
    )
  })
})

/** A combined data asset with so many others in it, every second of which is archived. */
async function startLarge(count: number, nameOf = (index: number) => `asset ${index}`) {
  const asset = (number: number) => ({ id: uuid(number), name: nameOf(number - 1), state: "ready", type: "dataset" })
  const parts = Array.from({ length: count }, (_, index) => asset(index + 1))
  return await startFaultyUpstream(({ path, body }) => {
    const [, kind, id = ""] = path.split("/")
    if (kind !== "data_assets") return id === "search" ? { body: { has_more: false, results: [] } } : { status: 404 }
    if (id === "search") {
      const { filters, archived } = JSON.parse(body)
      const names: string[] = filters[0].values ?? [filters[0].value]
      const found = parts.filter(({ name }, index) => names.includes(name.trim()) && (index % 2 === 0) === archived)
      return { body: { has_more: false, results: found } }
    }
    if (id === uuid(0)) return { body: { ...asset(0), contained_data_assets: parts.map(({ id }) => ({ id })) } }
    const one = parts.find((part) => part.id === id)
    return one === undefined ? { status: 404 } : { body: one }
  })
}
