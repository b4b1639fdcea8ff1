import { describe, expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { readConfig } from "../src/config/config.ts"
import type { GatewayOptions } from "../src/server.ts"
import { startFaultyUpstream, type UpstreamRequest } from "./support/faultyUpstream.ts"
import { type Result, startGateway, startGatewayOn } from "./support/gateway.ts"

const { limits } = readConfig({ CODEOCEAN_URL: "https://codeocean.example.org" })
const aliases = (count: number, selection: string) =>
  Array.from({ length: count }, (_, index) => `a${index}: ${selection}`).join(" ")

/** An upstream whose capsules all have these fields, and which accepts every change. */
function startFilled(more: (id: string) => object, page = 1000) {
  const capsule = (id: string) => ({ id, name: "n", slug: "1", owner: "o", status: "release", created: 1, ...more(id) })
  return startFaultyUpstream(({ method, path }: UpstreamRequest) => {
    if (method === "PATCH" || method === "DELETE") return { status: 204 }
    if (path.startsWith("/capsules/search")) {
      return { body: { has_more: false, results: Array.from({ length: page }, (_, index) => capsule(`c${index}`)) } }
    }
    if (path.startsWith("/computations/"))
      return { body: { id: path.slice(14), name: "r", state: "running", created: 1 } }
    return { body: capsule(path.slice("/capsules/".length)) }
  })
}

const ways: [string, Pick<GatewayOptions, "fastPath" | "compiledExecutor">][] = [
  ["the plain path", {}],
  ["Yoga's path", { fastPath: false }],
  ["graphql-js's executor", { fastPath: false, compiledExecutor: false }],
]

function expectTooLarge({ data, errors }: Result, most: number) {
  expect(data).toBeNull()
  expect(errors).toHaveLength(1)
  expect(errors?.[0]?.extensions.code).toBe("OPERATION_TOO_COSTLY")
  expect(errors?.[0]?.message).toMatch(`The response is larger than the limit of ${most} bytes.`)
}

describe("the estimate of a response's size", () => {
  test.each([
    ["many aliases of a long text", `{ searchCapsules(first: 1000) { nodes { ${aliases(100, "description")} } } }`],
    [
      "many aliases of a long text by edges",
      `{ searchCapsules(first: 1000) { edges { node { ${aliases(100, "description")} } } } }`,
    ],
    [
      "ninety pages of data assets",
      `{ ${aliases(90, "searchDataAssets(first: 1000) { nodes { name description mount tags } }")} }`,
    ],
    ["cursors of sixty pages", `{ ${aliases(60, "searchDataAssets(first: 1000) { edges { cursor b: cursor } }")} }`],
  ])("an operation with %s is refused before its first call", async (_what, query) => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(query)
    expect(data).toBeUndefined()
    expect(errors?.[0]?.message).toMatch(
      /^The response to this operation may need \d+ bytes; at most 33554432 are allowed\./,
    )
    expect(errors?.[0]?.extensions).toMatchObject({ code: "OPERATION_TOO_COSTLY", limit: limits.responseBytes })
    expect(sandbox.requests).toEqual([])
  })

  test("an operation with many aliases of the schema is refused", async () => {
    const { ask } = await startGateway({ config: { limits: { ...limits, responseBytes: 10_000_000 } } })
    const fields = aliases(7, "fields { name description args { name description } }")
    const { data, errors } = await ask(`{ ${aliases(60, `__schema { types { ${fields} } }`)} }`)
    expect(data).toBeUndefined()
    expect(errors?.[0]?.message).toMatch(
      /^The response to this operation may need \d+ bytes; at most 10000000 are allowed\./,
    )
  })

  test("the smaller request that a refusal names is allowed, and one with one item more is not", async () => {
    const { ask, sandbox } = await startGateway()
    const query = (first: number) => `{ searchCapsules(first: ${first}) { nodes { ${aliases(100, "description")} } } }`
    const { errors } = await ask(query(1000))
    const [, passing] = /`searchCapsules\(first: (\d+)\)` would be allowed/.exec(errors?.[0]?.message ?? "") ?? []
    expect(Number(passing)).toBeGreaterThan(500)
    expect((await ask(query(Number(passing) + 1))).errors).toHaveLength(1)
    expect(sandbox.requests).toHaveLength(0)
    expect((await ask(query(Number(passing)))).errors).toBeUndefined()
  })

  test("ten of the largest pages with all fields of a table are allowed", async () => {
    const { ask } = await startGateway()
    const fields = "id name status owner slug created lastAccessed description field tags versions { majorVersion doi }"
    const page = `searchCapsules(first: 1000) { edges { cursor node { ${fields} } } pageInfo { endCursor hasNextPage } }`
    expect((await ask(`{ ${page} }`)).errors).toBeUndefined()
    expect((await ask(`{ ${aliases(10, page)} }`)).errors).toBeUndefined()
  })
})

