import { createHash } from "node:crypto"
import { getNamedType, isObjectType } from "graphql"
import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

/** Each connection of the graph: how it is asked for, and what its cursors are bound to. */
const connections: Record<string, { ask: (field: string) => string; field: string; binding: string }> = {
  "Query.searchCapsules": { ask: (field) => `{ ${field} }`, field: "searchCapsules", binding: "capsules {}" },
  "Query.searchPipelines": { ask: (field) => `{ ${field} }`, field: "searchPipelines", binding: "pipelines {}" },
  "Query.searchDataAssets": { ask: (field) => `{ ${field} }`, field: "searchDataAssets", binding: "data_assets {}" },
  "Capsule.computations": {
    ask: (field) => `{ capsule(id: "${seed.cellCounter}") { ${field} } }`,
    field: "computations",
    binding: `computations ${JSON.stringify([seed.cellCounter, null])}`,
  },
  "Pipeline.computations": {
    ask: (field) => `{ pipeline(id: "${seed.ecephysPipeline}") { ${field} } }`,
    field: "computations",
    binding: `computations ${JSON.stringify([seed.ecephysPipeline, null])}`,
  },
  "DataAsset.attachedTo": {
    ask: (field) => `{ dataAsset(id: "${seed.cellImages}") { ${field} } }`,
    field: "attachedTo",
    binding: `capsules ${JSON.stringify({ query: seed.cellImages })}`,
  },
  "DataAsset.attachedToPipelines": {
    ask: (field) => `{ dataAsset(id: "${seed.mouseRecording}") { ${field} } }`,
    field: "attachedToPipelines",
    binding: `pipelines ${JSON.stringify({ query: seed.mouseRecording })}`,
  },
}

const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`)

/** What nobody's cursor holds, in every kind of JSON. */
const positions: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1e300,
  "",
  "x",
  [],
  [1],
  [1, 2],
  ["1", "x"],
  [null, "x"],
  [1, "x", 2],
  [1, { toString: 1 }],
  [{}, []],
  nested(4_000),
  {},
  { skip: null },
  { skip: "1" },
  { skip: -1 },
  { skip: 0.5 },
  { skip: 1e300 },
  { skip: 2 ** 53 },
  { skip: [1] },
  { skip: nested(3_000) },
  { skip: 0, token: null },
  { skip: 0, token: true },
  { skip: 0, token: 0.5 },
  { skip: 0, token: 1e300 },
  { skip: 0, token: ["x"] },
  { skip: 0, token: { a: nested(2_000) } },
  { skip: 0, token: "x".repeat(4_097) },
  { skip: 0, seen: 1 },
  { skip: 0, seen: null },
  { skip: 0, seen: ["12345678"] },
  { skip: 0, seen: "1234567" },
  { skip: 0, seen: "123456789" },
  { skip: 0, seen: "x".repeat(8_008) },
  { skip: 0, other: 1 },
  JSON.parse('{"skip": 0, "__proto__": {"skip": 1}}'),
]

/** The cursor that holds this text, as anyone can make it who has read how. */
function forged(binding: string, text: string): string {
  const payload = Buffer.from(text).toString("base64url")
  const digest = createHash("sha256").update(`1\n${binding}\n${payload}`).digest("base64url")
  return `1.${digest.slice(0, 16)}.${payload}`
}

test("every connection of the graph is among those that are tried", () => {
  const fields = Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type)
      ? Object.values(type.getFields())
          .filter((field) => getNamedType(field.type).name.endsWith("Connection"))
          .map(({ name }) => `${type.name}.${name}`)
      : [],
  )
  expect(Object.keys(connections).sort()).toEqual(fields.sort())
})

test.each(Object.entries(connections))(
  "%s refuses cursors that somebody made up, without a search",
  async (name, connection) => {
    const { binding, field } = connection
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(connection.ask(`${field}(first: 1) { edges { cursor } }`))
    const found = name.startsWith("Query.") ? data : data[Object.keys(data)[0] ?? ""]
    const { cursor } = found[field].edges[0]
    // It is forged in the right way: like this the gateway makes them itself.
    expect(forged(binding, Buffer.from(cursor.split(".")[2], "base64url").toString())).toBe(cursor)

    sandbox.requests.length = 0
    for (const text of [...positions.map((position) => JSON.stringify(position)), "", "{", "[1,", "\ud800", "NaN"]) {
      const query = connection.ask(`${field}(after: $after) { nodes { id } }`)
      const { errors } = await ask(`query ($after: String) ${query}`, { after: forged(binding, text) })
      expect(errors?.[0]?.extensions.code, text.slice(0, 100)).toBe("BAD_USER_INPUT")
      expect(errors?.[0]?.message, text.slice(0, 100)).toContain("`after` is not a cursor of this search")
    }
    expect(sandbox.requests.filter(({ path }) => /search|computations/.test(path))).toEqual([])
  },
)

test.each([
  ["a text of 5,000 characters", "x".repeat(5_000)],
  ["a fraction", 0.5],
  ["an object", { page: 2 }],
])("a walk goes on where Code Ocean's token for the next page is %s", async (_name, next_token) => {
  let calls = 0
  const { url } = await startFaultyUpstream(() => ({
    body: { has_more: true, next_token, results: [{ id: `c${++calls}`, name: "C", slug: "1" }] },
  }))
  const { ask } = startGatewayOn(url)
  const query =
    "query ($after: String) { searchCapsules(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } }"
  const { data } = await ask(query)
  const next = await ask(query, { after: data.searchCapsules.pageInfo.endCursor })
  expect(next.errors).toBeUndefined()
  expect(next.data.searchCapsules.nodes).toEqual([{ id: "c2" }])
})

test("a thousand cursors of a search with the largest filters keep nobody from an answer", async () => {
  const { url } = await startFaultyUpstream(() => ({
    body: {
      has_more: true,
      next_token: "next",
      results: Array.from({ length: 1000 }, (_, index) => ({ id: `c${index}`, name: "C", slug: "1" })),
    },
  }))
  const { ask, gateway } = startGatewayOn(url)
  const address = await gateway.listen()
  const filters = [{ key: "name", values: Array(16).fill("x".repeat(4_000)), exclude: true }]
  const ends = Array.from({ length: 300 }, (_, index) => `e${index}: endCursor`).join(" ")
  const query = `query ($filters: [SearchFilterInput!]) {
    searchCapsules(first: 1000, filters: $filters) { edges { cursor other: cursor } pageInfo { ${ends} } }
  }`
  let isAnswered = false
  const answered = ask(query, { filters }).finally(() => {
    isAnswered = true
  })
  while (!isAnswered) {
    const asked = cpuMs()
    await fetch(`${address}/health`)
    expect(cpuMs() - asked).toBeLessThan(1_500)
  }
  const { data } = await answered
  expect(new Set(data.searchCapsules.edges.map(({ cursor }: { cursor: string }) => cursor)).size).toBe(1000)
  expect(data.searchCapsules.pageInfo.e0).toBe(data.searchCapsules.edges[999].cursor)
})
