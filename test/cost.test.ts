import {
  type GraphQLField,
  type GraphQLNamedType,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  isUnionType,
  parse,
} from "graphql"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { readConfig } from "../src/config/config.ts"
import { type Cost, costOf } from "../src/graph/cost.ts"
import { schema } from "../src/graph/schema.ts"
import { createEstimator } from "../src/operation/estimate/estimator.ts"
import { startGateway } from "./support/gateway.ts"

interface SchemaField {
  name: string
  field: GraphQLField<unknown, unknown>
  cost: Cost | undefined
}

const objects = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && !type.name.startsWith("__"))

const schemaFields: SchemaField[] = objects.flatMap((type) =>
  isObjectType(type)
    ? Object.values(type.getFields()).map((field) => ({
        name: `${type.name}.${field.name}`,
        field,
        cost: costOf(field),
      }))
    : [],
)

const makesCalls = ({ cost }: SchemaField) =>
  !!(cost && (cost.calls || cost.oncePerObject !== undefined || cost.oncePerRequest !== undefined))

/** The fields of a type, or of all types that an abstract type can have. */
function fieldsOfType(type: GraphQLNamedType): SchemaField[] {
  const types = isInterfaceType(type) || isUnionType(type) ? schema.getPossibleTypes(type) : [type]
  return schemaFields.filter(({ name }) => types.some((one) => name.startsWith(`${one.name}.`)))
}

/** Whether a selection on this type can make calls. */
function leadsToCalls(type: GraphQLNamedType, seen = new Set<string>()): boolean {
  if (!isCompositeType(type) || seen.has(type.name)) return false
  seen.add(type.name)
  return fieldsOfType(type).some(
    (schemaField) => makesCalls(schemaField) || leadsToCalls(getNamedType(schemaField.field.type), seen),
  )
}

describe("the cost that a field declares", () => {
  test("every field whose description mentions a call declares calls, and no other does", () => {
    const says = ({ field }: SchemaField) =>
      /\b(one|a|two|three)( REST)? calls?\b(?! more)|one read and one write/i.test(field.description ?? "")
    expect(schemaFields.filter(makesCalls).length).toBeGreaterThan(80)
    expect(
      schemaFields.filter((schemaField) => says(schemaField) !== makesCalls(schemaField)).map(({ name }) => name),
    ).toEqual([])
  })

  test("every argument that a cost names exists", () => {
    const named = schemaFields.flatMap(({ name, field, cost }) =>
      [cost?.per?.argument, cost?.items?.argument, cost?.byId]
        .filter((path) => path !== undefined)
        .map((path) => ({ name, field, path })),
    )
    expect(named.length).toBeGreaterThan(20)
    for (const { name, field, path } of named) {
      const [argument, inner] = path.split(".")
      const type = getNamedType(field.args.find((arg) => arg.name === argument)?.type)
      expect(type, `${name}(${path})`).toBeDefined()
      if (inner !== undefined)
        expect(isInputObjectType(type) && type.getFields()[inner], `${name}(${path})`).toBeTruthy()
    }
  })

  test("every list with calls below it declares its number of items, or the field above it does", () => {
    const isList = ({ field }: SchemaField) => isListType(getNullableType(field.type))
    const lists = schemaFields.filter(
      (schemaField) => isList(schemaField) && leadsToCalls(getNamedType(schemaField.field.type)),
    )
    expect(lists.length).toBeGreaterThan(20)
    const unsized = lists.filter(({ name, cost }) => {
      if (cost?.items !== undefined) return false
      const [owner = ""] = name.split(".")
      const above = schemaFields.filter(({ field }) =>
        fieldsOfType(getNamedType(field.type)).some((schemaField) => schemaField.name.startsWith(`${owner}.`)),
      )
      return above.length === 0 || above.some((schemaField) => schemaField.cost?.items === undefined)
    })
    expect(unsized.map(({ name }) => name)).toEqual([])
  })
})

const { limits } = readConfig({ CODEOCEAN_URL: "https://codeocean.example.org" })

const estimate = createEstimator(schema)
const ids = (count: number) => Array.from({ length: count }, (_, index) => `id-${index}`)

function estimateOf(query: string, variables: Record<string, unknown> = {}): number {
  return estimate(parse(query), null, variables).calls
}

