import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest"
import type { Failure } from "../sandbox/failures.ts"
import { seed, tokens, users } from "../sandbox/seed.ts"
import { type Sandbox, startSandbox } from "../sandbox/server.ts"
import { compiled } from "./support/compiled.ts"
import { type Rest, restAt, startRest } from "./support/rest.ts"

const names = (answer: { json: { results: { name: string }[] } }) => answer.json.results.map(({ name }) => name)
const ids = (answer: { json: { results: { id: string }[] } }) => answer.json.results.map(({ id }) => id)
const unknownId = "00000000-0000-4000-8000-000000000000"

/**
 * What every deployment does. Runs against the sandbox, or against CODEOCEAN_CONTRACT_URL ("https://host") with the token
 * CODEOCEAN_CONTRACT_TOKEN: it changes nothing, and reads only objects that a search finds.
 */
describe("the REST contract for reads", () => {
  const deployment = process.env.CODEOCEAN_CONTRACT_URL?.replace(/\/$/, "")
  let sandbox: Sandbox | undefined
  let rest: Rest

  beforeAll(async () => {
    if (deployment === undefined) sandbox = await startSandbox({ generate: 30 })
    const url = deployment ?? sandbox!.url
    rest = restAt(url, deployment === undefined ? tokens.ada : (process.env.CODEOCEAN_CONTRACT_TOKEN ?? ""))
  })
  afterAll(() => sandbox?.close())

  for (const kind of ["capsules", "pipelines"]) {
    test(`every one of the ${kind} that a search finds has the fields that are always there`, async () => {
      const { status, json } = await rest(`POST /${kind}/search`, { body: { limit: 50 } })
      expect(status).toBe(200)
      expect(json).toMatchObject({ has_more: expect.any(Boolean), results: expect.any(Array) })
      for (const capsule of json.results)
        expect(capsule).toMatchObject({
          id: expect.any(String),
          created: expect.any(Number),
          name: expect.any(String),
          status: expect.any(String),
          owner: expect.any(String),
          slug: expect.any(String),
        })
    })

    test(`one of the ${kind}, read by id, is what the search said`, async ({ skip }) => {
      const [found] = (await rest(`POST /${kind}/search`, { body: { limit: 1, sort_field: "created" } })).json.results
      if (!found) return skip("the deployment has none")
      const { status, json } = await rest(`GET /${kind}/${found.id}`)
      expect(status).toBe(200)
      expect(json).toMatchObject({ id: found.id, name: found.name, created: found.created, slug: found.slug })
    })

    test(`several id terms find exactly those ${kind}`, async ({ skip }) => {
      const two = ids(await rest(`POST /${kind}/search`, { body: { limit: 2, sort_field: "created" } }))
      if (two.length < 2) return skip("the deployment has fewer than two")
      const query = two.map((id) => `id:${id}`).join(" ")
      expect(ids(await rest(`POST /${kind}/search`, { body: { query } })).sort()).toEqual([...two].sort())
    })
  }

  for (const kind of ["capsules", "pipelines", "data_assets"]) {
    test(`a walk through the ${kind} by next_token meets the same objects as one large page`, async () => {
      const sort = { sort_field: "created", sort_order: "asc" }
      const whole = ids(await rest(`POST /${kind}/search`, { body: { ...sort, limit: 12 } }))
      const walked: string[] = []
      let next: unknown
      for (const limit of [5, 3, 4]) {
        const body = { ...sort, limit, ...(next === undefined ? {} : { next_token: next }) }
        const answer = await rest(`POST /${kind}/search`, { body })
        walked.push(...ids(answer))
        if (!answer.json.has_more) break
        expect(answer.json.next_token).toBeDefined()
        next = answer.json.next_token
      }
      expect(walked).toEqual(whole)
    })

    test(`${kind} are sorted by what was asked, in the order asked`, async () => {
      for (const sort_order of ["asc", "desc"]) {
        const { json } = await rest(`POST /${kind}/search`, { body: { limit: 20, sort_field: "created", sort_order } })
        const created: number[] = json.results.map((one: { created: number }) => one.created)
        expect(created).toEqual(created.toSorted((a, b) => (sort_order === "asc" ? a - b : b - a)))
      }
    })
  }

  test("every data asset that a search finds has the fields that are always there, and reads by id", async ({
    skip,
  }) => {
    const { status, json } = await rest("POST /data_assets/search", { body: { limit: 50 } })
    expect(status).toBe(200)
    for (const asset of json.results)
      expect(asset).toMatchObject({
        id: expect.any(String),
        created: expect.any(Number),
        name: expect.any(String),
        mount: expect.any(String),
        state: expect.any(String),
        type: expect.any(String),
        last_used: expect.any(Number),
      })
    const found = json.results.find(({ state }: { state: string }) => state === "ready")
    if (!found) return skip("the deployment has none that is ready")
    expect((await rest(`GET /data_assets/${found.id}`)).json).toMatchObject({ id: found.id, name: found.name })
  })

  test("runs name their inputs, and never their capsule", async ({ skip }) => {
    const { json } = await rest("POST /capsules/search", {
      body: { limit: 20, sort_field: "last_accessed", sort_order: "desc" },
    })
    for (const { id } of json.results) {
      const runs = await rest(`GET /capsules/${id}/computations`)
      if (runs.status !== 200 || runs.json.length === 0) continue
      const [run] = runs.json
      expect(run).toMatchObject({ id: expect.any(String), name: expect.any(String), state: expect.any(String) })
      expect(JSON.stringify({ ...run, processes: [] })).not.toContain(id)
      expect((await rest(`GET /computations/${run.id}`)).json.id).toBe(run.id)
      return
    }
    skip("no capsule with runs among the latest")
  })

  test("an unknown id is 404 or 403, with a JSON body", async () => {
    for (const path of ["/capsules", "/pipelines", "/computations", "/data_assets"]) {
      const { status, json } = await rest(`GET ${path}/${unknownId}`)
      expect([403, 404]).toContain(status)
      expect(json).toBeDefined()
    }
  })

  test("a page larger than 1000 is refused", async () => {
    expect((await rest("POST /capsules/search", { body: { limit: 1001 } })).status).toBe(400)
  })

  test("a request without a token, or with an unknown one, is 401", async () => {
    for (const token of ["", "cop_nobody"])
      expect((await rest("POST /capsules/search", { body: {}, token })).status).toBe(401)
  })
})

