import { describe, expect, test } from "vitest"
import { seed, tokens, users } from "../sandbox/seed.ts"
import { type Rest, startRest } from "./support/rest.ts"

const graceViews = { email: users.grace.email, role: "viewer" }

describe("permissions", () => {
  const kinds = [
    ["capsules", seed.privateNotebook],
    ["pipelines", seed.archivedPipeline],
    ["data_assets", seed.privateAsset],
  ] as const

  test.each(kinds)(
    "permissions of %s are replaced by their owner, and decide at once who sees the object",
    async (kind, id) => {
      const { rest } = await startRest()
      const path = `/${kind}/${id}`
      const grant = (body: unknown, token?: string) => rest(`POST ${path}/permissions`, { body, token })
      const asGrace = async () => (await rest(`GET ${path}`, { token: tokens.grace })).status
      expect((await grant({ everyone: "none" })).status).toBe(200)
      expect(await asGrace()).toBe(404)
      expect((await grant({ groups: [{ group: "imaging", role: "discoverable" }], everyone: "none" })).status).toBe(200)
      expect(await asGrace()).toBe(403)
      expect((await grant({ users: [graceViews], groups: null, everyone: null, share_assets: null })).status).toBe(200)
      expect(await asGrace()).toBe(200)
      expect((await rest(`GET ${path}/permissions`)).json).toEqual({ users: [graceViews] })
      expect((await rest(`GET ${path}/permissions`, { token: tokens.grace })).status).toBe(200)
      expect((await grant({ everyone: "viewer" }, tokens.grace)).status).toBe(403)
      expect((await grant({ everyone: "viewer" }, tokens.readOnly)).status).toBe(403)
      expect((await grant({ everyone: "viewer" }, tokens.admin)).status).toBe(200)
    },
  )

  test("a made owner owns, and a made editor edits", async () => {
    const { rest } = await startRest()
    const path = `/capsules/${seed.spikeSorting}`
    const token = tokens.grace
    const archive = () => rest(`PATCH ${path}/archive`, { query: { archive: "true" }, token })
    const attach = () => rest(`POST ${path}/data_assets`, { body: [{ id: seed.cellImages }], token })
    const make = (role: string) => rest(`POST ${path}/permissions`, { body: { users: [{ ...graceViews, role }] } })
    await make("viewer")
    expect((await attach()).status).toBe(403)
    await make("editor")
    expect((await attach()).status).toBe(200)
    expect((await archive()).status).toBe(403)
    await make("owner")
    expect((await archive()).status).toBe(204)
  })

  test("a search lists objects that were shared with the caller, and not those that no longer are", async () => {
    const { rest } = await startRest()
    const listed = async () =>
      (await rest("POST /data_assets/search", { body: {}, token: tokens.grace })).json.results.map(
        ({ id }: { id: string }) => id,
      )
    expect(await listed()).not.toContain(seed.privateAsset)
    await rest(`POST /data_assets/${seed.privateAsset}/permissions`, { body: { users: [graceViews] } })
    await rest(`POST /data_assets/${seed.cellImages}/permissions`, { body: { everyone: "none" } })
    expect(await listed()).toContain(seed.privateAsset)
    expect(await listed()).not.toContain(seed.cellImages)
  })

  test("sharing with data assets opens the attached ones that the caller owns", async () => {
    const { rest } = await startRest()
    await rest(`POST /capsules/${seed.privateNotebook}/data_assets`, { body: [{ id: seed.privateAsset }] })
    const share = (more: object) =>
      rest(`POST /capsules/${seed.privateNotebook}/permissions`, { body: { users: [graceViews], ...more } })
    const asGrace = async () => (await rest(`GET /data_assets/${seed.privateAsset}`, { token: tokens.grace })).status
    await share({})
    expect(await asGrace()).toBe(404)
    await share({ share_assets: true })
    expect(await asGrace()).toBe(200)
    expect((await rest(`GET /capsules/${seed.privateNotebook}/permissions`)).json).not.toHaveProperty("share_assets")
  })

  test("sharing a pipeline with data assets opens its capsules that the caller owns", async () => {
    const { rest } = await startRest()
    await rest(`POST /capsules/${seed.spikeSorting}/permissions`, { body: { everyone: "none" } })
    await rest(`POST /pipelines/${seed.ecephysPipeline}/permissions`, {
      body: { users: [graceViews], share_assets: true },
    })
    expect((await rest(`GET /capsules/${seed.spikeSorting}`, { token: tokens.grace })).status).toBe(200)
    const { json } = await rest(`GET /capsules/${seed.driftCorrection}/permissions`)
    expect(json).toEqual({ everyone: "viewer" })
  })

  test.each([
    ["[]", "invalid request body"],
    [{ users: {} }, "invalid request body"],
    [{ users: [{ role: "viewer" }] }, "email is required"],
    [{ users: [{ email: "a@example.org", role: "discoverable" }] }, "a@example.org must be one of owner, editor"],
    [{ groups: [{ group: "neuro", role: "reader" }] }, "must be one of owner, editor, viewer, discoverable"],
    [{ everyone: "editor" }, "everyone must be one of viewer, discoverable, none"],
    [{ share_assets: "yes" }, "share_assets must be a boolean"],
  ])("the permissions %j are a bad request, and change nothing", async (body, message) => {
    const { rest } = await startRest()
    const path = `/capsules/${seed.cellCounter}/permissions`
    const before = (await rest(`GET ${path}`)).json
    const answer = await rest(`POST ${path}`, { body })
    expect(answer.status).toBe(400)
    expect(answer.json.message).toContain(message)
    expect((await rest(`GET ${path}`)).json).toEqual(before)
  })
})

describe("Git sync", () => {
  const sync = (rest: Rest, path: string, token?: string) => rest(`POST ${path}/sync`, { token })

  test("a capsule with a linked repository pulls new commits, and the next sync changes nothing", async () => {
    const { rest } = await startRest()
    expect((await sync(rest, `/capsules/${seed.spikeSorting}`)).json).toEqual({ pulled: 1 })
    expect((await sync(rest, `/capsules/${seed.spikeSorting}`)).json).toEqual({})
  })

  test("a sync without a linked repository, or without the right to edit, is refused", async () => {
    const { rest } = await startRest()
    expect((await sync(rest, `/capsules/${seed.privateNotebook}`)).status).toBe(400)
    expect((await sync(rest, `/pipelines/${seed.ecephysPipeline}`)).status).toBe(400)
    expect((await sync(rest, `/capsules/${seed.spikeSorting}`, tokens.grace)).status).toBe(403)
    expect((await sync(rest, `/capsules/${seed.spikeSorting}`, tokens.readOnly)).status).toBe(403)
    expect((await sync(rest, `/capsules/${seed.graceNotebook}`)).status).toBe(404)
  })
})
