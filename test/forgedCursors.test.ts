import { getNamedType, isObjectType } from "graphql"
import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { checksum, digestOf } from "../src/graph/pagination/cursor.ts"
import { markOf } from "../src/graph/pagination/position.ts"
import { schema } from "../src/graph/schema.ts"
import { cpuMs } from "./support/cpuTime.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGateway, startGatewayOn } from "./support/gateway.ts"

/** Each connection of the graph: how it is selected, and the name and the arguments that its cursors are bound to. */
const connections: Record<string, { ask: (field: string) => string; field: string; binding: [string, string] }> = {
  "Query.searchCapsules": { ask: (field) => `{ ${field} }`, field: "searchCapsules", binding: ["capsules", "{}"] },
  "Query.searchPipelines": { ask: (field) => `{ ${field} }`, field: "searchPipelines", binding: ["pipelines", "{}"] },
  "Query.searchDataAssets": {
    ask: (field) => `{ ${field} }`,
    field: "searchDataAssets",
    binding: ["data_assets", "{}"],
  },
  "Query.recentComputations": {
    ask: (field) => `{ ${field} }`,
    field: "recentComputations",
    binding: ["recentComputations", "[null,null,20]"],
  },
  "Capsule.computations": {
    ask: (field) => `{ capsule(id: "${seed.cellCounter}") { ${field} } }`,
    field: "computations",
    binding: ["computations", seed.cellCounter],
  },
  "Pipeline.computations": {
    ask: (field) => `{ pipeline(id: "${seed.ecephysPipeline}") { ${field} } }`,
    field: "computations",
    binding: ["computations", seed.ecephysPipeline],
  },
  "DataAsset.attachedTo": {
    ask: (field) => `{ dataAsset(id: "${seed.cellImages}") { ${field} } }`,
    field: "attachedTo",
    binding: ["capsules", JSON.stringify({ query: seed.cellImages })],
  },
  "DataAsset.attachedToPipelines": {
    ask: (field) => `{ dataAsset(id: "${seed.mouseRecording}") { ${field} } }`,
    field: "attachedToPipelines",
    binding: ["pipelines", JSON.stringify({ query: seed.mouseRecording })],
  },
}

const head = "abcdefgh"
const marks = (count: number) => "x".repeat(8 * count)
const inJson = (json: string) => `j${Buffer.from(json).toString("base64url")}`

/** Invalid contents of cursors. The content of a search's cursor is `token~head pages~skip`, with `~barren tokens~items` at a page's end. */
const contents: string[] = [
  "",
  "~",
  "~~",
  "~~~~",
  "0",
  "{}",
  "\u0000",
  `~1~0`,
  `~${head}~0`,
  `~${head}-1~0`,
  `~${head}01~0`,
  `~${head}1`,
  `~${head}1~`,
  `~${head}1~-1`,
  `~${head}1~0.5`,
  `~${head}1~00`,
  `~${head}1~1e3 `,
  `~${head}1~${(2 ** 53).toString(36)}`,
  `~${head}1~${(1_000_000_001).toString(36)}`,
  `~${head}1~zzzzzzzzzzzzzzzz`,
  `~${head}zzzzzzzzzz~0`,
  `~abcdefg!1~0`,
  `s~${head}1~0`,
  `sa b~${head}1~0`,
  `x~${head}1~0`,
  `n~${head}1~0`,
  `nNaN~${head}1~0`,
  `nInfinity~${head}1~0`,
  `n0x10~${head}1~0`,
  `n1.5~${head}1~0`,
  `n1e400~${head}1~0`,
  `n01~${head}1~0`,
  `n1,"limit":5~${head}1~0`,
  `n${"9".repeat(4_096)}~${head}1~0`,
  `s${"x".repeat(4_096)}~${head}1~0`,
  `j~${head}1~0`,
  `${inJson("{")}~${head}1~0`,
  `${inJson("1")}~${head}1~0`,
  `${inJson("null")}~${head}1~0`,
  `${inJson('""')}~${head}1~0`,
  `${inJson('["x"]')}~${head}1~0`,
  `${inJson('{"rawJSON": "1"}')}~${head}1~0`,
  `${inJson("[".repeat(2_000))}~${head}1~0`,
  `~${head}1~0~`,
  `~${head}1~0~0`,
  `~${head}1~0~~`,
  `~${head}1~0~x~`,
  `~${head}1~0~-~`,
  `~${head}1~0~0abc~`,
  `~${head}1~0~0~abc`,
  `~${head}1~0~0~${marks(1)}~`,
  `~${head}1~0~0~${marks(49)}`,
  `~${head}1~0~0${marks(49)}~`,
  `~${head}1~0~0~abcdefg!`,
  `~${head}1~0~0~${marks(500)}`,
  // The content of a cursor of runs is `created~id`.
  "1~",
  "x~sabc",
  "~sabc",
  "1e400~sabc",
  "1~abc",
  "1~sabc~",
  "1~sabc~0",
  `1~${inJson("{}")}`,
]