describe("tokens", () => {
  test("a refusal never repeats the token", async () => {
    const { rest } = await startRest()
    const { status, text, json } = await rest(`GET /capsules/${seed.cellCounter}`, { token: "cop_stolen" })
    expect(status).toBe(401)
    expect(json).toEqual({ message: expect.any(String) })
    expect(text).not.toContain("cop_stolen")
  })

  test("a token sent as a password or as a bearer is no token", async () => {
    const { rest } = await startRest()
    for (const authorization of [
      `Basic ${btoa(`:${tokens.ada}`)}`,
      `Bearer ${tokens.ada}`,
      `Basic ${btoa(tokens.ada)}`,
    ])
      expect((await rest(`GET /capsules/${seed.cellCounter}`, { headers: { authorization } })).status).toBe(401)
  })

  test("a read-only token reads, and changes nothing", async () => {
    const { rest } = await startRest()
    const token = tokens.readOnly
    expect((await rest(`GET /capsules/${seed.cellCounter}`, { token })).status).toBe(200)
    const refused = await rest(`PATCH /capsules/${seed.cellCounter}/archive`, { token, query: { archive: "true" } })
    expect(refused.status).toBe(403)
    expect(refused.json.message).toContain("Capsule write")
  })

  test("a token without Data Asset scopes gets 403 for a data asset", async () => {
    const { rest } = await startRest()
    expect((await rest(`GET /data_assets/${seed.cellImages}`, { token: tokens.noDatasets })).status).toBe(403)
  })

  test("a token without Capsule scopes gets 403 for a capsule, but 401 for a search", async () => {
    const { rest } = await startRest()
    const token = tokens.noCapsules
    expect((await rest(`GET /capsules/${seed.cellCounter}`, { token })).status).toBe(403)
    expect((await rest("POST /capsules/search", { token, body: {} })).status).toBe(401)
    expect((await rest(`GET /data_assets/${seed.cellImages}`, { token })).status).toBe(200)
  })

  test("a client that needs a newer platform is refused with 412", async () => {
    const { rest } = await startRest()
    const ask = (version: string) =>
      rest(`GET /capsules/${seed.cellCounter}`, { headers: { "min-server-version": version } })
    for (const version of ["4.8.0", "4.5.12", "3.9", "4"]) expect((await ask(version)).status).toBe(200)
    for (const version of ["4.8.1", "4.10.0", "5"]) expect((await ask(version)).status).toBe(412)
    expect((await ask("newest")).status).toBe(400)
  })

  test("an object of another user is 404, and one that is only discoverable is 403", async () => {
    const { rest } = await startRest()
    const token = tokens.grace
    for (const path of [`/capsules/${seed.privateNotebook}`, `/data_assets/${seed.privateAsset}`]) {
      expect((await rest(`GET ${path}`, { token })).status).toBe(404)
      expect((await rest(`GET ${path}`)).status).toBe(200)
      expect((await rest(`GET ${path}`, { token: tokens.admin })).status).toBe(200)
    }
    for (const path of [`/capsules/${seed.discoverableAtlas}`, `/data_assets/${seed.discoverableAsset}`])
      expect((await rest(`GET ${path}`, { token })).status).toBe(403)
    expect((await rest(`GET /computations/${seed.graceRun}`)).status).toBe(404)
    expect((await rest(`GET /computations/${seed.graceRun}`, { token })).status).toBe(200)
  })
})

describe("capsules and pipelines", () => {
  test("a full capsule has every documented field, a bare one only those that are always there", async () => {
    const { rest } = await startRest()
    const full = (await rest(`GET /capsules/${seed.cellCounter}`)).json
    const versions = (await rest(`GET /capsules/${seed.releasedCellCounter}`)).json.versions
    expect(Object.keys({ ...full, versions }).sort()).toEqual([
      "article",
      "cloned_from_url",
      "created",
      "description",
      "field",
      "id",
      "last_accessed",
      "name",
      "original_capsule",
      "owner",
      "owner_email",
      "release_capsule",
      "slug",
      "status",
      "submission",
      "tags",
      "versions",
    ])
    const bare = (await rest(`GET /capsules/${seed.verificationCellCounter}`)).json
    expect(Object.keys(bare).sort()).toEqual(["created", "id", "name", "owner", "slug", "status"])
  })

  test("an object of an older platform has null and empty values where others omit the keys", async () => {
    const { rest } = await startRest()
    const { json, text } = await rest(`GET /capsules/${seed.oldForms}`)
    expect(json).toMatchObject({ tags: null, release_capsule: "", description: "" })
    expect(text).toContain('"tags":null')
  })

  test("a pipeline can be read as a capsule, and a capsule cannot be read as a pipeline", async () => {
    const { rest } = await startRest()
    expect((await rest(`GET /capsules/${seed.ecephysPipeline}`)).json.name).toBe("Ecephys Pipeline")
    expect((await rest(`GET /pipelines/${seed.cellCounter}`)).status).toBe(404)
  })

  test("a panel is the latest one unless a released version is given", async () => {
    const { rest } = await startRest()
    const panel = (version?: string) =>
      rest(`GET /capsules/${seed.releasedCellCounter}/app_panel`, version === undefined ? {} : { query: { version } })
    expect((await panel()).json.general.title).toBe("Count cells")
    expect((await panel("2")).json.general.title).toBe("Count cells")
    expect((await panel("1")).json.general.title).toBe("Count cells (first release)")
    expect((await panel("3")).status).toBe(404)
    expect((await panel("latest")).status).toBe(400)
  })

  test("the panel of a capsule without one is 404", async () => {
    const { rest } = await startRest()
    const { status, json } = await rest(`GET /capsules/${seed.oldForms}/app_panel`)
    expect({ status, json }).toEqual({ status: 404, json: { message: "app panel not found" } })
  })

  test("a panel has the attached data assets, and whether the caller may open them", async () => {
    const { rest } = await startRest()
    const shown = async (token: string) =>
      (await rest(`GET /capsules/${seed.driftCorrection}/app_panel`, { token })).json.data_assets
    expect(await shown(tokens.ada)).toMatchObject([
      { id: seed.mouseRecording, mount: "recording", kind: "external", accessible: true },
      { id: seed.graceLocked, mount: "reference", kind: "internal", accessible: false },
    ])
    expect((await shown(tokens.grace))[1].accessible).toBe(true)
  })

  test("a pipeline's panel has processes, and no parameters of its own", async () => {
    const { rest } = await startRest()
    const { json } = await rest(`GET /pipelines/${seed.ecephysPipeline}/app_panel`)
    expect(json.processes).toHaveLength(2)
    expect(json).not.toHaveProperty("parameters")
    expect(json).not.toHaveProperty("categories")
  })

  test("the runs of a capsule are its whole history in one response", async () => {
    const { rest } = await startRest()
    const { json } = await rest(`GET /capsules/${seed.cellCounter}/computations`)
    expect(json.map(({ id }: { id: string }) => id)).toEqual([
      seed.countedCells,
      seed.stoppedCount,
      seed.failedCount,
      seed.workstation,
      seed.preemptedCount,
    ])
    expect((await rest(`GET /capsules/${seed.ecephysQuality}/computations`)).text).toBe("[]")
  })
})

