import { describe, expect, test } from "vitest"
import { startGateway, type World } from "./support/gateway.ts"

/** The wire body of the first search. */
async function wireBody(args: string, field = "searchCapsules"): Promise<unknown> {
  const { ask, sandbox } = await startGateway()
  const { errors } = await ask(`{ ${field}(${args}) { nodes { id } } }`)
  expect(errors).toBeUndefined()
  return sandbox.requests[0]?.body
}

describe("the body of a search", () => {
  test.each([
    ["first: 7", { limit: 7 }],
    ['query: "tag:ecephys"', { limit: 20, query: "tag:ecephys" }],
    ['query: ""', { limit: 20 }],
    ["status: NON_RELEASE", { limit: 20, status: "non_release" }],
    ["ownership: SHARED", { limit: 20, ownership: "shared" }],
    ["favorite: false, archived: false", { limit: 20, favorite: false, archived: false }],
    ["favorite: true, archived: true", { limit: 20, favorite: true, archived: true }],
    [
      "orderBy: {field: LAST_ACCESSED, direction: DESC}",
      { limit: 20, sort_field: "last_accessed", sort_order: "desc" },
    ],
    ["orderBy: {field: NAME}", { limit: 20, sort_field: "name", sort_order: "asc" }],
    ['filters: [{key: "name", value: "x"}]', { limit: 20, filters: [{ key: "name", value: "x" }] }],
    [
      'filters: [{key: "tags", values: ["a", 2], exclude: true}]',
      { limit: 20, filters: [{ key: "tags", values: ["a", 2], exclude: true }] },
    ],
    [
      'filters: [{key: "subject id", range: {min: 0}}]',
      { limit: 20, filters: [{ key: "subject id", range: { min: 0 } }] },
    ],
    [
      'filters: [{key: "p", range: {min: 1.5, max: 1.5}, exclude: false}]',
      { limit: 20, filters: [{ key: "p", range: { min: 1.5, max: 1.5 }, exclude: false }] },
    ],
    ["filters: []", { limit: 20 }],
  ])("the body of a search has its arguments and nothing else: %s", async (args, body) => {
    expect(await wireBody(args)).toEqual(body)
    expect(await wireBody(args, "searchPipelines")).toEqual(body)
  })
})

test("filters in variables are sent unchanged", async () => {
  const { ask, sandbox } = await startGateway()
  const filters = [
    { key: "subject id", values: ["730945", 4] },
    { key: "priority", range: { max: 2.5 }, exclude: true },
  ]
  const { errors } = await ask(
    "query ($filters: [SearchFilterInput!]) { searchCapsules(filters: $filters) { nodes { id } } }",
    { filters },
  )
  expect(errors).toBeUndefined()
  expect(sandbox.requests[0]?.body).toEqual({ limit: 20, filters })
})

describe("arguments that Code Ocean would refuse or ignore", () => {
  test.each([
    ["first: 0", /from 1 to 1000/],
    ["first: -1", /from 1 to 1000/],
    ["first: 1001", /from 1 to 1000/],
    ["status: UNRECOGNIZED", /UNRECOGNIZED/],
    ['filters: [{key: "name"}]', /"name".*exactly one of.*none/],
    ['filters: [{key: "name", value: "a", values: ["b"]}]', /exactly one of.*has 2/],
    ['filters: [{key: "name", value: "a", values: ["b"], range: {min: 1}}]', /exactly one of.*has 3/],
    ['filters: [{key: "n", range: {}}]', /`min`, `max` or both/],
    ['filters: [{key: "n", range: {min: 2, max: 1}}]', /`min` is greater than its `max`/],
    ['filters: [{key: "n", values: []}]', /empty list/],
    ['filters: [{key: "n", value: {a: 1}}]', /strings and numbers/],
    ['filters: [{key: "n", values: [true]}]', /strings and numbers/],
    ['filters: [{key: " ", value: "a"}]', /`filters\[0\]\.key` must name a field/],
  ])("a search with %s is refused with a reason", async (args, sentence) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(`{ searchCapsules(${args}) { nodes { id } } }`)
    expect(errors?.[0]?.message).toMatch(sentence)
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("filters that are larger together than a search takes are refused, however short each is", async () => {
    const { ask, sandbox } = await startGateway()
    const filters = Array.from({ length: 700 }, () => ({ key: "n", values: Array(10).fill("value") }))
    const search = "query ($f: [SearchFilterInput!]) { searchDataAssets(filters: $f) { nodes { id } } }"
    const { errors } = await ask(search, { f: filters })
    expect(errors?.[0]?.message).toMatch(/^`filters` take \d{5} characters as JSON; at most 65536 are allowed\./)
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
    expect((await ask(search, { f: filters.slice(0, 600) })).errors).toBeUndefined()
  })

  test("an order without a field is refused", async () => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask("{ searchCapsules(orderBy: {direction: DESC}) { nodes { id } } }")
    expect(errors?.[0]?.message).toContain("CapsuleOrderInput.field")
    expect(sandbox.requests).toHaveLength(0)
  })
})

