import { describe, expect, test } from "vitest"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGatewayOn, type World } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"

interface SearchBody {
  limit: number
  offset?: number
  next_token?: string | number
}

interface Answer {
  results: string[]
  has_more?: unknown
  /** Text is JSON of its own, such as a number of many digits. */
  next_token?: unknown
}

const item = (id: string) => ({ id, name: id, slug: "1" })
const ids = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, index) => `c${from + index}`)

/** A gateway on an upstream that answers searches with this function; `calls` has the bodies of the searches as text. */
async function startSearching(answer: (body: SearchBody, call: number) => Answer) {
  const calls: string[] = []
  const { url } = await startFaultyUpstream(({ body }) => {
    calls.push(body)
    const { results, ...more } = answer(JSON.parse(body), calls.length - 1)
    return { body: JSON.stringify({ results: results.map(item), ...more }) }
  })
  return { calls, ...startGatewayOn(url) }
}

interface Step {
  ids: string[]
  cursors: string[]
  endCursor: string | null
  hasNextPage: boolean
  errors: { message: string; path?: (string | number)[]; extensions: { code: string } }[]
}

const query = `query ($first: Int, $after: String) { searchCapsules(first: $first, after: $after) {
  edges { cursor node { id } } pageInfo { endCursor hasNextPage }
} }`

async function pageAfter(ask: World["ask"], first: number, after: string | null): Promise<Step> {
  const { data, errors = [] } = await ask(query, { first, after })
  expect(data?.searchCapsules, JSON.stringify(errors)).toBeTruthy()
  const { edges, pageInfo } = data.searchCapsules
  return {
    ids: edges.map(({ node }: { node: { id: string } }) => node.id),
    cursors: edges.map(({ cursor }: { cursor: string }) => cursor),
    ...pageInfo,
    errors,
  }
}

/** Walks until there is no next page. Fails if the walk takes more than `most` pages. */
async function walk(ask: World["ask"], first: number | ((page: number) => number), most = 60): Promise<Step[]> {
  const steps: Step[] = []
  for (let after: string | null = null; ; ) {
    const step = await pageAfter(ask, typeof first === "number" ? first : first(steps.length), after)
    steps.push(step)
    if (!step.hasNextPage) return steps
    expect(steps.length).toBeLessThan(most)
    after = step.endCursor
  }
}

const shown = (steps: Step[]) => steps.flatMap((step) => step.ids)

/** The walk ends on its last page with an error that says this, and with no other error. */
function expectEnd(steps: Step[], sentence: string | RegExp): void {
  const errors = steps.flatMap((step) => step.errors)
  expect(errors.map(({ path, extensions }) => [path?.join("."), extensions.code])).toEqual([
    ["searchCapsules.pageInfo.endCursor", "UPSTREAM_INVALID_RESPONSE"],
  ])
  expect(errors[0]?.message).toMatch(sentence)
  expect(steps.at(-1)).toMatchObject({ endCursor: null, hasNextPage: false, errors })
}

