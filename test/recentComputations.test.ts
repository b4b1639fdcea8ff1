import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { callsOf, startGateway, startGatewayOn } from "./support/gateway.ts"

const cost = { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" }
const recent = (args: string, fields: string) => `{ recentComputations(${args}) { ${fields} } }`

/** The five newest runs of what Ada created or was given, in the seeds' order. */
const newest = [
  seed.queuedSorting,
  seed.runningAlignment,
  seed.failedSorting,
  seed.hollowSuccess,
  seed.sortedRun,
] as const

describe("the runs of all capsules and pipelines", () => {
  test("are merged, newest first, each with the capsule or pipeline that ran, without a call of its own", async () => {
    const { ask, sandbox } = await startGateway()
    const { data, errors } = await ask(
      recent("first: 5", "nodes { id runnable { __typename id name } } pageInfo { hasNextPage }"),
    )
    expect(errors).toBeUndefined()
    const { nodes, pageInfo } = data.recentComputations
    expect(nodes.map(({ id }: { id: string }) => id)).toEqual(newest)
    expect(nodes[0].runnable).toEqual({ __typename: "Capsule", id: seed.spikeSorting, name: "Spike Sorting" })
    expect(pageInfo.hasNextPage).toBe(true)
    const calls = callsOf(sandbox.requests)
    expect(calls["POST /capsules/search"]).toBe(2)
    expect(calls["POST /pipelines/search"]).toBe(2)
    const lists = Object.entries(calls).filter(([call]) => call.endsWith("/computations"))
    expect(lists).toHaveLength(sandbox.requests.length - 4)
  })

  test("include pipelines, and those of others, but neither archived ones nor those that can't be opened", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(
      recent("first: 1, runnables: 50", "runnables { __typename id } isComplete completeSince unread { id }"),
      {},
      { authorization: `Bearer ${tokens.grace}` },
    )
    expect(errors).toBeUndefined()
    const { runnables, ...coverage } = data.recentComputations
    expect(coverage).toEqual({ isComplete: true, completeSince: null, unread: [] })
    const found = new Map(runnables.map(({ id, __typename }: { id: string; __typename: string }) => [id, __typename]))
    expect(found.get(seed.graceNotebook)).toBe("Capsule")
    expect(found.get(seed.cellCounter)).toBe("Capsule")
    expect([...found.values()]).toContain("Pipeline")
    for (const id of [seed.archivedNotebook, seed.privateNotebook, seed.discoverableAtlas])
      expect(found.has(id)).toBe(false)
  })

  test("are filtered by start and outcome, and paged by cursors that belong to these conditions", async () => {
    const { ask } = await startGateway()
    const failed = recent(
      'first: 2, outcome: [FAILED], since: "2025-12-01"',
      "nodes { id outcome } pageInfo { endCursor }",
    )
    const first = (await ask(failed)).data.recentComputations
    expect(first.nodes).toEqual([
      { id: seed.failedSorting, outcome: "FAILED" },
      { id: seed.failedCount, outcome: "FAILED" },
    ])
    const rest = await ask(failed.replace("first: 2", `first: 9, after: "${first.pageInfo.endCursor}"`))
    expect(rest.errors).toBeUndefined()
    const walked = [...first.nodes, ...rest.data.recentComputations.nodes]
    const whole = (await ask(failed.replace("first: 2", "first: 9"))).data.recentComputations.nodes
    expect(walked).toEqual(whole)
    expect(whole.length).toBeGreaterThan(2)
    const other = await ask(recent(`first: 2, after: "${first.pageInfo.endCursor}"`, "nodes { id }"))
    expect(other.errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    const { data } = await ask(recent('since: "2099-01-01"', "nodes { id } pageInfo { endCursor hasNextPage }"))
    expect(data.recentComputations).toEqual({ nodes: [], pageInfo: { endCursor: null, hasNextPage: false } })
  })

  test("share their calls with the other fields of a request, and with other conditions", async () => {
    const { ask, sandbox } = await startGateway()
    const { errors, extensions } = await ask(
      `{
        recentComputations(first: 2) { nodes { id log(tail: 1) } }
        failed: recentComputations(first: 2, outcome: FAILED) { nodes { id } }
        capsule(id: "${seed.cellCounter}") { computations(first: 1) { nodes { id } } }
      }`,
      {},
      cost,
    )
    expect(errors).toBeUndefined()
    const calls = callsOf(sandbox.requests)
    expect(calls[`GET /capsules/${seed.cellCounter}/computations`]).toBe(1)
    expect(calls["POST /capsules/search"]).toBe(2)
    expect(extensions.cost.upstreamCalls).toBe(sandbox.requests.length)
  })

  test.each([
    ["first: 5", 24],
    ["first: 5, runnables: 3", 7],
    ["runnables: 50", 54],
  ])("declare what they cost: %s", async (args, calls) => {
    const { ask } = await startGateway()
    const { extensions } = await ask(recent(args, "isComplete"), {}, cost)
    expect(extensions.cost.estimatedUpstreamCalls).toBe(calls)
    expect(extensions.cost.upstreamCalls).toBeLessThanOrEqual(calls)
  })

  test("are rejected if they cost too much, with a number that would be allowed", async () => {
    const { ask, sandbox } = await startGateway({ config: { limits: { estimatedCalls: 30 } } })
    const { errors } = await ask(recent("runnables: 50", "isComplete"))
    expect(errors?.[0]?.message).toContain("`recentComputations(first: 26, runnables: 26)` would be allowed.")
    expect((await ask(recent("first: 26, runnables: 26", "isComplete"))).errors).toBeUndefined()
    expect(sandbox.requests.length).toBeGreaterThan(0)
  })

  test.each(["runnables: 0", "runnables: 51", "first: 0", "first: 1001", 'after: "x"'])(
    "are rejected for %s before any list is read",
    async (args) => {
      const { ask, sandbox } = await startGateway()
      const { data, errors } = await ask(recent(args, "isComplete"))
      expect(data.recentComputations).toBeNull()
      expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
      expect(sandbox.requests).toEqual([])
    },
  )
})

describe("how far the runs were looked for", () => {
  /** Capsules and pipelines by id, with the time of their last access. */
  async function startWith(options: {
    created?: Record<string, number | undefined>
    shared?: Record<string, number | undefined>
    hasMore?: boolean
    runs?: Record<string, object[]>
  }) {
    const upstream = await startFaultyUpstream(({ path, body }) => {
      const [, kind = "", id = ""] = path.split("/")
      if (id === "search") {
        const { ownership, limit } = JSON.parse(body)
        const all = kind === "capsules" ? Object.entries(options[ownership as "created" | "shared"] ?? {}) : []
        const results = all
          .map(([id, last_accessed]) => ({ id, last_accessed, name: id, status: "release", owner: "o", slug: "1" }))
          .slice(0, limit)
        const has_more = options.hasMore === true || all.length > limit
        return { body: { results, has_more, ...(has_more ? { next_token: "t" } : {}) } }
      }
      return { body: options.runs?.[id] ?? [] }
    })
    return startGatewayOn(upstream.url)
  }

  const coverage = "isComplete completeSince runnables { id } nodes { id }"
  const at = (seconds: number) => new Date(seconds * 1000).toISOString()

  test("only the last accessed are read, and the answer says since when it is complete", async () => {
    const { ask } = await startWith({ created: { a: 900, b: 500 }, shared: { c: 700, d: 600 } })
    const { data } = await ask(recent("runnables: 2", coverage))
    expect(data.recentComputations).toMatchObject({
      isComplete: false,
      completeSince: at(600),
      runnables: [{ id: "a" }, { id: "c" }],
    })
    const all = await ask(recent("runnables: 4", coverage))
    expect(all.data.recentComputations).toMatchObject({ isComplete: true, completeSince: null })
  })

  test("what a search did not send counts, too", async () => {
    const { ask } = await startWith({ created: { a: 900, b: 800, c: 300 }, shared: { d: 100 } })
    const { data } = await ask(recent("runnables: 3", coverage))
    expect(data.recentComputations).toMatchObject({ isComplete: false, completeSince: at(100) })
    const two = await ask(recent("runnables: 2", coverage))
    expect(two.data.recentComputations).toMatchObject({ completeSince: at(800) })
  })

  test.each([
    ["the last access of the last one is unknown", { a: undefined, b: undefined }, true],
    ["they do not come in order", { a: 100, b: 900, c: 300 }, true],
    ["there is more, but nothing was sent", {}, true],
  ])("it is unknown since when if %s", async (_why, created, hasMore) => {
    const { ask } = await startWith({ created, hasMore })
    const { data } = await ask(recent("runnables: 2", coverage))
    expect(data.recentComputations).toMatchObject({ isComplete: false, completeSince: null })
  })

  test("a capsule that two searches find is read once", async () => {
    const run = { id: "r", name: "R", created: 5, state: "completed" }
    const { ask } = await startWith({ created: { a: 900 }, shared: { a: 900 }, runs: { a: [run] } })
    const { data } = await ask(recent("first: 20", coverage))
    expect(data.recentComputations).toMatchObject({ runnables: [{ id: "a" }], nodes: [{ id: "r" }], isComplete: true })
  })

  test("each page shows the unreadable runs of several capsules once in a walk", async () => {
    const { ask } = await startWith({
      created: { a: 900, b: 800 },
      runs: { a: [{ nothing: 1 }, { nothing: 2 }], b: [{ nothing: 3 }, { id: "r", name: "R", created: 5 }] },
    })
    let after = "null"
    const pages: unknown[][] = []
    for (let page = 0; page < 5; page++) {
      const { data } = await ask(recent(`first: 1, after: ${after}`, "nodes { id } pageInfo { hasNextPage endCursor }"))
      const { nodes, pageInfo } = data.recentComputations
      pages.push(nodes)
      if (!pageInfo.hasNextPage) break
      after = `"${pageInfo.endCursor}"`
    }
    expect(pages).toEqual([[{ id: "r" }], [null], [null], [null]])
  })
})

describe("runs of which a part can't be read", () => {
  const fields = "nodes { id } unread { id name } isComplete completeSince"

  test("a list that fails loses itself: the others are there, and the error says which one is missing", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext(`GET /capsules/${seed.cellCounter}/computations`, { status: 500, body: { message: "secret" } }, 9)
    const { data, errors } = await ask(recent("first: 3", fields))
    const { nodes, unread, ...rest } = data.recentComputations
    expect(nodes.map((node: { id: string } | null) => node?.id)).toEqual([...newest.slice(0, 3), undefined])
    expect(unread).toEqual([{ id: seed.cellCounter, name: "Cell Counter" }])
    expect(rest).toEqual({ isComplete: false, completeSince: null })
    expect(errors).toEqual([
      expect.objectContaining({
        path: ["recentComputations", "nodes", 3],
        message: `The runs of the capsule ${seed.cellCounter} are missing. Code Ocean is failing (500).`,
        extensions: {
          code: "UPSTREAM_UNAVAILABLE",
          requestId: expect.any(String),
          upstream: { endpoint: "GET /capsules/{id}/computations", status: 500 },
          runnableId: seed.cellCounter,
        },
      }),
    ])
  })

  test("a search that fails loses what only it finds, and the error says what", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("POST /pipelines/search", { status: 400, body: { message: "not today" } }, 2)
    const { data, errors } = await ask(recent("first: 1", `${fields} runnables { __typename }`))
    expect(data.recentComputations.nodes).toEqual([{ id: seed.queuedSorting }, null, null])
    expect(data.recentComputations.isComplete).toBe(false)
    expect(new Set(data.recentComputations.runnables.map((one: { __typename: string }) => one.__typename))).toEqual(
      new Set(["Capsule"]),
    )
    expect(errors?.map(({ message }) => message)).toEqual([
      "The runs of pipelines that the caller created are missing. not today",
      "The runs of pipelines that were shared with the caller are missing. not today",
    ])
  })

  test("if every search fails, there is one error and no half of an answer", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(recent("first: 1", fields), {}, { authorization: "Bearer cop_wrong" })
    expect(data.recentComputations).toBeNull()
    expect(errors).toHaveLength(1)
    expect(errors?.[0]).toMatchObject({ path: ["recentComputations"], extensions: { code: "UNAUTHENTICATED" } })
  })

  test("what is missing has an edge, too, from whose cursor the walk goes on", async () => {
    const { ask, sandbox } = await startGateway()
    const fail = () => sandbox.failNext(`GET /capsules/${seed.cellCounter}/computations`, { status: 500 }, 1)
    const edges = "edges { cursor node { id } } pageInfo { startCursor endCursor }"
    fail()
    const first = (await ask(recent("first: 1", edges))).data.recentComputations
    expect(first.edges.map(({ node }: { node: unknown }) => node)).toEqual([{ id: newest[0] }, null])
    expect(first.edges[1].cursor).toBe(first.pageInfo.endCursor)
    const next = (await ask(recent(`first: 1, after: "${first.edges[1].cursor}"`, edges))).data.recentComputations
    expect(next.edges.map(({ node }: { node: unknown }) => node)).toEqual([{ id: newest[1] }])

    const late = 'since: "2099-01-01", first: 1'
    fail()
    const none = (await ask(recent(late, edges))).data.recentComputations
    expect(none.edges).toEqual([{ cursor: expect.any(String), node: null }])
    const again = await ask(recent(`${late}, after: "${none.edges[0].cursor}"`, edges))
    expect(again.errors).toBeUndefined()
  })
})

