import { describe, expect, test } from "vitest"
import { lineageGraph } from "../sandbox/lineage.ts"
import { seed, tokens, users } from "../sandbox/seed.ts"
import { type Rest, type RestAnswer, startRest } from "./support/rest.ts"

const unknownId = "00000000-0000-4000-8000-000000000000"
const base = { name: "New", tags: ["fresh"], mount: "new" }

const names = (answer: RestAnswer) => answer.json.results.map(({ name }: { name: string }) => name)
const ids = (answer: RestAnswer): string[] => answer.json.results.map(({ id }: { id: string }) => id)
const create = (rest: Rest, more: object, token?: string) =>
  rest("POST /data_assets", { body: { ...base, ...more }, token })

describe("searching data assets", () => {
  const find = async (body: unknown, token: string = tokens.ada) => {
    const { rest } = await startRest()
    return rest("POST /data_assets/search", { body, token })
  }

  test("a search for data assets without a query or an order lists the newest first", async () => {
    const { json } = await find({})
    const created: number[] = json.results.map((asset: { created: number }) => asset.created)
    expect(created).toEqual(created.toSorted((a, b) => b - a))
    expect(created.length).toBeGreaterThan(10)
  })

  test("names, tags, scripts, commits and contained ids are fields of a query for data assets", async () => {
    expect(names(await find({ query: "name:sorted" }))).toEqual(["ecephys_730945_sorted"])
    expect(names(await find({ query: "tag:MODEL tag:derived" }))).toEqual(["ecephys_730945_sorted", "nuclei-unet"])
    expect(names(await find({ query: "tag:ecephys tag:raw name:2024" }))).toEqual(["ecephys_730945_2024-06-13"])
    expect(ids(await find({ query: "run_script:code/run" }))).toEqual([seed.sortedSpikes])
    expect(ids(await find({ query: "commit_id:0a1b2c3d4e5f60718293a4b5c6d7e8f901234567" }))).toEqual([
      seed.sortedSpikes,
    ])
    expect(ids(await find({ query: "commit_id:0a1b2c3d" }))).toEqual([])
    expect(ids(await find({ query: `contained_data_id:${seed.mouseRecording}` }))).toEqual([seed.combinedRecordings])
  })

  test("free text searches names, tags, descriptions and custom metadata of data assets, the best match first", async () => {
    expect(names(await find({ query: "one day" }))).toEqual(["ecephys_730945_2024-06-13"])
    expect(names(await find({ query: "640118" }))).toEqual(["Stained sections"])
    expect(names(await find({ query: "reference" }))[0]).toBe("Reference")
  })

  test("type and origin narrow a search for data assets", async () => {
    expect(names(await find({ type: "model" }))).toEqual(["nuclei-unet"])
    expect(ids(await find({ type: "combined" }))).toEqual([seed.combinedRecordings])
    expect(ids(await find({ origin: "external", sort_field: "name" }))).toEqual([
      seed.mouseRecording,
      seed.combinedRecordings,
    ])
    const internal = ids(await find({ origin: "internal" }))
    expect(internal).toContain(seed.sortedSpikes)
    expect(internal).not.toContain(seed.mouseRecording)
  })

  test("sizes of data assets are compared as numbers, also where one is written as a string", async () => {
    const { json } = await find({ sort_field: "size", sort_order: "desc" })
    const sizes = json.results.map(({ size }: { size?: string | number }) => Number(size ?? 0))
    expect(sizes[0]).toBe(535_129_947_980)
    expect(sizes).toEqual(sizes.toSorted((a: number, b: number) => b - a))
    const types = (await find({ sort_field: "type" })).json.results.map(({ type }: { type: string }) => type)
    expect(types).toEqual(types.toSorted())
  })

  test("filters of data assets compare custom metadata, dates and numbers by range, and can exclude", async () => {
    const filtered = async (...filters: object[]) => ids(await find({ filters, sort_field: "name" }))
    const subject = { key: "subject id", value: "730945" }
    expect(await filtered(subject)).toEqual([seed.mouseRecording, seed.sortedSpikes])
    expect(await filtered(subject, { key: "data level", value: "raw", exclude: true })).toEqual([seed.sortedSpikes])
    expect(await filtered({ key: "probe count", range: { min: 4 } })).toEqual([seed.mouseRecording])
    expect(await filtered({ key: "hours recorded", range: { min: 1.5, max: 1.5 } })).toEqual([seed.mouseRecording])
    expect(await filtered({ key: "acquisition date", range: { max: 1_718_236_799 } })).toEqual([])
    expect(await filtered({ key: "tags", values: ["model", "imaging"] })).toEqual([
      seed.segmentationModel,
      seed.cellImages,
    ])
  })

  test("archive, ownership and permissions decide which data assets are listed", async () => {
    expect(names(await find({ archived: true }))).toEqual(["old recording"])
    expect(ids(await find({}))).not.toContain(seed.archivedAsset)
    expect(names(await find({ ownership: "private" }))).toEqual(["unpublished"])
    expect(names(await find({ ownership: "shared" }))).toEqual(["reference drift"])
    expect(ids(await find({}, tokens.grace))).not.toContain(seed.privateAsset)
    expect(ids(await find({ query: "atlas" }, tokens.grace))).toEqual([seed.discoverableAsset])
    expect(ids(await find({ favorite: true }))).toEqual([])
  })

  test.each([{ sort_field: "last_accessed" }, { type: "table" }, { origin: "aws" }, { limit: 1001 }, { filters: {} }])(
    "a search for data assets with %j is a bad request",
    async (body) => expect((await find(body)).status).toBe(400),
  )

  test("a search for data assets without the scope Data Asset read is 401", async () => {
    expect((await find({}, tokens.noDatasets)).status).toBe(401)
    expect((await find({}, tokens.noCapsules)).status).toBe(200)
  })

  test("a draft that becomes ready takes its place in a search that was made before", async () => {
    const { sandbox, rest } = await startRest()
    const search = async () => ids(await rest("POST /data_assets/search", { body: { limit: 100 } }))
    expect((await search()).at(-1)).toBe(seed.draftRecording)
    sandbox.clock.advance(121)
    expect((await search())[0]).toBe(seed.draftRecording)
  })

  test("generated data assets fill many pages, and a walk meets each of them once", async () => {
    const { rest } = await startRest({ generate: 500 })
    const walked: string[] = []
    let next_token: string | undefined
    do {
      const { json } = await rest("POST /data_assets/search", { body: { query: "tag:generated", next_token } })
      walked.push(...json.results.map(({ id }: { id: string }) => id))
      next_token = json.next_token
    } while (next_token !== undefined)
    expect(walked).toHaveLength(540)
    expect(new Set(walked).size).toBe(540)
    const { json } = await rest("POST /data_assets/search", { body: { type: "result", query: "tag:generated" } })
    expect((await rest(`GET /computations/${json.results[0].provenance.computation}`)).status).toBe(200)
  })
})