describe("walks over pages of Code Ocean that do not end", () => {
  test.each([
    [1, ["A"]],
    [2, ["A", "B"]],
    [3, ["A", "B", "C"]],
    [30, Array.from({ length: 30 }, (_, index) => `T${index}`)],
  ])("tokens that come again after %i pages end the walk before a page is requested twice", async (count, tokens) => {
    const { ask, calls } = await startSearching(({ next_token }) => {
      const page = next_token === undefined ? 0 : tokens.indexOf(String(next_token)) + 1
      return { results: ids(page * 3, page * 3 + 3), has_more: true, next_token: tokens[page % tokens.length] }
    })
    const steps = await walk(ask, 3)
    expectEnd(steps, "token for the next page is one that came before")
    expect(shown(steps)).toEqual(ids(0, (count + 1) * 3))
    expect(calls).toHaveLength(count + 1)
  })

  test("tokens that come again, but not from the first, end the walk within three rounds", async () => {
    const next = (page: number) => (page < 50 ? page + 1 : 20)
    const { ask } = await startSearching(({ next_token }) => {
      const page = Number(String(next_token ?? "t0").slice(1))
      return { results: ids(page * 3, page * 3 + 3), has_more: true, next_token: `t${next(page)}` }
    })
    const steps = await walk(ask, 3, 150)
    expectEnd(steps, /came before|an earlier page again/)
    expect(new Set(shown(steps))).toEqual(new Set(ids(0, 153)))
  })

  test.each([2, 20, 100, 1000])("an offset that Code Ocean ignores ends a walk in pages of %i", async (first) => {
    const { ask, calls } = await startSearching(({ limit }) => ({ results: ids(0, limit), has_more: true }))
    const steps = await walk(ask, first)
    expectEnd(steps, /ignored the offset|nothing new/)
    expect(calls).toHaveLength(2)
  })

  test("an ignored offset ends a walk in pages of one", async () => {
    const { ask } = await startSearching(() => ({ results: ["a"], has_more: true }))
    const steps = await walk(ask, 1, 6)
    expectEnd(steps, /ignored the offset|nothing new/)
    expect(shown(steps)).toEqual(["a"])
  })

  test("an ignored offset and an ignored limit end a walk", async () => {
    const { ask } = await startSearching(() => ({ results: ids(0, 500), has_more: true }))
    expectEnd(await walk(ask, 20), "ignored the offset")
  })

  test("a page that comes again under new tokens ends the walk, however large it is", async () => {
    for (const size of [2, 20, 300]) {
      const { ask, calls } = await startSearching((_body, call) => ({
        results: ids(0, size),
        has_more: true,
        next_token: `t${call}`,
      }))
      expectEnd(await walk(ask, size), /nothing new|an earlier page again/)
      expect(calls).toHaveLength(2)
    }
  })

  test("pages that come again in turns under new tokens end the walk", async () => {
    for (const size of [1, 2, 50]) {
      const { ask } = await startSearching((_body, call) => {
        const page = call % 7
        return { results: ids(page * size, (page + 1) * size), has_more: true, next_token: call + 1 }
      })
      const steps = await walk(ask, size)
      expectEnd(steps, /nothing new|an earlier page again/)
      expect(new Set(shown(steps))).toEqual(new Set(ids(0, 7 * size)))
    }
  })

  test("empty pages under new tokens are followed three times", async () => {
    const { ask, calls } = await startSearching((_body, call) => ({
      results: [],
      has_more: true,
      next_token: `t${call}`,
    }))
    expectEnd(await walk(ask, 5), "nothing new on 4 pages")
    expect(calls).toHaveLength(4)
  })

  test.each([null, "", 0, undefined])(
    "an empty page with the token %j ends the walk although there is more",
    async (next_token) => {
      const { ask } = await startSearching(() => ({ results: [], has_more: true, next_token }))
      expectEnd(await walk(ask, 5), "no token for the next page")
    },
  )

  test.each(["last", "before the last"])("a walk by the cursor of the item that is %s ends", async (which) => {
    const upstreams: ((body: SearchBody, call: number) => Answer)[] = [
      ({ limit }) => ({ results: ids(0, limit), has_more: true }),
      ({ next_token }) =>
        next_token === "A"
          ? { results: ids(4, 8), has_more: true, next_token: "B" }
          : { results: ids(0, 4), has_more: true, next_token: "A" },
      (_body, call) => ({ results: ids(0, 4), has_more: true, next_token: `t${call}` }),
    ]
    for (const upstream of upstreams) {
      const { ask, calls } = await startSearching(upstream)
      let step = await pageAfter(ask, 4, null)
      while (step.hasNextPage) {
        const cursor = step.cursors.at(which === "last" ? -1 : -2) ?? step.cursors.at(-1)
        step = await pageAfter(ask, 4, cursor ?? step.endCursor)
        expect(calls.length).toBeLessThan(40)
      }
      expect(step.errors[0]?.extensions.code).toBe("UPSTREAM_INVALID_RESPONSE")
    }
  })

  test("a token that came before is no error on the last page", async () => {
    const { ask } = await startSearching(({ next_token }) =>
      next_token === undefined
        ? { results: ["a"], has_more: true, next_token: "t" }
        : { results: ["a", "b"], has_more: false, next_token: "t" },
    )
    const steps = await walk(ask, 5)
    expect([shown(steps), steps.flatMap(({ errors }) => errors)]).toEqual([["a", "b"], []])
  })

  describe.each([
    ["a last page with an item", ["a", "b", "c"]],
    ["a last page without items", ["a", "b"]],
  ])("%s, where Code Ocean has more", (_what, all) => {
    const hasItems = all.length > 2
    const selections: [selection: string, isShown: boolean][] = [
      ["nodes { id }", hasItems],
      ["edges { cursor }", hasItems],
      ["... on CapsuleConnection { edges { node { id } } }", hasItems],
      ["nodes { id } pageInfo { hasPreviousPage }", hasItems],
      ["pageInfo { hasNextPage }", false],
      ["nodes { id } ... { pageInfo { ... on PageInfo { hasNextPage } } }", false],
      ["pageInfo { hasNextPage endCursor @skip(if: true) }", false],
      ["nodes { id } pageInfo { more: hasNextPage } other: pageInfo { startCursor }", false],
    ]

    test.each(selections)("is an error if the selection { %s } would hide that", async (selection, isShown) => {
      const { url } = await startFaultyUpstream(({ body }) => {
        const results = body.includes("next_token") ? all.slice(2) : all.slice(0, 2)
        return { body: { results: results.map(item), has_more: true, next_token: "t" } }
      })
      for (const compiledExecutor of [true, false]) {
        const { ask } = startGatewayOn(url, { compiledExecutor })
        const { endCursor } = await pageAfter(ask, 2, null)
        const { data, errors = [] } = await ask(
          `query ($after: String) { searchCapsules(first: 2, after: $after) { ${selection} } }`,
          { after: endCursor },
        )
        expect(data.searchCapsules === null).toBe(!isShown)
        expect(errors.map(({ path, extensions }) => [path, extensions.code])).toEqual(
          isShown ? [] : [[["searchCapsules"], "UPSTREAM_INVALID_RESPONSE"]],
        )
      }
    })
  })

  test("every search of the graph fails where its selection would hide that Code Ocean has more", async () => {
    const { url } = await startFaultyUpstream(({ path }) => ({
      body: path.endsWith("/search") ? { results: [], has_more: true } : { id: "d1", name: "D" },
    }))
    const { ask } = startGatewayOn(url)
    const page = "{ nodes { id } pageInfo { hasNextPage } }"
    const { data, errors } = await ask(`{ searchCapsules ${page} searchPipelines ${page} searchDataAssets ${page}
      dataAsset(id: "d1") { name attachedTo ${page} attachedToPipelines ${page} } }`)
    expect(data).toEqual({
      searchCapsules: null,
      searchPipelines: null,
      searchDataAssets: null,
      dataAsset: { name: "D", attachedTo: null, attachedToPipelines: null },
    })
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(Array(5).fill("UPSTREAM_INVALID_RESPONSE"))
  })

  test.each([
    ["true", true],
    ["True", true],
    [1, true],
    [{}, true],
    ["perhaps", true],
    ["false", false],
    ["FALSE", false],
    ["0", false],
    [0, false],
    ["", false],
    [null, false],
    [undefined, false],
  ])("has_more: %j means %s, and no list ends early", async (has_more, hasNextPage) => {
    const { ask } = await startSearching((_body, call) => ({ results: [`c${call}`], has_more, next_token: `t${call}` }))
    expect(await pageAfter(ask, 1, null)).toMatchObject({ hasNextPage, errors: [] })
  })
})

