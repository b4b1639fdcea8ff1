import { describe, expect, test } from "vitest"
import { seed, tokens, users } from "../sandbox/seed.ts"
import { type Rest, startRest } from "./support/rest.ts"

const unknownId = "00000000-0000-4000-8000-000000000000"

const run = (rest: Rest, body: unknown, token?: string) => rest("POST /computations", { body, token })

/** The text of a result file, by its signed address. */
async function resultFile(rest: Rest, id: string, path: string): Promise<string> {
  const { json } = await rest(`GET /computations/${id}/results/urls`, { query: { path } })
  return (await fetch(json.download_url)).text()
}

describe("starting a run", () => {
  test("a run begins at once, goes through every state by the clock, and ends with results", async () => {
    const { sandbox, rest } = await startRest()
    const started = await run(rest, { capsule_id: seed.cellCounter })
    expect(started.status).toBe(200)
    expect(started.json).toEqual({
      id: expect.any(String),
      created: expect.any(Number),
      name: "Run 6",
      owner: users.ada.id,
      owner_email: users.ada.email,
      run_time: 0,
      state: "initializing",
      cloud_workstation: false,
      data_assets: [
        { id: seed.cellImages, mount: "images" },
        { id: seed.segmentationModel, mount: "model" },
      ],
    })
    const { id } = started.json
    const states: unknown[] = []
    for (const seconds of [0, 6, 30, 5]) {
      sandbox.clock.advance(seconds)
      const { json } = await rest(`GET /computations/${id}`)
      states.push([json.state, json.run_time, json.has_results])
    }
    expect(states).toEqual([
      ["initializing", 0, undefined],
      ["running", 1, undefined],
      ["finalizing", 30, undefined],
      ["completed", 30, true],
    ])
    const ended = (await rest(`GET /computations/${id}`)).json
    expect(ended).toMatchObject({ end_status: "succeeded", exit_code: 0 })
    const listed = (await rest(`GET /capsules/${seed.cellCounter}/computations`)).json
    expect(listed).toHaveLength(6)
    expect(listed).toContainEqual(ended)
  })

  test("a run has results only once it has ended", async () => {
    const { sandbox, rest } = await startRest()
    const { id } = (await run(rest, { capsule_id: seed.ecephysQuality })).json
    const list = async () => (await rest(`POST /computations/${id}/results`, { body: { path: "" } })).json.items
    expect(await list()).toEqual([])
    sandbox.clock.advance(41)
    expect((await list()).map(({ name }: { name: string }) => name)).toEqual([
      "figures",
      "tables",
      "output",
      "parameters.json",
      "processing.json",
    ])
    expect(await resultFile(rest, id, "output")).toContain("Done")
  })

  test("ordered and named parameters of a run have the panel's labels, in the run and in its results", async () => {
    const { sandbox, rest } = await startRest()
    const { json } = await run(rest, {
      capsule_id: seed.cellCounter,
      parameters: ["NeuN", "0.5"],
      named_parameters: [
        { param_name: "sample", value: "AB1234" },
        { param_name: "unheard-of", value: "x" },
      ],
    })
    const landed = [
      { name: "Stain", param_name: "stain", value: "NeuN" },
      { name: "Threshold", param_name: "threshold", value: "0.5" },
      { name: "Sample", param_name: "sample", value: "AB1234" },
      { param_name: "unheard-of", value: "x" },
    ]
    expect(json.parameters).toEqual(landed)
    sandbox.clock.advance(41)
    const echoed = JSON.parse(await resultFile(rest, json.id, "parameters.json"))
    expect(echoed.parameters).toEqual(landed)
    expect(echoed.data_assets).toEqual(json.data_assets)
    expect(await resultFile(rest, json.id, "output")).toContain("threshold: 0.5")
  })

  test("parameters of a run of a capsule without a panel have values alone", async () => {
    const { rest } = await startRest()
    const { json } = await run(rest, { capsule_id: seed.oldForms, parameters: ["--fast", "3"] })
    expect(json.parameters).toEqual([{ value: "--fast" }, { value: "3" }])
  })

  test("a run of a pipeline ignores ordered parameters, and takes named ones and those of its processes", async () => {
    const { rest } = await startRest()
    const { status, json } = await run(rest, {
      pipeline_id: seed.ecephysPipeline,
      nextflow_profile: "standard",
      parameters: ["lost"],
      named_parameters: [{ param_name: "shift", value: "night" }],
      processes: [{ name: "capsule_drift_correction_1", parameters: ["45"] }],
    })
    expect(status).toBe(200)
    expect(json.parameters).toEqual([{ param_name: "shift", value: "night" }])
    expect(json.processes).toEqual([
      {
        name: "capsule_drift_correction_1",
        capsule_id: seed.driftCorrection,
        parameters: [{ name: "Window", param_name: "window", value: "45" }],
      },
      { name: "capsule_spike_sorting_2", capsule_id: seed.spikeSorting, version: 2, public: true },
    ])
    expect(json.nextflow_profile).toBe("standard")
    expect((await rest(`GET /pipelines/${seed.ecephysPipeline}/computations`)).text).toContain(json.id)
  })

  test("a run of a pipeline that is named as a capsule is a run of the pipeline", async () => {
    const { rest } = await startRest()
    const { json } = await run(rest, { capsule_id: seed.ecephysPipeline, parameters: ["lost"] })
    expect(json).not.toHaveProperty("parameters")
    expect(json.processes).toHaveLength(2)
  })

  test("a run has the given data assets beside the attached ones, at their default mount unless another is given", async () => {
    const { rest } = await startRest()
    const { json } = await run(rest, {
      capsule_id: seed.spikeSorting,
      data_assets: [{ id: seed.cellImages }, { id: seed.looseFiles, mount: "loose" }],
    })
    expect(json.data_assets).toEqual([
      { id: seed.mouseRecording, mount: "ecephys_730945" },
      { id: seed.probeGeometry, mount: "probe" },
      { id: seed.cellImages, mount: "images" },
      { id: seed.looseFiles, mount: "loose" },
    ])
    expect((await rest(`GET /data_assets/${seed.cellImages}`)).json.last_used).toBe(json.created)
  })

  test("a data asset that is attached to a capsule may be given to its run with another mount", async () => {
    const { rest } = await startRest()
    const { json } = await run(rest, {
      capsule_id: seed.spikeSorting,
      data_assets: [{ id: seed.mouseRecording, mount: "elsewhere" }],
    })
    expect(json.data_assets).toEqual([
      { id: seed.probeGeometry, mount: "probe" },
      { id: seed.mouseRecording, mount: "elsewhere" },
    ])
  })

  test("a data asset that is attached to a pipeline may not be given to its run, and the refusal names it", async () => {
    const { rest } = await startRest()
    const { status, json } = await run(rest, {
      pipeline_id: seed.ecephysPipeline,
      data_assets: [{ id: seed.mouseRecording, mount: "elsewhere" }],
    })
    expect({ status, json }).toEqual({
      status: 400,
      json: {
        message: "data asset already attached",
        datasets: [{ id: seed.mouseRecording, name: "ecephys_730945_2024-06-13" }],
      },
    })
  })

  test("a run of a released capsule belongs to `release`, and can be deleted by who ran it", async () => {
    const { rest } = await startRest()
    const token = tokens.grace
    const { json } = await run(rest, { capsule_id: seed.releasedCellCounter, version: 1 }, token)
    expect(json.owner).toBe("release")
    expect(json).not.toHaveProperty("owner_email")
    expect((await rest(`DELETE /computations/${json.id}`, { token })).status).toBe(204)
  })

  test("a viewer of a capsule may run it, and owns the run", async () => {
    const { rest } = await startRest()
    const { json } = await run(rest, { capsule_id: seed.spikeSorting }, tokens.grace)
    expect(json.owner).toBe(users.grace.id)
  })

  test("a run can resume an earlier run of the same pipeline, and none of another", async () => {
    const { rest } = await startRest()
    const resume = (resume_run_id: string) => run(rest, { pipeline_id: seed.ecephysPipeline, resume_run_id })
    expect((await resume(seed.failedPipelineRun)).status).toBe(200)
    expect((await resume(seed.stitchedRun)).status).toBe(400)
  })

  test("a parameter's value may have 4096 characters, and no more", async () => {
    const { rest } = await startRest()
    const withValue = (length: number) => run(rest, { capsule_id: seed.oldForms, parameters: ["x".repeat(length)] })
    expect((await withValue(4096)).status).toBe(200)
    const { status, json } = await withValue(4097)
    expect([status, json.message]).toEqual([400, "a parameter's value may have at most 4096 characters"])
  })

  const capsule_id = seed.ecephysQuality
  test.each([
    [{}, 400, "exactly one of capsule_id and pipeline_id is required"],
    [{ capsule_id, pipeline_id: seed.ecephysPipeline }, 400, "exactly one of capsule_id and pipeline_id is required"],
    ["[]", 400, "invalid request body"],
    [{ capsule_id: unknownId }, 404, "capsule not found"],
    [{ capsule_id: seed.graceNotebook }, 404, "capsule not found"],
    [{ pipeline_id: seed.cellCounter }, 404, "pipeline not found"],
    [{ capsule_id, version: 1 }, 404, "version 1 not found"],
    [{ capsule_id, data_assets: [{ id: seed.cellImages, mount: 1 }] }, 400, "invalid request body"],
    [{ capsule_id, data_assets: [{ id: unknownId }] }, 404, `data asset ${unknownId} not found`],
    [{ capsule_id, data_assets: [{ id: seed.graceLocked }] }, 403, "you are not allowed to attach these data assets"],
    [{ capsule_id, data_assets: [{ id: seed.looseFiles }] }, 400, "data asset has no default mount, one is required"],
    [{ capsule_id, data_assets: [{ id: seed.draftRecording }] }, 400, "data asset is not ready"],
    [
      { capsule_id: seed.spikeSorting, data_assets: [{ id: seed.cellImages, mount: "probe" }] },
      400,
      "mount is already in use",
    ],
    [{ capsule_id, parameters: [1] }, 400, "invalid request body"],
    [{ capsule_id, parameters: "x" }, 400, "invalid request body"],
    [{ capsule_id, named_parameters: [{ value: "x" }] }, 400, "invalid request body"],
    [{ pipeline_id: seed.ecephysPipeline, processes: [{ name: "nothing" }] }, 400, "unknown process nothing"],
  ])("the start of a run with %j is refused, and nothing runs", async (body, status, message) => {
    const { sandbox, rest } = await startRest()
    const answer = await run(rest, body)
    expect({ status: answer.status, message: answer.json.message }).toEqual({ status, message })
    expect(sandbox.requests).toHaveLength(1)
    expect((await rest(`GET /capsules/${capsule_id}/computations`)).text).toBe("[]")
  })

  test("a token without Capsule write, and a capsule that may only be discovered, are refused with 403", async () => {
    const { rest } = await startRest()
    expect((await run(rest, { capsule_id }, tokens.readOnly)).status).toBe(403)
    expect((await run(rest, { capsule_id }, tokens.noCapsules)).status).toBe(403)
    expect((await run(rest, { capsule_id: seed.discoverableAtlas }, tokens.grace)).status).toBe(403)
  })

  test("a run that was deleted while it ran is gone", async () => {
    const { sandbox, rest } = await startRest()
    const { id } = (await run(rest, { capsule_id })).json
    sandbox.clock.advance(10)
    expect((await rest(`DELETE /computations/${id}`)).status).toBe(204)
    sandbox.clock.advance(60)
    expect((await rest(`GET /computations/${id}`)).status).toBe(404)
  })

  test("the start of a run whose response is lost has happened", async () => {
    const { sandbox, rest } = await startRest()
    sandbox.failNext("POST /computations", { afterwards: "reset" })
    await expect(run(rest, { capsule_id })).rejects.toThrow()
    expect((await rest(`GET /capsules/${capsule_id}/computations`)).json).toHaveLength(1)
  })
})

