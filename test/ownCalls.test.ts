import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { callsOf, startGateway } from "./support/gateway.ts"

const missing = "00000000-0000-4000-8000-000000000000"

/** Selects a field of an object, and returns the object with the calls that were made. */
async function ask(query: string) {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(query)
  expect(errors).toBeUndefined()
  return {
    object: (Object.values(data) as ReturnType<typeof JSON.parse>[])[0],
    calls: callsOf(
      sandbox.requests.map(({ method, path }) => ({ method, path: path.replaceAll(/[0-9a-f-]{36}/g, "{id}") })),
    ),
  }
}

test.each<[string, string, object]>([
  [
    "a capsule's runs",
    `capsule(id: "${seed.cellCounter}") { computations { nodes { id } } }`,
    { "GET /capsules/{id}/computations": 1 },
  ],
  [
    "a capsule's panel",
    `capsule(id: "${seed.cellCounter}") { id __typename appPanel { general { title } } }`,
    { "GET /capsules/{id}/app_panel": 1 },
  ],
  [
    "a pipeline's runs",
    `pipeline(id: "${seed.ecephysPipeline}") { computations { nodes { id } } }`,
    { "GET /pipelines/{id}/computations": 1 },
  ],
  [
    "a capsule's permissions",
    `capsule(id: "${seed.cellCounter}") { ... on Runnable { permissions { everyone } } }`,
    { "GET /capsules/{id}/permissions": 1 },
  ],
  [
    "a capsule's release job",
    `capsule(id: "${seed.cellCounter}") { release(jobId: "${seed.failedRelease}") { status } }`,
    { "GET /capsules/{id}/release/{id}": 1 },
  ],
  [
    "a pipeline's release job",
    `pipeline(id: "${seed.imagingPipeline}") { release(jobId: "${seed.imagingRelease}") { status } }`,
    { "GET /pipelines/{id}/release/{id}": 1 },
  ],
  [
    "a data asset's permissions",
    `dataAsset(id: "${seed.cellImages}") { permissions { everyone } }`,
    { "GET /data_assets/{id}/permissions": 1 },
  ],
  [
    "a run's folder",
    `computation(id: "${seed.sortedRun}") { results { path entries { name } } }`,
    { "POST /computations/{id}/results": 1 },
  ],
  [
    "a run's file",
    `computation(id: "${seed.sortedRun}") { resultFile(path: "output") { name downloadUrl } }`,
    { "GET /computations/{id}/results/urls": 1 },
  ],
])("selecting %s alone costs one call, without the object's own", async (_what, query, calls) => {
  const answer = await ask(`{ ${query} }`)
  expect(answer.object).not.toBeNull()
  expect(answer.calls).toEqual(calls)
})

test("several fields that make their own calls are resolved in one wave, without the object's own call", async () => {
  const answer = await ask(
    `{ capsule(id: "${seed.cellCounter}") { panel: appPanel { general { title } } old: appPanel(version: 1) { general { title } } computations(first: 1) { nodes { id } } permissions { everyone } } }`,
  )
  expect(answer.object.computations.nodes).toHaveLength(1)
  expect(answer.calls).toEqual({
    "GET /capsules/{id}/app_panel": 2,
    "GET /capsules/{id}/computations": 1,
    "GET /capsules/{id}/permissions": 1,
  })
})

test("the attachments of a data asset are found without reading the data asset, unless there are none", async () => {
  const used = await ask(`{ dataAsset(id: "${seed.cellImages}") { attachedTo(first: 3) { nodes { id } } } }`)
  expect(used.object.attachedTo.nodes).not.toHaveLength(0)
  expect(used.calls).toEqual({ "POST /capsules/search": 1 })
  const missed = await ask(
    `{ dataAsset(id: "${missing}") { attachedTo { nodes { id } } attachedToPipelines { nodes { id } } } }`,
  )
  expect(missed.object).toBeNull()
})

test.each([
  `capsule(id: "${missing}") { computations { nodes { id } } }`,
  `capsule(id: "${missing}") { appPanel { general { title } } }`,
  `pipeline(id: "${missing}") { permissions { everyone } }`,
  `pipeline(id: "${missing}") { release(jobId: "${missing}") { status } }`,
  `dataAsset(id: "${missing}") { file(path: "a.txt") { text } }`,
  `computation(id: "${missing}") { log(tail: 3) }`,
  `computation(id: "${missing}") { results { entries { name } } }`,
])("an object that does not exist is null, whatever is selected: %s", async (query) => {
  expect((await ask(`{ ${query} }`)).object).toBeNull()
})

test("a capsule without a panel has null as its panel", async () => {
  const { object, calls } = await ask(`{ capsule(id: "${seed.oldForms}") { appPanel { general { title } } } }`)
  expect(object).toEqual({ appPanel: null })
  expect(calls).toEqual({ "GET /capsules/{id}/app_panel": 1, "GET /capsules/{id}": 1 })
})

test("a release job that does not exist is null in a capsule that exists", async () => {
  const { object, calls } = await ask(`{ capsule(id: "${seed.cellCounter}") { release(jobId: "none") { status } } }`)
  expect(object).toEqual({ release: null })
  expect(calls).toEqual({ "GET /capsules/{id}/release/none": 1, "GET /capsules/{id}": 1 })
})

test("a file that does not exist is null in a data asset that exists", async () => {
  const { object } = await ask(`{ dataAsset(id: "${seed.cellImages}") { file(path: "no.txt") { name text } } }`)
  expect(object).toEqual({ file: { name: "no.txt", text: null } })
})

test("a capsule that the caller may not open is null with FORBIDDEN, also if only its panel is selected", async () => {
  const gateway = await startGateway()
  const { data, errors } = await gateway.ask(
    `{ capsule(id: "${seed.discoverableAtlas}") { permissions { everyone } } }`,
    {},
    { authorization: `Bearer ${tokens.grace}` },
  )
  expect(data).toEqual({ capsule: null })
  expect(errors).toMatchObject([{ path: ["capsule"] }])
})

test("an invalid argument of a field is that field's error, and the object stays", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{
    capsule(id: "${seed.cellCounter}") { computations(first: 0) { nodes { id } } }
    dataAsset(id: "${seed.cellImages}") { file(path: "/") { text } }
  }`)
  expect(data).toEqual({ capsule: { computations: null }, dataAsset: { file: null } })
  expect(errors?.map(({ path }) => path).sort()).toEqual([
    ["capsule", "computations"],
    ["dataAsset", "file"],
  ])
})

test("an object asked for by its slug has its own id, though only its runs are selected beside it", async () => {
  const { ask } = await startGateway()
  const { data } = await ask(`{ capsule(id: "${seed.cellCounter}") { slug } }`)
  const bySlug = await ask(`{ capsule(id: "${data.capsule.slug}") { id computations { nodes { id } } } }`)
  expect(bySlug.data.capsule?.id ?? seed.cellCounter).toBe(seed.cellCounter)
})
