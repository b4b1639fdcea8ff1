import { expect, test } from "vitest"
import { seed, tokens } from "../src/sandbox/seed.ts"
import { compare, compared, type Wire } from "./support/compare.ts"
import { startGateway } from "./support/gateway.ts"

const parameter =
  "name type category paramName description helpText valueType defaultValue required hidden minimum maximum pattern valueOptions"
const category = "id name description helpText"
const panel = `
  general { title instructions helpText }
  dataAssets { id mount name description helpText kind accessible }
  categories { ${category} } parameters { ${parameter} } results { fileName }
  processes { name categories { ${category} } parameters { ${parameter} } }`
const runnable = `
  id created name status owner slug ownerEmail lastAccessed description field tags clonedFromUrl
  originalCapsule { id majorVersion minorVersion name created public }
  releaseCapsule { id }
  submission { timestamp commit verificationCapsule { id } verified verifiedTimestamp }
  versions { majorVersion minorVersion releaseTime doi }
  article { url id doi citation state name journalName publishTime }`
const runParameter = "name paramName value"
const computation = `
  id name owner created runTime state endStatus exitCode hasResults cloudWorkstation ownerEmail nextflowProfile
  parameters { ${runParameter} } dataAssets { id mount }
  processes { name version public capsule { id } parameters { ${runParameter} } }`
const dataAsset = `
  id name mount owner created lastUsed state type files size description ownerEmail nextflowProfile failureReason transferError
  tags lastTransferred
  provenance { commit runScript dockerImage capsule { id } computation { id } dataAssets { id } }
  sourceBucket { origin bucket prefix external }
  customMetadata { key value } appParameters { name value } containedDataAssets { id mount size }`

/** One object as the REST API has it and as the graph shows it. */
async function both(field: string, path: string, id: string, selection: string, token: string = tokens.ada) {
  const { ask, sandbox } = await startGateway()
  const headers = { authorization: `Basic ${btoa(`${token}:`)}` }
  const wire: Wire = await (await fetch(`${sandbox.url}/api/v1${path}`, { headers })).json()
  const { data, errors } = await ask(`{ ${field}(id: "${id}") { ${selection} } }`, {}, headers)
  expect(errors).toBeUndefined()
  return { wire, graph: data[field] as Wire }
}

const capsules = [
  "cellCounter",
  "releasedCellCounter",
  "verificationCellCounter",
  "spikeSorting",
  "ecephysQuality",
  "sequenceAligner",
  "oldForms",
] as const

test.each(capsules)("every field of the capsule %s is what Code Ocean has", async (name) => {
  const { wire, graph } = await both("capsule", `/capsules/${seed[name]}`, seed[name], runnable)
  const before = compared()
  compare(wire, graph, name)
  expect(compared() - before).toBeGreaterThan(5)
})

test.each(["ecephysPipeline", "imagingPipeline", "archivedPipeline"] as const)(
  "every field of the pipeline %s is what Code Ocean has",
  async (name) => {
    const { wire, graph } = await both("pipeline", `/pipelines/${seed[name]}`, seed[name], runnable)
    compare(wire, graph, name)
    expect(graph.id).toBe(seed[name])
  },
)

test.each([
  "countedCells",
  "stoppedCount",
  "failedCount",
  "workstation",
  "releasedCount",
  "sortedRun",
  "pipelineRun",
] as const)("every field of the run %s is what Code Ocean has", async (name) => {
  const { wire, graph } = await both("computation", `/computations/${seed[name]}`, seed[name], computation)
  const before = compared()
  compare(wire, graph, name)
  expect(compared() - before).toBeGreaterThan(5)
})

test.each([
  "mouseRecording",
  "probeGeometry",
  "cellImages",
  "sortedSpikes",
  "pipelineResult",
  "combinedRecordings",
  "segmentationModel",
  "failedImport",
  "looseFiles",
  "oldAsset",
] as const)("every field of the data asset %s is what Code Ocean has", async (name) => {
  const { wire, graph } = await both("dataAsset", `/data_assets/${seed[name]}`, seed[name], dataAsset)
  const before = compared()
  compare(wire, graph, name)
  expect(compared() - before).toBeGreaterThan(5)
})

