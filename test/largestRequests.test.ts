import { describe, expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { slowestHealth } from "./support/cpuTime.ts"
import { startGateway } from "./support/gateway.ts"

const many = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => write(i)).join(" ")
const aliases = (count: number, selection: string) => many(count, (index) => `a${index}: ${selection}`)
const keys = (count: number, value: unknown = 1) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]))
const ids = Array.from({ length: 1000 }, (_, index) => `id${index}`)
const nested = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels))
const page = (selection: string) => `{ searchCapsules(first: 1000) { nodes { ${selection} } } }`
const filtered = "query ($f: [SearchFilterInput!]) { searchCapsules(filters: $f) { nodes { id } } }"
const valued = 'query ($f: JSON) { searchCapsules(filters: [{key: "a", value: $f}]) { nodes { id } } }'
const enumerated = "query ($s: CapsuleStatus) { searchCapsules(status: $s) { nodes { id } } }"
const nodes = (selection: string) => `query ($f: [ID!]!) { nodes(ids: $f) { ${selection} } }`
const chain = (next: (name: string) => string) =>
  `{ ...F0 } ${many(90, (i) => `fragment F${i} on Query { ${next(`F${i + 1}`)} }`)} fragment F90 on Query { __typename }`

interface Body {
  query: string
  variables?: unknown
  operationName?: unknown
  extensions?: unknown
}

/** Each is near one of the limits, or near the largest body, and could be slow to read and check. */
const inputs: Record<string, Body> = {
  // Text.
  "a name of a megabyte": { query: `{ ${"a".repeat(1_000_000)} }` },
  "a type's name of a megabyte": { query: `query ($a: ${"A".repeat(1_000_000)}) { a }` },
  "an enum's value of a megabyte": { query: enumerated, variables: { s: "A".repeat(1_000_000) } },
  "an enum's value that looks like a suggestion": {
    query: enumerated,
    variables: { s: " Did you mean ".repeat(70_000) },
  },
  "a comment of a megabyte": { query: `#${"x".repeat(1_000_000)}\n{ __typename }` },
  "half a million lines": { query: `${"\n".repeat(500_000)}{ ${many(90, (i) => `x${i}`)} }` },
  "a block string of many lines": { query: `{ capsule(id: """${"\n    x".repeat(100_000)}""") { id } }` },
  "many block strings": { query: `{ ${aliases(90, `capsule(id: """${"\n ".repeat(3_000)}""") { id }`)} }` },
  "a string of escapes": { query: `{ capsule(id: "${"\\u{1F600}".repeat(90_000)}") { id } }` },
  "a number of a megabyte": { query: `{ searchCapsules(first: ${"9".repeat(1_000_000)}) { nodes { id } } }` },
  "an operation's name of a megabyte": { query: "query a { __typename }", operationName: "x".repeat(1_000_000) },
  "a hash of a megabyte": {
    query: "{ __typename }",
    extensions: { persistedQuery: { version: 1, sha256Hash: "a".repeat(1_000_000) } },
  },
  // Documents.
  "equal fields with long arguments": { query: `{ ${many(120, () => `capsule(id: "${"é".repeat(3_000)}") { id }`)} }` },
  "equal fields with long lists": {
    query: `{ ${many(100, () => `capsules(ids: [${many(80, (i) => `"${i}"`)}]) { id }`)} }`,
  },
  "fragments that double at each level": { query: chain((name) => `...${name} ...${name}`) },
  "a long chain of fragments": { query: chain((name) => `...${name}`) },
  "many operations that share fragments": {
    query: `${many(140, (i) => `query q${i}($a: Boolean = true) { ...F0 }`)} fragment F0 on Query { ${many(60, (i) => `...F${i + 1}`)} } ${many(60, (i) => `fragment F${i + 1} on Query { __typename @include(if: $a) }`)}`,
    operationName: "q0",
  },
  "thousands of variables": { query: `query (${many(2_400, (i) => `$v${i}: Int`)}) { __typename }` },
  "thousands of unknown types": { query: `query (${many(2_400, (i) => `$v${i}: Capsul${i}`)}) { __typename }` },
  "thousands of unknown arguments": { query: `{ ${aliases(90, `capsule(${many(35, (i) => `x${i}: 1`)}) { id }`)} }` },
  "thousands of unknown keys": {
    query: `{ searchCapsules(filters: [{${many(3_000, (i) => `k${i}: 1`)}}]) { nodes { id } } }`,
  },
  "the schema, many times": {
    query: `{ ${aliases(55, `__schema { types { ${aliases(8, "fields { name description args { name } }")} } }`)} }`,
  },
  // Variables.
  "a thousand unknown keys in each of many objects": { query: filtered, variables: { f: Array(19).fill(keys(1000)) } },
  "long unknown keys": { query: filtered, variables: { f: Array(900).fill({ ["k".repeat(1_000)]: 1 }) } },
  "a long value beside unknown keys": {
    query: filtered,
    variables: { f: [{ key: "x".repeat(900_000), ...keys(99) }] },
  },
  "a thousand ids that are objects": { query: nodes("id"), variables: { f: Array(1000).fill({ a: 1 }) } },
  "a value of 400,000 levels": { query: valued, variables: { f: nested(400_000) } },
  "a value of 20,000 entries": { query: valued, variables: { f: Array(19).fill(Array(1000).fill(1)) } },
  "variables that the operation does not declare": {
    query: "{ __typename }",
    variables: keys(1000, Array(18).fill(1)),
  },
  "extensions of 400,000 levels": { query: "{ __typename }", extensions: { f: nested(400_000) } },
}

