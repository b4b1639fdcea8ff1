import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway } from "./support/gateway.ts"

const as = (token: string) => ({ authorization: `Bearer ${token}` })

const lacking: [string, string, string, string][] = [
  ["a capsule", "noCapsules", `{ capsule(id: "${seed.cellCounter}") { name } }`, "Capsule read"],
  ["a pipeline", "noCapsules", `{ pipeline(id: "${seed.ecephysPipeline}") { name } }`, "Capsule read"],
  ["a run", "noCapsules", `{ computation(id: "${seed.sortedRun}") { name } }`, "Capsule read"],
  ["a search of capsules", "noCapsules", "{ searchCapsules { nodes { id } } }", "Capsule read"],
  ["a data asset", "noDatasets", `{ dataAsset(id: "${seed.cellImages}") { name } }`, "Data Asset read"],
  ["a search of data assets", "noDatasets", "{ searchDataAssets { nodes { id } } }", "Data Asset read"],
  ["the custom metadata", "noDatasets", "{ customMetadata { categories } }", "Data Asset read"],
]

test.each(lacking)(
  "%s without the token's scope is FORBIDDEN, and the error names the scope",
  async (_what, token, query, scope) => {
    const { ask } = await startGateway()
    const { errors } = await ask(query, {}, as(tokens[token as keyof typeof tokens]))
    expect(errors).toMatchObject([
      {
        message: `the access token lacks the scope ${scope} (Requires a token with the scope ${scope}.)`,
        extensions: { code: "FORBIDDEN", requiredScope: scope },
      },
    ])
  },
)

const changes: [string, string, string][] = [
  ["a capsule", `archiveCapsule(input: { id: "${seed.cellCounter}", archived: true })`, "Capsule write"],
  ["a run", `renameComputation(input: { id: "${seed.sortedRun}", name: "x" })`, "Capsule write"],
  ["a data asset", `archiveDataAsset(input: { id: "${seed.cellImages}", archived: true })`, "Data Asset write"],
]

test.each(changes)(
  "a change of %s without the token's scope is refused, and the message names the scope",
  async (_what, field, scope) => {
    const { ask } = await startGateway()
    const query = `mutation { ${field} { ... on MutationRefused { code message requiredScope problems { message } } } }`
    const { data } = await ask(query, {}, as(tokens.readOnly))
    expect(Object.values(data)).toEqual([
      {
        code: "FORBIDDEN",
        message: expect.stringContaining(`(Requires a token with the scope ${scope}.)`),
        requiredScope: scope,
        problems: [],
      },
    ])
  },
)

test("an unknown token is UNAUTHENTICATED, although a search has the same status for a missing scope", async () => {
  const { ask } = await startGateway()
  const lookup = await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`, {}, as("cop_nobody"))
  expect(lookup.errors![0]!.extensions).toEqual({
    code: "UNAUTHENTICATED",
    requestId: expect.any(String),
    requiredScope: "Capsule read",
    upstream: { endpoint: "GET /capsules/{id}", status: 401 },
  })
  const search = await ask("{ searchDataAssets { nodes { id } } }", {}, as("cop_nobody"))
  expect(search.errors).toMatchObject([
    {
      message:
        "a valid access token is required (Code Ocean did not accept the token. It may be wrong or expired, or lack the scope Data Asset read.)",
      extensions: { code: "UNAUTHENTICATED", requiredScope: "Data Asset read" },
    },
  ])
})

test.each([
  [401, "invalid token or missing scope", "UNAUTHENTICATED"],
  [401, "the token has expired", "UNAUTHENTICATED"],
  [401, "missing scope datasets:read", "FORBIDDEN"],
  [403, "invalid scope", "FORBIDDEN"],
])("a %i with the message '%s' is %s", async (status, message, code) => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext("GET /data_assets/*", { status, body: { message } })
  const { errors } = await ask(`{ dataAsset(id: "${seed.cellImages}") { name } }`)
  expect(errors).toMatchObject([{ extensions: { code, requiredScope: "Data Asset read" } }])
})

test("an object that the caller may not see is FORBIDDEN without a scope", async () => {
  const { ask } = await startGateway()
  const { errors } = await ask(`{ capsule(id: "${seed.discoverableAtlas}") { name } }`, {}, as(tokens.grace))
  expect(errors![0]!.extensions.code).toBe("FORBIDDEN")
  expect(errors![0]!.extensions).not.toHaveProperty("requiredScope")
})