describe("searches", () => {
  const find = async (body: unknown, token: string = tokens.ada) => {
    const { rest } = await startRest()
    return rest("POST /capsules/search", { body, token })
  }

  test("a search for a tag finds whole tags, in any case", async () => {
    const found = ["Copy of Spike Sorting", "Ecephys Quality Report", "Spike Sorting"]
    expect(names(await find({ query: "tag:ecephys" }))).toEqual(found)
    expect(names(await find({ query: "TAG:ECEPHYS" }))).toEqual(found)
    expect(names(await find({ query: "tag:ecephy" }))).toEqual([])
    expect(names(await find({ query: 'tag:"spike sorting"' }))).toEqual(["Spike Sorting"])
  })

  test("a query with the same field twice means either value, and with different fields all of them", async () => {
    expect(names(await find({ query: "tag:qc tag:drift" }))).toEqual(["Drift Correction", "Ecephys Quality Report"])
    expect(names(await find({ query: "tag:drift name:drift" }))).toEqual(["Drift Correction"])
    expect(names(await find({ query: "tag:qc name:drift" }))).toEqual([])
  })

  test("a query by a name of more than 20 characters finds it only in quotes", async () => {
    const name = "Sequence Aligner for Single-Cell Reads"
    expect(names(await find({ query: "name:aligner" }))).toEqual([name])
    expect(names(await find({ query: 'name:"sequence aligner for single-cell reads"' }))).toEqual([name])
    expect(names(await find({ query: "name:for" }))).toContain(name)
    expect(names(await find({ query: "name:Verification-of-Cell-Counter" }))).toEqual([])
  })

  test("quotes in a query keep words together", async () => {
    expect(names(await find({ query: '"spike sorting"' }))).toEqual(["Spike Sorting", "Copy of Spike Sorting"])
    expect(names(await find({ query: '"sorting spike"' }))).toEqual([])
    expect(names(await find({ query: "sorting spike" }))).toEqual(["Spike Sorting", "Copy of Spike Sorting"])
  })

  test("free text searches names, tags, descriptions and authors, the best match first", async () => {
    expect(names(await find({ query: "cell counter" }))[0]).toBe("Cell Counter")
    expect(names(await find({ query: "multi-channel" }))).toEqual(["Spike Sorting"])
    expect(names(await find({ query: "murray" }))).toContain("Drift Correction")
  })

  test("authors, affiliations, journals, articles, DOIs and fields are fields of the query", async () => {
    expect(names(await find({ query: "author:murray" }))).toContain("Cell Counter")
    expect(names(await find({ query: 'affiliation:"example imaging center"' }))).toContain("Cell Counter")
    expect(names(await find({ query: "journal:imaging" }))).toEqual(["Cell Counter"])
    expect(names(await find({ query: "article:slowly" }))).toEqual(["Sequence Aligner for Single-Cell Reads"])
    expect(ids(await find({ query: "doi:10.5555/example.cellcounter.v2" }))).toEqual([seed.releasedCellCounter])
    expect(names(await find({ query: "field:genomics" }))).toEqual(["Sequence Aligner for Single-Cell Reads"])
  })

  test("a data asset's id as free text finds the capsules it is attached to", async () => {
    const { rest } = await startRest()
    const search = (path: string) => rest(`POST ${path}/search`, { body: { query: seed.mouseRecording } })
    expect(names(await search("/capsules"))).toEqual(["Copy of Spike Sorting", "Drift Correction", "Spike Sorting"])
    expect(names(await search("/pipelines"))).toEqual(["Ecephys Pipeline"])
  })

  test("several id terms find several capsules, and only those the caller may see", async () => {
    const query = `id:${seed.cellCounter} id:${seed.privateNotebook} id:${unknownId}`
    expect(ids(await find({ query })).sort()).toEqual([seed.cellCounter, seed.privateNotebook].sort())
    expect(ids(await find({ query }, tokens.grace))).toEqual([seed.cellCounter])
  })

  test("objects that are discoverable are found by everyone", async () => {
    expect(names(await find({ query: "tag:atlas" }, tokens.grace))).toEqual(["Discoverable Atlas"])
  })

  test("archived objects are found only when archived ones are asked for", async () => {
    expect(names(await find({ query: "name:archived" }))).toEqual([])
    expect(names(await find({ archived: true }))).toEqual(["Archived Notebook", "Archived Release"])
  })

  test("status, favorites and ownership narrow a search", async () => {
    expect(ids(await find({ status: "release" }))).toEqual([seed.releasedCellCounter])
    expect(ids(await find({ favorite: true }))).toEqual([seed.spikeSortingCopy])
    expect(names(await find({ ownership: "shared" }))).toEqual(["Copy of Spike Sorting", "Drift Correction"])
    expect(names(await find({ ownership: "private" }))).toEqual(["Private Notebook"])
    expect(names(await find({ ownership: "created" }, tokens.grace))).toEqual([
      "Copy of Spike Sorting",
      "Drift Correction",
      "Grace's Notebook",
    ])
  })

  test("filters compare names, descriptions, tags and custom metadata, and can exclude", async () => {
    const filtered = async (...filters: object[]) => names(await find({ filters }))
    expect(await filtered({ key: "name", value: "sort" })).toEqual(["Copy of Spike Sorting", "Spike Sorting"])
    expect(await filtered({ key: "description", value: "over time" })).toEqual(["Drift Correction"])
    expect(await filtered({ key: "tags", values: ["qc", "drift"] })).toEqual([
      "Drift Correction",
      "Ecephys Quality Report",
    ])
    expect(await filtered({ key: "tags", value: "ecephys" }, { key: "tags", value: "qc", exclude: true })).toEqual([
      "Copy of Spike Sorting",
      "Spike Sorting",
    ])
    expect(await filtered({ key: "subject id", value: "730945" })).toEqual(["Cell Counter", "Spike Sorting"])
    expect(await filtered({ key: "priority", range: { min: 2 } })).toEqual(["Cell Counter"])
    expect(await filtered({ key: "priority", range: { max: 1.5 } })).toEqual([])
  })

  test("bad filters are reported one by one in a JSON array", async () => {
    const { status, json } = await find({
      filters: [{ key: "name" }, { key: "tags", value: "x" }, { key: "priority", range: {} }],
    })
    expect(status).toBe(400)
    expect(json).toEqual([
      { key: "name", error: "exactly one of value, values and range is required" },
      { key: "priority", error: "range needs a number as min or max" },
    ])
  })

  test("an order without a field to sort by is ignored", async () => {
    const plain = names(await find({}))
    expect(names(await find({ sort_order: "desc" }))).toEqual(plain)
    expect(names(await find({ sort_field: "name", sort_order: "desc" }))).toEqual(plain.toReversed())
  })

  test("a search with a body of nulls, as the official client sends it, is an empty search", async () => {
    const nulls = {
      query: null,
      next_token: null,
      offset: null,
      limit: null,
      filters: null,
      archived: null,
      status: null,
    }
    expect(ids(await find(nulls))).toEqual(ids(await find({})))
  })

  test.each([
    { limit: 0 },
    { limit: 1001 },
    { limit: "10" },
    { limit: 1.5 },
    { offset: -1 },
    { sort_field: "size" },
    { sort_order: "up" },
    { status: "published" },
    { ownership: "mine" },
    { archived: "true" },
    { query: 7 },
    { next_token: "elsewhere" },
  ])("a search with %o is a bad request", async (body) => {
    const { status, json } = await find(body)
    expect(status).toBe(400)
    expect(json.message).toEqual(expect.any(String))
  })

  test("a page starts at the offset, and the token of a page wins over it", async () => {
    const { rest } = await startRest()
    const search = (body: object) => rest("POST /capsules/search", { body })
    const all = ids(await search({}))
    const first = await search({ limit: 2, offset: 1 })
    expect(ids(first)).toEqual(all.slice(1, 3))
    const second = await search({ limit: 4, offset: 0, next_token: first.json.next_token })
    expect(ids(second)).toEqual(all.slice(3, 7))
    const last = await search({ limit: 1000, next_token: second.json.next_token })
    expect(ids(last)).toEqual(all.slice(7))
    expect(last.json).toMatchObject({ has_more: false })
    expect(last.json).not.toHaveProperty("next_token")
  })

  test("a page token continues its own search only", async () => {
    const { rest } = await startRest()
    const { json } = await rest("POST /capsules/search", { body: { limit: 1, query: "tag:ecephys" } })
    const body = { limit: 1, query: "tag:imaging", next_token: json.next_token }
    expect((await rest("POST /capsules/search", { body })).status).toBe(400)
  })

  test("an object that is created during a walk makes the next page repeat one", async () => {
    const { rest } = await startRest()
    const first = await rest("POST /capsules/search", { body: { limit: 2 } })
    await rest(`PATCH /capsules/${seed.archivedNotebook}/archive`, { query: { archive: "false" } })
    const second = await rest("POST /capsules/search", { body: { limit: 2, next_token: first.json.next_token } })
    expect(ids(second)[0]).toBe(ids(first)[1])
  })

  test("ten thousand generated capsules start and are searched at once", async () => {
    const { rest } = await startRest({ generate: 10_000 })
    const body = { query: "tag:generated", limit: 1000, sort_field: "created" }
    const first = await rest("POST /capsules/search", { body })
    expect(first.json.results).toHaveLength(1000)
    expect(first.json.has_more).toBe(true)
    const runs = await rest(`GET /capsules/${ids(first)[0]}/computations`)
    expect(runs.json).toHaveLength(5)
    expect(runs.json[0].data_assets).toHaveLength(2)
    expect((await rest(`GET /data_assets/${runs.json[0].data_assets[0].id}`)).status).toBe(200)
  })

  test("the same objects are generated every time", async () => {
    const first = await (await startRest({ generate: 20 })).rest("POST /capsules/search", {
      body: { query: "tag:generated" },
    })
    const again = await (await startRest({ generate: 20 })).rest("POST /capsules/search", {
      body: { query: "tag:generated" },
    })
    expect(again.json).toEqual(first.json)
    expect(first.json.results).toHaveLength(20)
  })
})