/** Each could be slow to execute, or to respond to. All are valid, so that they do the same work with and without introspection. */
const responses: Record<string, Body> = {
  "a page with all its aliases": { query: page(aliases(490, "id")) },
  "a page of lists with all its aliases": { query: page(aliases(490, "versions { doi }")) },
  "a page of ids of linked objects": { query: page(aliases(490, "releaseCapsule { id }")) },
  "a page whose fields find their values without a call": {
    query: page(aliases(490, "computations(first: 1) { nodes { id } }")),
  },
  "a page whose fields all fail": { query: page(aliases(490, "computations(first: 0) { nodes { id } }")) },
  "a page of folders": {
    query: `{ searchDataAssets(first: 1000) { nodes { ${aliases(490, 'file(path: "a/b") { name }')} } } }`,
  },
  "a hundred pages": { query: `{ ${aliases(99, "searchCapsules(first: 1000) { nodes { id name } }")} }` },
  "a hundred pages of cursors": { query: `{ ${aliases(99, "searchCapsules(first: 1000) { edges { cursor } }")} }` },
  "a thousand nodes of unknown types": { query: nodes(aliases(400, "id")), variables: { f: ids } },
  "a thousand references": {
    query: "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Capsule { name } } }",
    variables: { r: ids.map((id) => ({ __typename: "Capsule", id, x: "y".repeat(900) })) },
  },
  "many references to no type": {
    query: "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Capsule { name } } }",
    variables: { r: ids.map((id) => ({ __typename: "T".repeat(900), id })) },
  },
}

describe.each([
  ["development", true, { ...inputs, ...responses }],
  ["production", false, inputs],
])("the largest requests in %s", (_name, introspection, requests) => {
  const config = { introspection }

  test("each of the largest and oddest requests does a bounded amount of work", {
    timeout: 120_000,
  }, async () => {
    const { gateway, lines } = await startGateway({ config, sandbox: { generate: 1000 } })
    const url = await gateway.listen()
    for (const [name, body] of Object.entries(requests)) {
      const sent = fetch(`${url}/graphql`, {
        method: "POST",
        headers: { authorization: `Bearer ${tokens.ada}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      }).then((response) => response.text())
      expect(await slowestHealth(url, sent), name).toBeLessThan(2_000)
      const text = await sent
      expect(text.length, name).toBeLessThan(40_000_000)
      expect(text, name).not.toContain("INTERNAL_SERVER_ERROR")
    }
    expect(lines.filter(({ level }) => level === "error" || level === "fatal")).toEqual([])
  })
})