describe("creating data assets", () => {
  const later = async (rest: Rest, id: string) => (await rest(`GET /data_assets/${id}`)).json

  test("a new data asset is a draft that only its creator sees, and ready after ten seconds", async () => {
    const { sandbox, rest } = await startRest()
    const { status, json } = await create(rest, {
      description: "Fresh",
      source: { aws: { bucket: "lab", prefix: "day-1" } },
      custom_metadata: { "subject id": "730945", regions: ["CA1", "CA3"] },
    })
    expect(status).toBe(200)
    expect(json).toEqual({
      ...base,
      id: expect.any(String),
      created: 0,
      owner: users.ada.id,
      owner_email: users.ada.email,
      last_used: 0,
      state: "draft",
      type: "dataset",
      size: 0,
      description: "Fresh",
      source_bucket: { origin: "aws", bucket: "lab", prefix: "day-1" },
      custom_metadata: { "subject id": "730945", regions: ["CA1", "CA3"] },
    })
    expect((await rest(`GET /data_assets/${json.id}`, { token: tokens.grace })).status).toBe(404)
    sandbox.clock.advance(9)
    expect(await later(rest, json.id)).toEqual(json)
    sandbox.clock.advance(2)
    const ready = await later(rest, json.id)
    expect(ready).toMatchObject({ state: "ready", files: 2, size: expect.any(Number) })
    expect(ready.created).toBeGreaterThan(0)
    expect((await rest(`POST /data_assets/${json.id}/files`, { body: { path: "" } })).json.items).toHaveLength(2)
  })

  test("a data asset from results holds copies of the files and names where they came from", async () => {
    const { sandbox, rest } = await startRest()
    const { json } = await create(rest, { source: { computation: { id: seed.countedCells } } })
    expect(json).toMatchObject({
      type: "result",
      state: "draft",
      app_parameters: [
        { name: "Stain", value: "DAPI" },
        { name: "Threshold", value: "0.40" },
      ],
      provenance: {
        commit: expect.stringMatching(/^[0-9a-f]{40}$/),
        run_script: "code/run",
        docker_image: expect.any(String),
        computation: seed.countedCells,
        data_assets: [seed.cellImages, seed.segmentationModel],
      },
    })
    expect(json.provenance).not.toHaveProperty("capsule")
    sandbox.clock.advance(11)
    await rest(`DELETE /computations/${seed.countedCells}`)
    expect(await later(rest, json.id)).toMatchObject({ state: "ready", files: 7 })
    const { json: urls } = await rest(`GET /data_assets/${json.id}/files/urls`, { query: { path: "counts.csv" } })
    expect(await (await fetch(urls.download_url)).text()).toBe("section,cells\n1,812\n2,790\n")
  })

  test("a data asset from one folder of the results holds only that folder", async () => {
    const { sandbox, rest } = await startRest()
    const { json } = await create(rest, { source: { computation: { id: seed.countedCells, path: "figures/raw/" } } })
    sandbox.clock.advance(11)
    const { items } = (await rest(`POST /data_assets/${json.id}/files`, { body: { path: "" } })).json
    expect(items.map(({ path }: { path: string }) => path)).toEqual(["section 1.csv", "Übersicht & mehr.txt"])
    expect(await later(rest, json.id)).toMatchObject({ files: 2, size: 21 })
  })

  test("a data asset from a pipeline's run keeps the profile and the values of the processes", async () => {
    const { rest } = await startRest()
    const { json } = await create(rest, { source: { computation: { id: seed.pipelineRun } } })
    expect(json).toMatchObject({
      nextflow_profile: "standard",
      app_parameters: [{ name: "Window", value: "30" }],
      provenance: { computation: seed.pipelineRun, data_assets: [seed.mouseRecording] },
    })
  })

  test("a data asset whose results are written into a bucket is external, and can't be listed", async () => {
    const { sandbox, rest } = await startRest()
    const { json } = await create(rest, {
      source: { computation: { id: seed.countedCells } },
      target: { aws: { bucket: "lab", prefix: "out" } },
    })
    expect(json.source_bucket).toEqual({ origin: "aws", bucket: "lab", prefix: "out", external: true })
    sandbox.clock.advance(11)
    expect((await rest(`POST /data_assets/${json.id}/files`, { body: { path: "" } })).status).toBe(400)
  })

  test("a data asset from a cloud workstation with a named script is a result of the capsule", async () => {
    const { rest } = await startRest()
    const of = (run_script?: string) =>
      create(rest, { source: { cloud_workstation: { id: seed.workstation, path: "scratch", run_script } } })
    expect((await of()).json.type).toBe("dataset")
    expect((await of("code/notebook.py")).json).toMatchObject({
      type: "result",
      provenance: { capsule: seed.cellCounter, run_script: "code/notebook.py" },
    })
  })

  test("a data asset can come from Google, and external from Amazon", async () => {
    const { rest } = await startRest()
    expect((await create(rest, { source: { gcp: { bucket: "g" } } })).json.source_bucket).toEqual({
      origin: "gcp",
      bucket: "g",
    })
    const { json } = await create(rest, { source: { aws: { bucket: "b", keep_on_external_storage: true } } })
    expect(json.source_bucket).toEqual({ origin: "aws", bucket: "b", external: true })
    const found = await rest("POST /data_assets/search", { body: { origin: "external", query: "tag:fresh" } })
    expect(ids(found)).toEqual([json.id])
  })

  test("a data asset from exported results has the given results info", async () => {
    const { rest } = await startRest()
    const { json } = await create(rest, {
      source: { aws: { bucket: "b" } },
      results_info: {
        pipeline_id: seed.ecephysPipeline,
        commit: "abc",
        run_script: "main.nf",
        data_assets: [seed.mouseRecording],
        parameters: [{ param_name: "window", value: "30" }],
        nextflow_profile: "standard",
      },
    })
    expect(json).toMatchObject({
      type: "result",
      provenance: {
        capsule: seed.ecephysPipeline,
        commit: "abc",
        run_script: "main.nf",
        data_assets: [seed.mouseRecording],
      },
      app_parameters: [{ name: "window", value: "30" }],
      nextflow_profile: "standard",
    })
  })

  test("a combined data asset names its parts and has the sum of their sizes", async () => {
    const { sandbox, rest } = await startRest()
    const { json } = await create(rest, { data_asset_ids: [seed.mouseRecording, seed.probeGeometry] })
    expect(json).toMatchObject({
      type: "combined",
      contained_data_assets: [
        { id: seed.mouseRecording, mount: "ecephys_730945", size: 535_129_947_980 },
        { id: seed.probeGeometry, mount: "probe" },
      ],
    })
    sandbox.clock.advance(11)
    expect((await later(rest, json.id)).size).toBe(535_129_947_980)
  })

  test.each([
    [{ source: { aws: { bucket: "missing-bucket" } } }],
    [{ source: { gcp: { bucket: "missing-bucket" } } }],
    [{ source: { computation: { id: seed.countedCells } }, target: { aws: { bucket: "missing-bucket" } } }],
  ])("the creation from %j fails by the clock, with a reason", async (more) => {
    const { sandbox, rest } = await startRest()
    const { json } = await create(rest, more)
    expect(json.state).toBe("draft")
    sandbox.clock.advance(11)
    expect(await later(rest, json.id)).toMatchObject({
      state: "failed",
      failure_reason: "NoSuchBucket: the bucket missing-bucket does not exist",
      size: 0,
    })
  })

  const source = { aws: { bucket: "b" } }
  test.each([
    [{ source, name: null }, 400, "name is required"],
    [{ source, name: "" }, 400, "name is required"],
    [{ source, mount: null }, 400, "mount is required"],
    [{ source, tags: null }, 400, "tags is required"],
    [{ source, tags: "raw" }, 400, "tags must be a list of strings"],
    [{ source, description: 7 }, 400, "description must be a string"],
    [{}, 400, "exactly one of source and data_asset_ids is required"],
    [{ source, data_asset_ids: [seed.cellImages] }, 400, "exactly one of source and data_asset_ids is required"],
    [{ source: { aws: null } }, 400, "exactly one source is required"],
    [{ source: { ...source, gcp: { bucket: "b" } } }, 400, "exactly one source is required"],
    [{ source: { azure: { bucket: "b" } } }, 400, "unknown source azure"],
    [{ source: { aws: {} } }, 400, "bucket is required"],
    [{ source: { aws: { use_input_bucket: true } } }, 403, "only admins may use the input bucket"],
    [{ source: { computation: { id: unknownId } } }, 404, "computation not found"],
    [{ source: { computation: { id: seed.graceRun } } }, 404, "computation not found"],
    [{ source: { computation: { id: seed.stoppedCount } } }, 400, "computation has no results"],
    [{ source: { computation: { id: seed.runningAlignment } } }, 400, "computation has no results"],
    [{ source: { computation: { id: seed.countedCells, path: "none" } } }, 400, "there are no results at none"],
    [
      { source: { cloud_workstation: { id: seed.countedCells, path: "x" } } },
      400,
      "computation is no cloud workstation",
    ],
    [{ source: { cloud_workstation: { id: seed.workstation } } }, 400, "path is required"],
    [
      { source: { computation: { id: seed.countedCells } }, results_info: {} },
      400,
      "results_info goes with a source of aws or gcp",
    ],
    [{ source, results_info: { capsule_id: unknownId } }, 404, "capsule not found"],
    [{ source, target: { gcp: {} } }, 400, "invalid request body"],
    [{ data_asset_ids: [] }, 400, "data_asset_ids must be a list of ids"],
    [{ data_asset_ids: [seed.cellImages, seed.cellImages] }, 400, "data_asset_ids must not name a data asset twice"],
    [{ data_asset_ids: [unknownId] }, 404, `data asset ${unknownId} not found`],
    [{ data_asset_ids: [seed.draftRecording] }, 400, "data asset is not ready"],
  ])("the creation with %j is refused, and nothing is created", async (more, status, message) => {
    const { rest } = await startRest()
    const answer = await create(rest, more)
    expect({ status: answer.status, message: answer.json.message }).toEqual({ status, message })
    expect(ids(await rest("POST /data_assets/search", { body: { query: "tag:fresh" } }))).toEqual([])
  })

  test("creating a data asset needs the scope Data Asset write, and only admins may use the input bucket", async () => {
    const { rest } = await startRest()
    expect((await create(rest, { source }, tokens.readOnly)).status).toBe(403)
    expect((await create(rest, { source }, tokens.noDatasets)).status).toBe(403)
    expect((await create(rest, { source: { aws: { use_input_bucket: true } } }, tokens.admin)).status).toBe(200)
  })
})