describe("tokens", () => {
  test.each(["12345678901234567890", "9007199254740993", "-12345678901234567890", "17", '"007"', '"ä~\\ud800 x"'])(
    "the token %s is sent back as it came",
    async (token) => {
      let body = ""
      const { url } = await startFaultyUpstream((request) => {
        body = request.body
        const results = [{ ...item(body.includes("next_token") ? "b" : "a"), custom: { next_token: Number.MAX_VALUE } }]
        return { body: `{"next_token": ${token}, "has_more": true, "results": ${JSON.stringify(results)}}` }
      })
      const { ask } = startGatewayOn(url)
      const { endCursor } = await pageAfter(ask, 1, null)
      const { ids } = await pageAfter(ask, 1, endCursor)
      expect(ids).toEqual(["b"])
      expect(body).toContain(`"next_token":${token},`)
    },
  )

  test("an item's cursor in the middle of a page has the digits of its token", async () => {
    const { url, requests } = await startFaultyUpstream(({ body }) => ({
      body: `{"has_more": true, "results": ${JSON.stringify((body.includes("next_token") ? ids(3, 6) : ids(0, 3)).map(item))},
        "next_token": 12345678901234567890}`,
    }))
    const { ask } = startGatewayOn(url)
    const first = await pageAfter(ask, 3, null)
    const second = await pageAfter(ask, 3, first.endCursor)
    await pageAfter(ask, 3, second.cursors[0] ?? null)
    expect(requests.at(-1)?.body).toBe('{"next_token":12345678901234567890,"limit":4}')
  })
})