/** A cursor with this content, encoded as the gateway does. */
function forged(binding: [string, string], content: string): string {
  const [first, second] = digestOf(...binding)
  return `4${inSix(first)}${content}${inSix(checksum(content, second))}`
}

/** 32 bits in six characters. */
function inSix(number: number): string {
  const bits = [number >>> 26, number >>> 20, number >>> 14, number >>> 8, number >>> 2, number & 3]
  return bits.map((six) => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[six & 63]).join("")
}

test("searches and items that differ in one character, or in the order of two, have different digests and marks", () => {
  const texts = new Set(["", "\0", "\0\0"])
  for (let number = 0; number < 20_000; number++) {
    const digits = String(number).padStart(12, "0")
    texts.add(`00000000-0000-4000-cccc-${digits}`)
    texts.add(`${digits}-4000-cccc-000000000000`)
  }
  const digests = Array.from(texts, (text) => digestOf("computations", text))
  expect(new Set(digests.map((digest) => digest.join())).size).toBe(texts.size)
  expect(new Set(Array.from(texts, markOf)).size).toBe(texts.size)
  // Each half of 32 bits: less than one pair of 40,000 texts has the same one by chance.
  for (const half of [0, 1] as const)
    expect(new Set(digests.map((digest) => digest[half])).size).toBeGreaterThan(texts.size - 5)
})

test("every connection of the graph is tested with made-up cursors", () => {
  const fields = Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type)
      ? Object.values(type.getFields())
          .filter((field) => getNamedType(field.type).name.endsWith("Connection"))
          .map(({ name }) => `${type.name}.${name}`)
      : [],
  )
  expect(Object.keys(connections).sort()).toEqual(fields.sort())
})

test.each(Object.entries(connections))("%s refuses made-up cursors without a search", async (name, connection) => {
  const { binding, field } = connection
  const { ask, sandbox } = await startGateway()
  const { data } = await ask(connection.ask(`${field}(first: 1) { edges { cursor } }`))
  const found = name.startsWith("Query.") ? data : data[Object.keys(data)[0] ?? ""]
  const { cursor } = found[field].edges[0]
  // The encoding is right: the gateway makes the same cursor itself.
  expect(forged(binding, cursor.slice(7, -6))).toBe(cursor)

  sandbox.requests.length = 0
  for (const text of contents) {
    const query = connection.ask(`${field}(after: $after) { nodes { id } }`)
    const { errors } = await ask(`query ($after: String) ${query}`, { after: forged(binding, text) })
    expect(errors?.[0]?.extensions.code, text.slice(0, 100)).toBe("BAD_USER_INPUT")
    expect(errors?.[0]?.message, text.slice(0, 100)).toContain("`after` is not a cursor of this search")
  }
  expect(sandbox.requests.filter(({ path }) => /search|computations/.test(path))).toEqual([])
})

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

test("a thousand cursors of a search with the largest filters are made in linear time", async () => {
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