test("a run that two lists have is there once, and lists may be very long", async () => {
  const long = Array.from({ length: 150_000 }, (_, index) => ({ id: `r${index}`, created: 150_000 - index }))
  const upstream = await startFaultyUpstream(({ path, body }) => {
    if (path.endsWith("/computations")) return { body: path.includes("/c0/") ? long : long.slice(0, 2) }
    const mine = path === "/capsules/search" && JSON.parse(body).ownership === "created"
    const results = mine ? ["c0", "c1"].map((id, index) => ({ id, last_accessed: 9 - index })) : []
    return { body: { has_more: false, results } }
  })
  const { ask } = startGatewayOn(upstream.url)
  const { data, errors } = await ask(recent("first: 3", "nodes { id runnable { id } } isComplete"))
  expect(errors).toBeUndefined()
  expect(data.recentComputations).toEqual({
    nodes: ["r0", "r1", "r2"].map((id) => ({ id, runnable: { id: "c0" } })),
    isComplete: true,
  })
})

describe("the capsule or pipeline of a run that was looked up", () => {
  const found = (id: string, args = "") =>
    `{ computation(id: "${id}") { runnable { id } findRunnable${args} { __typename id name } } }`

  test("is found among those that were last accessed, within the estimate", async () => {
    const { ask } = await startGateway()
    for (const [run, runnable] of [
      [seed.queuedSorting, { __typename: "Capsule", id: seed.spikeSorting }],
      [seed.pipelineRun, { __typename: "Pipeline", id: seed.ecephysPipeline }],
      [seed.countedCells, { __typename: "Capsule", id: seed.cellCounter }],
    ] as const) {
      const { data, errors, extensions } = await ask(found(run), {}, cost)
      expect(errors).toBeUndefined()
      expect(data.computation).toEqual({ runnable: null, findRunnable: { ...runnable, name: expect.any(String) } })
      expect(extensions.cost.estimatedUpstreamCalls).toBe(25)
      expect(extensions.cost.upstreamCalls).toBeLessThanOrEqual(25)
    }
  })

  test("is looked for in five lists at a time, no further than needed, once for several runs", async () => {
    const upstream = await startTwelve()
    const { ask } = startGatewayOn(upstream.url)
    const lists = () => upstream.requests.filter(({ path }) => path.endsWith("/computations")).length
    const { data } = await ask(found("run of c1"))
    expect(data.computation.findRunnable.id).toBe("c1")
    expect(lists()).toBe(5)
    expect((await ask(found("run of c11"))).data.computation.findRunnable.id).toBe("c11")
    expect(lists()).toBe(5 + 12)
    const { data: several } = await ask(
      '{ a: computation(id: "run of c1") { findRunnable { id } } b: computation(id: "run of c11") { findRunnable { id } } }',
    )
    expect([several.a.findRunnable.id, several.b.findRunnable.id]).toEqual(["c1", "c11"])
    expect(lists()).toBe(5 + 12 + 12)
  })

  test("is null if none of them has it, and an error if one could not be read", async () => {
    const upstream = await startTwelve(["c3", "c4"])
    const { ask } = startGatewayOn(upstream.url)
    const missing = await ask(found("run of c11", "(runnables: 2)"))
    expect(missing).toEqual({ data: { computation: { runnable: null, findRunnable: null } } })
    const unread = await ask(found("run of nothing"))
    expect(unread.data).toEqual({ computation: { runnable: null, findRunnable: null } })
    expect(unread.errors).toMatchObject([
      { path: ["computation", "findRunnable"], extensions: { code: "UPSTREAM_UNAVAILABLE", runnableId: "c3" } },
    ])
    // What can't be read does not matter if another one has it.
    expect((await ask(found("run of c11"))).errors).toBeUndefined()
    for (const runnables of [0, 51]) {
      const { errors } = await ask(found("run of c1", `(runnables: ${runnables})`))
      expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
    }
  })

  test("costs no call if the request has reached the run by it", async () => {
    const { ask, sandbox } = await startGateway()
    const { data } = await ask(
      `{ capsule(id: "${seed.cellCounter}") { name computations(first: 3) { nodes { findRunnable { id name } } } } }`,
    )
    for (const { findRunnable } of data.capsule.computations.nodes) expect(findRunnable.id).toBe(seed.cellCounter)
    expect(sandbox.requests).toHaveLength(2)
  })
})

/** A Code Ocean with twelve capsules, each with one run. The lists of `broken` ones fail. */
async function startTwelve(broken: readonly string[] = []) {
  const capsules = Array.from({ length: 12 }, (_, index) => ({
    id: `c${index}`,
    name: "c",
    last_accessed: 100 - index,
  }))
  return await startFaultyUpstream(({ path, body }) => {
    const [, kind, id = "", part] = path.split("/")
    if (kind === "computations") return { body: { id: decodeURIComponent(id), name: "run", state: "completed" } }
    if (id === "search") {
      const mine = kind === "capsules" && JSON.parse(body).ownership === "created"
      const results = mine ? capsules.slice(0, JSON.parse(body).limit) : []
      return { body: { has_more: false, results } }
    }
    if (broken.includes(id)) return { status: 500 }
    return { body: part === "computations" ? [{ id: `run of ${id}`, name: "run", state: "completed" }] : { id } }
  })
}
