import type { ServerResponse } from "node:http"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { changeRunnable } from "../src/graph/capsule/loader.ts"
import { RecentChanges } from "../src/graph/recentChanges.ts"
import { createExamples } from "../src/http/graphiql/examples.ts"
import { createMemoryStore } from "../src/store/memory.ts"
import type { Caller } from "../src/upstream/call.ts"
import { everyField } from "./support/everyField.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { callsOf, startGateway, startGatewayOn } from "./support/gateway.ts"

const headline = `
  query CapsulePage {
    searchCapsules(first: 50, query: "tag:generated", orderBy: {field: LAST_ACCESSED, direction: DESC}) {
      nodes {
        id name status lastAccessed tags
        appPanel { general { title } parameters { name type defaultValue } dataAssets { mount dataAsset { name size state } } }
        computations(first: 5) { nodes { id name state endStatus runTime dataAssets { mount dataAsset { id name size } } } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }`

/** The ids of all data assets in a response to the headline request. */
function dataAssetIds(data: {
  searchCapsules: { nodes: { computations: { nodes: { dataAssets: { dataAsset: { id: string } }[] }[] } }[] }
}) {
  return new Set(
    data.searchCapsules.nodes.flatMap((capsule) =>
      capsule.computations.nodes.flatMap((run) => run.dataAssets.map(({ dataAsset }) => dataAsset.id)),
    ),
  )
}

describe("the headline request over 50 capsules", () => {
  test("the headline request over 50 capsules costs one search, a panel and a list of runs for each capsule, and each distinct data asset once", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 60 } })
    const { data, errors } = await ask(headline)
    expect(errors).toBeUndefined()
    expect(data.searchCapsules.nodes).toHaveLength(50)

    const assets = dataAssetIds(data)
    expect(assets.size).toBeGreaterThan(5)
    const expected: Record<string, number> = { "POST /capsules/search": 1 }
    for (const { id } of data.searchCapsules.nodes) {
      expected[`GET /capsules/${id}/app_panel`] = 1
      expected[`GET /capsules/${id}/computations`] = 1
    }
    for (const { path } of sandbox.requestsTo("GET /data_assets/*")) expected[`GET ${path}`] = 1
    expect(callsOf(sandbox.requests)).toEqual(expected)
    for (const id of assets) expect(sandbox.requestsTo(`GET /data_assets/${id}`)).toHaveLength(1)
  })

  test("the headline request over 50 capsules takes three waves, each of them sent as a whole before anything of it is answered", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 60 }, config: { upstreamConnections: 500 } })
    const hold = sandbox.hold()
    const answer = ask(headline)

    const first = await hold.waitFor(1)
    expect(first.map(({ path }) => path)).toEqual(["/capsules/search"])
    hold.release()

    const second = await hold.waitFor(100)
    expect(second.filter(({ path }) => path.endsWith("/app_panel"))).toHaveLength(50)
    expect(second.filter(({ path }) => path.endsWith("/computations"))).toHaveLength(50)
    hold.release()

    // The data assets of the panels and runs are known only now, and their number only from the response.
    hold.end()
    const { data } = await answer
    const third = sandbox.requests.slice(101)
    expect(third.every(({ path }) => path.startsWith("/data_assets/"))).toBe(true)
    expect(third.length).toBeGreaterThanOrEqual(dataAssetIds(data).size)
  })

  test("the headline request over 50 capsules uses no more than the available connections, and completes", async () => {
    const { ask, sandbox } = await startGateway({ sandbox: { generate: 60 }, config: { upstreamConnections: 10 } })
    const hold = sandbox.hold()
    const answer = ask(headline)
    await hold.waitFor(1)
    hold.release()
    expect(await hold.waitFor(10)).toHaveLength(10)
    hold.end()
    const { data } = await answer
    expect(data.searchCapsules.nodes).toHaveLength(50)
  })
})