describe("data assets of a cloud workstation", () => {
  const path = `/computations/${seed.workstation}/data_assets`

  test("data assets are attached to a cloud workstation and detached again", async () => {
    const { rest } = await startRest()
    const attached = await rest(`POST ${path}`, { body: [{ id: seed.cellImages }, { id: seed.draftRecording }] })
    expect(attached.json).toMatchObject([
      { id: seed.cellImages, mount: "images", mount_state: "mounted", external: false, ready: true },
      { id: seed.draftRecording, mount_state: "pending", job_id: expect.any(String), ready: false },
    ])
    const inputs = async () => (await rest(`GET /computations/${seed.workstation}`)).json.data_assets
    expect(await inputs()).toHaveLength(2)
    expect((await rest(`DELETE ${path}/`, { body: [seed.cellImages] })).status).toBe(204)
    expect(await inputs()).toEqual([{ id: seed.draftRecording, mount: "ecephys_730946" }])
    expect((await rest(`DELETE ${path}`, { body: [seed.cellImages] })).status).toBe(404)
  })

  test("data assets are attached neither to an ordinary run nor to another user's workstation", async () => {
    const { rest } = await startRest()
    const body = [{ id: seed.cellImages }]
    expect((await rest(`POST /computations/${seed.countedCells}/data_assets`, { body })).status).toBe(400)
    expect(
      (await rest(`DELETE /computations/${seed.countedCells}/data_assets`, { body: [seed.cellImages] })).status,
    ).toBe(400)
    const ofAda = `POST /computations/${seed.countedCells}/data_assets`
    expect((await rest(ofAda, { body, token: tokens.grace })).status).toBe(403)
    expect((await rest(`POST ${path}`, { body, token: tokens.readOnly })).status).toBe(403)
  })
})

test("older clients get one download address for a file of a run or of a data asset", async () => {
  const { rest } = await startRest()
  const addresses = [
    [`/computations/${seed.countedCells}/results/download_url`, "counts.csv", "section,cells\n1,812\n2,790\n"],
    [`/data_assets/${seed.cellImages}/files/download_url`, "README.md", "# Stained sections\n\nTwo sections, DAPI.\n"],
  ] as const
  for (const [path, file, content] of addresses) {
    const { json } = await rest(`GET ${path}`, { query: { path: file } })
    expect(Object.keys(json)).toEqual(["url"])
    expect(await (await fetch(json.url)).text()).toBe(content)
    expect((await rest(`GET ${path}`)).status).toBe(400)
  }
})