const generated = { sandbox: { generate: 120 } }
const search = `query ($first: Int, $after: String) {
  searchCapsules(query: "tag:generated", first: $first, after: $after) {
    edges { cursor node { id } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`

/** Walks from a cursor to the end; returns the ids page by page, and checks that the parts of each page agree. */
async function walk(
  ask: World["ask"],
  sizes: (page: number) => number,
  from: string | null = null,
): Promise<string[][]> {
  const pages: string[][] = []
  for (let after = from; ; ) {
    const { data, errors } = await ask(search, { first: sizes(pages.length), after })
    expect(errors).toBeUndefined()
    const { edges, nodes, pageInfo } = data.searchCapsules
    pages.push(nodes.map(({ id }: { id: string }) => id))
    expect(edges.map(({ node }: { node: { id: string } }) => node.id)).toEqual(pages.at(-1))
    expect(pageInfo.startCursor).toBe(edges[0]?.cursor ?? null)
    if (edges.length > 0) expect(pageInfo.endCursor).toBe(edges.at(-1).cursor)
    expect(pageInfo.hasPreviousPage).toBe(after !== null)
    if (!pageInfo.hasNextPage) return pages
    after = pageInfo.endCursor
  }
}

describe("a walk", () => {
  test.each([1, 7, 50, 119, 120, 121, 1000])(
    "a walk in pages of %i finds everything once, for one call a page",
    async (first) => {
      const { ask, sandbox } = await startGateway(generated)
      const pages = await walk(ask, () => first)
      expect(new Set(pages.flat()).size).toBe(120)
      expect(pages.flat()).toHaveLength(120)
      expect(sandbox.requests).toHaveLength(pages.length)
    },
  )

  test("a walk continues with upstream's own token, and the page size may change on the way", async () => {
    const { ask, sandbox } = await startGateway(generated)
    const pages = await walk(ask, (page) => 10 + page * 7)
    expect(pages.flat()).toHaveLength(120)
    const [opening, ...others] = sandbox.requests.map(({ body }) => body as Record<string, unknown>)
    expect(opening).not.toHaveProperty("next_token")
    for (const body of others) {
      expect(body).toHaveProperty("next_token")
      expect(body).not.toHaveProperty("offset")
    }
  })

  test("a walk goes as deep as upstream goes, with cursors of at most 400 characters", async () => {
    const { ask } = await startGateway({ sandbox: { generate: 2500 } })
    const pages: string[][] = []
    for (let after: string | null = null; ; ) {
      const { data } = await ask(search, { first: 400, after })
      pages.push(data.searchCapsules.nodes.map(({ id }: { id: string }) => id))
      after = data.searchCapsules.pageInfo.endCursor as string
      expect(after.length).toBeLessThanOrEqual(400)
      if (!data.searchCapsules.pageInfo.hasNextPage) break
    }
    expect(pages.map(({ length }) => length)).toEqual([400, 400, 400, 400, 400, 400, 100])
    expect(new Set(pages.flat()).size).toBe(2500)
  })

  test("a walk through pipelines finds each of them once", async () => {
    const { ask, sandbox } = await startGateway(generated)
    const ids: string[] = []
    const pipelines = `query ($after: String) { searchPipelines(query: "tag:generated", first: 5, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor }
    } }`
    for (let after: string | null = null; ; ) {
      const { data } = await ask(pipelines, { after })
      ids.push(...data.searchPipelines.nodes.map(({ id }: { id: string }) => id))
      if (!data.searchPipelines.pageInfo.hasNextPage) break
      after = data.searchPipelines.pageInfo.endCursor
    }
    expect([ids.length, new Set(ids).size]).toEqual([12, 12])
    expect(sandbox.requests.map(({ path }) => path)).toEqual(Array(3).fill("/pipelines/search"))
  })

  test("a walk can be resumed after any item of any page, for one call", async () => {
    const { ask, sandbox } = await startGateway(generated)
    const all = (await walk(ask, () => 1000)).flat()
    const opening = await ask(search, { first: 30 })
    const second = await ask(search, { first: 30, after: opening.data.searchCapsules.pageInfo.endCursor })
    for (const [page, offset] of [
      [opening, 0],
      [second, 30],
    ] as const) {
      for (const index of [0, 11, 28]) {
        const before = sandbox.requests.length
        const { data } = await ask(search, { first: 9, after: page.data.searchCapsules.edges[index].cursor })
        const ids = data.searchCapsules.nodes.map(({ id }: { id: string }) => id)
        expect(ids).toEqual(all.slice(offset + index + 1, offset + index + 10))
        expect(sandbox.requests.length - before).toBe(1)
        const rest = await walk(ask, () => 25, data.searchCapsules.pageInfo.endCursor)
        expect(rest.flat()).toEqual(all.slice(offset + index + 10))
      }
    }
  })

  test("a walk ends on a page without items if the last item is gone meanwhile", async () => {
    const { ask, sandbox } = await startGateway(generated)
    const { data } = await ask(search, { first: 20 })
    sandbox.failNext("POST /capsules/search", { status: 200, body: { has_more: false, results: [] } })
    const next = await ask(search, { first: 20, after: data.searchCapsules.pageInfo.endCursor })
    expect(next.data.searchCapsules).toEqual({
      edges: [],
      nodes: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
    })
  })
})