const nestedPage = `{
  searchCapsules(first: 50) {
    nodes {
      id name
      appPanel { parameters { name } dataAssets { mount dataAsset { name size state } } }
      computations(first: 5) { nodes { id name dataAssets { mount dataAsset { id name size } } } }
    }
    pageInfo { hasNextPage endCursor }
  }
}`

const two = "query ($a: ID!, $b: ID!) { a: capsule(id: $a) { name } b: capsule(id: $b) { name } }"

const lookUp = `query (
  $capsules: [ID!] = [], $pipelines: [ID!] = [], $dataAssets: [ID!] = [], $nodes: [ID!] = [], $references: [_Any!] = []
) {
  capsules(ids: $capsules) { name } pipelines(ids: $pipelines) { name } dataAssets(ids: $dataAssets) { name }
  nodes(ids: $nodes) { id } _entities(representations: $references) { ... on Runnable { name } }
}`
const uuids = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => `00000000-0000-4000-8000-${String(from + index).padStart(12, "0")}`)

describe("an operation's estimate", () => {
  test.each<[string, string, Record<string, unknown>, number]>([
    ["no call for `__typename`", "{ __typename }", {}, 0],
    ["one call for a lookup", '{ capsule(id: "1") { name } }', {}, 1],
    ["one call for a lookup of the id alone", '{ capsule(id: "1") { id } }', {}, 1],
    [
      "one call for the same id twice",
      '{ a: capsule(id: "1") { name } b: capsule(id: "1") { slug } capsules(ids: ["1"]) { id } }',
      {},
      1,
    ],
    ["one call for a lookup by a variable", "query ($a: ID!) { capsule(id: $a) { name } }", { a: "1" }, 1],
    ["one call for two variables with the same id", two, { a: "1", b: "1" }, 1],
    ["two calls for two variables with different ids", two, { a: "1", b: "2" }, 2],
    ["two calls for the same id of two types", '{ capsule(id: "1") { name } dataAsset(id: "1") { name } }', {}, 2],
    [
      "one call for each different id of a list",
      "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }",
      { ids: ["1", "2", "2", "3"] },
      3,
    ],
    [
      "one call for a list that is a single id",
      "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }",
      { ids: "1" },
      1,
    ],
    ["one call for a capsule, for which there is no search", lookUp, { capsules: uuids(1) }, 1],
    ["one call more than capsules, for a search that may find none", lookUp, { capsules: uuids(2) }, 3],
    ["one call more for each hundred capsules", lookUp, { capsules: uuids(201) }, 204],
    [
      "a search for capsules, whichever fields look them up",
      lookUp,
      { capsules: uuids(1), references: uuids(1, 1).map((id) => ({ __typename: "Capsule", id })) },
      3,
    ],
    ["a search for capsules and another for pipelines", lookUp, { capsules: uuids(2), pipelines: uuids(2) }, 6],
    ["no search for data assets", lookUp, { dataAssets: uuids(2) }, 2],
    ["two searches for nodes of any type", lookUp, { nodes: uuids(2) }, 10],
    ["four calls for a node", '{ node(id: "1") { id } }', {}, 4],
    ["four calls for each of several nodes", '{ nodes(ids: ["1", "2"]) { id } }', {}, 8],
    ["one call for a page of any size", "{ searchCapsules(first: 1000) { nodes { name } } }", {}, 1],
    ["20 items for a page without `first`", "{ searchCapsules { nodes { permissions { everyone } } } }", {}, 21],
    [
      "as many items as a variable says",
      "query ($n: Int) { searchCapsules(first: $n) { nodes { appPanel { general { title } } } } }",
      { n: 7 },
      8,
    ],
    [
      "20 items for a page whose size is a variable without a value",
      "query ($n: Int) { searchCapsules(first: $n) { nodes { appPanel { general { title } } } } }",
      {},
      21,
    ],
    [
      "the default value of a page's size",
      "query ($n: Int = 3) { searchCapsules(first: $n) { nodes { appPanel { general { title } } } } }",
      {},
      4,
    ],
    [
      "the items of edges like those of nodes",
      "{ searchCapsules(first: 5) { edges { node { appPanel { general { title } } } } } }",
      {},
      6,
    ],
    ["no call for the id of a linked object", '{ capsule(id: "1") { releaseCapsule { id __typename } } }', {}, 1],
    [
      "no call for the id of a linked object by a fragment",
      '{ capsule(id: "1") { releaseCapsule { ...F } } } fragment F on Capsule { id }',
      {},
      1,
    ],
    ["one call for a linked object's other fields", '{ capsule(id: "1") { releaseCapsule { id name } } }', {}, 2],
    [
      "no call for fields that `@skip` and `@include` leave out",
      'query ($no: Boolean!) { capsule(id: "1") { releaseCapsule { id name @include(if: $no) } permissions @skip(if: true) { everyone } } }',
      { no: false },
      1,
    ],
    [
      "one call for a field that `@include` keeps",
      'query ($no: Boolean!) { capsule(id: "1") { releaseCapsule { id name @include(if: $no) } } }',
      { no: true },
      2,
    ],
    [
      "the default value of a condition variable",
      'query ($yes: Boolean = true) { capsule(id: "1") { permissions @include(if: $yes) { everyone } } }',
      {},
      2,
    ],
    [
      "one call for all pages of one list of runs",
      '{ capsule(id: "1") { a: computations(first: 1) { nodes { id } } b: computations { nodes { name } } } }',
      {},
      2,
    ],
    [
      "one call for each version of a panel",
      '{ capsule(id: "1") { a: appPanel(version: 1) { general { title } } b: appPanel { general { title } } } }',
      {},
      3,
    ],
    ["one call for both URLs of a file", '{ dataAsset(id: "1") { file(path: "a") { downloadUrl viewUrl } } }', {}, 2],
    ["two calls for a file's text and URL", '{ dataAsset(id: "1") { file(path: "a") { downloadUrl text } } }', {}, 3],
    [
      "one call for the metadata schema of all entries",
      "{ customMetadata { categories } searchDataAssets { nodes { customMetadata { type units } } } }",
      {},
      2,
    ],
    [
      "the costliest of the types that a value can have",
      '{ node(id: "1") { ... on Capsule { permissions { everyone } appPanel { general { title } } } ... on DataAsset { permissions { everyone } } } }',
      {},
      6,
    ],
    [
      "25 calls for each generation of a lineage",
      '{ dataAsset(id: "1") { lineage(depth: 2) { nodes { nodeId } } } }',
      {},
      51,
    ],
    [
      "a field that is selected twice once",
      '{ capsule(id: "1") { permissions { everyone } permissions { shareAssets } ...F } } fragment F on Capsule { permissions { everyone } }',
      {},
      2,
    ],
    [
      "two calls for each data asset of an edit, and one to show it",
      'mutation ($ids: [ID!]) { updateDataAssets(input: {ids: $ids, addTags: ["a"]}) { ... on UpdateDataAssetsPayload { items { dataAsset { name } } } } }',
      { ids: ids(10) },
      30,
    ],
    [
      "a thousand data assets for an edit of what a search finds",
      'mutation ($q: String) { updateDataAssets(input: {search: {query: $q}, addTags: ["a"]}) { __typename } }',
      { q: "x" },
      2000,
    ],
    [
      "one call for each field of a mutation",
      'mutation { a: deleteCapsule(input: {id: "1"}) { __typename } b: deleteCapsule(input: {id: "1"}) { __typename } }',
      {},
      2,
    ],
    ["the calls of one event of a subscription", 'subscription { computation(id: "1") { state log } }', {}, 4],
    [
      "one call for each different reference of a router",
      "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Capsule { name } } }",
      {
        r: [
          { __typename: "Capsule", id: "1" },
          { __typename: "Capsule", id: "1" },
          { __typename: "DataAsset", id: "1" },
        ],
      },
      2,
    ],
    [
      "no call for the capsule of runs that are listed with it",
      '{ capsule(id: "1") { computations(first: 200) { nodes { runnable { name } } edges { node { runnable { slug } } } } } }',
      {},
      2,
    ],
    [
      "no call for the capsules of the runs that were merged, nor whether they are archived",
      "{ recentComputations(first: 30) { nodes { runnable { name archived } } runnables { name archived } } }",
      {},
      24,
    ],
    [
      "the calls of fields below what is free",
      "{ recentComputations(first: 30) { nodes { runnable { name permissions { everyone } } } } }",
      {},
      54,
    ],
    [
      "the capsule of another run than the listed ones",
      '{ capsule(id: "1") { computations(first: 3) { nodes { dataAssets { dataAsset { provenance { computation { runnable { name } } } } } } } } }',
      {},
      // Five inputs of each run, each with the run that made it, and its capsule.
      2 + 3 * 5 * 3,
    ],
    [
      "no call for whether something is archived that a search finds",
      "{ searchCapsules(first: 50) { nodes { archived } } searchDataAssets { edges { node { archived } } } }",
      {},
      2,
    ],
    [
      "two calls for whether a capsule is archived, and one for a data asset",
      '{ capsule(id: "1") { archived } dataAsset(id: "1") { archived } }',
      {},
      5,
    ],
    ["no call for the capsule of a run that was looked up", '{ computation(id: "1") { runnable { name } } }', {}, 1],
    ["1601 calls for a nested page of fifty capsules", nestedPage, {}, 1601],
  ])("the estimate counts %s", (_name, query, variables, calls) => {
    expect(estimateOf(query, variables)).toBe(calls)
  })

  test("the estimate is that of the named operation", () => {
    const document = parse('query One { capsule(id: "1") { name } } query Two { capsules(ids: ["1", "2"]) { name } }')
    expect(estimate(document, "Two", {}).calls).toBe(2)
    expect(estimate(document, "One", {}).calls).toBe(1)
  })

  test("the estimate differs between requests with one document and other variables", () => {
    const document = parse(
      "query ($n: Int, $with: Boolean!) { searchCapsules(first: $n) { nodes { permissions @include(if: $with) { everyone } } } }",
    )
    expect(estimate(document, null, { n: 2, with: true }).calls).toBe(3)
    expect(estimate(document, null, { n: 2, with: false }).calls).toBe(1)
    expect(estimate(document, null, { n: 9, with: true }).calls).toBe(10)
  })

  test("the estimate of fragments that double 60 times takes no longer than their text", () => {
    const fragments = ids(60).map(
      (_, index) =>
        `fragment F${index} on Computation { a: runnable { computations(first: 1) { nodes { ...F${index + 1} } } } b: runnable { computations(first: 1) { nodes { ...F${index + 1} } } } }`,
    )
    const query = `{ computation(id: "1") { ...F0 } } ${fragments.join(" ")} fragment F60 on Computation { log }`
    expect(estimateOf(query)).toBeGreaterThan(2 ** 60)
  })

  test("the estimate accepts variables of any shape", () => {
    const query =
      "query ($n: Int, $ids: [ID!]!, $s: Boolean!) { searchCapsules(first: $n) { nodes { id } } capsules(ids: $ids) { id @skip(if: $s) } }"
    for (const value of [null, -1, 1e9, "x", {}, [], [[1]], [null], { a: [] }, true]) {
      expect(estimateOf(query, { n: value, ids: value, s: value })).toBeLessThan(10)
    }
  })
})