describe("archiving and deleting", () => {
  test.each(["true", "True"])("an archived capsule leaves the list (archive=%s) and comes back", async (yes) => {
    const { rest } = await startRest()
    const path = `PATCH /capsules/${seed.spikeSorting}/archive`
    const listed = async () => ids(await rest("POST /capsules/search", { body: {} })).includes(seed.spikeSorting)
    expect((await rest(path, { query: { archive: yes } })).status).toBe(204)
    expect(await listed()).toBe(false)
    expect((await rest(`GET /capsules/${seed.spikeSorting}`)).status).toBe(200)
    expect((await rest(path, { query: { archive: yes === "true" ? "false" : "False" } })).status).toBe(204)
    expect(await listed()).toBe(true)
    expect((await rest(path, { query: { archive: "maybe" } })).status).toBe(400)
  })

  test("an archived capsule can be deleted by its owner, and its runs go with it", async () => {
    const { rest } = await startRest()
    const { status, text } = await rest(`DELETE /capsules/${seed.archivedNotebook}`)
    expect({ status, text }).toEqual({ status: 204, text: "" })
    expect((await rest(`GET /capsules/${seed.archivedNotebook}`)).status).toBe(404)
  })

  test("a capsule is not deleted while it is not archived, by a stranger, or once released", async () => {
    const { rest } = await startRest()
    const remove = async (id: string, token: string = tokens.ada) => {
      const { status, json } = await rest(`DELETE /capsules/${id}`, { token })
      return `${status} ${json.message}`
    }
    expect(await remove(seed.spikeSorting)).toBe("403 this capsule must be archived before it is deleted")
    expect(await remove(seed.archivedNotebook, tokens.grace)).toBe(
      "403 only the owner or an admin may delete this capsule",
    )
    expect(await remove(seed.archivedRelease)).toBe("403 this capsule was released and cannot be deleted")
    expect((await rest(`DELETE /capsules/${seed.archivedNotebook}`, { token: tokens.admin })).status).toBe(204)
  })

  test("pipelines are archived and deleted as capsules are", async () => {
    const { rest } = await startRest()
    const archive = (value: string) =>
      rest(`PATCH /pipelines/${seed.archivedPipeline}/archive`, { query: { archive: value } })
    expect((await archive("False")).status).toBe(204)
    expect((await rest(`DELETE /pipelines/${seed.archivedPipeline}`)).json.message).toContain(
      "pipeline must be archived",
    )
    expect((await archive("True")).status).toBe(204)
    expect((await rest(`DELETE /pipelines/${seed.archivedPipeline}`)).status).toBe(204)
  })
})

