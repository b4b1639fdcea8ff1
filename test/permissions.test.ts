import { describe, expect, test } from "vitest"
import { seed, tokens, users } from "../sandbox/seed.ts"
import { callsOf, startGateway, type World } from "./support/gateway.ts"

const all = "users { email role } groups { group role } everyone shareAssets"

const kinds = [
  { route: "capsules", one: "capsule", id: seed.cellCounter },
  { route: "pipelines", one: "pipeline", id: seed.ecephysPipeline },
  { route: "data_assets", one: "dataAsset", id: seed.cellImages },
]

/** Sends one of the three mutations, and selects its whole payload. */
function update({ ask }: World, one: string, input: Record<string, unknown>, headers?: Record<string, string>) {
  const name = `update${one.charAt(0).toUpperCase()}${one.slice(1)}Permissions`
  const query = `mutation ($input: ${name.replace("update", "Update")}Input!) {
    result: ${name}(input: $input) {
      ... on ${name.replace("update", "Update")}Payload { permissions { ${all} } missing { ${all} } remaining { users { email role } groups { group role } } ${one} { id } }
      ... on MutationRefused { code message }
    }
  }`
  return ask(query, { input }, headers)
}

describe.each(kinds)("the permissions of a $one", ({ route, one, id }) => {
  const path = `/${route}/${id}/permissions`

  test("permissions cost one call, however often a query selects them", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(`{
      a: ${one}(id: "${id}") { permissions { ${all} } }
      b: ${one}(id: "${id}") { permissions { everyone } }
    }`)
    expect(errors).toBeUndefined()
    expect(data.a.permissions.everyone).toBe("VIEWER")
    expect(data.b.permissions.everyone).toBe("VIEWER")
    expect(callsOf(sandbox.requests)).toEqual({ [`GET ${path}`]: 1 })
  })

  test("permissions that fail leave the rest of the object as it is", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET ${path}`, { status: 403, body: { message: "not yours" } })
    const { data, errors } = await ask(`{ ${one}(id: "${id}") { name permissions { everyone } } }`)
    expect(data[one].permissions).toBeNull()
    expect(data[one].name).toBeTypeOf("string")
    expect(errors?.[0]?.extensions.code).toBe("FORBIDDEN")
  })

  test("people and groups are added and removed, and the others keep their roles", async () => {
    const world = await startGateway()
    const set = (input: object) => update(world, one, { [`${one}Id`]: id, ...input })
    await set({
      users: [
        { email: users.grace.email, role: "VIEWER" },
        { email: "stays@example.org", role: "EDITOR" },
        { email: "goes@example.org", role: "VIEWER" },
      ],
      groups: [{ group: "imaging", role: "VIEWER" }],
      everyone: "VIEWER",
    })
    const { data, errors } = await set({
      addUsers: [{ email: users.grace.email.toUpperCase(), role: "EDITOR" }],
      removeUsers: [" Goes@example.org", "never@example.org"],
      removeGroups: ["imaging"],
    })
    expect(errors).toBeUndefined()
    expect(data.result.missing).toBeNull()
    expect(data.result.permissions).toMatchObject({ groups: [], everyone: "VIEWER" })
    const roles = data.result.permissions.users.map(({ email, role }: { email: string; role: string }) => [
      email.toLowerCase(),
      role,
    ])
    expect(roles.sort()).toEqual([
      [users.grace.email, "EDITOR"],
      ["stays@example.org", "EDITOR"],
    ])
  })

  test.each([
    [{ removeUsers: ["Goes@example.org"] }, { users: [{ email: "goes@example.org", role: "VIEWER" }], groups: [] }],
    [{ removeGroups: ["imaging"] }, { users: [], groups: [{ group: "imaging", role: "VIEWER" }] }],
    [{ users: [] }, { users: [{ email: "goes@example.org", role: "VIEWER" }], groups: [] }],
    [{ users: [{ email: "goes@example.org", role: "VIEWER" }], groups: [{ group: "imaging", role: "VIEWER" }] }, null],
    [{ removeUsers: ["never@example.org"] }, null],
    [{ removeUsers: ["ada@example.org"] }, { users: [{ email: "ada@example.org", role: "OWNER" }], groups: [] }],
  ])("a change by %j that Code Ocean does not make is in `remaining`", async (input, remaining) => {
    const world = await startGateway()
    const body = {
      users: [
        { email: "ada@example.org", role: "owner" },
        { email: "goes@example.org", role: "viewer" },
      ],
      groups: [{ group: "imaging", role: "viewer" }],
    }
    world.sandbox.failNext(`GET ${path}`, { status: 200, body }, 2)
    world.sandbox.failNext(`POST ${path}`, { status: 200, body: {} })
    const { data, errors } = await update(world, one, { [`${one}Id`]: id, ...input })
    expect(errors).toBeUndefined()
    expect(data.result.remaining).toEqual(remaining)
  })

  test("an unknown group that is added is missing in the payload", async () => {
    const world = await startGateway()
    const { data } = await update(world, one, {
      [`${one}Id`]: id,
      addGroups: [{ group: "nobody knows it", role: "VIEWER" }],
    })
    expect(data.result.missing.groups).toEqual([{ group: "nobody knows it", role: "VIEWER" }])
  })

  test.each([
    [{ users: [], addUsers: [] }, /`users` replaces the whole list, and `addUsers` changes it/],
    [{ groups: [], removeGroups: ["x"] }, /`groups` replaces the whole list, and `removeGroups`/],
    [{ addUsers: [{ email: "A@b.c", role: "VIEWER" }], removeUsers: ["a@B.c "] }, /in `addUsers` and in `removeUsers`/],
    [{ removeUsers: ["a", " A"] }, /`removeUsers\[1\]`.*twice/],
    [{ removeGroups: [" "] }, /`removeGroups\[0\]` is empty/],
    [{ addUsers: [], removeGroups: [] }, /nothing to change/],
  ])("a change of permissions by %j is an error before anything is sent", async (input, sentence) => {
    const world = await startGateway()
    const { errors } = await update(world, one, { [`${one}Id`]: id, ...input })
    expect(errors).toMatchObject([{ message: expect.stringMatching(sentence), extensions: { code: "BAD_USER_INPUT" } }])
    expect(world.sandbox.requests).toEqual([])
  })

  test("permissions can be replaced, and the payload has them as they are afterwards", async () => {
    const world = await startGateway()
    const given = {
      users: [{ email: users.grace.email, role: "VIEWER" }],
      groups: [{ group: "imaging", role: "DISCOVERABLE" }],
      everyone: "NONE",
    }
    const { data, errors } = await update(world, one, { [`${one}Id`]: id, ...given, shareAssets: true })
    expect(errors).toBeUndefined()
    expect(data.result.permissions).toMatchObject(given)
    expect(data.result.missing).toBeNull()
    expect(data.result[one]).toEqual({ id })
    expect(world.sandbox.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET ${path}`,
      `POST ${path}`,
      `GET ${path}`,
    ])
    expect(world.sandbox.requestsTo(`POST ${path}`)[0]?.body).toEqual({
      users: [{ email: users.grace.email, role: "viewer" }],
      groups: [{ group: "imaging", role: "discoverable" }],
      everyone: "none",
      share_assets: true,
    })
  })

  test("a group that Code Ocean drops is missing in the payload", async () => {
    const world = await startGateway()
    const groups = [
      { group: "imaging", role: "VIEWER" },
      { group: "imagign", role: "OWNER" },
    ]
    const { data, errors } = await update(world, one, { [`${one}Id`]: id, groups })
    expect(errors).toBeUndefined()
    expect(data.result.permissions.groups).toEqual([groups[0]])
    expect(data.result.missing).toEqual({ users: [], groups: [groups[1]], everyone: null, shareAssets: null })
    expect(world.sandbox.requestsTo(`GET ${path}`)).toHaveLength(2)
  })

  test("a change of permissions by a caller who may not is refused, and nothing changes", async () => {
    const world = await startGateway()
    const input = { [`${one}Id`]: id, everyone: "NONE" }
    const { data, errors } = await update(world, one, input, { authorization: `Bearer ${tokens.readOnly}` })
    expect(errors).toBeUndefined()
    expect(data.result.code).toBe("FORBIDDEN")
    const after = await world.ask(`{ ${one}(id: "${id}") { permissions { everyone } } }`)
    expect(after.data[one].permissions.everyone).toBe("VIEWER")
  })
})