describe.each(ways)("responses that are too large, on %s", (_way, options) => {
  const most = 100_000
  const small = { ...options, config: { limits: { ...limits, responseBytes: most } } }

  test.each<[string, (id: string) => object, string]>([
    [
      "many values of one long text",
      () => ({ name: "x".repeat(200) }),
      "{ searchCapsules(first: 800) { nodes { name } } }",
    ],
    [
      "characters that JSON writes as six",
      () => ({ name: "\u0001".repeat(80) }),
      "{ searchCapsules(first: 300) { nodes { name } } }",
    ],
    [
      "characters of three bytes",
      () => ({ name: "語".repeat(150) }),
      "{ searchCapsules(first: 300) { nodes { name } } }",
    ],
    ["long lists", () => ({ tags: Array(500).fill("t") }), "{ searchCapsules(first: 300) { nodes { tags } } }"],
    [
      "lists of objects",
      () => ({ versions: Array(100).fill({ major_version: 1 }) }),
      "{ searchCapsules(first: 300) { nodes { versions { majorVersion } } } }",
    ],
  ])("a response with too many bytes by %s is replaced by an error", async (_by, more, query) => {
    const { url } = await startFilled(more)
    const { ask, gateway } = startGatewayOn(url, small)
    expectTooLarge(await ask(query), most)
    expect((await ask('{ capsule(id: "c1") { name } }')).errors).toBeUndefined()
    expect(gateway.stats).toMatchObject({ requests: 0 })
  })

  test("the error in place of a mutation's response says that the change was made", async () => {
    const { url, requests } = await startFilled(() => ({ description: "x".repeat(most) }))
    const { ask } = startGatewayOn(url, small)
    const change = (key: string, id: string) =>
      `${key}: archiveCapsule(input: {id: "${id}", archived: true}) { ... on ArchiveCapsulePayload { capsule { description } } }`
    const result = await ask(`mutation { ${change("first", "c1")} }`)
    expectTooLarge(result, most)
    expect(result.errors?.[0]?.message).toContain("Executed, or refused by Code Ocean: `first`.")
    expect(result.errors?.[0]?.message).toContain("Do not repeat the mutation")
    expect(requests.filter(({ method }) => method === "PATCH")).toHaveLength(1)
  })

  test("a response with too many copies of the schema is replaced by an error", async () => {
    const { url } = await startFilled(() => ({}))
    const { ask } = startGatewayOn(url, { ...options, config: { limits: { ...limits, responseBytes: 60_000 } } })
    // Larger than the average type, so that the estimate is below the limit.
    const query = `{ ${aliases(12, '__type(name: "Capsule") { fields { name description type { fields { name description } } } }')} }`
    expectTooLarge(await ask(query), 60_000)
  })
})

test("once a response is too large, the mutation's other fields are not executed, and the error names them", async () => {
  const most = 100_000
  const { url, requests } = await startFilled((id) => ({ description: id === "c2" ? "x".repeat(most) : "" }))
  const { ask } = startGatewayOn(url, { config: { limits: { ...limits, responseBytes: most } } })
  const changes = ["c1", "c2", "c3"].map(
    (id) =>
      `${id}: archiveCapsule(input: {id: "${id}", archived: true}) { ... on ArchiveCapsulePayload { capsule { description } } }`,
  )
  const result = await ask(`mutation { ${changes.join(" ")} }`)
  expectTooLarge(result, most)
  expect(result.errors?.[0]?.message).toContain("Executed, or refused by Code Ocean: `c1`, `c2`. Not executed: `c3`.")
  expect(requests.filter(({ method }) => method === "PATCH").map(({ path }) => path)).toHaveLength(2)
})

