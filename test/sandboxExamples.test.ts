import { describe, expect, test } from "vitest"
import { sandboxOptions } from "../sandbox/options.ts"
import { seed, tokens } from "../sandbox/seed.ts"
import { type Rest, restAt, startRest } from "./support/rest.ts"

/** The official Python client sends every unset field as null, and polls until a state is final. */
describe("the official client's own examples", () => {
  const unset = (...names: string[]) => Object.fromEntries(names.map((name) => [name, null]))
  const runParams = {
    ...unset("capsule_id", "pipeline_id", "version", "resume_run_id", "nextflow_profile"),
    ...unset("data_assets", "parameters", "named_parameters", "processes"),
  }
  const source = unset("aws", "gcp", "computation", "cloud_workstation")
  const dataAssetParams = {
    ...unset("description", "source", "target", "custom_metadata", "data_asset_ids", "results_info"),
    name: "My Result",
    mount: "my-result",
    tags: ["my", "result"],
  }
  const headers = { "min-server-version": "4.6.0", "agent-id": "example" }

  async function start() {
    const { sandbox, rest } = await startRest()
    const wait = async (path: string) => {
      for (let turn = 0; turn < 20; turn += 1) {
        const { json } = await rest(`GET ${path}`, { headers })
        if (["completed", "failed", "ready"].includes(json.state)) return json
        sandbox.clock.advance(5)
      }
      throw new Error(`${path} did not end`)
    }
    return { rest: ((call, more) => rest(call, { ...more, headers })) as Rest, wait }
  }

  test("the official client runs a capsule, waits for it, and captures, shares, archives and deletes its result", async () => {
    const { rest, wait } = await start()
    const capsule = (await rest(`GET /capsules/${seed.cellCounter}`)).json
    const run = await rest("POST /computations", { body: { ...runParams, capsule_id: capsule.id } })
    const ended = await wait(`/computations/${run.json.id}`)
    expect(ended).toMatchObject({ state: "completed", end_status: "succeeded", has_results: true })

    const { items } = (await rest(`POST /computations/${ended.id}/results`, { body: { path: "" } })).json
    const file = items.find(({ type }: { type: string }) => type === "file")
    const urls = await rest(`GET /computations/${ended.id}/results/urls`, { query: { path: file.path } })
    expect((await fetch(urls.json.download_url)).status).toBe(200)

    const created = await rest("POST /data_assets", {
      body: {
        ...dataAssetParams,
        description: "Computation result",
        source: { ...source, computation: { id: ended.id, path: null } },
      },
    })
    const asset = await wait(`/data_assets/${created.json.id}`)
    expect(asset).toMatchObject({ state: "ready", type: "result", provenance: { computation: ended.id } })
    const path = `/data_assets/${asset.id}`
    const permissions = { ...unset("users", "groups", "share_assets"), everyone: "viewer" }
    expect((await rest(`POST ${path}/permissions`, { body: permissions })).status).toBe(200)
    const update = { ...unset("name", "mount", "custom_metadata"), description: "Seen", tags: ["my"] }
    expect((await rest(`PUT ${path}`, { body: update })).json).toMatchObject({ name: "My Result", tags: ["my"] })
    expect((await rest(`PATCH ${path}/archive`, { query: { archive: "True" } })).status).toBe(204)
    expect((await rest(`DELETE ${path}`)).status).toBe(204)
    expect((await rest(`DELETE /computations/${ended.id}`)).status).toBe(204)
  })

  test("the official client runs a pipeline with the example's data asset and processes, and puts its result into a bucket", async () => {
    const { rest, wait } = await start()
    const run = await rest("POST /computations", {
      body: {
        ...runParams,
        pipeline_id: seed.imagingPipeline,
        data_assets: [{ id: seed.exampleReference, mount: "Reference" }],
        processes: [
          {
            name: "capsule_art_simulation_illumina_1",
            parameters: ["75", "1", "HS25", "SingleEnded"],
            named_parameters: null,
          },
          { name: "capsule_copy_of_fast_qc_2", parameters: null, named_parameters: null },
        ],
      },
    })
    expect(run.status).toBe(200)
    const ended = await wait(`/computations/${run.json.id}`)
    const { json } = await rest("POST /data_assets", {
      body: {
        ...dataAssetParams,
        source: { ...source, computation: { id: ended.id, path: null } },
        target: { aws: { bucket: "results", endpoint_name: null, prefix: null } },
      },
    })
    expect((await wait(`/data_assets/${json.id}`)).source_bucket).toEqual({
      origin: "aws",
      bucket: "results",
      external: true,
    })
  })

  test("the official client creates a data asset from a bucket", async () => {
    const { rest, wait } = await start()
    const aws = {
      ...unset("endpoint_name", "prefix", "keep_on_external_storage", "use_input_bucket"),
      bucket: "open",
      public: false,
    }
    const { json } = await rest("POST /data_assets", { body: { ...dataAssetParams, source: { ...source, aws } } })
    expect(await wait(`/data_assets/${json.id}`)).toMatchObject({ state: "ready", type: "dataset" })
  })

  test("the official client gives a data asset without a mount to a run, and attaches and detaches it", async () => {
    const { rest } = await start()
    const attachment = { id: seed.pipelineResult, mount: null }
    const mounted = [{ id: seed.pipelineResult, mount: "nightly" }]
    const capsule_id = seed.ecephysQuality
    const run = await rest("POST /computations", { body: { ...runParams, capsule_id, data_assets: [attachment] } })
    expect(run.json.data_assets).toMatchObject(mounted)
    for (const path of [
      `/capsules/${capsule_id}/data_assets`,
      `/pipelines/${seed.ecephysPipeline}/data_assets`,
      `/computations/${seed.workstation}/data_assets`,
    ]) {
      expect((await rest(`POST ${path}`, { body: [attachment] })).json).toMatchObject(mounted)
      expect((await rest(`DELETE ${path}/`, { body: [attachment.id] })).status).toBeLessThan(300)
    }
  })

  test("the official client walks searches to their end", async () => {
    const { rest } = await start()
    for (const [kind, more] of [
      ["capsules", unset("status")],
      ["pipelines", unset("status")],
      ["data_assets", unset("type", "origin")],
    ] as const) {
      const params: Record<string, unknown> = {
        ...unset("query", "next_token", "offset", "sort_field", "sort_order", "ownership", "favorite", "archived"),
        ...more,
        filters: null,
        limit: 3,
      }
      const seen: string[] = []
      for (;;) {
        const { status, json } = await rest(`POST /${kind}/search`, { body: params })
        expect(status).toBe(200)
        seen.push(...json.results.map(({ id }: { id: string }) => id))
        if (!json.has_more) break
        params.next_token = json.next_token
      }
      expect(new Set(seen).size).toBe(seen.length)
      expect(seen.length).toBeGreaterThan(1)
    }
  })
})