describe("a change of permissions", () => {
  const capsuleId = seed.cellCounter
  const path = `/capsules/${capsuleId}/permissions`
  const graceEdits = { email: users.grace.email, role: "EDITOR" }

  test("a change of permissions keeps what it does not give", async () => {
    const world = await startGateway()
    await update(world, "capsule", { capsuleId, groups: [{ group: "neuro", role: "OWNER" }] })
    await update(world, "capsule", { capsuleId, everyone: "DISCOVERABLE" })
    const { data } = await world.ask(`{ capsule(id: "${capsuleId}") { permissions { ${all} } } }`)
    expect(data.capsule.permissions).toMatchObject({
      users: [graceEdits],
      groups: [{ group: "neuro", role: "OWNER" }],
      everyone: "DISCOVERABLE",
    })
  })

  test("a change of permissions keeps what it gives as null", async () => {
    const world = await startGateway()
    const { data } = await update(world, "capsule", { capsuleId, users: null, groups: null, everyone: "NONE" })
    expect(data.result.permissions).toMatchObject({ users: [graceEdits], everyone: "NONE" })
  })

  test("a change of permissions with an empty list empties it", async () => {
    const world = await startGateway()
    const { data } = await update(world, "capsule", { capsuleId, users: [] })
    expect(data.result.permissions).toMatchObject({ users: [], everyone: "VIEWER" })
    expect(world.sandbox.requestsTo(`POST ${path}`)[0]?.body).toEqual({ everyone: "viewer", users: [] })
  })

  test("a change of permissions sends back whatever else Code Ocean has, as it came, and never null", async () => {
    const world = await startGateway()
    const auditors = [{ group: "audit", role: "auditor", until: 1_800_000_000 }]
    world.sandbox.failNext(`GET ${path}`, {
      status: 200,
      body: { users: null, groups: auditors, everyone: "link_holders", share_assets: true, watchers: ["x"] },
    })
    world.sandbox.failNext(`POST ${path}`, { status: 204 })
    await update(world, "capsule", { capsuleId, users: [graceEdits] })
    expect(world.sandbox.requestsTo(`POST ${path}`)[0]?.body).toEqual({
      users: [{ email: users.grace.email, role: "editor" }],
      groups: auditors,
      everyone: "link_holders",
      share_assets: true,
      watchers: ["x"],
    })
  })

  test.each([
    ["a user is dropped", { users: [graceEdits] }, { users: [] }, { users: [graceEdits] }],
    [
      "a role is lowered",
      { users: [graceEdits] },
      { users: [{ email: users.grace.email, role: "viewer" }] },
      { users: [graceEdits] },
    ],
    ["the role of everyone is ignored", { everyone: "VIEWER" }, { everyone: "none" }, { everyone: "VIEWER" }],
    ["the role of everyone is not said", { everyone: "DISCOVERABLE" }, {}, { everyone: "DISCOVERABLE" }],
    ["the role of everyone comes back in other case", { everyone: "VIEWER" }, { everyone: "Viewer" }, null],
    [
      "roles come back in other case",
      { users: [graceEdits], groups: [{ group: "neuro", role: "OWNER" }] },
      { users: [{ email: users.grace.email, role: "EDITOR" }], groups: [{ group: "neuro", role: "Owner" }] },
      null,
    ],
    ["nobody's role is not said", { everyone: "NONE" }, {}, null],
    [
      "an address comes back in other case",
      { users: [{ email: " Grace@Example.org ", role: "VIEWER" }] },
      { users: [{ email: users.grace.email, role: "viewer" }, null] },
      null,
    ],
    [
      "a null stands among the groups",
      { groups: [{ group: "neuro", role: "OWNER" }] },
      { groups: [null, { group: "neuro", role: "owner" }] },
      null,
    ],
    ["attached assets are to be shared", { shareAssets: true }, {}, null],
  ])(
    "the permissions that are missing after a change are in the payload when %s",
    async (_what, change, answer, expected) => {
      const world = await startGateway()
      world.sandbox.failNext(`GET ${path}`, { status: 200, body: {} })
      world.sandbox.failNext(`GET ${path}`, { status: 200, body: answer })
      const { data, errors = [] } = await update(world, "capsule", { capsuleId, ...change })
      expect(errors.filter(({ path }) => path?.includes("missing"))).toEqual([])
      if (expected === null) expect(data.result.missing).toBeNull()
      else expect(data.result.missing).toMatchObject(expected)
    },
  )

  test("a change of permissions that cannot be read back is no refusal", async () => {
    const world = await startGateway()
    world.sandbox.failNext(`GET ${path}`, { status: 200, body: {} })
    world.sandbox.failNext(`GET ${path}`, { status: 403, body: { message: "no longer yours" } })
    const { data, errors } = await update(world, "capsule", { capsuleId, everyone: "NONE" })
    expect(data.result).toEqual({ permissions: null, missing: null, remaining: null, capsule: { id: capsuleId } })
    expect(errors?.map(({ path }) => path)).toContainEqual(["result", "missing"])
  })

  test("a change of permissions reads the present permissions anew", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(`mutation {
      first: updateCapsulePermissions(input: {capsuleId: "${capsuleId}", everyone: NONE}) {
        ... on UpdateCapsulePermissionsPayload { permissions { everyone } capsule { permissions { everyone } } }
      }
      second: updateCapsulePermissions(input: {capsuleId: "${capsuleId}", users: []}) {
        ... on UpdateCapsulePermissionsPayload { permissions { everyone users { email } } }
      }
    }`)
    expect(errors).toBeUndefined()
    expect(data.first).toEqual({ permissions: { everyone: "NONE" }, capsule: { permissions: { everyone: "NONE" } } })
    expect(data.second).toEqual({ permissions: { everyone: "NONE", users: [] } })
    expect(sandbox.requestsTo(`GET ${path}`)).toHaveLength(4)
    expect(sandbox.requestsTo(`POST ${path}`)).toHaveLength(2)
  })

  test("a change of permissions of an object that does not exist is refused after one read", async () => {
    const world = await startGateway()
    const { data } = await update(world, "capsule", { capsuleId: seed.graceNotebook, everyone: "NONE" })
    expect(data.result.code).toBe("NOT_FOUND")
    expect(callsOf(world.sandbox.requests)).toEqual({ [`GET /capsules/${seed.graceNotebook}/permissions`]: 1 })
  })

  test("a change of permissions that meets a 503 is sent once, and its outcome is unknown", async () => {
    const world = await startGateway()
    world.sandbox.failNext(`POST ${path}`, { status: 503 })
    const { errors } = await update(world, "capsule", { capsuleId, everyone: "NONE" })
    expect(errors?.[0]?.extensions).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", outcomeUnknown: true })
    expect(world.sandbox.requestsTo(`POST ${path}`)).toHaveLength(1)
  })

  test.each([
    ["nothing to change", {}, "There is nothing to change"],
    ["an empty email address", { users: [{ email: " ", role: "VIEWER" }] }, "`users[0].email` is empty"],
    ["an empty group", { groups: [{ group: "", role: "VIEWER" }] }, "`groups[0].group` is empty"],
    [
      "a person twice",
      { users: [graceEdits, { email: users.grace.email.toUpperCase(), role: "VIEWER" }] },
      '`users[1].email`: "grace@example.org" is given twice',
    ],
    [
      "a group twice",
      {
        groups: [
          { group: "neuro", role: "VIEWER" },
          { group: "neuro", role: "OWNER" },
        ],
      },
      '`groups[1].group`: "neuro" is given twice',
    ],
    ["a role nobody knows", { users: [{ email: "a@b.org", role: "UNRECOGNIZED" }] }, "cannot be sent as UserRole"],
    [
      "a group's role nobody knows",
      { groups: [{ group: "neuro", role: "UNRECOGNIZED" }] },
      "cannot be sent as GroupRole",
    ],
    ["a role for everyone that nobody knows", { everyone: "UNRECOGNIZED" }, "cannot be sent as EveryoneRole"],
  ])("a change of permissions with %s is refused before anything is sent", async (_what, input, message) => {
    const world = await startGateway()
    const { errors } = await update(world, "capsule", { capsuleId, ...input })
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(errors?.[0]?.message).toContain(message)
    expect(world.sandbox.requests).toHaveLength(0)
  })
})