test("once a response is too large, its pending calls are cancelled", async () => {
  const most = 100_000
  let cut = 0
  const { url } = await startFaultyUpstream(({ path }, response) => {
    if (path.startsWith("/capsules/slow")) {
      response.on("close", () => {
        cut += 1
      })
      return undefined
    }
    return { body: { id: "c1", name: "x".repeat(most) } }
  })
  const { ask } = startGatewayOn(url, { config: { limits: { ...limits, responseBytes: most } } })
  expectTooLarge(
    await ask(
      '{ a: capsule(id: "slow1") { name } b: capsule(id: "slow2") { name } c: capsule(id: "c1") { name d: name } }',
    ),
    most,
  )
  await expect.poll(() => cut).toBe(2)
})

test.each([
  ["the compiled executor", ""],
  // An alias that only graphql-js can execute.
  ["graphql-js", "__proto__: slug "],
])("490 aliases of a thousand long texts give an error, not a broken connection, from %s", async (_executor, more) => {
  const { url } = await startFilled(() => ({ name: "x".repeat(2_000) }))
  const { ask, gateway, lines } = startGatewayOn(url)
  expectTooLarge(
    await ask(`{ searchCapsules(first: 1000) { nodes { ${more}${aliases(490, "name")} } } }`),
    limits.responseBytes,
  )
  const health = await fetch(`${await gateway.listen()}/health`)
  expect(health.status).toBe(200)
  expect(lines.filter(({ level }) => level === "error")).toEqual([])
})

test("an event of a subscription that is too large is replaced by an error, and the stream continues", async () => {
  const most = 10_000
  const { url } = await startFaultyUpstream(() => ({
    body: { id: "r1", name: "x".repeat(most), state: "completed", created: 1 },
  }))
  const { gateway } = startGatewayOn(url, { config: { limits: { ...limits, responseBytes: most } } })
  const response = await gateway.fetch("http://gateway/graphql", {
    method: "POST",
    headers: { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query: 'subscription { computation(id: "r1") { name } }' }),
  })
  const text = await response.text()
  expect(text).toContain("OPERATION_TOO_COSTLY")
  expect(text).toContain("event: complete")
  expect(text.length).toBeLessThan(most)
})

test("a part of an incremental response that is too large is replaced by an error", async () => {
  const most = 10_000
  const { url } = await startFilled(() => ({ description: "x".repeat(most) }))
  const { gateway } = startGatewayOn(url, {
    config: { limits: { ...limits, responseBytes: most }, incrementalDelivery: true },
  })
  const response = await gateway.fetch("http://gateway/graphql", {
    method: "POST",
    headers: { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json", accept: "multipart/mixed" },
    body: JSON.stringify({ query: '{ capsule(id: "c1") { name ... @defer { description } } }' }),
  })
  const text = await response.text()
  expect(text).toContain("OPERATION_TOO_COSTLY")
  expect(text.length).toBeLessThan(most)
})

describe.each(ways)("responses with very many errors, on %s", (_way, options) => {
  test("a response keeps 1000 errors and says how many are omitted", async () => {
    const { url } = await startFilled(() => ({ created: "never" }))
    const { ask } = startGatewayOn(url, options)
    const { data, errors } = await ask(
      `{ searchCapsules(first: 1000) { nodes { id ${aliases(3, "computations(first: 0) { nodes { id } }")} } } }`,
    )
    expect(data.searchCapsules.nodes).toHaveLength(1000)
    expect(errors).toHaveLength(1001)
    expect(errors?.[1000]?.message).toMatch(/^Errors left out: 2000\. A response has at most 1000\./)
  })
})

test("an operation with more than 50,000 failed fields is stopped", async () => {
  const { url } = await startFilled(() => ({ last_accessed: "never" }))
  const { ask } = startGatewayOn(url)
  const { data, errors } = await ask(`{ searchCapsules(first: 1000) { nodes { ${aliases(200, "lastAccessed")} } } }`)
  expect(data).toBeNull()
  expect(errors).toHaveLength(1)
  expect(errors?.[0]?.message).toMatch("More than 50000 fields of this operation failed.")
  expect(errors?.[0]?.extensions.code).toBe("OPERATION_TOO_COSTLY")
})

test("a hundred thousand fields that can make calls are refused, even if they would need none", async () => {
  const { ask, sandbox } = await startGateway()
  const { errors } = await ask(
    `{ searchCapsules(first: 1000) { nodes { ${aliases(100, "computations(first: 0) { nodes { id } }")} } } }`,
  )
  expect(errors?.[0]?.extensions.code).toBe("OPERATION_TOO_COSTLY")
  expect(sandbox.requests).toEqual([])
})