test("selecting only ids of linked objects costs no call for them", async () => {
  const { ask, sandbox } = await startGateway()
  const { data, errors } = await ask(`
    fragment OnlyId on DataAsset { __typename id }
    query ($no: Boolean = false) {
      capsule(id: "${seed.cellCounter}") {
        releaseCapsule { id __typename }
        originalCapsule { capsule { id name @include(if: $no) } }
        appPanel { dataAssets { dataAsset { ...OnlyId } } }
        computations { nodes { runnable { id } dataAssets { dataAsset { ... on Node { id } } } } }
      }
    }`)
  expect(errors).toBeUndefined()
  expect(data.capsule.releaseCapsule).toEqual({ id: seed.releasedCellCounter, __typename: "Capsule" })
  expect(callsOf(sandbox.requests)).toEqual({
    [`GET /capsules/${seed.cellCounter}`]: 1,
    [`GET /capsules/${seed.cellCounter}/app_panel`]: 1,
    [`GET /capsules/${seed.cellCounter}/computations`]: 1,
  })
})

test("a capsule that a search returned, or that its runs lead back to, is not fetched again", async () => {
  const { ask, sandbox } = await startGateway()
  const { data } = await ask(`{
    searchCapsules(query: "id:${seed.cellCounter}") { nodes { computations { nodes { name runnable { name } } } } }
  }`)
  expect(data.searchCapsules.nodes[0].computations.nodes[0].runnable).toEqual({ name: "Cell Counter" })
  expect(callsOf(sandbox.requests)).toEqual({
    "POST /capsules/search": 1,
    [`GET /capsules/${seed.cellCounter}/computations`]: 1,
  })
})

test("a run that a list returned is not fetched again", async () => {
  const { ask, sandbox } = await startGateway()
  await ask(`mutation { archiveCapsule(input: {id: "${seed.cellCounter}", archived: true}) { __typename } }`)
  const before = sandbox.requests.length
  const { data } = await ask(`{
    capsule(id: "${seed.cellCounter}") {
      all: computations { nodes { id name } }
      newest: computations(first: 1) { nodes { id } }
    }
  }`)
  expect(data.capsule.newest.nodes[0].id).toBe(data.capsule.all.nodes[0].id)
  expect(sandbox.requests.slice(before)).toHaveLength(1)
})

test("an id that is selected many times is fetched once, and each object stays with its id", async () => {
  const { ask, sandbox } = await startGateway()
  const ids = [seed.cellCounter, "00000000-0000-4000-8000-000000000000", seed.spikeSorting, seed.cellCounter]
  const { data, errors } = await ask(`query ($ids: [ID!]!) { capsules(ids: $ids) { id name } }`, { ids })
  expect(errors).toBeUndefined()
  expect(data.capsules.map((capsule: { id: string } | null) => capsule?.id ?? null)).toEqual([
    ids[0],
    null,
    ids[2],
    ids[0],
  ])
  expect(callsOf(sandbox.requests)).toEqual({ "POST /capsules/search": 1, [`GET /capsules/${ids[1]}`]: 1 })
})

test("an id that is needed alone and among others stays with its object, whichever of them is read first", async () => {
  const { ask } = await startGateway()
  // The search does not find archived capsules, so this one is read by itself, after the others.
  const { archivedNotebook: late } = seed
  const others = [seed.cellCounter, seed.spikeSorting]
  const query = `query ($one: [ID!]!, $several: [ID!]!) {
    one: capsules(ids: $one) { id name }
    several: capsules(ids: $several) { id name }
  }`
  for (const several of [
    [late, ...others],
    [...others, late],
  ]) {
    const { data, errors } = await ask(query, { one: [late], several })
    expect(errors).toBeUndefined()
    expect(data.one.map(({ id }: { id: string }) => id)).toEqual([late])
    expect(data.several.map(({ id }: { id: string }) => id)).toEqual(several)
  }
})

