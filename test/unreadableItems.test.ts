import { describe, expect, test } from "vitest"
import { startAnswering, startFaultyUpstream } from "./support/faultyUpstream.ts"
import { type Result, startGatewayOn } from "./support/gateway.ts"
import { follow } from "./support/live.ts"

const capsule = { id: "c1", created: 1, name: "One", status: "release", owner: "u1", slug: "1" }
const asset = { id: "d1", created: 1, name: "One", state: "ready", type: "dataset" }
const run = { id: "r1", created: 1, name: "One", owner: "u1", run_time: 1, state: "completed", has_results: true }

const executors = [
  ["the compiled executor", { fastPath: true, compiledExecutor: true }],
  ["graphql-js", { fastPath: false, compiledExecutor: false }],
] as const

/** The paths of the errors, all of which blame Code Ocean. */
function pathsOf({ errors = [] }: Result): string[] {
  for (const { extensions } of errors) expect(extensions.code).toBe("UPSTREAM_INVALID_RESPONSE")
  return errors.map(({ path }) => path!.join(".")).sort()
}

/** The paths of nulls in lists of a response. */
function nullsIn(value: unknown, path: string): string[] {
  if (value === null || typeof value !== "object") return []
  return Object.entries(value).flatMap(([key, inner]) =>
    inner === null && Array.isArray(value) ? [`${path}.${key}`] : nullsIn(inner, `${path}.${key}`),
  )
}

const texts = ["a", null, {}, ["b"], 5, "c"]
const shownTexts = ["a", null, null, null, "5", "c"]
const objects = (key: string) => [{ [key]: "a" }, null, "text", 5, [], { [key]: "b" }]
const shown = (key: string) => [{ [key]: "a" }, null, null, null, null, { [key]: "b" }]

