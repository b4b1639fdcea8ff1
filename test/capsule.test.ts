import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { asGraph, everyField, everyPlace, filledPlaces } from "./support/everyField.ts"
import { startGateway } from "./support/gateway.ts"
import { restAt } from "./support/rest.ts"

const cast = [
  seed.cellCounter,
  seed.releasedCellCounter,
  seed.verificationCellCounter,
  seed.spikeSorting,
  seed.spikeSortingCopy,
  seed.driftCorrection,
  seed.ecephysQuality,
  seed.sequenceAligner,
  seed.oldForms,
  seed.embargoed,
  seed.archivedNotebook,
  seed.archivedRelease,
  seed.privateNotebook,
  seed.discoverableAtlas,
  seed.graceNotebook,
]
const asAdmin = { authorization: `Bearer ${tokens.admin}` }
const asGrace = { authorization: `Bearer ${tokens.grace}` }

test("every field of every capsule is what the REST API has", async () => {
  const { ask, sandbox } = await startGateway()
  const rest = restAt(sandbox.url, tokens.admin)
  const { data, errors } = await ask(
    `query ($ids: [ID!]!) { capsules(ids: $ids) { ${everyField("Capsule")} } }`,
    { ids: cast },
    asAdmin,
  )
  expect(errors).toBeUndefined()
  for (const [index, id] of cast.entries()) {
    const { json } = await rest(`GET /capsules/${id}`)
    expect(data.capsules[index], json.name).toEqual(asGraph("Capsule", json))
  }
  const filled = new Set(data.capsules.flatMap((capsule: object) => filledPlaces("Capsule", capsule)))
  expect(everyPlace("Capsule").filter((place) => !filled.has(place))).toEqual([])
})

test("a search shows the same of a capsule as a lookup does", async () => {
  const { ask, sandbox } = await startGateway()
  const { json } = await restAt(sandbox.url, tokens.ada)("POST /capsules/search", { body: { limit: 1000 } })
  const { data, errors } = await ask(`{ searchCapsules(first: 1000) { nodes { ${everyField("Capsule")} } } }`)
  expect(errors).toBeUndefined()
  expect(json.results.length).toBeGreaterThan(8)
  expect(data.searchCapsules.nodes).toEqual(json.results.map((wire: object) => asGraph("Capsule", wire)))
})

test("a capsule leads to its release, to the capsule that verified it, and to its original", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{
    counter: capsule(id: "${seed.cellCounter}") {
      releaseCapsule { name status versions { majorVersion } }
      submission { verificationCapsule { name } }
    }
    copy: capsule(id: "${seed.spikeSortingCopy}") { originalCapsule { capsule { id name } } }
  }`)
  expect(errors).toBeUndefined()
  expect(data.counter).toEqual({
    releaseCapsule: {
      name: "Cell Counter",
      status: "RELEASE",
      versions: [{ majorVersion: 1 }, { majorVersion: 2 }],
    },
    submission: { verificationCapsule: { name: "Verification of Cell Counter" } },
  })
  expect(data.copy.originalCapsule.capsule).toEqual({ id: seed.spikeSorting, name: "Spike Sorting" })
})

test("an original capsule that is gone is null, and what the copy says of it stays", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(
    `{ capsule(id: "${seed.cellCounter}") { originalCapsule { name majorVersion capsule { name } } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.capsule.originalCapsule).toEqual({ name: "Nuclei Starter", majorVersion: 3, capsule: null })
})

test("a release that the caller may not see is null with FORBIDDEN, and the capsule stays", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext(`GET /capsules/${seed.releasedCellCounter}`, { status: 403, body: { message: "not yours" } })
  const { data, errors } = await ask(`{ capsule(id: "${seed.cellCounter}") { name releaseCapsule { name } } }`)
  expect(data.capsule).toEqual({ name: "Cell Counter", releaseCapsule: null })
  expect(errors).toEqual([
    expect.objectContaining({
      path: ["capsule", "releaseCapsule"],
      extensions: expect.objectContaining({ code: "FORBIDDEN" }),
    }),
  ])
})

test("a capsule that does not exist, or that the caller may not know of, is null without an error", async () => {
  const { ask } = await startGateway()
  const missing = "00000000-0000-4000-8000-000000000000"
  const { data, errors } = await ask(`{
    missing: capsule(id: "${missing}") { name }
    secret: capsule(id: "${seed.graceNotebook}") { name }
    both: capsules(ids: ["${missing}", "${seed.graceNotebook}"]) { name }
  }`)
  expect(errors).toBeUndefined()
  expect(data).toEqual({ missing: null, secret: null, both: [null, null] })
})

test("a capsule that the caller may find but not open is null with FORBIDDEN", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`{ capsule(id: "${seed.discoverableAtlas}") { name } }`, {}, asGrace)
  expect(data).toEqual({ capsule: null })
  expect(errors?.[0]?.extensions).toMatchObject({
    code: "FORBIDDEN",
    upstream: { endpoint: "GET /capsules/{id}", status: 403 },
  })
})