describe("an id in another form", () => {
  const id = "0000000a-0000-4000-8000-000000000001"
  const other = id.replace("1", "2")
  const forms = [
    ["upper case", id.toUpperCase()],
    ["an alternative id", "1234567"],
  ]

  /** Code Ocean with two capsules, whose searches do not find changes yet. */
  async function startLagging() {
    let version = 1
    const capsule = (id: string, version: number) => ({
      id,
      name: `Version ${version}`,
      slug: "1234567",
      status: "release",
      owner: "o",
      release_capsule: id,
    })
    const upstream = await startFaultyUpstream(({ method, path, body }) => {
      if (method === "PATCH") version += 1
      if (path.includes("/archive")) return { status: 204 }
      if (path.endsWith("/computations")) return { body: [{ id: "run", name: "Run", state: "completed" }] }
      if (!path.endsWith("/search")) return { body: capsule(path.endsWith(other) ? other : id, version) }
      return {
        body: { has_more: false, results: [id, other].filter((id) => body.includes(id)).map((id) => capsule(id, 1)) },
      }
    })
    return { ...startGatewayOn(upstream.url), upstream }
  }

  test.each(forms)("leads to a capsule that is read once (%s)", async (_what, form) => {
    const { ask, upstream } = await startLagging()
    const query =
      "query ($form: ID!) { capsule(id: $form) { id name computations { nodes { runnable { name } } } releaseCapsule { name } } }"
    const { data } = await ask(query, { form })
    expect(data.capsule).toMatchObject({ id, releaseCapsule: { name: "Version 1" } })
    expect(callsOf(upstream.requests)).toEqual({
      [`GET /capsules/${form}`]: 1,
      [`GET /capsules/${id}/computations`]: 1,
    })
  })

  test.each(forms)("names what a caller has changed, which a search does not find yet (%s)", async (_what, form) => {
    const { ask } = await startLagging()
    await ask("mutation ($form: ID!) { archiveCapsule(input: {id: $form, archived: false}) { __typename } }", { form })
    const { data } = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { name } }", { ids: [id, other] })
    expect(data.capsules[0].name).toBe("Version 2")
  })

  test.each(forms)("drops what the request has loaded of a capsule that it changes (%s)", async (_what, form) => {
    const { ask } = await startLagging()
    const change = (id: string) => `archiveCapsule(input: {id: ${id}, archived: false}) {
      ... on ArchiveCapsulePayload { capsule { name releaseCapsule { name } } }
    }`
    const query = `mutation ($id: ID!, $form: ID!) { one: ${change("$id")} two: ${change("$form")} three: ${change("$id")} }`
    const { data } = await ask(query, { id, form })
    const names = Object.values<{ capsule: object }>(data).map(({ capsule }) => capsule)
    expect(names).toEqual(
      [2, 3, 4].map((version) => ({ name: `Version ${version}`, releaseCapsule: { name: `Version ${version}` } })),
    )
  })
})

test("of many ids, one that fails leaves the others as they are", async () => {
  const { ask, sandbox } = await startGateway()
  sandbox.failNext(`GET /data_assets/${seed.sortedSpikes}`, { status: 500 })
  // The search does not find archived capsules, so this one is read by itself.
  sandbox.failNext(`GET /capsules/${seed.archivedNotebook}`, { status: 500 })
  const { data, errors } = await ask(
    `query ($assets: [ID!]!, $capsules: [ID!]!) {
      dataAssets(ids: $assets) { id }
      capsules(ids: $capsules) { id }
    }`,
    {
      assets: [seed.mouseRecording, seed.sortedSpikes],
      capsules: [seed.cellCounter, seed.archivedNotebook, seed.driftCorrection],
    },
  )
  expect(data).toEqual({
    dataAssets: [{ id: seed.mouseRecording }, null],
    capsules: [{ id: seed.cellCounter }, null, { id: seed.driftCorrection }],
  })
  expect(errors?.map(({ path }) => path).toSorted()).toEqual([
    ["capsules", 1],
    ["dataAssets", 1],
  ])
})