test("a private capsule that is shared with a user is readable for that user", async () => {
  const world = await startGateway()
  const asGrace = () =>
    world.ask(`{ capsule(id: "${seed.privateNotebook}") { name } }`, {}, { authorization: `Bearer ${tokens.grace}` })
  expect((await asGrace()).data.capsule).toBeNull()
  const { data } = await update(world, "capsule", {
    capsuleId: seed.privateNotebook,
    users: [{ email: users.grace.email, role: "VIEWER" }],
  })
  expect(data.result.permissions).toMatchObject({ everyone: "NONE", groups: [] })
  expect((await asGrace()).data.capsule.name).toBeTypeOf("string")
})

test("unknown roles are UNRECOGNIZED, and permissions without entries are empty", async () => {
  const { ask, sandbox } = await startGateway()
  const path = `GET /capsules/${seed.cellCounter}/permissions`
  const query = `{ capsule(id: "${seed.cellCounter}") { permissions { ${all} } } }`
  sandbox.failNext(path, { status: 200, body: { users: [{ email: "a@b.org", role: "auditor" }], everyone: "x" } })
  expect((await ask(query)).data.capsule.permissions).toEqual({
    users: [{ email: "a@b.org", role: "UNRECOGNIZED" }],
    groups: [],
    everyone: "UNRECOGNIZED",
    shareAssets: null,
  })
  sandbox.failNext(path, { status: 200, body: {} })
  expect((await ask(query)).data.capsule.permissions).toEqual({
    users: [],
    groups: [],
    everyone: null,
    shareAssets: null,
  })
})

test("permissions are read again after a change of the same request whose outcome is unknown", async () => {
  const { ask, sandbox } = await startGateway()
  const path = `/capsules/${seed.cellCounter}/permissions`
  sandbox.failNext(`POST ${path}`, { status: 500 })
  const archive = (alias: string) => `${alias}: archiveCapsule(input: {id: "${seed.cellCounter}", archived: false}) {
    ... on ArchiveCapsulePayload { capsule { permissions { everyone } } }
  }`
  const { data, errors } = await ask(`mutation {
    ${archive("before")}
    updateCapsulePermissions(input: {capsuleId: "${seed.cellCounter}", everyone: VIEWER}) { __typename }
    ${archive("after")}
  }`)
  expect(errors?.map(({ path }) => path)).toEqual([["updateCapsulePermissions"]])
  expect(data.after).toEqual(data.before)
  // The change itself reads them, too.
  expect(sandbox.requestsTo(`GET ${path}`)).toHaveLength(3)
})
