import { createHash } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { ConfigError, readConfig } from "../src/config/config.ts"
import { readManifest } from "../src/operation/persisted/manifest.ts"
import { createPersistedOperations } from "../src/operation/persisted/operations.ts"
import type { Gateway } from "../src/server.ts"
import { startGateway } from "./support/gateway.ts"

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

const nameOf = "query NameOf($id: ID!) { capsule(id: $id) { name } }"
const archive = `mutation Archive { archiveCapsule(input: {id: "${seed.cellCounter}", archived: true}) { __typename } }`
const manifest = new Map([
  [sha256(nameOf), nameOf],
  ["archive-1", archive],
])
const variables = { id: seed.cellCounter }
const named = { data: { capsule: { name: "Cell Counter" } } }

/** Posts as Ada. */
async function post(gateway: Gateway, body: object, accept = "application/json") {
  const response = await gateway.fetch("http://gateway/graphql", {
    method: "POST",
    headers: { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json", accept },
    body: JSON.stringify(body),
  })
  return { status: response.status, answer: await response.json() }
}

const byHash = (sha256Hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } })

describe("an operation of the manifest", () => {
  test.each([
    ["its hash", byHash(sha256(nameOf))],
    ["its hash with the algorithm's name", byHash(`sha256:${sha256(nameOf)}`)],
    ["its document id", { documentId: `sha256:${sha256(nameOf)}` }],
  ])("an operation of the manifest is executed by %s", async (_name, params) => {
    const { gateway } = await startGateway({ config: { persistedOperations: manifest } })
    expect(await post(gateway, { ...params, variables })).toEqual({ status: 200, answer: named })
  })

  test.each([
    ["its hash", `extensions=${encodeURIComponent(JSON.stringify(byHash(sha256(nameOf)).extensions))}`],
    ["its document id", `documentId=${sha256(nameOf)}`],
  ])(
    "a GET with %s executes an operation of the manifest, but only with a header that no web page can send",
    async (_name, search) => {
      const { gateway } = await startGateway({ config: { persistedOperations: manifest } })
      const url = `http://gateway/graphql?${search}&variables=${encodeURIComponent(JSON.stringify(variables))}`
      expect((await gateway.fetch(url)).status).toBe(403)
      const response = await gateway.fetch(url, { headers: { authorization: `Bearer ${tokens.ada}` } })
      expect(await response.json()).toEqual(named)
    },
  )

  test("a GET never executes a mutation of the manifest", async () => {
    const { gateway, sandbox } = await startGateway({ config: { persistedOperations: manifest } })
    const headers = { authorization: `Bearer ${tokens.ada}` }
    const response = await gateway.fetch("http://gateway/graphql?documentId=archive-1", { headers })
    expect(response.status).toBe(405)
    expect(sandbox.requests).toHaveLength(0)
  })
})

test("an operation of the manifest that the schema does not fit is logged at the start, and the others are executed", async () => {
  const persistedOperations = new Map([...manifest, ["old", "{ capsule(id: 1) { color } }"]])
  const { gateway, lines } = await startGateway({ config: { persistedOperations } })
  expect(lines).toEqual([
    expect.objectContaining({ level: "warn", operation: 'old: Cannot query field "color" on type "Capsule".' }),
  ])
  expect((await post(gateway, { documentId: sha256(nameOf), variables })).answer).toEqual(named)
})

describe("the setting PERSISTED_OPERATIONS_ONLY", () => {
  const config = { persistedOperations: manifest, persistedOperationsOnly: true }

  test("with PERSISTED_OPERATIONS_ONLY an operation of the manifest is executed", async () => {
    const { gateway } = await startGateway({ config })
    expect((await post(gateway, { ...byHash(sha256(nameOf)), variables })).answer).toEqual(named)
  })

  test.each([
    ["a document", { query: "{ __typename }" }],
    ["a document and its hash", { query: "{ __typename }", ...byHash(sha256("{ __typename }")) }],
    ["an unknown hash", byHash(sha256("{ __typename }"))],
    ["an unknown id", { documentId: "archive-2" }],
  ])("with PERSISTED_OPERATIONS_ONLY a request with %s is refused, and the error says why", async (_name, params) => {
    const { gateway } = await startGateway({ config })
    const { status, answer } = await post(gateway, params, "application/graphql-response+json")
    expect(status).toBe(403)
    expect(answer.errors).toEqual([
      {
        message: expect.stringContaining("Only operations of the gateway's manifest are allowed"),
        extensions: { code: "PERSISTED_QUERY_REQUIRED", requestId: expect.any(String) },
      },
    ])
  })
})