describe("lists with an unreadable item", () => {
  const rows: [list: string, query: string, bodies: Record<string, unknown>, expected: unknown][] = [
    ["tags", `{ capsule(id: "c1") { it: tags } }`, { "/capsules/c1": { ...capsule, tags: texts } }, shownTexts],
    [
      "keywords of older platforms",
      `{ dataAsset(id: "d1") { it: tags } }`,
      { "/data_assets/d1": { ...asset, keywords: texts } },
      shownTexts,
    ],
    [
      "versions",
      `{ pipeline(id: "c1") { it: versions { doi } } }`,
      { "/pipelines/c1": { ...capsule, versions: objects("doi") } },
      shown("doi"),
    ],
    ...(["parameters", "processes"] as const).map((key): (typeof rows)[number] => [
      `a run's ${key}`,
      `{ computation(id: "r1") { it: ${key} { name } } }`,
      { "/computations/r1": { ...run, [key]: objects("name") } },
      shown("name"),
    ]),
    [
      "a run's inputs",
      `{ computation(id: "r1") { it: dataAssets { mount } } }`,
      { "/computations/r1": { ...run, data_assets: objects("mount") } },
      shown("mount"),
    ],
    [
      "parameters of a process",
      `{ computation(id: "r1") { processes { it: parameters { value } } } }`,
      { "/computations/r1": { ...run, processes: [{ parameters: objects("value") }] } },
      shown("value"),
    ],
    ...["parameters", "categories", "processes"].map((key): (typeof rows)[number] => [
      `a panel's ${key}`,
      `{ capsule(id: "c1") { appPanel { it: ${key} { name } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/app_panel": { [key]: objects("name") } },
      shown("name"),
    ]),
    ...["parameters", "categories"].map((key): (typeof rows)[number] => [
      `${key} of a panel's process`,
      `{ capsule(id: "c1") { appPanel { processes { it: ${key} { name } } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/app_panel": { processes: [{ [key]: objects("name") }] } },
      shown("name"),
    ]),
    [
      "a panel's data assets",
      `{ capsule(id: "c1") { appPanel { it: dataAssets { name } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/app_panel": { data_assets: objects("name") } },
      shown("name"),
    ],
    [
      "a panel's results",
      `{ capsule(id: "c1") { appPanel { it: results { fileName } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/app_panel": { results: objects("file_name") } },
      [{ fileName: "a" }, null, null, null, null, { fileName: "b" }],
    ],
    [
      "a parameter's options",
      `{ capsule(id: "c1") { appPanel { parameters { it: valueOptions } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/app_panel": { parameters: [{ value_options: texts }] } },
      shownTexts,
    ],
    [
      "a result's parameters",
      `{ dataAsset(id: "d1") { it: appParameters { name } } }`,
      { "/data_assets/d1": { ...asset, app_parameters: objects("name") } },
      shown("name"),
    ],
    [
      "the parts of a combined data asset",
      `{ dataAsset(id: "d1") { it: containedDataAssets { mount } } }`,
      { "/data_assets/d1": { ...asset, contained_data_assets: objects("mount") } },
      shown("mount"),
    ],
    [
      "people who have permissions",
      `{ dataAsset(id: "d1") { permissions { it: users { email } } } }`,
      { "/data_assets/d1": asset, "/data_assets/d1/permissions": { users: objects("email") } },
      shown("email"),
    ],
    [
      "groups that have permissions",
      `{ capsule(id: "c1") { permissions { it: groups { group } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/permissions": { groups: objects("group") } },
      shown("group"),
    ],
    [
      "categories of custom metadata",
      `{ customMetadata { it: categories } }`,
      { "/custom_metadata": { categories: texts } },
      shownTexts,
    ],
    [
      "allowed values",
      `{ customMetadata { fields { it: allowedValues } } }`,
      { "/custom_metadata": { fields: [{ name: "a", type: "string", allowed_values: ["a", null, 1] }] } },
      ["a", null, 1],
    ],
    [
      "fields of custom metadata",
      `{ customMetadata { it: fields { name } } }`,
      { "/custom_metadata": { fields: [{ name: "a" }, null, {}, "b", { name: "c" }] } },
      [{ name: "a" }, null, null, null, { name: "c" }],
    ],
    [
      "entries of a folder",
      `{ computation(id: "r1") { results(path: "top") { it: entries { name path } } } }`,
      {
        "/computations/r1": run,
        "/computations/r1/results": {
          items: [{ path: "top/a.csv" }, null, {}, "text", { name: "", path: "" }, { name: 5 }, { path: "/" }],
        },
      },
      [{ name: "a.csv", path: "top/a.csv" }, null, null, null, null, { name: "5", path: "top/5" }, null],
    ],
    [
      "runs",
      `{ capsule(id: "c1") { computations { it: nodes { id } } } }`,
      {
        "/capsules/c1": capsule,
        "/capsules/c1/computations": [null, { ...run, id: 7 }, "text", {}, run, { ...run, id: "a/b", created: 0 }],
      },
      [{ id: "7" }, { id: "r1" }, null, null, null, null],
    ],
    ...(["Capsules", "Pipelines", "DataAssets"] as const).map((kind): (typeof rows)[number] => [
      `found ${kind}`,
      `{ search${kind} { it: nodes { id } edges { cursor node { id } } } }`,
      {
        [`/${kind === "DataAssets" ? "data_assets" : kind.toLowerCase()}/search`]: {
          results: [{ ...asset, id: 7 }, null, "text", {}, { id: "" }, { id: "../x" }, { id: 1.5 }, { id: "c1" }],
        },
      },
      [{ id: "7" }, null, null, null, null, null, null, { id: "c1" }],
    ]),
    [
      "attached data assets",
      `mutation { attachDataAssets(input: { capsuleId: "c1", dataAssets: [{ id: "d1" }] }) { ... on AttachDataAssetsPayload { it: results { mount } } } }`,
      { "/capsules/c1/data_assets": objects("mount") },
      shown("mount"),
    ],
  ]

  test.each(rows)(
    "an unreadable item in a list of %s is null with an error at its path, and the others are complete",
    async (_list, query, bodies, expected) => {
      const upstream = await startAnswering(bodies)
      for (const [_name, options] of executors) {
        const answer = await startGatewayOn(upstream.url, options).ask(query)
        expect(JSON.stringify(answer.data)).toContain(`"it":${JSON.stringify(expected)}`)
        const nulls = nullsIn(answer.data, "").map((path) => path.slice(1))
        // A null node is in its edge, and the error of a field without a name has the path of the name.
        const errors = pathsOf(answer).filter((path) => !path.includes("edges"))
        expect(errors.map((path) => path.replace(/\.name$/, ""))).toEqual(nulls.sort())
      }
    },
  )
})

test("an edge whose item can't be read has its cursor, and the walk continues after it", async () => {
  const results = [{ ...capsule, id: "a" }, null, { ...capsule, id: "b" }, 5, { ...capsule, id: "c" }]
  const upstream = await startFaultyUpstream(({ body }) => {
    const { offset = 0, limit } = JSON.parse(body)
    return { body: { results: results.slice(offset, offset + limit), has_more: offset + limit < results.length } }
  })
  const { ask } = startGatewayOn(upstream.url)
  const seen: (string | null)[] = []
  let after: string | null = null
  do {
    const { data } = await ask(
      `query ($after: String) { searchCapsules(first: 1, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }`,
      { after },
    )
    const { edges, pageInfo } = data.searchCapsules
    seen.push(...edges.map(({ node }: { node: { id: string } | null }) => node?.id ?? null))
    after = pageInfo.hasNextPage ? edges.at(-1).cursor : null
  } while (after !== null && seen.length < 10)
  expect(seen).toEqual(["a", null, "b", null, "c"])
})

test("a run that can't be read comes last in the pages, and matches no filter", async () => {
  const upstream = await startAnswering({
    "/capsules/c1": capsule,
    "/capsules/c1/computations": [null, { ...run, id: "r2", created: 2 }, 5, run],
  })
  const { ask } = startGatewayOn(upstream.url)
  const seen: (string | null)[] = []
  let after: string | null = null
  for (let page = 0; page < 4; page++) {
    const { data } = await ask(
      `query ($after: String) { capsule(id: "c1") { computations(first: 1, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } } }`,
      { after },
    )
    const { nodes, pageInfo } = data.capsule.computations
    seen.push(nodes[0]?.id ?? null)
    after = pageInfo.endCursor
    expect(pageInfo.hasNextPage).toBe(page < 3)
  }
  expect(seen).toEqual(["r2", "r1", null, null])
  const { data, errors } = await ask(
    `{ capsule(id: "c1") { computations(filter: { state: [COMPLETED] }) { nodes { id } } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.capsule.computations.nodes).toEqual([{ id: "r2" }, { id: "r1" }])
})

test("a run without a start time comes after the others, and matches no range of time", async () => {
  const upstream = await startAnswering({
    "/capsules/c1": capsule,
    "/capsules/c1/computations": [
      { ...run, created: 0 },
      { ...run, id: "r2", created: null },
      { ...run, id: "r3" },
    ],
  })
  const { data, errors } = await startGatewayOn(upstream.url).ask(`{ capsule(id: "c1") {
    all: computations { nodes { id created } }
    some: computations(filter: { created: { to: "2000-01-01" } }) { nodes { id } }
  } }`)
  expect(errors).toBeUndefined()
  expect(data.capsule).toEqual({
    all: {
      nodes: [
        { id: "r3", created: "1970-01-01T00:00:01.000Z" },
        { id: "r1", created: null },
        { id: "r2", created: null },
      ],
    },
    some: { nodes: [{ id: "r3" }] },
  })
})

test("capsules that a search finds beside something unreadable need no calls of their own", async () => {
  const ids = [
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-000000000002",
    "00000000-0000-0000-0000-000000000003",
  ]
  const [first, second, third] = ids.map((id) => ({ ...capsule, id }))
  const upstream = await startAnswering({
    "/capsules/search": { results: [null, first, "text", {}, second] },
    [`/capsules/${ids[2]}`]: third,
  })
  const { data, errors } = await startGatewayOn(upstream.url).ask(
    "query ($ids: [ID!]!) { capsules(ids: $ids) { id name } }",
    {
      ids,
    },
  )
  expect(errors).toBeUndefined()
  expect(data.capsules).toEqual(ids.map((id) => ({ id, name: "One" })))
  expect(upstream.requests.map(({ path }) => path)).toEqual(["/capsules/search", `/capsules/${ids[2]}`])
})

describe("a data asset that a search returns unreadable", () => {
  const found = { results: [asset, null, { name: "no id" }, { ...asset, id: 2 }] }
  const bodies = { "/data_assets/search": found, "/data_assets/d1": asset, "/data_assets/2": { ...asset, id: 2 } }

  test("a data asset that a search returns unreadable is a null behind the items of a bulk edit, and counts as failed", async () => {
    const upstream = await startAnswering(bodies)
    const answer = await startGatewayOn(upstream.url).ask(`mutation {
      updateDataAssets(input: { search: { query: "x" }, addTags: ["new"] }) {
        ... on UpdateDataAssetsPayload { changed failed items { dataAssetId status } }
      }
    }`)
    expect(answer.data.updateDataAssets).toEqual({
      changed: 2,
      failed: 2,
      items: [{ dataAssetId: "d1", status: "CHANGED" }, { dataAssetId: "2", status: "CHANGED" }, null, null],
    })
    expect(pathsOf(answer)).toEqual(["updateDataAssets.items.2", "updateDataAssets.items.3"])
  })

  test("a data asset that a search returns unreadable is a null behind the results of attaching the others", async () => {
    const upstream = await startAnswering({ ...bodies, "/capsules/c1/data_assets": [{ id: "d1" }, { id: 2 }] })
    const answer = await startGatewayOn(upstream.url).ask(`mutation {
      attachDataAssets(input: { capsuleId: "c1", search: { query: "x" } }) {
        ... on AttachDataAssetsPayload { results { ready } }
      }
    }`)
    expect(answer.data.attachDataAssets.results).toEqual([{ ready: null }, { ready: null }, null, null])
    expect(pathsOf(answer)).toEqual(["attachDataAssets.results.2", "attachDataAssets.results.3"])
    expect(JSON.parse(upstream.requests[1]!.body)).toEqual([{ id: "d1" }, { id: "2" }])
  })

  test("a search that returns only an unreadable data asset fails with an error that says so", async () => {
    const upstream = await startAnswering({ "/data_assets/search": { results: [null] } })
    const answer = await startGatewayOn(upstream.url).ask(
      `mutation { attachDataAssets(input: { capsuleId: "c1", search: { query: "x" } }) { __typename } }`,
    )
    expect(pathsOf(answer)).toEqual(["attachDataAssets"])
  })
})

test("a field of custom metadata that can't be read does not hide the unit of another one", async () => {
  const upstream = await startAnswering({
    "/data_assets/d1": { ...asset, custom_metadata: { age: 5 } },
    "/custom_metadata": { fields: [null, "text", { name: "age", type: "number", units: "days" }] },
  })
  const { data, errors } = await startGatewayOn(upstream.url).ask(
    `{ dataAsset(id: "d1") { customMetadata { key units type } } }`,
  )
  expect(errors).toBeUndefined()
  expect(data.dataAsset.customMetadata).toEqual([{ key: "age", units: "days", type: "NUMBER" }])
})

test("an event of a subscription keeps the readable items of its lists", async () => {
  const upstream = await startAnswering({
    "/computations/r1": { ...run, parameters: [null, { name: "a" }], data_assets: [{ id: "d1" }, { id: "" }, 5] },
  })
  const url = await startGatewayOn(upstream.url).gateway.listen()
  const events = await (
    await follow(url, `subscription { computation(id: "r1") { parameters { name } dataAssets { dataAsset { id } } } }`)
  ).rest()
  const [event] = events as Result[]
  expect(event!.data.computation).toEqual({
    parameters: [null, { name: "a" }],
    dataAssets: [{ dataAsset: { id: "d1" } }, { dataAsset: null }, null],
  })
  expect(pathsOf(event!)).toEqual(["computation.dataAssets.2", "computation.parameters.0"])
})

describe("one object in place of a list of objects is read as a list of one", () => {
  test.each([
    [
      "versions",
      `{ capsule(id: "c1") { it: versions { doi } } }`,
      { "/capsules/c1": { ...capsule, versions: { doi: "a" } } },
    ],
    [
      "a process's categories",
      `{ capsule(id: "c1") { appPanel { processes { it: categories { name } } } } }`,
      { "/capsules/c1": capsule, "/capsules/c1/app_panel": { processes: { categories: { name: "a" } } } },
    ],
    [
      "a process's parameters",
      `{ pipeline(id: "c1") { appPanel { processes { it: parameters { name } } } } }`,
      { "/pipelines/c1": capsule, "/pipelines/c1/app_panel": { processes: [{ parameters: { name: "a" } }] } },
    ],
    [
      "a run's inputs",
      `{ computation(id: "r1") { it: dataAssets { mount } } }`,
      { "/computations/r1": { ...run, data_assets: { mount: "a" } } },
    ],
    [
      "people",
      `{ dataAsset(id: "d1") { permissions { it: users { email } } } }`,
      { "/data_assets/d1": asset, "/data_assets/d1/permissions": { users: { email: "a" } } },
    ],
    [
      "metadata fields",
      `{ customMetadata { it: fields { name } } }`,
      { "/custom_metadata": { fields: { name: "a" } } },
    ],
  ])("one object in place of a list of objects is read as a list of one: %s", async (_list, query, bodies) => {
    const upstream = await startAnswering(bodies)
    const { data, errors } = await startGatewayOn(upstream.url).ask(query)
    expect(errors).toBeUndefined()
    expect(JSON.stringify(data)).toMatch(/"it":\[\{"\w+":"a"\}\]/)
  })

  test("an empty object in place of a list of objects is read as an empty list", async () => {
    const upstream = await startAnswering({ "/capsules/c1": { ...capsule, versions: {} } })
    const { data } = await startGatewayOn(upstream.url).ask(`{ capsule(id: "c1") { versions { doi } } }`)
    expect(data.capsule.versions).toEqual([])
  })
})

test("a list with more than a thousand unreadable items is itself unreadable", async () => {
  const upstream = await startAnswering({ "/data_assets/search": { results: [asset, ...Array(1_001).fill(null)] } })
  const answer = await startGatewayOn(upstream.url).ask(`{ searchDataAssets(first: 1000) { nodes { id } } }`)
  expect(answer.data.searchDataAssets).toBeNull()
  expect(pathsOf(answer)).toEqual(["searchDataAssets"])
})