describe("the default limit of estimated calls allows the largest requests that clients really make", () => {
  test.each<[string, string, Record<string, unknown>]>([
    ["a nested page of 150 capsules", nestedPage.replace("first: 50", "first: 150"), {}],
    ["a thousand objects of any type", "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids: ids(1000) }],
    [
      "an edit of a thousand data assets that shows them all",
      'mutation ($ids: [ID!]) { updateDataAssets(input: {ids: $ids, addTags: ["a"]}) { ... on UpdateDataAssetsPayload { items { dataAsset { name } } } } }',
      { ids: ids(1000) },
    ],
    [
      "a small file of each of a thousand data assets",
      '{ searchDataAssets(first: 1000) { nodes { file(path: "a.json") { json } } } }',
      {},
    ],
    [
      "what uses each of a thousand data assets",
      "{ searchDataAssets(first: 1000) { nodes { attachedTo(first: 1) { nodes { id } } attachedToPipelines(first: 1) { nodes { id } } } } }",
      {},
    ],
    [
      "the deepest lineage, with its runs' logs",
      '{ dataAsset(id: "1") { lineage(depth: 10) { nodes { node { ... on Computation { log } } } } } }',
      {},
    ],
    ["the logs of a thousand runs", '{ capsule(id: "1") { computations(first: 1000) { nodes { log } } } }', {}],
  ])("%s is allowed by the default limit of calls", (_name, query, variables) => {
    expect(estimateOf(query, variables)).toBeLessThanOrEqual(limits.estimatedCalls)
  })
})

const withCost = { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" }

describe("an operation whose estimate exceeds the limit of calls", () => {
  test("an operation above the limit is refused before its first call; the error names its costliest field and a smaller request", async () => {
    const { ask, sandbox } = await startGateway()
    const query = (first: number) =>
      nestedPage.replace("first: 50", `first: ${first}`).replace("computations(first: 5)", "computations(first: 50)")
    const { data, errors, extensions } = await ask(query(1000), {}, withCost)
    expect(data).toBeUndefined()
    expect(errors).toHaveLength(1)
    expect(errors?.[0]?.message).toBe(
      "This operation may need 257001 calls to Code Ocean; at most 50000 are allowed. The costliest field is `searchCapsules.nodes.computations.nodes.dataAssets.dataAsset`. `searchCapsules(first: 194)` would be allowed.",
    )
    expect(errors?.[0]?.extensions).toMatchObject({
      code: "OPERATION_TOO_COSTLY",
      field: "searchCapsules.nodes.computations.nodes.dataAssets.dataAsset",
      estimatedUpstreamCalls: 257001,
      limit: 50000,
    })
    expect(extensions.cost).toEqual({ estimatedUpstreamCalls: 257001, upstreamCalls: 0, sharedCalls: 0 })
    expect(sandbox.requests).toHaveLength(0)
    expect((await ask(query(194))).errors ?? []).not.toContainEqual(
      expect.objectContaining({ extensions: expect.objectContaining({ code: "OPERATION_TOO_COSTLY" }) }),
    )
  })

  test.each([
    [
      "a list of ids",
      "query ($ids: [ID!]!) { capsules(ids: $ids) { permissions { everyone } } }",
      "`capsules` with 50 of its `ids` would be allowed.",
    ],
    [
      "a page with an alias",
      "{ x: searchCapsules(first: 500) { nodes { permissions { everyone } } } }",
      "`x: searchCapsules(first: 99)` would be allowed.",
    ],
    [
      "the inner of two pages if no size of the outer one is enough",
      "{ searchCapsules(first: 1) { nodes { computations(first: 1000) { nodes { log } } } } }",
      "`computations(first: 32)` would be allowed.",
    ],
    [
      "all pages if none alone is large enough",
      "{ a: searchCapsules(first: 90) { nodes { permissions { everyone } } } b: searchPipelines(first: 90) { nodes { permissions { everyone } } } c: searchDataAssets(first: 90) { nodes { permissions { everyone } } } }",
      "It would be allowed with every `first` and every list of ids at 32 or less.",
    ],
    [
      "the operation if it has no list",
      `{ ${ids(99)
        .map((id, index) => `a${index}: dataAsset(id: "${id}") { permissions { everyone } }`)
        .join(" ")} }`,
      "Split it into several requests.",
    ],
  ])("the error of an operation above the limit says to shrink %s", async (_name, query, advice) => {
    const { ask, sandbox } = await startGateway({ config: { limits: { ...limits, estimatedCalls: 100 } } })
    const { errors } = await ask(query, { ids: ids(200) })
    expect(errors?.[0]?.message).toContain(advice)
    expect(sandbox.requests).toHaveLength(0)
  })

  test("a mutation above the limit changes nothing, and a subscription above it does not start", async () => {
    const { ask, sandbox, gateway } = await startGateway({ config: { limits: { ...limits, estimatedCalls: 2 } } })
    const archive = `archiveCapsule(input: {id: "${seed.cellCounter}", archived: true}) { __typename }`
    const { errors } = await ask(`mutation { a: ${archive} b: ${archive} c: ${archive} }`)
    expect(errors?.[0]?.extensions.code).toBe("OPERATION_TOO_COSTLY")
    const response = await gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { ...withCost, "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: `subscription { computation(id: "${seed.runningAlignment}") { log } }` }),
    })
    expect(await response.text()).toContain("OPERATION_TOO_COSTLY")
    expect(sandbox.requests).toHaveLength(0)
  })

  test("an estimate of exactly the limit is allowed; one call more is refused", async () => {
    const { ask, sandbox } = await startGateway({ config: { limits: { ...limits, estimatedCalls: 3 } } })
    const capsules = (count: number) =>
      ask("query ($ids: [ID!]!) { capsules(ids: $ids) { name } }", { ids: ids(count) })
    expect((await capsules(4)).errors?.[0]?.extensions.code).toBe("OPERATION_TOO_COSTLY")
    expect(sandbox.requests).toHaveLength(0)
    expect(await capsules(3)).toEqual({ data: { capsules: [null, null, null] } })
  })
})

describe("an operation that makes more calls than the limit", () => {
  test("fields after the last allowed call fail, and those before keep their values", async () => {
    const { ask, sandbox } = await startGateway({ config: { limits: { ...limits, calls: 2 } } })
    const query = `{
      capsule(id: "${seed.cellCounter}") { name permissions { everyone } computations { nodes { id } } }
    }`
    const { data, errors, extensions } = await ask(query, {}, withCost)
    expect(data.capsule).toMatchObject({ name: "Cell Counter", computations: null })
    expect(data.capsule.permissions).not.toBeNull()
    expect(errors).toMatchObject([{ path: ["capsule", "computations"], extensions: { code: "OPERATION_TOO_COSTLY" } }])
    expect(errors?.[0]?.message).toContain("2 calls")
    expect(sandbox.requests).toHaveLength(2)
    expect(extensions.cost).toEqual({ estimatedUpstreamCalls: 3, upstreamCalls: 2, sharedCalls: 0 })
  })

  test("a bulk edit that reaches the limit says which items it did not change", async () => {
    const { ask, sandbox } = await startGateway({ config: { limits: { ...limits, calls: 4 } } })
    const { data } = await ask(
      `mutation ($ids: [ID!]) { updateDataAssets(input: {ids: $ids, addTags: ["new"]}) {
        ... on UpdateDataAssetsPayload { changed failed items { status failure { code outcomeUnknown } } }
      } }`,
      { ids: [seed.cellImages, seed.mouseRecording, seed.sortedSpikes] },
    )
    const { items } = data.updateDataAssets
    const failed = items.filter(({ status }: { status: string }) => status === "FAILED")
    expect(failed.length).toBeGreaterThan(0)
    for (const { failure } of failed) expect(failure).toEqual({ code: "OPERATION_TOO_COSTLY", outcomeUnknown: false })
    expect(sandbox.requests).toHaveLength(4)
  })

  test("retries do not count towards the limit of calls", async () => {
    const { ask, sandbox } = await startGateway({ config: { limits: { ...limits, calls: 1 } } })
    sandbox.failNext(`GET /capsules/${seed.cellCounter}`, { status: 503 })
    const { data, errors, extensions } = await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`, {}, withCost)
    expect(errors).toBeUndefined()
    expect(data.capsule.name).toBe("Cell Counter")
    expect(extensions.cost).toEqual({ estimatedUpstreamCalls: 1, upstreamCalls: 2, sharedCalls: 0 })
  })
})

describe("the cost in a response", () => {
  test("a response has no cost without the header X-Upstream-Cost", async () => {
    const { ask } = await startGateway()
    expect(await ask("{ __typename }")).toEqual({ data: { __typename: "Query" } })
  })

  test("results, errors and refusals have the cost if the request has the header", async () => {
    const { ask } = await startGateway()
    const costOfAnswer = async (query: string) => (await ask(query, {}, withCost)).extensions.cost
    const none = { upstreamCalls: 0, sharedCalls: 0 }
    expect(await costOfAnswer("{ __typename }")).toEqual({ estimatedUpstreamCalls: 0, ...none })
    expect(await costOfAnswer("{ nothing }")).toEqual({ estimatedUpstreamCalls: null, ...none })
    expect(await costOfAnswer("{")).toEqual({ estimatedUpstreamCalls: null, ...none })
    expect(await costOfAnswer('{ dataAssets(ids: ["", ".."]) { name } }')).toEqual({
      estimatedUpstreamCalls: 2,
      ...none,
    })
  })

  test("a call that was shared with another request counts as shared", async () => {
    const { ask, sandbox } = await startGateway()
    const hold = sandbox.hold()
    const query = `{ capsule(id: "${seed.cellCounter}") { name } }`
    const both = [ask(query, {}, withCost), ask(query, {}, withCost)]
    await hold.waitFor(1)
    hold.end()
    const costs = (await Promise.all(both)).map(({ extensions }) => extensions.cost)
    expect(costs).toContainEqual({ estimatedUpstreamCalls: 1, upstreamCalls: 1, sharedCalls: 0 })
    expect(costs).toContainEqual({ estimatedUpstreamCalls: 1, upstreamCalls: 0, sharedCalls: 1 })
    expect(sandbox.requests).toHaveLength(1)
  })

  test("pages of allowed origins may send the header X-Upstream-Cost", async () => {
    const { gateway } = await startGateway({ config: { corsOrigins: ["https://portal.example.org"] } })
    const response = await gateway.fetch("http://gateway/graphql", {
      method: "OPTIONS",
      headers: {
        origin: "https://portal.example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-upstream-cost",
      },
    })
    expect(response.headers.get("access-control-allow-headers")).toContain("X-Upstream-Cost")
  })
})