describe("automatic persisted queries", () => {
  test("a hash is PERSISTED_QUERY_NOT_FOUND until its document was sent with it", async () => {
    const { gateway } = await startGateway()
    const missing = await post(gateway, { ...byHash(sha256(nameOf)), variables })
    expect(missing).toMatchObject({ status: 200, answer: { errors: [{ message: "PersistedQueryNotFound" }] } })
    expect(missing.answer.errors[0].extensions).toEqual({
      code: "PERSISTED_QUERY_NOT_FOUND",
      requestId: expect.any(String),
    })
    expect((await post(gateway, { query: nameOf, ...byHash(sha256(nameOf)), variables })).answer).toEqual(named)
    expect((await post(gateway, { ...byHash(sha256(nameOf)), variables })).answer).toEqual(named)
  })

  test("a document with another document's hash is refused and not stored", async () => {
    const { gateway } = await startGateway()
    const params = byHash(sha256(nameOf))
    const { answer } = await post(gateway, { query: archive, ...params })
    expect(answer.errors[0]).toMatchObject({
      message: expect.stringContaining("is not the SHA-256"),
      extensions: { code: "BAD_USER_INPUT" },
    })
    expect((await post(gateway, params)).answer.errors[0].message).toBe("PersistedQueryNotFound")
  })

  test.each([
    ["another version of the protocol", { extensions: { persistedQuery: { version: 2, sha256Hash: "x" } } }],
    ["no hash", { extensions: { persistedQuery: { version: 1 } } }],
    ["a document id that is no string", { documentId: 5 }],
    ["both a document id and a document", { documentId: "x", query: "{ __typename }" }],
  ])("an automatic persisted query with %s is refused", async (_name, params) => {
    const { gateway } = await startGateway()
    const { status, answer } = await post(gateway, params, "application/graphql-response+json")
    expect(status).toBe(400)
    expect(answer.errors[0].extensions.code).toBe("BAD_USER_INPUT")
  })

  test("the least recently used persisted documents are dropped when the cache is full", () => {
    const { resolveDocument } = createPersistedOperations({ manifest: undefined, only: false })
    const texts = Array.from({ length: 20 }, (_, index) => `query Q${index} { a } #${"x".repeat(1_000_000)}`)
    for (const query of texts) resolveDocument({ query, ...byHash(sha256(query)) })
    const isKnown = (text: string) => {
      try {
        return resolveDocument(byHash(sha256(text))) === text
      } catch {
        return false
      }
    }
    expect(isKnown(texts[0] as string)).toBe(false)
    expect(isKnown(texts[19] as string)).toBe(true)
    expect(texts.filter(isKnown).length).toBe(8)
  })
})

describe("a manifest that cannot be used", () => {
  test.each([
    ["no JSON", "{", "is not JSON"],
    ["a list", "[]", "must contain one JSON object"],
    ["no operation", "{}", "contains no operation"],
    ["an operation that is no string", '{"a": {"body": "{ b }"}}', 'has a value that is not a string at "a"'],
    ["an operation that is no GraphQL", '{"a": "select 1"}', 'has an invalid document at "a": Syntax Error'],
  ])(
    "a manifest with %s stops the start, and the problem names the file and the mistake",
    async (_name, content, problem) => {
      const path = await fileWith(content)
      expect(problemsOf({ PERSISTED_OPERATIONS: path })).toEqual([
        expect.stringContaining(`PERSISTED_OPERATIONS names ${path}, which ${problem}`),
      ])
    },
  )

  test("a manifest that does not exist stops the start", () => {
    expect(problemsOf({ PERSISTED_OPERATIONS: "/no/such/file.json" })).toEqual([
      "PERSISTED_OPERATIONS names /no/such/file.json, which cannot be read (ENOENT)",
    ])
  })

  test("PERSISTED_OPERATIONS_ONLY without a manifest stops the start", () => {
    expect(problemsOf({ PERSISTED_OPERATIONS_ONLY: "true" })).toEqual([
      expect.stringMatching(/^PERSISTED_OPERATIONS_ONLY would reject every operation/),
    ])
  })

  test("a manifest's ids lose the prefix sha256:", async () => {
    const path = await fileWith(JSON.stringify({ "sha256:abc": nameOf }))
    const env = { CODEOCEAN_URL: "https://codeocean.example.org", PERSISTED_OPERATIONS: path }
    expect(readConfig(env, readManifest).persistedOperations).toEqual(new Map([["abc", nameOf]]))
  })
})

async function fileWith(content: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), "manifest-")), "persisted-documents.json")
  onTestFinished(() => rm(path))
  await writeFile(path, content)
  return path
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig({ CODEOCEAN_URL: "https://codeocean.example.org", ...env }, readManifest)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