describe("attaching data assets", () => {
  const path = `/capsules/${seed.ecephysQuality}/data_assets`

  test.each([
    ["without a", path],
    ["with a", `${path}/`],
  ])(
    "a data asset that is attached, %s slash at the end of the path, is in the panel and can be detached",
    async (_slash, at) => {
      const { rest } = await startRest()
      const shown = async () => (await rest(`GET /capsules/${seed.ecephysQuality}/app_panel`)).json.data_assets
      const attached = await rest(`POST ${at}`, {
        body: [{ id: seed.cellImages }, { id: seed.mouseRecording, mount: "raw" }],
      })
      expect(attached.json).toEqual([
        { id: seed.cellImages, mount: "images", mount_state: "mounted", external: false, ready: true },
        { id: seed.mouseRecording, mount: "raw", mount_state: "mounted", external: true, ready: true },
      ])
      expect(await shown()).toMatchObject([{ id: seed.cellImages }, { id: seed.mouseRecording, mount: "raw" }])
      expect((await rest(`DELETE ${at}`, { body: [seed.cellImages] })).status).toBe(204)
      expect(await shown()).toMatchObject([{ id: seed.mouseRecording }])
    },
  )

  test("an attached draft is pending, with a job id", async () => {
    const { rest } = await startRest()
    const { json } = await rest(`POST ${path}`, { body: [{ id: seed.draftRecording }] })
    expect(json).toMatchObject([{ mount_state: "pending", job_id: expect.any(String), ready: false }])
  })

  test("a data asset that is attached already is refused by name, and nothing else is attached", async () => {
    const { rest } = await startRest()
    const body = [{ id: seed.looseFiles, mount: "loose" }, { id: seed.mouseRecording }]
    const { status, json } = await rest(`POST /capsules/${seed.spikeSorting}/data_assets`, { body })
    expect(status).toBe(400)
    expect(json).toEqual({
      message: "data asset already attached",
      datasets: [{ id: seed.mouseRecording, name: "ecephys_730945_2024-06-13" }],
    })
    expect(ids(await rest("POST /capsules/search", { body: { query: seed.looseFiles } }))).toEqual([
      seed.sequenceAligner,
    ])
  })

  test.each([
    [[{ id: seed.cellImages, mount: 1 }], 400, "invalid request body"],
    [{ id: seed.cellImages }, 400, "invalid request body"],
    ["[{", 400, "invalid request body"],
    [[{ id: unknownId }], 404, `data asset ${unknownId} not found`],
    [[{ id: seed.graceLocked }], 403, "you are not allowed to attach these data assets"],
    [[{ id: seed.looseFiles }], 400, "data asset has no default mount, one is required"],
    [[{ id: seed.failedImport }], 400, "data asset is not ready"],
  ])("attaching %j is refused with %i", async (body, status, message) => {
    const { rest } = await startRest()
    const answer = await rest(`POST ${path}`, { body })
    expect({ status: answer.status, message: answer.json.message }).toEqual({ status, message })
  })

  test("an editor of a shared capsule may attach data assets to it, and a viewer may not", async () => {
    const { rest } = await startRest()
    const attach = (id: string) =>
      rest(`POST /capsules/${id}/data_assets`, { body: [{ id: seed.probeGeometry }], token: tokens.grace })
    expect((await attach(seed.cellCounter)).status).toBe(200)
    expect((await attach(seed.ecephysQuality)).status).toBe(403)
  })
})

describe("computations", () => {
  test("a run goes through its states with the clock, and ends by itself", async () => {
    const { sandbox, rest } = await startRest()
    const state = async (id: string) => {
      const { json } = await rest(`GET /computations/${id}`)
      return [json.state, json.end_status, json.exit_code]
    }
    expect(await state(seed.queuedSorting)).toEqual(["initializing", undefined, undefined])
    expect(await state(seed.runningAlignment)).toEqual(["running", undefined, undefined])
    sandbox.clock.advance(605)
    expect(await state(seed.queuedSorting)).toEqual(["failed", "failed", 1])
    expect(await state(seed.runningAlignment)).toEqual(["finalizing", undefined, undefined])
    sandbox.clock.advance(30)
    expect(await state(seed.runningAlignment)).toEqual(["completed", "succeeded", 0])
    expect((await rest(`GET /computations/${seed.runningAlignment}`)).json.run_time).toBe(720)
  })

  test("a run that succeeded with exit code 1 has its failure in its log", async () => {
    const { rest } = await startRest()
    const { json } = await rest(`GET /computations/${seed.hollowSuccess}`)
    expect(json).toMatchObject({ end_status: "succeeded", exit_code: 1 })
    const urls = await rest(`GET /computations/${seed.hollowSuccess}/results/urls`, { query: { path: "output" } })
    expect(await (await fetch(urls.json.view_url)).text()).toContain("MemoryError")
  })

  test("the results of a run are listed folder by folder", async () => {
    const { rest } = await startRest()
    const list = async (path: string) => {
      const { status, json } = await rest(`POST /computations/${seed.countedCells}/results`, { body: { path } })
      return status === 200 ? json.items : status
    }
    expect(await list("")).toEqual([
      { name: "figures", path: "figures", type: "folder" },
      { name: "counts.csv", path: "counts.csv", type: "file", size: 26 },
      { name: "output", path: "output", type: "file", size: 70 },
      { name: "processing.json", path: "processing.json", type: "file", size: 85 },
      { name: "volume.dat", path: "volume.dat", type: "file", size: 3_221_225_472 },
    ])
    expect(await list("figures/raw/")).toEqual([
      { name: "section 1.csv", path: "figures/raw/section 1.csv", type: "file", size: 8 },
      { name: "Übersicht & mehr.txt", path: "figures/raw/Übersicht & mehr.txt", type: "file", size: 13 },
    ])
    expect(await list("nowhere")).toBe(404)
  })

  test("a run is renamed and deleted by its owner only", async () => {
    const { rest } = await startRest()
    const run = `/computations/${seed.sortedRun}`
    expect((await rest(`PATCH ${run}`, { query: { name: "Mine" }, token: tokens.grace })).status).toBe(403)
    expect((await rest(`PATCH ${run}`, { query: { name: "Best & last" } })).status).toBe(204)
    expect((await rest(`GET ${run}`)).json.name).toBe("Best & last")
    expect((await rest(`DELETE ${run}`)).status).toBe(204)
    expect((await rest(`GET ${run}`)).status).toBe(404)
    expect((await rest(`GET /capsules/${seed.spikeSorting}/computations`)).text).not.toContain(seed.sortedRun)
  })
})