describe("the length of a cursor", () => {
  test.each([
    ["no token", () => undefined],
    ["a short token", (page: number) => `${page}`.padStart(20, "0")],
    ["a token of 200 characters", (page: number) => `${page}`.padStart(200, "x")],
  ])(
    "a cursor has at most 400 characters at the end of a page, and 70 and its token for an item: %s",
    async (_name, tokenOf) => {
      let page = 0
      const { ask } = await startSearching(() => {
        page += 1
        return { results: ids(page * 50, page * 50 + 50), has_more: true, next_token: tokenOf(page) }
      })
      let after: string | null = null
      for (let step = 0; step < 60; step++) {
        const { cursors, endCursor, errors } = await pageAfter(ask, 50, after)
        expect(errors).toEqual([])
        expect(endCursor?.length).toBeLessThanOrEqual(400)
        expect(cursors[30]?.length).toBeLessThanOrEqual(45 + (tokenOf(page)?.length ?? 0))
        after = endCursor
      }
      // Marks fill the rest of the cursor.
      expect(after?.length).toBeGreaterThan(380)
    },
  )

  test("a cursor of a run has at most 400 characters whatever its id is, and every run is shown once", async () => {
    const all = [
      "語".repeat(256),
      "\u0001".repeat(256),
      "é".repeat(36),
      "x".repeat(256),
      "plain",
      "~",
      "語".repeat(255),
    ]
    const { url } = await startFaultyUpstream(({ path }) => ({
      body: path.endsWith("/computations") ? all.map((id) => ({ ...item(id), created: 1 })) : item("c1"),
    }))
    const { ask } = startGatewayOn(url)
    const page = async (after: string | null, first = 1) => {
      const { data } = await ask(
        `query ($after: String, $first: Int) { capsule(id: "c1") { computations(first: $first, after: $after) {
          edges { cursor node { id } } pageInfo { hasNextPage endCursor }
        } } }`,
        { after, first },
      )
      return data.capsule.computations
    }
    const seen = []
    for (let after: string | null = null, hasNextPage = true; hasNextPage; ) {
      const { edges, pageInfo } = await page(after)
      expect(edges).toHaveLength(1)
      seen.push(edges[0])
      expect(pageInfo.endCursor.length).toBeLessThanOrEqual(400)
      ;({ endCursor: after, hasNextPage } = pageInfo)
    }
    expect(seen).toEqual((await page(null, 20)).edges)
    expect(seen).toHaveLength(all.length)
  })

  test("a token that is longer still leaves room for marks", async () => {
    let page = 0
    const { ask } = await startSearching(() => {
      page += 1
      return { results: ids(page * 49, page * 49 + 50), has_more: true, next_token: `${page}`.padStart(4_000, "x") }
    })
    const first = await pageAfter(ask, 50, null)
    const second = await pageAfter(ask, 50, first.endCursor)
    expect(second.ids).toEqual(ids(99, 148))
    expect(second.endCursor?.length).toBeLessThan(4_400)
  })
})