test("one slow read delays no other read of the same wave", async () => {
  const asset = { id: "quick", name: "Quick", state: "ready", type: "dataset" }
  let slow: ServerResponse | undefined
  const upstream = await startFaultyUpstream(({ path }, response) => {
    if (path === "/data_assets/slow") {
      slow = response
      return undefined
    }
    return { body: path.endsWith("/permissions") ? { everyone: "viewer" } : asset }
  })
  const { ask } = startGatewayOn(upstream.url)
  const answer = ask(`{ dataAssets(ids: ["slow", "quick"]) { permissions { everyone } } }`)
  await expect.poll(() => upstream.requests.map(({ path }) => path)).toContain("/data_assets/quick/permissions")
  slow?.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ...asset, id: "slow" }))
  const permissions = { everyone: "VIEWER" }
  expect(await answer).toEqual({ data: { dataAssets: [{ permissions }, { permissions }] } })
})

test("more than 1,000 ids are refused before anything is sent", async () => {
  const { ask, sandbox } = await startGateway()
  const ids = Array.from({ length: 1001 }, (_, index) => `id-${index}`)
  const { errors } = await ask(`query ($ids: [ID!]!) { dataAssets(ids: $ids) { id } }`, { ids })
  expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  expect(errors?.[0]?.message).toContain("1001")
  expect(sandbox.requests).toHaveLength(0)
})