describe("a cursor", () => {
  async function cursorOf(world: World): Promise<string> {
    const { data } = await world.ask(search, { first: 20 })
    return data.searchCapsules.pageInfo.endCursor
  }

  test.each([
    ["changed", (cursor: string) => cursor.replace(/.$/, (last) => (last === "A" ? "B" : "A"))],
    ["cut", (cursor: string) => cursor.slice(0, -4)],
    ["empty", () => ""],
    ["longer", (cursor: string) => `${cursor}.x`],
    ["garbage", () => "Zm9vOmJhcg=="],
    ["of a later gateway", (cursor: string) => cursor.replace(/^4/, "5")],
    ["of an earlier gateway", () => "1.abcdefghijklmnop.WzEsImEiXQ"],
    ["of the gateway before", (cursor: string) => cursor.replace(/^4/, "3")],
    ["enormous", (cursor: string) => cursor + "x".repeat(4_000)],
  ])("a cursor that is %s is refused, and nothing is sent", async (_name, change) => {
    const world = await startGateway(generated)
    const cursor = change(await cursorOf(world))
    const before = world.sandbox.requests.length
    const { errors } = await world.ask(search, { first: 20, after: cursor })
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    expect(errors?.[0]?.message).toContain("not a cursor of this search")
    expect(world.sandbox.requests).toHaveLength(before)
  })

  test.each([
    'searchCapsules(query: "tag:other", first: 20, after: $after)',
    'searchCapsules(query: "tag:generated", status: RELEASE, after: $after)',
    'searchPipelines(query: "tag:generated", after: $after)',
  ])("a cursor of another search is refused by %s", async (field) => {
    const world = await startGateway(generated)
    const after = await cursorOf(world)
    const { errors } = await world.ask(`query ($after: String) { ${field} { nodes { id } } }`, { after })
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  })
})

