import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { asGraph, everyField } from "./support/everyField.ts"
import { startGateway } from "./support/gateway.ts"
import { restAt } from "./support/rest.ts"

const cast = [seed.ecephysPipeline, seed.imagingPipeline, seed.archivedPipeline, seed.gracePipeline]

test("every field of every pipeline is what the REST API has", async () => {
  const { ask, sandbox } = await startGateway()
  const rest = restAt(sandbox.url, tokens.admin)
  const { data, errors } = await ask(
    `query ($ids: [ID!]!) { pipelines(ids: $ids) { ${everyField("Pipeline")} } }`,
    { ids: cast },
    { authorization: `Bearer ${tokens.admin}` },
  )
  expect(errors).toBeUndefined()
  for (const [index, id] of cast.entries()) {
    const { json } = await rest(`GET /pipelines/${id}`)
    expect(data.pipelines[index], json.name).toEqual(asGraph("Pipeline", json))
  }
})

test("a pipeline has the fields that a capsule has", () => {
  expect(everyField("Pipeline")).toBe(everyField("Capsule"))
})

test("a search shows the same of a pipeline as a lookup does", async () => {
  const { ask, sandbox } = await startGateway()
  const { json } = await restAt(sandbox.url, tokens.ada)("POST /pipelines/search", { body: {} })
  const { data, errors } = await ask(`{ searchPipelines { nodes { __typename ${everyField("Pipeline")} } } }`)
  expect(errors).toBeUndefined()
  expect(json.results.length).toBeGreaterThan(1)
  expect(data.searchPipelines.nodes).toEqual(
    json.results.map((wire: object) => ({ __typename: "Pipeline", ...asGraph("Pipeline", wire) })),
  )
})

test("a pipeline's panel and runs are read from the pipelines' routes", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`{ pipeline(id: "${seed.ecephysPipeline}") {
    appPanel { processes { name } }
    computations { nodes { name runnable { __typename id name } } }
  } }`)
  expect(errors).toBeUndefined()
  const runnable = { __typename: "Pipeline", id: seed.ecephysPipeline, name: "Ecephys Pipeline" }
  expect(data.pipeline).toEqual({
    appPanel: { processes: [{ name: "capsule_drift_correction_1" }, { name: "capsule_spike_sorting_2" }] },
    computations: {
      nodes: [
        { name: "Nightly", runnable },
        { name: "Nightly, before the fix", runnable },
      ],
    },
  })
  expect(sandbox.requests.every(({ path }) => path.startsWith(`/pipelines/${seed.ecephysPipeline}`))).toBe(true)
})

test("a pipeline that is a capsule, that does not exist, or that the caller may not know of, is null without an error", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{
    capsule: pipeline(id: "${seed.cellCounter}") { name }
    missing: pipeline(id: "00000000-0000-4000-8000-000000000000") { name }
    secret: pipeline(id: "${seed.gracePipeline}") { name }
  }`)
  expect(errors).toBeUndefined()
  expect(data).toEqual({ capsule: null, missing: null, secret: null })
})

test("a pipeline that the caller may not open is null with FORBIDDEN", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext("GET /pipelines/*", { status: 403, body: { message: "you are not allowed to view this pipeline" } })
  const { data, errors } = await ask(`{ pipeline(id: "${seed.imagingPipeline}") { name } }`)
  expect(data).toEqual({ pipeline: null })
  expect(errors?.[0]?.extensions.code).toBe("FORBIDDEN")
})