describe("capsules and pipelines that are needed at once", () => {
  const capsules = `query ($ids: [ID!]!) { capsules(ids: $ids) { ${everyField("Capsule")} } }`
  const some = [seed.cellCounter, seed.spikeSorting, seed.driftCorrection]
  const nowhere = "00000000-0000-4000-8000-000000000000"
  const numbered = (kind: number, count: number) =>
    Array.from({ length: count }, (_, index) => `0000000${kind}-0000-4000-8000-${String(index).padStart(12, "0")}`)

  /** An upstream with these capsules and pipelines, and with one result of each capsule. Responds as the API does. */
  async function startWith(objects: { capsules: string[]; pipelines?: string[] }) {
    const runnable = (id: string) => ({
      id,
      name: `Named ${id}`,
      status: "non_release",
      created: 1,
      owner: "o",
      slug: "1",
    })
    const assets = objects.capsules.map((id, index) => ({
      id: `asset-${index}`,
      name: "Result",
      state: "ready",
      type: "result",
      provenance: { capsule: id },
    }))
    const upstream = await startFaultyUpstream(({ path, body }) => {
      if (path === "/data_assets/search") return { body: { has_more: false, results: assets } }
      const [, kind, id = ""] = path.split("/") as ["", "capsules" | "pipelines", string]
      const known = objects[kind] ?? []
      if (id !== "search") return known.includes(id) ? { body: runnable(id) } : { status: 404 }
      const wanted = (JSON.parse(body).query as string).split(" ").map((term) => term.replace("id:", ""))
      return { body: { has_more: false, results: known.filter((one) => wanted.includes(one)).map(runnable) } }
    })
    const calls = () => callsOf(upstream.requests)
    return { ...startGatewayOn(upstream.url), upstream, calls }
  }

  test("a provenance page of 50 data assets from 50 capsules makes two calls", async () => {
    const ids = numbered(1, 50)
    const { ask, calls } = await startWith({ capsules: ids })
    const { data, errors, extensions } = await ask(
      "{ searchDataAssets(first: 50) { nodes { provenance { capsule { id name } } } } }",
      {},
      { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" },
    )
    expect(errors).toBeUndefined()
    expect(data.searchDataAssets.nodes).toEqual(
      ids.map((id) => ({ provenance: { capsule: { id, name: `Named ${id}` } } })),
    )
    expect(calls()).toEqual({ "POST /data_assets/search": 1, "POST /capsules/search": 1 })
    expect(extensions.cost).toMatchObject({ upstreamCalls: 2, estimatedUpstreamCalls: 51 })
  })

  test("capsules and pipelines of one page are one search each, whichever fields lead to them", async () => {
    const [ids, pipelines] = [numbered(1, 5), numbered(2, 5)]
    const { ask, calls } = await startWith({ capsules: ids, pipelines })
    const { data, errors } = await ask(
      `query ($few: [ID!]!, $one: ID!, $pipelines: [ID!]!, $references: [_Any!]!) {
        capsules(ids: $few) { name }
        capsule(id: $one) { name }
        pipelines(ids: $pipelines) { name }
        _entities(representations: $references) { ... on Runnable { name } }
      }`,
      {
        few: ids.slice(0, 3),
        one: ids[3],
        pipelines: pipelines.slice(0, 4),
        references: [
          { __typename: "Capsule", id: ids[4] },
          { __typename: "Pipeline", id: pipelines[4] },
        ],
      },
    )
    expect(errors).toBeUndefined()
    expect(data.capsule.name).toBe(`Named ${ids[3]}`)
    expect(data.pipelines).toHaveLength(4)
    expect(calls()).toEqual({ "POST /capsules/search": 1, "POST /pipelines/search": 1 })
  })

  test("nodes of a known type are found by a search too", async () => {
    const ids = numbered(1, 20)
    const { ask, calls, upstream } = await startWith({ capsules: ids })
    await ask(capsules, { ids })
    upstream.requests.length = 0
    const { data } = await ask("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Capsule { name } } }", {
      ids,
    })
    expect(data.nodes).toEqual(ids.map((id) => ({ __typename: "Capsule", name: `Named ${id}` })))
    expect(calls()).toEqual({ "POST /capsules/search": 1 })
  })

  test.each([
    [100, 1],
    [101, 2],
    [250, 3],
  ])("%i capsules are found by searches for at most 100 ids: %i", async (count, searches) => {
    const ids = numbered(1, count)
    const { ask, upstream, calls } = await startWith({ capsules: ids })
    const { data } = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id } }", { ids })
    expect(data.capsules).toEqual(ids.map((id) => ({ id })))
    expect(calls()).toEqual({ "POST /capsules/search": searches })
    for (const { body } of upstream.requests) {
      const { query, limit } = JSON.parse(body)
      expect(limit).toBe(query.split(" ").length)
      expect(limit).toBeLessThanOrEqual(100)
    }
  })

  test("a search returns the same as single reads, to the last field", async () => {
    const { ask, sandbox } = await startGateway()
    const together = await ask(capsules, { ids: some })
    expect(together.errors).toBeUndefined()
    expect(callsOf(sandbox.requests)).toEqual({ "POST /capsules/search": 1 })
    for (const [index, id] of some.entries()) {
      expect((await ask(capsules, { ids: [id] })).data.capsules).toEqual([together.data.capsules[index]])
    }
  })

  test("a single capsule is read without a search", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(capsules, { ids: [seed.cellCounter, seed.cellCounter] })
    expect(callsOf(sandbox.requests)).toEqual({ [`GET /capsules/${seed.cellCounter}`]: 1 })
  })

  test("capsules that the search does not find, such as archived ones, are read one by one", async () => {
    const { ask, sandbox } = await startGateway()
    const others = [seed.archivedNotebook, seed.ecephysPipeline, nowhere]
    const { data, errors } = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id } }", {
      ids: [...some, ...others],
    })
    expect(errors).toBeUndefined()
    expect(data.capsules.map((capsule: { id: string } | null) => capsule?.id ?? null)).toEqual([
      ...some,
      seed.archivedNotebook,
      seed.ecephysPipeline,
      null,
    ])
    expect(callsOf(sandbox.requests)).toEqual({
      "POST /capsules/search": 1,
      ...Object.fromEntries(others.map((id) => [`GET /capsules/${id}`, 1])),
    })
  })

  test("capsules that the caller may not see are null, also if they were searched for", async () => {
    const { ask } = await startGateway()
    const ids = [seed.graceNotebook, seed.cellCounter, seed.spikeSorting]
    const { data } = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id } }", { ids })
    expect(data.capsules).toEqual([null, { id: seed.cellCounter }, { id: seed.spikeSorting }])
  })

  test("an id that could be more than one term is never part of a search", async () => {
    const { ask, sandbox } = await startGateway()
    await ask(capsules, { ids: [`${seed.cellCounter} name:a`, "*", seed.spikeSorting] })
    expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(0)
    expect(sandbox.requests).toHaveLength(3)
  })

  test.each([400, 401, 403, 404, 500, 503])(
    "capsules that are needed at once are read one by one if the search fails with %i",
    async (status) => {
      const { ask, sandbox } = await startGateway()
      sandbox.failNext("POST /capsules/search", { status }, 100)
      const { data, errors } = await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id } }", { ids: some })
      expect(errors).toBeUndefined()
      expect(data.capsules).toEqual(some.map((id) => ({ id })))
      for (const id of some) expect(sandbox.requestsTo(`GET /capsules/${id}`)).toHaveLength(1)
    },
  )

  test("capsules that are needed at once fail each at its own path, without more calls, if the search is answered with 429", async () => {
    const { ask, sandbox } = await startGateway()
    sandbox.failNext("POST /capsules/search", { status: 429 }, 100)
    const { data, errors } = await ask(capsules, { ids: some })
    expect(data.capsules).toEqual([null, null, null])
    expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual(
      some.map((_, index) => [["capsules", index], "RATE_LIMITED"]),
    )
    expect(sandbox.requests.every(({ path }) => path === "/capsules/search")).toBe(true)
  })

  test("fields of capsules that the search found are read while the other capsules are read", async () => {
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const answer = ask("query ($ids: [ID!]!) { capsules(ids: $ids) { appPanel { general { title } } } }", {
      ids: [seed.cellCounter, seed.archivedNotebook, seed.spikeSorting],
    })
    await hold.waitFor(1)
    hold.release()
    const second = await hold.waitFor(3)
    expect(second.map(({ path }) => path).toSorted()).toEqual(
      [
        `/capsules/${seed.archivedNotebook}`,
        `/capsules/${seed.cellCounter}/app_panel`,
        `/capsules/${seed.spikeSorting}/app_panel`,
      ].toSorted(),
    )
    hold.end()
    expect((await answer).errors).toBeUndefined()
  })

  test("a capsule that the caller has changed is read without a search for a minute, and only for this caller", async () => {
    const { ask, sandbox } = await startGateway()
    const [changed, ...others] = some as [string, ...string[]]
    await ask(`mutation { archiveCapsule(input: { id: "${changed}", archived: false }) { __typename } }`)
    const query = "query ($ids: [ID!]!) { capsules(ids: $ids) { id } }"
    const before = sandbox.requests.length
    await ask(query, { ids: some })
    expect(callsOf(sandbox.requests.slice(before))).toEqual({
      [`GET /capsules/${changed}`]: 1,
      "POST /capsules/search": 1,
    })
    expect(sandbox.requestsTo("POST /capsules/search").at(-1)?.body).toMatchObject({
      query: others.map((id) => `id:${id}`).join(" "),
    })
    const afterwards = sandbox.requests.length
    await ask(query, { ids: some }, { authorization: `Bearer ${tokens.grace}` })
    expect(sandbox.requests.slice(afterwards)[0]).toMatchObject({ path: "/capsules/search" })
    expect(sandbox.requests.slice(afterwards)[0]?.body).toMatchObject({ limit: some.length })
  })

  test("a capsule with a change of unknown outcome is read without a search", async () => {
    const { ask, sandbox } = await startGateway()
    const [changed] = some as [string]
    sandbox.failNext(`PATCH /capsules/${changed}/archive`, { status: 500 })
    await ask(`mutation { archiveCapsule(input: { id: "${changed}", archived: true }) { __typename } }`)
    await ask("query ($ids: [ID!]!) { capsules(ids: $ids) { id } }", { ids: some })
    expect(sandbox.requestsTo(`GET /capsules/${changed}`)).toHaveLength(1)
  })

  test("equal searches for capsules of one caller at the same moment are sent once", async () => {
    const { ask, sandbox, gateway } = await startGateway()
    const hold = sandbox.hold()
    const query = "query ($ids: [ID!]!) { capsules(ids: $ids) { id } }"
    const answers = [ask(query, { ids: some }), ask(query, { ids: some })]
    await hold.waitFor(1)
    await expect.poll(() => gateway.stats.requests).toBe(2)
    await ask("{ __typename }")
    hold.end()
    for (const { data } of await Promise.all(answers)) expect(data.capsules).toEqual(some.map((id) => ({ id })))
    expect(callsOf(sandbox.requests)).toEqual({ "POST /capsules/search": 1 })
  })
})