/** A search whose results change between calls, on an upstream whose pages overlap. */
const habits = fc.record({
  total: fc.integer({ min: 0, max: 60 }),
  /** How many items of the page before are sent again. */
  overlap: fc.integer({ min: 0, max: 1 }),
  tokens: fc.constantFrom("text", "number", "none", "0", "empty"),
  /** How many results more or fewer than requested are sent. */
  surplus: fc.integer({ min: -2, max: 3 }),
  sizes: fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 4 }),
})

test("a walk over an upstream that repeats items and ignores limits shows every item once, and ends", async () => {
  await fc.assert(
    fc.asyncProperty(habits, async ({ total, overlap, tokens, surplus, sizes }) => {
      const { ask, calls, gateway } = await startSearching(({ next_token, offset = 0, limit }) => {
        const begin =
          next_token === undefined || next_token === 0 ? offset : Number(String(next_token).replace("t", ""))
        const count = Math.max(1, limit + surplus)
        const from = Math.max(0, begin - (begin > 0 ? overlap : 0))
        const end = Math.min(total, begin + count)
        const token = { text: `t${end}`, number: end, none: undefined, "0": 0, empty: "" }[tokens]
        return { results: ids(from, end), has_more: end < total, next_token: token }
      })
      const steps = await walk(ask, (page) => sizes[page % sizes.length] as number, 200)
      expect(steps.flatMap(({ errors }) => errors)).toEqual([])
      expect(shown(steps).toSorted()).toEqual(ids(0, total).toSorted())
      expect(calls).toHaveLength(steps.length)
      await gateway.close()
    }),
    { numRuns: 40 },
  )
})

test("a walk ends within a few calls whatever the upstream sends, and only with an error about upstream", async () => {
  const oddPage = fc.record({
    results: fc.array(
      fc.integer({ min: 0, max: 12 }).map((id) => `c${id}`),
      { maxLength: 6 },
    ),
    has_more: fc.constantFrom(true, true, true, false, null),
    next_token: fc.constantFrom("A", "B", "C", 1, 2, 2 ** 60, "", 0, null, undefined, -1, 0.5, {}, []),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(oddPage, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (pages, sizes, byToken) => {
        const { ask, calls, gateway } = await startSearching(({ next_token }, call) => {
          const page = byToken && next_token !== undefined ? String(next_token).charCodeAt(0) : call
          return pages[page % pages.length] as Answer
        })
        const steps = await walk(ask, (page) => sizes[page % sizes.length] as number, 80)
        expect(calls).toHaveLength(steps.length)
        for (const step of steps) expect(new Set(step.ids).size).toBe(step.ids.length)
        // Thirteen items fit into the marks.
        expect(new Set(shown(steps)).size).toBe(shown(steps).length)
        const errors = steps.flatMap(({ errors }) => errors)
        expect(errors.every(({ extensions }) => extensions.code === "UPSTREAM_INVALID_RESPONSE")).toBe(true)
        expect(errors.length).toBeLessThanOrEqual(1)
        await gateway.close()
      },
    ),
    { numRuns: 80 },
  )
})