describe("changing data assets", () => {
  const path = `/data_assets/${seed.mouseRecording}`

  test("a PUT of a data asset keeps name and mount, and empties whatever else it omits", async () => {
    const { rest } = await startRest()
    const { status, json } = await rest(`PUT ${path}`, { body: { description: "Edited" } })
    expect(status).toBe(200)
    expect(json).toMatchObject({ name: "ecephys_730945_2024-06-13", mount: "ecephys_730945", tags: [] })
    expect(json.description).toBe("Edited")
    expect(json).not.toHaveProperty("custom_metadata")
    expect((await rest(`GET ${path}`)).json).toEqual(json)
  })

  test("a PUT of all fields of a data asset replaces all of them, in searches too", async () => {
    const { rest } = await startRest()
    const body = {
      name: "Renamed",
      description: "d",
      tags: ["t"],
      mount: "m",
      custom_metadata: { "data level": "derived" },
    }
    expect((await rest(`PUT ${path}`, { body })).json).toMatchObject(body)
    expect(ids(await rest("POST /data_assets/search", { body: { query: "name:renamed tag:t" } }))).toEqual([
      seed.mouseRecording,
    ])
    expect(ids(await rest("POST /data_assets/search", { body: { query: "tag:730945" } }))).toEqual([seed.sortedSpikes])
  })

  test("a data asset that is renamed as a draft keeps its name once it is ready", async () => {
    const { sandbox, rest } = await startRest()
    const draft = `/data_assets/${seed.draftRecording}`
    expect((await rest(`PUT ${draft}`, { body: { name: "Early" } })).json).toMatchObject({ state: "draft" })
    sandbox.clock.advance(121)
    expect((await rest(`GET ${draft}`)).json).toMatchObject({ name: "Early", state: "ready" })
  })

  test.each([
    [{ subject: "x" }, 'unknown custom metadata field "subject"'],
    [{ "probe count": "4" }, 'custom metadata field "probe count" must be a number'],
    [{ "acquisition date": "2024-06-13" }, 'custom metadata field "acquisition date" must be a date'],
    [{ "subject id": 730945 }, 'custom metadata field "subject id" must be a string'],
    [{ "data level": "cooked" }, 'custom metadata field "data level" must be one of raw, derived, simulated'],
    [{ "probe count": 13 }, 'custom metadata field "probe count" is out of range'],
    [{ "acquisition date": 1 }, 'custom metadata field "acquisition date" is out of range'],
    [{ "data level": ["raw"] }, 'custom metadata field "data level" must be a string'],
    [{ regions: ["CA1", 3] }, 'custom metadata field "regions" must be a string'],
    ["raw", "custom_metadata must be an object"],
  ])("custom metadata of %j is refused by name, and nothing changes", async (custom_metadata, message) => {
    const { rest } = await startRest()
    const before = (await rest(`GET ${path}`)).json
    const { status, json } = await rest(`PUT ${path}`, { body: { name: "x", custom_metadata } })
    expect({ status, json }).toEqual({ status: 400, json: { message } })
    expect((await rest(`GET ${path}`)).json).toEqual(before)
  })

  test("the custom metadata schema describes every kind of field", async () => {
    const { rest } = await startRest()
    const { fields, categories } = (await rest("GET /custom_metadata")).json
    const used = new Set(fields.flatMap((field: object) => Object.keys(field)))
    expect([...used].sort()).toEqual([
      "allowed_values",
      "category",
      "multiple",
      "name",
      "range",
      "required",
      "type",
      "units",
    ])
    expect(new Set(fields.map(({ type }: { type: string }) => type))).toEqual(new Set(["string", "number", "date"]))
    for (const { category } of fields) if (category) expect(categories).toContain(category)
  })

  test("an editor may change a data asset, and a viewer may not", async () => {
    const { rest } = await startRest()
    const put = (token: string) => rest(`PUT ${path}`, { body: { name: "Hers" }, token })
    expect((await put(tokens.grace)).status).toBe(403)
    await rest(`POST ${path}/permissions`, { body: { users: [{ email: users.grace.email, role: "editor" }] } })
    expect((await put(tokens.grace)).status).toBe(200)
    expect((await put(tokens.readOnly)).status).toBe(403)
  })

  test("admins transfer data assets, and the data asset names a bucket that is missing", async () => {
    const { rest } = await startRest()
    const token = tokens.admin
    const transfer = (bucket: string, by: string = token) =>
      rest(`POST /data_assets/${seed.segmentationModel}/transfer`, {
        body: { target: { aws: { bucket, prefix: "models", endpoint_name: null } }, force: null },
        token: by,
      })
    const get = async () => (await rest(`GET /data_assets/${seed.segmentationModel}`)).json
    const before = await get()
    expect((await transfer("archive", tokens.ada)).status).toBe(403)
    expect((await transfer("missing-bucket")).status).toBe(200)
    expect(await get()).toEqual({ ...before, transfer_error: expect.stringContaining("missing-bucket") })
    expect((await transfer("archive")).status).toBe(200)
    const after = await get()
    expect(after.source_bucket).toEqual({ origin: "aws", bucket: "archive", prefix: "models", external: true })
    expect(after.last_transferred).toBeGreaterThan(before.last_transferred)
    expect(after).not.toHaveProperty("transfer_error")
    const draft = `POST /data_assets/${seed.draftRecording}/transfer`
    expect((await rest(draft, { token, body: { target: { aws: { bucket: "b" } } } })).status).toBe(400)
    expect((await rest(draft, { token, body: {} })).status).toBe(400)
  })
})