test("a change is remembered for a minute, for the caller's token whichever agent acts", () => {
  let nowMs = 1
  const changes = new RecentChanges(createMemoryStore(), { now: () => nowMs })
  const callerOf = (tokenDigest: string, key = tokenDigest) => ({ tokenDigest, key }) as Caller
  changes.add(callerOf("ada", "ada agent"), "c1")
  nowMs += 59_000
  expect(changes.has(callerOf("ada"), "c1")).toBe(true)
  expect(changes.has(callerOf("ada"), "c2")).toBe(false)
  expect(changes.has(callerOf("grace"), "c1")).toBe(false)
  nowMs += 2_000
  expect(changes.has(callerOf("ada"), "c1")).toBe(false)
})

test("that the caller has archived an object is remembered for a minute, unless the change failed", async () => {
  let nowMs = 1
  const changes = new RecentChanges(createMemoryStore(), { now: () => nowMs })
  const ada = { tokenDigest: "ada" } as Caller
  const grace = { tokenDigest: "grace" } as Caller
  expect(changes.isArchived(ada, "c1")).toBeUndefined()
  await changes.whileArchiving(ada, "c1", true, async () => {})
  expect([changes.isArchived(ada, "c1"), changes.isArchived(ada, "c2"), changes.isArchived(grace, "c1")]).toEqual([
    true,
    undefined,
    undefined,
  ])
  const failure = new Error("outcome unknown")
  await expect(changes.whileArchiving(ada, "c1", false, () => Promise.reject(failure))).rejects.toBe(failure)
  expect(changes.isArchived(ada, "c1")).toBeUndefined()
  await changes.whileArchiving(ada, "c1", false, async () => {})
  expect(changes.isArchived(ada, "c1")).toBe(false)
  nowMs += 61_000
  expect(changes.isArchived(ada, "c1")).toBeUndefined()
})

