import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"

const kinds = [
  { route: "capsules", one: "capsule", mutation: "syncCapsule", id: seed.cellCounter, name: "Cell Counter" },
  { route: "pipelines", one: "pipeline", mutation: "syncPipeline", id: seed.ecephysPipeline, name: "Ecephys Pipeline" },
]

describe.each(kinds)("$mutation", ({ route, one, mutation, id, name }) => {
  const path = `/${route}/${id}/sync`
  const payload = mutation.replace("sync", "Sync")
  const query = `mutation ($id: ID!) {
    result: ${mutation}(input: {id: $id}) {
      ... on ${payload}Payload { pushed pulled newBranch ${one} { id name } }
      ... on MutationRefused { code message }
    }
  }`

  test(`${mutation} returns whether commits were moved, and the object after the sync`, async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${path}`, { status: 200, body: { pushed: 2, pulled: 3, new_branch: true } })
    const { data, errors } = await ask(query, { id })
    expect(errors).toBeUndefined()
    expect(data.result).toEqual({ pushed: 2, pulled: 3, newBranch: true, [one]: { id, name } })
    expect(sandbox.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST ${path}`,
      `GET /${route}/${id}`,
    ])
    expect(sandbox.requests[0]?.body).toBeUndefined()
  })

  test.each([
    ["an empty object", { status: 200, body: {} }],
    ["no body", { status: 204 }],
  ])(`${mutation} reads %s as a sync that moved no commits`, async (_what, answer) => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${path}`, answer)
    const { data, errors } = await ask(query, { id })
    expect(errors).toBeUndefined()
    expect(data.result).toMatchObject({ pushed: 0, pulled: 0, newBranch: false })
  })

  test(`${mutation} with a token without the scope is refused`, async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(query, { id }, { authorization: `Bearer ${tokens.readOnly}` })
    expect(errors).toBeUndefined()
    expect(data.result.code).toBe("FORBIDDEN")
  })

  test(`${mutation} passes Code Ocean's reason for a refusal on`, async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${path}`, { status: 409, body: { message: "the branches have diverged" } })
    const { data } = await ask(query, { id })
    expect(data.result).toEqual({ code: "CONFLICT", message: "the branches have diverged" })
  })

  test(`${mutation} that meets a 503 is sent once, and its outcome is unknown`, async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`POST ${path}`, { status: 503 })
    const { errors } = await ask(query, { id })
    expect(errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", outcomeUnknown: true })
    expect(sandbox.requestsTo(`POST ${path}`)).toHaveLength(1)
  })
})

test("a capsule with a linked repository pulls new commits, and the next sync pulls none", async () => {
  const { ask } = await startGateway()
  const sync = () =>
    ask(`mutation { syncCapsule(input: {id: "${seed.cellCounter}"}) {
      ... on SyncCapsulePayload { pushed pulled newBranch }
    } }`)
  expect((await sync()).data.syncCapsule).toEqual({ pushed: 0, pulled: 1, newBranch: false })
  expect((await sync()).data.syncCapsule).toEqual({ pushed: 0, pulled: 0, newBranch: false })
})

test("a capsule without a linked repository can't be synced", async () => {
  const { ask } = await startGateway()
  const { data, errors } = await ask(`mutation { syncCapsule(input: {id: "${seed.privateNotebook}"}) {
    ... on MutationRefused { code message }
  } }`)
  expect(errors).toBeUndefined()
  expect(data.syncCapsule).toEqual({ code: "BAD_USER_INPUT", message: "no linked Git repository" })
})

test("a sync clears the loaded capsule and its panel", async () => {
  const { ask, sandbox } = await startGateway()
  const id = seed.cellCounter
  sandbox.failNext(`POST /capsules/${id}/sync`, { status: 200, body: { pulled: 1 } }, 2)
  const seen = "... on SyncCapsulePayload { pulled capsule { name appPanel { general { title } } } }"
  const { data, errors } = await ask(`mutation {
    first: syncCapsule(input: {id: "${id}"}) { ${seen} }
    second: syncCapsule(input: {id: "${id}"}) { ${seen} }
  }`)
  expect(errors).toBeUndefined()
  expect(data.second.pulled).toBe(1)
  expect(sandbox.requestsTo(`GET /capsules/${id}`)).toHaveLength(2)
  expect(sandbox.requestsTo(`GET /capsules/${id}/app_panel`)).toHaveLength(2)
})