describe("an upstream with quirks", () => {
  const item = (id: string) => ({ id, created: 1, name: id, status: "release", owner: "o", slug: "1" })
  const page = (ids: string[], more: object) => ({ status: 200, body: { results: ids.map(item), ...more } })

  /** Walks through these pages of upstream, and returns the shown ids and the wire bodies. */
  async function walkThrough(pages: ReturnType<typeof page>[], first: number) {
    const { ask, sandbox } = await startGateway()
    for (const one of pages) sandbox.failNext("POST /capsules/search", one)
    const shown = await walk(ask, () => first)
    return { shown, bodies: sandbox.requests.map(({ body }) => body as Record<string, unknown>) }
  }

  test("items that upstream repeats within a page, where pages meet, and two pages later, are shown once", async () => {
    const { shown } = await walkThrough(
      [
        page(["a", "b", "a"], { has_more: true, next_token: "t1" }),
        page(["b", "c", "d"], { has_more: true, next_token: "t2" }),
        page(["a", "d", "e"], { has_more: false }),
      ],
      3,
    )
    expect(shown).toEqual([["a", "b"], ["c", "d"], ["e"]])
  })

  test("a page of one repeated item still has a next page", async () => {
    const { shown } = await walkThrough(
      [
        page(["a"], { has_more: true, next_token: "t1" }),
        page(["a"], { has_more: true, next_token: "t2" }),
        page(["b"], { has_more: false }),
      ],
      1,
    )
    expect(shown).toEqual([["a"], [], ["b"]])
  })

  test("an upstream token that is a number is sent back as a number, and text as text", async () => {
    const { bodies } = await walkThrough(
      [
        page(["a"], { has_more: true, next_token: 17 }),
        page(["b"], { has_more: true, next_token: "18" }),
        page(["c"], {}),
      ],
      1,
    )
    expect(bodies.map(({ next_token }) => next_token)).toEqual([undefined, 17, "18"])
  })

  test("an upstream that has more but sends no token is searched by offset", async () => {
    const { shown, bodies } = await walkThrough(
      [page(["a", "b"], { has_more: true }), page(["c", "d"], { has_more: true }), page(["e"], { has_more: false })],
      2,
    )
    expect(shown.flat()).toEqual(["a", "b", "c", "d", "e"])
    expect(bodies.map(({ offset }) => offset)).toEqual([undefined, 2, 4])
  })

  test("items beyond the requested page size are not lost", async () => {
    const { shown, bodies } = await walkThrough(
      [
        page(["a", "b", "c", "d", "e"], { has_more: true, next_token: "t1" }),
        page(["c", "d", "e"], { has_more: true, next_token: "t1" }),
        page(["e"], { has_more: true, next_token: "t1" }),
        page(["f"], { has_more: false }),
      ],
      2,
    )
    expect(shown.flat()).toEqual(["a", "b", "c", "d", "e", "f"])
    expect(bodies.map(({ offset, next_token }) => offset ?? next_token)).toEqual([undefined, 2, 4, "t1"])
  })

  test("items that upstream repeats are shown once, also without tokens and in pages longer than requested", async () => {
    const byOffset = await walkThrough(
      [page(["a", "b"], { has_more: true }), page(["b", "c"], { has_more: true }), page(["a", "d"], {})],
      2,
    )
    expect(byOffset.shown).toEqual([["a", "b"], ["c"], ["d"]])
    const tooLong = page(["b", "c", "d", "e"], { has_more: true, next_token: "t2" })
    const overlong = await walkThrough(
      [page(["a", "b"], { has_more: true, next_token: "t1" }), tooLong, tooLong, page(["a", "e", "f"], {})],
      2,
    )
    expect(overlong.shown).toEqual([["a", "b"], ["c", "d"], ["e"], ["f"]])
    expect(overlong.bodies.map(({ next_token }) => next_token)).toEqual([undefined, "t1", "t1", "t2"])
  })

  test('an upstream token of "" counts as none, and the search continues by offset', async () => {
    const { bodies } = await walkThrough(
      [page(["a"], { has_more: true, next_token: "" }), page(["b"], { has_more: false, next_token: "" })],
      1,
    )
    expect(bodies[1]).toMatchObject({ offset: 1 })
    expect(bodies[1]).not.toHaveProperty("next_token")
  })

  test("an empty first page can still have a next page", async () => {
    const { shown } = await walkThrough([page([], { has_more: true, next_token: "t1" }), page(["a"], {})], 2)
    expect(shown).toEqual([[], ["a"]])
  })
})