test("the last 10,000 changes are remembered", () => {
  const changes = new RecentChanges(createMemoryStore())
  const caller = { tokenDigest: "ada" } as Caller
  const ids = Array.from({ length: 10_001 }, (_, index) => `c${index}`)
  for (const id of ids) changes.add(caller, id)
  expect(ids.filter((id) => !changes.has(caller, id))).toEqual(["c0"])
})

test("two requests never share what they loaded", async () => {
  const { ask, sandbox } = await startGateway()
  const query = `{ capsule(id: "${seed.cellCounter}") { name } }`
  await ask(query)
  await ask(query)
  expect(sandbox.requestsTo(`GET /capsules/${seed.cellCounter}`)).toHaveLength(2)
})

test("the examples in GraphiQL are answered without an error", async () => {
  const { ask } = await startGateway()
  const ids = { capsuleId: seed.cellCounter, computationId: seed.countedCells, dataAssetId: seed.sortedSpikes }
  const examples = createExamples({ ...ids, activeComputationId: seed.runningAlignment })
  const answered = examples.filter(({ query }) => !query.includes("\nsubscription "))
  expect(answered).toHaveLength(5)
  for (const { query, variables } of answered) expect((await ask(query, variables)).errors, query).toBeUndefined()
})

test("the response to a change waits until the other replicas know of the change", async () => {
  const announced = Promise.withResolvers<void>()
  const recentChanges = { add: () => announced.promise }
  let isDone = false
  const change = changeRunnable({ state: {}, recentChanges } as never, "id", async () => "changed").then((result) => {
    isDone = true
    return result
  })
  await new Promise(setImmediate)
  expect(isDone).toBe(false)
  announced.resolve()
  expect(await change).toBe("changed")
})