describe("a provenance graph of a thousand data assets", () => {
  const graph = lineageGraph(1000)

  test("a provenance graph of a thousand data assets has the documented depth, branches and private objects", () => {
    const byId = new Map(graph.map((asset) => [asset.id, asset]))
    const depths = new Map<string, number>()
    const walking = new Set<string>()
    let cycles = 0
    const depthOf = (id: string): number => {
      if (walking.has(id)) {
        cycles += 1
        return 0
      }
      const known = depths.get(id)
      if (known !== undefined) return known
      walking.add(id)
      const depth = Math.max(0, ...byId.get(id)!.inputs.map((input) => depthOf(input) + 1))
      walking.delete(id)
      depths.set(id, depth)
      return depth
    }
    expect(Math.max(...graph.map(({ id }) => depthOf(id)))).toBeGreaterThanOrEqual(8)
    expect(cycles).toBeGreaterThan(0)
    const uses = Map.groupBy(
      graph.flatMap(({ inputs }) => inputs),
      (id) => id,
    )
    expect([...uses.values()].filter((times) => times.length > 1).length).toBeGreaterThan(100)
  })

  test("a provenance graph of a thousand data assets is the one that the API returns, 403 and 404 included", async () => {
    const { rest } = await startRest({ lineage: 1000 })
    const statuses = new Set<number>()
    for (const { id, restricted } of graph.filter((asset) => asset.restricted)) {
      expect(restricted).toBe(true)
      statuses.add((await rest(`GET /data_assets/${id}`)).status)
    }
    expect(statuses).toEqual(new Set([403, 404]))
    const types = new Set<string>()
    for (const { id, inputs, run } of graph.filter(({ restricted }, at) => !restricted && at % 7 === 0)) {
      const { json } = await rest(`GET /data_assets/${id}`)
      types.add(json.type)
      if (run) expect(json.provenance).toEqual({ ...run, data_assets: inputs })
      else expect((json.contained_data_assets ?? []).map((part: { id: string }) => part.id)).toEqual(inputs)
      if (!run) continue
      const { json: computation } = await rest(`GET /computations/${run.computation}`)
      expect(computation.data_assets.map((input: { id: string }) => input.id)).toEqual(inputs)
      expect((await rest(`GET /capsules/${run.capsule}/computations`)).text).toContain(run.computation)
    }
    expect(types).toEqual(new Set(["dataset", "result", "combined"]))
  })
})