test("a sandbox that is started by its variables has only values that the official client can read", async () => {
  const { sandbox } = await startRest(sandboxOptions({ SANDBOX_PORT: "0" }))
  const rest = restAt(sandbox.url, tokens.admin)
  const all = async (kind: string): Promise<Record<string, unknown>[]> => {
    const { json } = await rest(`POST /${kind}/search`, { body: { limit: 1000 } })
    expect(json.has_more).toBe(false)
    return json.results
  }
  const values = (objects: Record<string, unknown>[], key: string) => objects.flatMap((object) => object[key] ?? [])
  const known = (objects: Record<string, unknown>[], key: string, ...expected: string[]) =>
    expect(expected, key).toEqual(expect.arrayContaining(values(objects, key)))

  const assets = await all("data_assets")
  known(assets, "type", "dataset", "result", "combined", "model")
  known(assets, "state", "draft", "ready", "failed")
  known(values(assets, "source_bucket") as Record<string, unknown>[], "origin", "aws", "local", "gcp")
  for (const kind of ["capsules", "pipelines"]) {
    const runnables = await all(kind)
    known(runnables, "status", "non_release", "release")
    for (const { id } of runnables) {
      const { json } = await rest(`GET /${kind}/${id}/computations`)
      known(json, "state", "initializing", "running", "finalizing", "completed", "failed")
      known(json, "end_status", "succeeded", "failed", "stopped")
    }
  }
})
