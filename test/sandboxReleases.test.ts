import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startRest } from "./support/rest.ts"

const release = `POST /capsules/${seed.cellCounter}/release`

test("a release job of the sandbox starts and completes by the clock, and the release has the new version", async () => {
  const { sandbox, rest } = await startRest()
  const job = await rest(release)
  expect(job).toMatchObject({ status: 200, json: { job_id: expect.any(String), status: "created" } })
  const path = `/capsules/${seed.cellCounter}/release/${job.json.job_id}`
  const states: unknown[] = []
  for (const seconds of [0, 6, 30]) {
    sandbox.clock.advance(seconds)
    states.push((await rest(`GET ${path}`)).json)
  }
  const version = { major_version: 3, minor_version: 0, release_time: expect.any(Number) }
  const started = { job_id: job.json.job_id, started: expect.any(Number) }
  expect(states).toEqual([
    { job_id: job.json.job_id, status: "created" },
    { ...started, status: "started", duration: 1 },
    {
      ...started,
      status: "completed",
      duration: 30,
      release_capsule: seed.releasedCellCounter,
      release_version: version,
    },
  ])
  const { versions } = (await rest(`GET /capsules/${seed.releasedCellCounter}`)).json
  expect(versions).toHaveLength(3)
  expect(versions[2]).toEqual(version)
})

test("the sandbox's release has its new version when the job is due, whether the job is asked for or not", async () => {
  const { sandbox, rest } = await startRest()
  await rest(release)
  const found = async () =>
    (await rest("POST /capsules/search", { body: { query: `id:${seed.releasedCellCounter}` } })).json.results[0]
      .versions
  expect(await found()).toHaveLength(2)
  sandbox.clock.advance(35)
  expect(await found()).toHaveLength(3)
})

test("the sandbox refuses to release what was never released, what is a release, and what another user owns", async () => {
  const { rest } = await startRest()
  const of = async (id: string, token?: string) => {
    const { status, json } = await rest(`POST /capsules/${id}/release`, { token })
    return [status, json?.message]
  }
  expect(await of(seed.spikeSorting)).toEqual([400, "this capsule was never released"])
  expect(await of(seed.releasedCellCounter)).toEqual([400, "this capsule was never released"])
  expect(await of(seed.cellCounter, tokens.grace)).toEqual([403, "only the owner or an admin may release this capsule"])
  expect(await of(seed.cellCounter, tokens.readOnly)).toEqual([403, "the access token lacks the scope Capsule write"])
  expect(await of(seed.graceNotebook)).toEqual([404, "capsule not found"])
})

test("the sandbox refuses a second release while one is in progress, and accepts it afterwards", async () => {
  const { sandbox, rest } = await startRest()
  await rest(release)
  expect(await rest(release)).toMatchObject({ status: 409 })
  sandbox.clock.advance(35)
  expect((await rest(release)).status).toBe(200)
})

test("the sandbox names requirements of a release that are not met by flags, without a message", async () => {
  const { rest } = await startRest()
  const { status, json } = await rest(`POST /pipelines/${seed.ecephysPipeline}/release`)
  expect(status).toBe(403)
  expect(json).toEqual({ unreleased_pipeline_capsules: true })
  for (const run of (await rest(`GET /capsules/${seed.cellCounter}/computations`)).json)
    await rest(`DELETE /computations/${run.id}`)
  expect((await rest(release)).json).toEqual({ missing_reproducible_run: true })
})

test("the sandbox finds a release job under its own capsule or pipeline only", async () => {
  const { rest } = await startRest()
  const of = async (path: string, token?: string) => (await rest(`GET ${path}`, { token })).status
  expect(await of(`/capsules/${seed.cellCounter}/release/${seed.failedRelease}`, tokens.grace)).toBe(200)
  expect(await of(`/pipelines/${seed.imagingPipeline}/release/${seed.imagingRelease}`)).toBe(200)
  expect(await of(`/capsules/${seed.spikeSorting}/release/${seed.failedRelease}`)).toBe(404)
  expect(await of(`/capsules/${seed.cellCounter}/release/none`)).toBe(404)
  expect(await of(`/capsules/${seed.cellCounter}/release/${seed.failedRelease}`, tokens.noCapsules)).toBe(403)
})

test("a sandbox of a version before 4.8.0 has no release endpoints, and refuses a client that needs them with 412", async () => {
  const { rest } = await startRest({ version: "4.7.3" })
  expect((await rest(release)).status).toBe(404)
  expect((await rest(release, { headers: { "min-server-version": "4.8.0" } })).status).toBe(412)
})

test("the official client's way of releasing works on the sandbox: no body, then polls until the job is over", async () => {
  const { sandbox, rest } = await startRest()
  const headers = { "min-server-version": "4.8.0" }
  const client = (call: string) => rest(call, { token: tokens.grace, headers })
  const path = `/pipelines/${seed.imagingPipeline}/release`
  const { job_id } = (await client(`POST ${path}`)).json
  const statuses: string[] = []
  for (let polls = 0; polls < 20 && statuses.at(-1) !== "completed"; polls++) {
    statuses.push((await client(`GET ${path}/${job_id}`)).json.status)
    sandbox.clock.advance(5)
  }
  expect(new Set(statuses)).toEqual(new Set(["created", "started", "completed"]))
  const job = (await client(`GET ${path}/${job_id}`)).json
  expect(job).toMatchObject({ release_capsule: seed.imagingPipeline, release_version: { major_version: 2 } })
})