describe("files", () => {
  test("signed addresses of files need no token, serve ranges, and have a content disposition", async () => {
    const { sandbox, rest } = await startRest()
    const query = { path: "figures/raw/Übersicht & mehr.txt" }
    const { json } = await rest(`GET /computations/${seed.countedCells}/results/urls`, { query })
    const download = await fetch(json.download_url)
    expect(await download.text()).toBe("two sections\n")
    expect(download.headers.get("content-disposition")).toMatch(/^attachment/)
    expect((await fetch(json.view_url)).headers.get("content-disposition")).toMatch(/^inline/)
    const tail = await fetch(json.view_url, { headers: { range: "bytes=-9" } })
    expect([tail.status, await tail.text()]).toEqual([206, "sections\n"])
    expect(sandbox.requests).toHaveLength(1)
  })

  test("a signed address of a file works for five minutes, and not if it is changed", async () => {
    const { sandbox, rest } = await startRest()
    const { json } = await rest(`GET /data_assets/${seed.cellImages}/files/urls`, { query: { path: "README.md" } })
    expect((await fetch(json.view_url)).status).toBe(200)
    expect((await fetch(`${json.view_url.slice(0, -4)}AAAA`)).status).toBe(403)
    expect((await fetch(json.view_url.replace("/signed/", "/signed/x"))).status).toBe(403)
    sandbox.clock.advance(301)
    expect((await fetch(json.view_url)).status).toBe(403)
  })

  test("a file of three gigabytes has a size, and can be read in part", async () => {
    const { rest } = await startRest()
    const { json } = await rest(`GET /computations/${seed.countedCells}/results/urls`, {
      query: { path: "volume.dat" },
    })
    const head = await fetch(json.download_url, { method: "HEAD" })
    expect(head.headers.get("content-length")).toBe("3221225472")
    const part = await fetch(json.download_url, { headers: { range: "bytes=3221225470-" } })
    expect(part.headers.get("content-range")).toBe("bytes 3221225470-3221225471/3221225472")
    expect((await part.arrayBuffer()).byteLength).toBe(2)
  })

  test("a request for a file without a path is refused with an object without a message", async () => {
    const { rest } = await startRest()
    const { status, json } = await rest(`GET /computations/${seed.countedCells}/results/urls`)
    expect(status).toBe(400)
    expect(json).not.toHaveProperty("message")
    const missing = await rest(`GET /computations/${seed.countedCells}/results/urls`, { query: { path: "none" } })
    expect(missing.status).toBe(404)
  })

  test("files of external, combined and unfinished data assets cannot be listed", async () => {
    const { rest } = await startRest()
    for (const id of [seed.mouseRecording, seed.combinedRecordings, seed.draftRecording])
      expect((await rest(`POST /data_assets/${id}/files`, { body: { path: "" } })).status).toBe(400)
    const { json } = await rest(`POST /data_assets/${seed.cellImages}/files`, { body: { path: "sections" } })
    expect(json.items).toHaveLength(2)
  })
})

describe("data assets", () => {
  test("the seeded data assets have every documented field, and unusual forms of some", async () => {
    const { rest } = await startRest()
    const get = async (id: string) => (await rest(`GET /data_assets/${id}`)).json
    const full = [
      seed.mouseRecording,
      seed.sortedSpikes,
      seed.pipelineResult,
      seed.combinedRecordings,
      seed.segmentationModel,
    ]
    const fields = new Set<string>()
    for (const id of [...full, seed.failedImport]) for (const field of Object.keys(await get(id))) fields.add(field)
    expect([...fields].sort()).toEqual([
      "app_parameters",
      "contained_data_assets",
      "created",
      "custom_metadata",
      "description",
      "failure_reason",
      "field",
      "files",
      "id",
      "last_transferred",
      "last_used",
      "mount",
      "name",
      "nextflow_profile",
      "owner",
      "owner_email",
      "provenance",
      "size",
      "source_bucket",
      "state",
      "tags",
      "transfer_error",
      "type",
    ])
    expect(await get(seed.mouseRecording)).toMatchObject({
      size: "535129947980",
      custom_metadata: { "subject id": "730945" },
    })
    expect(await get(seed.futureAsset)).toMatchObject({ type: "knowledge_graph", state: "quarantined" })
    expect(await get(seed.oldAsset)).toMatchObject({ tags: null, description: "", last_used: 0 })
  })

  test("a draft becomes ready with the clock", async () => {
    const { sandbox, rest } = await startRest()
    const get = async () => (await rest(`GET /data_assets/${seed.draftRecording}`)).json
    expect(await get()).toMatchObject({ state: "draft", created: 0, size: 0 })
    sandbox.clock.advance(121)
    expect(await get()).toMatchObject({ state: "ready", size: 4_404_019_200, created: expect.any(Number) })
  })

  test("a data asset is archived and deleted by its owner, and then attached nowhere", async () => {
    const { rest } = await startRest()
    const path = `/data_assets/${seed.probeGeometry}`
    expect((await rest(`DELETE ${path}`, { token: tokens.grace })).status).toBe(403)
    expect((await rest(`PATCH ${path}/archive`, { query: { archive: "True" } })).status).toBe(204)
    expect((await rest(`DELETE ${path}`)).status).toBe(204)
    expect((await rest(`GET ${path}`)).status).toBe(404)
    const panel = await rest(`GET /capsules/${seed.spikeSorting}/app_panel`)
    expect(panel.json.data_assets.map(({ id }: { id: string }) => id)).toEqual([seed.mouseRecording])
  })
})

describe("requests outside the API", () => {
  test("an unknown route of the API is an empty 404, a wrong method an empty 405", async () => {
    const { rest } = await startRest()
    expect(await rest("GET /capsule")).toMatchObject({ status: 404, text: "" })
    expect(await rest(`PUT /capsules/${seed.cellCounter}`)).toMatchObject({ status: 405, text: "" })
  })

  test("a path outside the API is 404 with a proxy's HTML page", async () => {
    const { sandbox } = await startRest()
    const response = await fetch(`${sandbox.url}/elsewhere`)
    expect(response.status).toBe(404)
    expect(response.headers.get("content-type")).toContain("text/html")
    expect(await response.text()).toContain("<html>")
  })
})

