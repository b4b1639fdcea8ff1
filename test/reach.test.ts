import { type GraphQLResolveInfo, Kind, parse, validate } from "graphql"
import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { isOnlyPage } from "../src/graph/reach.ts"
import { schema } from "../src/graph/schema.ts"
import { callsOf, startGateway } from "./support/gateway.ts"

const runs = { owner: "Capsule", connection: "ComputationConnection", item: "Computation" }

/** What `isOnlyPage` says of an operation. The first definition of the document is the operation. */
function runsHaveOnlyPage(query: string): boolean {
  const document = parse(query)
  expect(validate(schema, document)).toEqual([])
  const [operation, ...others] = document.definitions
  const fragments = Object.fromEntries(
    others.flatMap((other) => (other.kind === Kind.FRAGMENT_DEFINITION ? [[other.name.value, other]] : [])),
  )
  return isOnlyPage({ schema, operation, fragments } as GraphQLResolveInfo, runs)
}

const page = "computations(first: 2) { nodes { id name } }"
const asset = "dataAssets { dataAsset { name } }"

const only: Record<string, string> = {
  "a page of runs for each capsule of a page": `{ searchCapsules { nodes { id ${page} } } }`,
  "the same in edges": `{ searchCapsules { edges { cursor node { computations { edges { node { id ${asset} } } } } } pageInfo { endCursor } } }`,
  "the same in a fragment": `{ searchCapsules { nodes { ...runs } } } fragment runs on Runnable { ${page} }`,
  "a page of runs beside fields of another object": `{ gateway: __typename searchCapsules { nodes { appPanel { general { title } } ${page} } } }`,
}

const not: Record<string, string> = {
  "two pages of runs": `{ searchCapsules { nodes { ${page} all: computations { nodes { id } } } } }`,
  "two pages of runs, of which one is in a fragment": `{ searchCapsules { nodes { ${page} ...all } } } fragment all on Capsule { all: computations { nodes { id } } }`,
  "two lists of the same capsules": `{ searchCapsules { nodes { name } edges { node { ${page} } } } }`,
  "two searches for capsules": `{ searchCapsules { nodes { name } } again: searchCapsules { nodes { ${page} } } }`,
  "capsules of data assets, which can be the same": `{ searchDataAssets { nodes { attachedTo { nodes { ${page} } } } } }`,
  "capsules by their ids, which can be the same": `query { capsules(ids: ["${seed.spikeSorting}", "${seed.spikeSorting}"]) { ${page} } }`,
  "a capsule by its id": `{ capsule(id: "${seed.spikeSorting}") { ${page} } }`,
  "runs whose capsule is selected": "{ searchCapsules { nodes { computations { nodes { runnable { name } } } } } }",
  "runs that a data asset refers to": `{ searchCapsules { nodes { computations { nodes { dataAssets { dataAsset { provenance { computation { name } } } } } } } } }`,
  "a lineage, which looks up runs":
    "{ searchCapsules(first: 1) { nodes { computations(first: 1) { nodes { dataAssets { dataAsset { lineage(depth: 1) { truncated } } } } } } } }",
  "a run by its id": `{ computation(id: "${seed.sortedRun}") { name } searchCapsules { nodes { ${page} } } }`,
  "an object by its id": `{ node(id: "${seed.sortedRun}") { id } searchCapsules { nodes { ${page} } } }`,
}

describe("runs need not be kept for other fields", () => {
  test.each(Object.entries(only))("if an operation has %s", (_what, query) => {
    expect(runsHaveOnlyPage(query)).toBe(true)
  })

  test.each(Object.entries(not))("unless an operation has %s", (_what, query) => {
    expect(runsHaveOnlyPage(query)).toBe(false)
  })

  test("and whether they are kept or not, no call is made twice for an operation", async () => {
    const { ask, sandbox } = await startGateway()
    for (const query of [...Object.values(only), ...Object.values(not)]) {
      const before = sandbox.requests.length
      const { data } = await ask(query)
      expect(data).toBeTruthy()
      const calls = Object.entries(callsOf(sandbox.requests.slice(before)))
      expect(calls.filter(([call, times]) => call.startsWith("GET") && times > 1)).toEqual([])
    }
  })
})