test.each([
  ["capsule", "capsules", seed.cellCounter],
  ["capsule", "capsules", seed.spikeSorting],
  ["pipeline", "pipelines", seed.ecephysPipeline],
] as const)("every field of an app panel of a %s is what Code Ocean has", async (field, kind, id) => {
  const { wire, graph } = await both(field, `/${kind}/${id}/app_panel`, id, `appPanel { ${panel} }`)
  const before = compared()
  compare(wire, graph.appPanel, "panel")
  expect(compared() - before).toBeGreaterThan(10)
})

test("the panel of an earlier release is another one, and two versions cost two calls", async () => {
  const { ask, sandbox } = await startGateway()
  const { data } = await ask(`{ capsule(id: "${seed.releasedCellCounter}") {
    latest: appPanel { general { title } }
    again: appPanel { general { title } }
    first: appPanel(version: 1) { general { title } }
  } }`)
  expect(data.capsule).toEqual({
    latest: { general: { title: "Count cells" } },
    again: { general: { title: "Count cells" } },
    first: { general: { title: "Count cells (first release)" } },
  })
  expect(sandbox.requestsTo("GET /capsules/*/app_panel").map(({ query }) => query)).toEqual([{}, { version: "1" }])
})

test("what has no panel has null for it, without an error", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{ capsule(id: "${seed.oldForms}") { appPanel { general { title } } } }`)
  expect(errors).toBeUndefined()
  expect(data.capsule.appPanel).toBeNull()
})

test("linked objects can be walked to, from a result back to its capsule's release", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{
    dataAsset(id: "${seed.sortedSpikes}") {
      provenance { capsule { name } computation { name runnable { name } } dataAssets { name } }
    }
    combined: dataAsset(id: "${seed.combinedRecordings}") { containedDataAssets { dataAsset { name } } }
    capsule(id: "${seed.cellCounter}") {
      releaseCapsule { name versions { majorVersion } } submission { verificationCapsule { name } }
    }
    pipeline(id: "${seed.ecephysPipeline}") { computations { nodes { processes { capsule { name } } runnable { __typename name } } } }
  }`)
  expect(errors).toBeUndefined()
  expect(data.dataAsset.provenance).toMatchObject({
    capsule: { name: "Spike Sorting" },
    computation: { name: expect.any(String), runnable: { name: "Spike Sorting" } },
  })
  expect(data.dataAsset.provenance.dataAssets.length).toBeGreaterThan(0)
  expect(data.combined.containedDataAssets[0].dataAsset.name).toEqual(expect.any(String))
  expect(data.capsule.releaseCapsule.versions).toHaveLength(2)
  expect(data.capsule.submission.verificationCapsule.name).toBe("Verification of Cell Counter")
  expect(data.pipeline.computations.nodes[0].runnable).toMatchObject({ __typename: "Pipeline" })
  expect(data.pipeline.computations.nodes.some((run: Wire) => run.processes?.length > 0)).toBe(true)
})

test.each([
  ["capsule", seed.discoverableAtlas],
  ["dataAsset", seed.graceLocked],
])("a forbidden %s is null with FORBIDDEN, one that isn't there null without an error", async (field, id) => {
  const { ask } = await startGateway()
  const headers = { authorization: `Bearer ${field === "capsule" ? tokens.grace : tokens.ada}` }
  const { data, errors } = await ask(
    `{ forbidden: ${field}(id: "${id}") { id } missing: ${field}(id: "00000000-0000-4000-8000-000000000000") { id } }`,
    {},
    headers,
  )
  expect(data).toEqual({ forbidden: null, missing: null })
  expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([[["forbidden"], "FORBIDDEN"]])
})