describe("controls for tests", () => {
  const counter = `/capsules/${seed.cellCounter}`

  test("the sandbox records requests in order", async () => {
    const { sandbox, rest } = await startRest()
    await rest("GET /capsules/a%2Fb/app_panel", { query: { version: "1" } })
    await rest("POST /capsules/search", { body: { limit: 1 }, headers: { "agent-id": "tester" } })
    expect(sandbox.requests).toMatchObject([
      {
        method: "GET",
        path: "/capsules/a/b/app_panel",
        rawPath: "/api/v1/capsules/a%2Fb/app_panel",
        query: { version: "1" },
        body: undefined,
        aborted: false,
      },
      { method: "POST", path: "/capsules/search", body: { limit: 1 }, headers: { "agent-id": "tester" } },
    ])
    await rest("GET /computations/x/results/urls?path=a?b%26c")
    expect(sandbox.requests.at(-1)?.query).toEqual({ path: "a?b&c" })
    expect(sandbox.requestsTo("GET /capsules/*/app_panel")).toHaveLength(1)
    expect(sandbox.requestsTo("GET /capsules/*")).toHaveLength(0)
  })

  test("the next request can be failed, in every shape an error has", async () => {
    const { sandbox, rest } = await startRest()
    const shapes: [Failure, string][] = [
      [{ status: 400, body: { message: "no", datasets: [{ id: "x", name: "y" }] } }, "application/json"],
      [{ status: 400, body: ["one", "two"] }, "application/json"],
      [{ status: 500, body: { code: 7 } }, "application/json"],
      [{ status: 502, body: "<html>Bad Gateway</html>" }, "text/html; charset=utf-8"],
      [{ status: 429, headers: { "retry-after": "3", "content-type": "application/json" } }, "application/json"],
      [{ status: 503 }, ""],
    ]
    for (const [failure, contentType] of shapes) {
      sandbox.failNext("GET /capsules/*", failure)
      const answer = await rest(`GET ${counter}`)
      const { status, body } = failure as { status: number; body?: unknown }
      expect(answer.status).toBe(status)
      expect(answer.headers.get("content-type") ?? "").toBe(contentType)
      expect(answer.json ?? answer.text).toEqual(body ?? "")
    }
    expect((await rest(`GET ${counter}`)).status).toBe(200)
  })

  test("a planned failure happens as often as requested, and only for matching requests", async () => {
    const { sandbox, rest } = await startRest()
    sandbox.failNext(`GET ${counter}`, { status: 503 }, 2)
    const statuses = []
    for (const path of [`/capsules/${seed.spikeSorting}`, counter, counter, counter])
      statuses.push((await rest(`GET ${path}`)).status)
    expect(statuses).toEqual([200, 503, 503, 200])
  })

  test.each(["reset", "truncate", { status: 503 }] as Failure[])(
    "a write that fails with %j has not happened",
    async (failure) => {
      const { sandbox, rest } = await startRest()
      sandbox.failNext("PATCH /capsules/*/archive", failure)
      await rest(`PATCH ${counter}/archive`, { query: { archive: "true" } }).catch(() => {})
      expect(ids(await rest("POST /capsules/search", { body: {} }))).toContain(seed.cellCounter)
    },
  )

  test.each(["reset", "truncate", { status: 503 }] as Failure[])(
    "a write whose response fails with %j afterwards has happened",
    async (afterwards) => {
      const { sandbox, rest } = await startRest()
      sandbox.failNext("PATCH /capsules/*/archive", { afterwards })
      await rest(`PATCH ${counter}/archive`, { query: { archive: "true" } }).catch(() => {})
      expect(ids(await rest("POST /capsules/search", { body: {} }))).not.toContain(seed.cellCounter)
    },
  )

  test("a reset and a truncated response break the connection, and are not recorded as aborted by the client", async () => {
    const { sandbox, rest } = await startRest()
    for (const failure of ["reset", "truncate"] as Failure[]) {
      sandbox.failNext(`GET ${counter}`, failure)
      await expect(rest(`GET ${counter}`)).rejects.toThrow()
    }
    expect(sandbox.requests.map(({ aborted }) => aborted)).toEqual([false, false])
  })

  test("a truncated response has a larger Content-Length than its body", async () => {
    const { sandbox, rest } = await startRest()
    const { text } = await rest(`GET ${counter}`)
    sandbox.failNext(`GET ${counter}`, "truncate")
    const response = await fetch(`${sandbox.url}/api/v1${counter}`, {
      headers: { authorization: `Basic ${btoa(`${tokens.ada}:`)}` },
    })
    expect(Number(response.headers.get("content-length"))).toBe(Buffer.byteLength(text))
    await expect(response.text()).rejects.toThrow()
  })

  test.each(["hang", "stall", "drip"] as Failure[])(
    "a response that will %s stays open until the client hangs up",
    async (failure) => {
      const { sandbox, rest } = await startRest()
      sandbox.failNext(`GET ${counter}`, failure)
      const leave = new AbortController()
      const asked = rest(`GET ${counter}`, { signal: leave.signal })
      await vi.waitFor(() => expect(sandbox.requests).toHaveLength(1))
      leave.abort()
      await expect(asked).rejects.toThrow("abort")
      await vi.waitFor(() => expect(sandbox.requests[0]?.aborted).toBe(true))
    },
  )

  test("held requests are recorded, and answered once released", async () => {
    const { sandbox, rest } = await startRest()
    const hold = sandbox.hold()
    const first = [rest(`GET ${counter}`), rest(`GET /capsules/${seed.spikeSorting}`)]
    expect(await hold.waitFor(2)).toHaveLength(2)
    const late = rest(`GET ${counter}/app_panel`)
    hold.release()
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200])
    expect(await hold.waitFor(1)).toMatchObject([{ path: `${counter}/app_panel` }])
    hold.end()
    hold.end()
    expect((await late).status).toBe(200)
    expect((await rest(`GET ${counter}`)).status).toBe(200)
  })

  test("waiting for more held requests than arrive rejects with those that arrived", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    onTestFinished(() => void vi.useRealTimers())
    const { sandbox } = await startRest()
    const waiting = sandbox.hold().waitFor(1)
    vi.advanceTimersByTime(30_000)
    await expect(waiting).rejects.toThrow("waited for 1 held requests, there are 0: none")
  })

  test("a held request whose client hangs up is marked as aborted, and its write does not happen", async () => {
    const { sandbox, rest } = await startRest()
    const hold = sandbox.hold()
    const leave = new AbortController()
    const asked = rest(`PATCH ${counter}/archive`, { query: { archive: "true" }, signal: leave.signal })
    const [held] = await hold.waitFor(1)
    leave.abort()
    await expect(asked).rejects.toThrow("abort")
    await vi.waitFor(() => expect(held?.aborted).toBe(true))
    hold.end()
    expect(ids(await rest("POST /capsules/search", { body: {} }))).toContain(seed.cellCounter)
  })

  test("a share of requests fails, the same ones in every run", async () => {
    const outcomes = async () => {
      const { rest } = await startRest({ faultRate: 0.5 })
      const seen: (number | string)[] = []
      for (let turn = 0; turn < 24; turn += 1)
        seen.push(
          await rest(`GET ${counter}`).then(
            ({ status }) => status,
            () => "broken off",
          ),
        )
      return seen
    }
    const first = await outcomes()
    expect(new Set(first)).toEqual(new Set([200, 500, 503, 429, "broken off"]))
    expect(await outcomes()).toEqual(first)
  })

  test("a share of requests is slow, the same ones in every run", async () => {
    const waits: unknown[] = []
    const { setTimeout } = globalThis
    const spy = vi.spyOn(globalThis, "setTimeout").mockImplementation(((callback: () => void, ms: number) => {
      waits.push(ms)
      return setTimeout(callback, ms === 500 ? 0 : ms)
    }) as typeof setTimeout)
    onTestFinished(() => spy.mockRestore())
    const slowOnes = async () => {
      const { rest } = await startRest({ slowRate: 0.5 })
      const slow: boolean[] = []
      for (let turn = 0; turn < 6; turn += 1) {
        await rest(`GET ${counter}`)
        slow.push(waits.splice(0).includes(500))
      }
      return slow
    }
    const first = await slowOnes()
    expect(new Set(first)).toEqual(new Set([true, false]))
    expect(await slowOnes()).toEqual(first)
  })

  test("closing the sandbox ends all open requests", async () => {
    const sandbox = await startSandbox()
    sandbox.failNext(`GET ${counter}`, "hang")
    const hanging = restAt(sandbox.url, tokens.ada)(`GET ${counter}`)
    await Promise.all([
      expect(hanging).rejects.toThrow(),
      vi.waitFor(() => expect(sandbox.requests).toHaveLength(1)).then(() => sandbox.close()),
    ])
    await expect(fetch(sandbox.url)).rejects.toThrow()
  })
})

