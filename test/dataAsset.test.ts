import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { asGraph, everyField, everyPlace, filledPlaces } from "./support/everyField.ts"
import { startGateway } from "./support/gateway.ts"
import { restAt } from "./support/rest.ts"

const cast = [
  seed.mouseRecording,
  seed.probeGeometry,
  seed.cellImages,
  seed.sortedSpikes,
  seed.pipelineResult,
  seed.combinedRecordings,
  seed.segmentationModel,
  seed.failedImport,
  seed.draftRecording,
  seed.futureAsset,
  seed.looseFiles,
  seed.archivedAsset,
  seed.oldAsset,
  seed.privateAsset,
  seed.discoverableAsset,
  seed.graceLocked,
]

test("every field of every data asset is what the REST API has", async () => {
  const { ask, sandbox } = await startGateway()
  const rest = restAt(sandbox.url, tokens.admin)
  const { data, errors } = await ask(
    `query ($ids: [ID!]!) { dataAssets(ids: $ids) { ${everyField("DataAsset")} } }`,
    { ids: cast },
    { authorization: `Bearer ${tokens.admin}` },
  )
  expect(errors).toBeUndefined()
  for (const [index, id] of cast.entries()) {
    const { json } = await rest(`GET /data_assets/${id}`)
    expect(data.dataAssets[index], json.name).toEqual(asGraph("DataAsset", json))
  }
  const filled = new Set(data.dataAssets.flatMap((asset: object) => filledPlaces("DataAsset", asset)))
  expect(everyPlace("DataAsset").filter((place) => !filled.has(place))).toEqual([])
})

test("a size that the wire writes as text beyond 32 bits is an exact number", async () => {
  const { ask } = await startGateway()
  const { data } = await ask(`{ dataAsset(id: "${seed.mouseRecording}") { size } }`)
  expect(data.dataAsset.size).toBe(535_129_947_980)
})

test("unknown states, types and origins are UNRECOGNIZED, and never an error", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ dataAsset(id: "${seed.futureAsset}") { name state type sourceBucket { origin } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.dataAsset).toEqual({
    name: "knowledge graph",
    state: "UNRECOGNIZED",
    type: "UNRECOGNIZED",
    sourceBucket: { origin: "UNRECOGNIZED" },
  })
})

test("a draft data asset has no date, and has one when it is ready", async () => {
  const { ask, sandbox } = await startGateway()
  const draft = async () =>
    (await ask(`{ dataAsset(id: "${seed.draftRecording}") { state created size fileCount lastUsed } }`)).data.dataAsset
  expect(await draft()).toEqual({ state: "DRAFT", created: null, size: 0, fileCount: null, lastUsed: null })
  sandbox.clock.advance(121)
  expect(await draft()).toMatchObject({ state: "READY", size: 4_404_019_200, fileCount: 2 })
  expect(Date.parse((await draft()).created)).toBeGreaterThan(Date.now())
})

test("a result's provenance leads to its capsule, its run and its inputs, each fetched once", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`{ dataAsset(id: "${seed.sortedSpikes}") { provenance {
    capsule { name }
    computation { name state runnable { __typename id name } dataAssets { mount dataAsset { name } } }
    dataAssets { name size }
  } } }`)
  expect(errors).toBeUndefined()
  expect(data.dataAsset.provenance).toEqual({
    capsule: { name: "Spike Sorting" },
    computation: {
      name: "Mouse 730945",
      state: "COMPLETED",
      runnable: { __typename: "Capsule", id: seed.spikeSorting, name: "Spike Sorting" },
      dataAssets: [
        { mount: "ecephys_730945", dataAsset: { name: "ecephys_730945_2024-06-13" } },
        { mount: "probe", dataAsset: { name: "probe-geometry" } },
      ],
    },
    dataAssets: [
      { name: "ecephys_730945_2024-06-13", size: 535_129_947_980 },
      { name: "probe-geometry", size: null },
    ],
  })
  expect(sandbox.requests).toHaveLength(5)
})

test("provenance without a capsule has a run without a runnable", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ dataAsset(id: "${seed.pipelineResult}") { provenance { capsule { id } computation { name runnable { id } } } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.dataAsset.provenance).toEqual({ capsule: null, computation: { name: "Nightly", runnable: null } })
})

test("a run and an input that are gone, or closed to the caller, are null in a provenance that stays", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext(`GET /computations/${seed.sortedRun}`, { status: 404, body: { message: "computation not found" } })
  sandbox.failNext(`GET /data_assets/${seed.probeGeometry}`, { status: 403, body: { message: "not allowed" } })
  const { data, errors } = await ask(
    `{ dataAsset(id: "${seed.sortedSpikes}") { provenance { commit computation { name } dataAssets { name } } } }`,
  )
  expect(data.dataAsset.provenance).toEqual({
    commit: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    computation: null,
    dataAssets: [{ name: "ecephys_730945_2024-06-13" }, null],
  })
  expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
    [["dataAsset", "provenance", "dataAssets", 1], "FORBIDDEN"],
  ])
})

test("a combined data asset leads to what it contains, null for a part without an id", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ dataAsset(id: "${seed.combinedRecordings}") { containedDataAssets { mount size dataAsset { name } } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.dataAsset.containedDataAssets).toEqual([
    { mount: "ecephys_730945", size: 535_129_947_980, dataAsset: { name: "ecephys_730945_2024-06-13" } },
    { mount: "missing_recording", size: null, dataAsset: null },
  ])
})

test("a data asset that does not exist, or that the caller may not know of, is null; one that the caller may find but not open is FORBIDDEN", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{
      missing: dataAsset(id: "00000000-0000-4000-8000-000000000000") { name }
      secret: dataAsset(id: "${seed.privateAsset}") { name }
      closed: dataAsset(id: "${seed.discoverableAsset}") { name }
    }`,
    {},
    { authorization: `Bearer ${tokens.grace}` },
  )
  expect(data).toEqual({ missing: null, secret: null, closed: null })
  expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([[["closed"], "FORBIDDEN"]])
})