describe("a data folder", () => {
  const asset = {
    id: "asset-1",
    created: 1,
    name: "Data",
    mount: "data",
    owner: "someone",
    last_used: 0,
    state: "ready",
    type: "dataset",
  }
  const files: Record<string, unknown> = {
    "capsules.json": [
      { id: "capsule-1", created: 1, name: "One", status: "release", owner: "someone", slug: "1" },
      { id: "capsule-2", created: 2, name: "Two", status: "non_release", owner: "someone", slug: "2" },
    ],
    "pipelines.json": [],
    "app_panels.json": {
      "capsule-1": { data_assets: [{ id: "elsewhere", mount: "x", name: "X", kind: "internal", accessible: true }] },
      "capsule-2": { general: { title: "Two" } },
    },
    "data_assets.json": [asset],
    "attachments.json": {
      "capsule-1": [{ id: "asset-1", mount: "here" }],
      "capsule-2": [{ id: "asset-1", mount: "there" }],
    },
  }

  async function folder(change: Record<string, string> = {}): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "sandbox-"))
    onTestFinished(() => rm(path, { recursive: true }))
    for (const [name, content] of Object.entries(files))
      await writeFile(join(path, name), change[name] ?? JSON.stringify(content))
    return path
  }

  test("the objects of a data folder replace the seeded ones, for every token", async () => {
    const { rest } = await startRest({ dataFolder: await folder() })
    for (const token of [tokens.ada, tokens.grace, tokens.readOnly])
      expect(names(await rest("POST /capsules/search", { body: {}, token }))).toEqual(["One", "Two"])
    expect((await rest("GET /data_assets/asset-1")).json).toEqual(asset)
    expect((await rest(`GET /capsules/${seed.cellCounter}`)).status).toBe(404)
    expect((await rest("GET /capsules/capsule-1/computations")).json).toEqual([])
  })

  test("a data folder's panel keeps its own data assets, and a panel without any gets the attached ones", async () => {
    const { rest } = await startRest({ dataFolder: await folder() })
    const panel = async (id: string) => (await rest(`GET /capsules/${id}/app_panel`)).json
    expect(await panel("capsule-1")).toEqual((files["app_panels.json"] as Record<string, unknown>)["capsule-1"])
    expect((await panel("capsule-2")).data_assets).toMatchObject([{ id: "asset-1", mount: "there", name: "Data" }])
    expect(ids(await rest("POST /capsules/search", { body: { query: "asset-1" } }))).toEqual(["capsule-1", "capsule-2"])
  })

  test.each([
    ["capsules.json", "[{", "JSON"],
    ["capsules.json", "{}", "it holds no list"],
    ["data_assets.json", "[{}]", "entry 0 has no id"],
    ["app_panels.json", "[]", "it holds no object of ids"],
  ])("a broken %s (%s) in a data folder is named", async (name, content, why) => {
    const dataFolder = await folder({ [name]: content })
    const failure = await startSandbox({ dataFolder }).catch((error: Error) => error.message)
    expect(failure).toContain(join(dataFolder, name))
    expect(failure).toContain(why)
  })

  test("a missing file of a data folder is named", async () => {
    await expect(startSandbox({ dataFolder: "/nowhere" })).rejects.toThrow(
      "/nowhere/app_panels.json: it does not exist",
    )
  })
})

describe("the sandbox as a process", () => {
  function run(env: Record<string, string>) {
    const child = spawn(process.execPath, ["sandbox/main.ts"], { env: { PATH: process.env.PATH, ...compiled, ...env } })
    onTestFinished(() => void child.kill("SIGKILL"))
    const printed = { out: "", err: "" }
    child.stdout.on("data", (chunk) => {
      printed.out += chunk
    })
    child.stderr.on("data", (chunk) => {
      printed.err += chunk
    })
    return { child, printed, exit: once(child, "close").then(([code]) => code as number) }
  }

  test.each(["SIGTERM", "SIGINT"] as const)(
    "the sandbox as a process prints its address, serves, and exits with 0 on %s",
    async (signal) => {
      const { child, printed, exit } = run({ SANDBOX_PORT: "0", SANDBOX_GENERATE: "3" })
      await vi.waitFor(() => expect(printed.out).toContain(tokens.noDatasets))
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed.out)!
      const { status, json } = await restAt(url, tokens.grace)(`GET /capsules/${seed.graceNotebook}`)
      expect([status, json.owner]).toEqual([200, users.grace.id])
      child.kill(signal)
      expect(await exit).toBe(0)
      expect(printed.err).toBe("")
    },
  )

  test("all wrong settings of the sandbox are named at once", async () => {
    const { printed, exit } = run({
      SANDBOX_PORT: "x",
      SANDBOX_LATENCY_MS: "-1",
      SANDBOX_FAULT_RATE: "2",
      SANDBOX_SLOW_RATE: "often",
      SANDBOX_GENERATE: "1.5",
    })
    expect(await exit).toBe(1)
    for (const name of ["PORT", "LATENCY_MS", "FAULT_RATE", "SLOW_RATE", "GENERATE"])
      expect(printed.err).toContain(`SANDBOX_${name}`)
  })

  test("the sandbox as a process names a port in use and a missing folder", async () => {
    const { sandbox } = await startRest()
    const { port } = new URL(sandbox.url)
    const taken = run({ SANDBOX_PORT: port })
    expect(await taken.exit).toBe(1)
    expect(taken.printed.err).toBe(`SANDBOX_PORT: ${port} on 127.0.0.1 is in use by another process\n`)
    const lost = run({ SANDBOX_PORT: "0", SANDBOX_DATA: "/nowhere" })
    expect(await lost.exit).toBe(1)
    expect(lost.printed.err).toBe("SANDBOX_DATA: cannot use /nowhere/app_panels.json: it does not exist\n")
  })
})
