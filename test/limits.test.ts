import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  getIntrospectionQuery,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
} from "graphql"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { readConfig } from "../src/config/config.ts"
import { schema } from "../src/graph/schema.ts"
import { checkDocument, checkSource } from "../src/operation/document.ts"
import { createDocumentCache, createErrorCache } from "../src/operation/documentCache.ts"
import { fixedLimits, type Limits } from "../src/operation/limits.ts"
import { startGateway, type World } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"

const CODEOCEAN_URL = "https://codeocean.example.org"
const limits: Limits = { ...fixedLimits, ...readConfig({ CODEOCEAN_URL }).limits }
const many = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join(" ")
const list = (count: number) => Array.from({ length: count }, (_, index) => `id-${index}`)

/** How deep brackets nest in a value. */
const deep = (levels: number): unknown => (levels === 0 ? "x" : [deep(levels - 1)])

describe("limits of an operation", () => {
  // Each operation needs a call. `inside` and `outside` differ by one.
  const one = 'capsule(id: "1")'
  const filtered = 'query ($v: JSON!) { searchCapsules(filters: [{key: "k", value: $v}]) { nodes { id } } }'
  test.each<[keyof Limits, number, string, string, string, Record<string, unknown>?, Record<string, unknown>?]>([
    ["tokens", 11, `{ ${one} { id } }`, `{ ${one} { id slug } }`, "11 tokens"],
    ["nesting", 2, `{ ${one} { id } }`, `{ ${one} { releaseCapsule { id } } }`, "2 levels"],
    [
      "nesting",
      3,
      `{ ${one} { ...A } } fragment A on Capsule { id }`,
      `{ ${one} { ...B } } fragment A on Capsule { id } fragment B on Capsule { ...A }`,
      "3 levels",
    ],
    ["nesting", 4, filtered, filtered, "4 levels", { v: deep(4) }, { v: deep(5) }],
    [
      "depth",
      2,
      `{ ${one} { id ... { ...A } } } fragment A on Capsule { slug }`,
      `{ ${one} { ...A } } fragment A on Capsule { releaseCapsule { id } }`,
      "fields 3 levels deep",
    ],
    [
      "depth",
      2,
      `{ ${one} { id } }`,
      `{ ${one} { id } } fragment A on Capsule { releaseCapsule { releaseCapsule { id } } }`,
      "fields 3 levels deep",
    ],
    [
      "selections",
      7,
      `{ ${one} { ...A ...A } } fragment A on Capsule { id slug }`,
      `{ ${one} { ...A ...A slug } } fragment A on Capsule { id slug }`,
      "8 selections",
    ],
    [
      "comparisons",
      3,
      `{ ${one} { id id ...A } } fragment A on Capsule { id }`,
      `{ ${one} { id id ...A } } fragment A on Capsule { id id }`,
      "6 pairs",
    ],
    ["comparisons", 2, `{ ${one} { id } ${one} { id } }`, `{ ${one} { id slug } ${one} { id slug } }`, "3 pairs"],
    [
      "rootFields",
      2,
      `{ a: ${one} { id } b: ${one} { id } }`,
      `{ a: ${one} { id } ...A } fragment A on Query { b: ${one} { id } c: ${one} { id } }`,
      "3 fields at its root",
    ],
    [
      "aliases",
      2,
      `{ a: ${one} { b: id } }`,
      `{ a: ${one} { b: id ...A } } fragment A on Capsule { c: slug }`,
      "3 aliases",
    ],
    [
      "fragments",
      1,
      `{ ${one} { ...A } } fragment A on Capsule { id }`,
      `{ ${one} { ...A ...B } } fragment A on Capsule { id } fragment B on Capsule { id }`,
      "2 fragments",
    ],
    [
      "directives",
      2,
      `{ ${one} { id @skip(if: false) slug @skip(if: false) } }`,
      `{ ${one} { id @skip(if: false) slug @skip(if: false) ... @skip(if: true) { name } } }`,
      "3 directives",
    ],
    [
      "directivesInOnePlace",
      1,
      `{ ${one} { id @skip(if: false) slug @skip(if: false) } }`,
      `{ ${one} { id @skip(if: false) @skip(if: false) } }`,
      "2 directives in one place",
    ],
    [
      "listEntries",
      3,
      '{ capsules(ids: ["1", "2", "3"]) { id } }',
      '{ capsules(ids: ["1", "2", "3", "4"]) { id } }',
      "4 entries",
    ],
    [
      "listEntries",
      3,
      "query ($v: [ID!]!) { capsules(ids: $v) { id } }",
      "query ($v: [ID!]!) { capsules(ids: $v) { id } }",
      "`$v` has a list of 4 entries",
      { v: list(3) },
      { v: list(4) },
    ],
    [
      "listEntries",
      3,
      filtered,
      filtered,
      "`$v` has an object of 4 keys",
      { v: { ...list(3) } },
      { v: { ...list(4) } },
    ],
    [
      "variableValues",
      3,
      "query ($v: [ID!]!) { capsules(ids: $v) { id } }",
      "query ($v: [ID!]!) { capsules(ids: $v) { id } }",
      "3 values",
      { v: list(2) },
      { v: list(3) },
    ],
  ])(
    "a limit of %s at %i allows %s and refuses %s without a call",
    async (limit, most, inside, outside, message, within, beyond) => {
      const { ask, sandbox } = await startGateway({ config: { limits: { ...limits, [limit]: most } } })
      const passed = await ask(inside, within)
      expect(JSON.stringify(passed.errors ?? [])).not.toMatch(/the limit|are allowed/)
      expect(sandbox.requests.length + (passed.errors?.length ?? 0)).toBeGreaterThan(0)
      const before = sandbox.requests.length
      const { data, errors } = await ask(outside, beyond)
      expect(data).toBeUndefined()
      expect(errors).toHaveLength(1)
      expect(errors?.[0]?.message).toContain(message)
      expect(errors?.[0]?.message).toContain(String(most))
      expect(errors?.[0]?.extensions.code).toMatch(/^(BAD_USER_INPUT|GRAPHQL_PARSE_FAILED)$/)
      expect(sandbox.requests).toHaveLength(before)
    },
  )

  test("a body above the limit is refused with 413, with and without a Content-Length", async () => {
    const body = JSON.stringify({ query: `{ capsule(id: "${seed.cellCounter}") { name } }` })
    const { gateway, sandbox } = await startGateway({ config: { limits: { ...limits, bodyBytes: body.length } } })
    const url = await gateway.listen()
    const headers = { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` }
    const send = async (text: string) => {
      const chunked = { method: "POST", headers, body: new Blob([text]).stream(), duplex: "half" } as RequestInit
      const answers = [
        fetch(`${url}/graphql`, { method: "POST", headers, body: text }),
        fetch(`${url}/graphql`, chunked),
      ]
      return (await Promise.all(answers)).map(({ status }) => status)
    }
    expect(await send(body)).toEqual([200, 200])
    const before = sandbox.requests.length
    expect(await send(`${body} `)).toEqual([413, 413])
    expect(sandbox.requests).toHaveLength(before)
  })

  test("clients that accept application/graphql-response+json get 400 for an operation above a limit", async () => {
    const { gateway } = await startGateway()
    for (const query of [
      `{ ${many(101, (index) => `a${index}: __typename`)} }`,
      "{ searchCapsules(first: 1000) { nodes { log: appPanel { general { title } } computations { nodes { log } } } } }",
    ]) {
      const response = await gateway.fetch("http://gateway/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
        body: JSON.stringify({ query }),
      })
      expect(response.status).toBe(400)
    }
  })
})

describe("the default limits", () => {
  test.each([
    [
      "the introspection that GraphiQL and code generators send",
      getIntrospectionQuery({
        inputValueDeprecation: true,
        directiveIsRepeatable: true,
        oneOf: true,
        specifiedByUrl: true,
      }),
    ],
    [
      "a hundred lookups by alias",
      `{ ${many(100, (index) => `a${index}: capsule(id: "${index}") { ...F }`)} } fragment F on Capsule { id name }`,
    ],
    ["a thousand ids in the text", `{ capsules(ids: ${JSON.stringify(list(1000))}) { id } }`],
    [
      "a page of components with a fragment each, as Relay compiles them",
      `{ searchCapsules { nodes { ${many(60, (index) => `...F${index}`)} } } } ${many(60, (index) => `fragment F${index} on Capsule { __typename id name appPanel { general { title } } }`)}`,
    ],
    [
      "pages in pages",
      `{ searchCapsules { edges { node { computations { edges { node { dataAssets { dataAsset { provenance { computation { dataAssets { dataAsset { provenance { capsule { name } } } } } } } } } } } } } } }`,
    ],
  ])("the default limits allow %s", async (_name, query) => {
    checkSource(query, limits)
    checkDocument(parse(query), limits)
  })
})

describe("fragments and introspection that grow", () => {
  const chain = (length: number, spreads: number) =>
    `{ node(id: "1") { ...F0 } } ${many(length, (index) => `fragment F${index} on Node { ${many(spreads, () => `...F${index + 1}`)} }`)} fragment F${length} on Node { id }`

  test.each([
    ["exponential fragments", chain(60, 2), "more than a billion selections"],
    ["exponential fragments with forty spreads each", chain(90, 40), "more than a billion selections"],
    [
      "exponential fragments by aliases",
      `{ node(id: "1") { ...F0 } } ${many(40, (index) => `fragment F${index} on Computation { a: runnable { ... on Capsule { computations { nodes { ...F${index + 1} } } } } b: runnable { ... on Capsule { computations { nodes { ...F${index + 1} } } } } }`)} fragment F40 on Computation { id }`,
      "levels",
    ],
    [
      "exponential fragments that no operation spreads",
      `{ __typename } ${many(50, (index) => `fragment F${index} on Node { ...F${index + 1} ...F${index + 1} }`)} fragment F50 on Node { id }`,
      "more than a billion selections",
    ],
    [
      "a second fragment of the same name",
      `{ node(id: "1") { ...A } } fragment A on Node { ${many(600, () => "id")} } fragment A on Node { id }`,
      "179700 pairs",
    ],
    ["a fragment that spreads itself", '{ node(id: "1") { ...A } } fragment A on Node { id ...A }', "spreads itself"],
    [
      "fragments that spread each other",
      '{ node(id: "1") { ...A } } fragment A on Node { ...B } fragment B on Node { ... on Capsule { ...C } } fragment C on Capsule { ...A }',
      "spreads itself",
    ],
    [
      "a cycle of fragments that no operation spreads",
      "{ __typename } fragment A on Node { ...B } fragment B on Node { ...A }",
      "spreads itself",
    ],
    ["a long chain of fragments", chain(150, 1), "100 levels"],
    ["the same field 600 times", `{ ${many(600, () => 'capsule(id: "1") { id }')} }`, "359400 pairs"],
    [
      "the same field many times through fragments",
      `{ ${many(60, (index) => `...F${index}`)} } ${many(60, (index) => `fragment F${index} on Query { capsule(id: "1") { ${many(9, () => "id")} } }`)}`,
      "pairs",
    ],
    ["2000 aliases", `{ ${many(2_000, (index) => `a${index}: __typename`)} }`, "2000 aliases"],
    ["1000 directives", `{ __typename ${"@skip(if: false) ".repeat(1_000)} }`, "1000 directives"],
    ["unknown directives", `{ __typename ${many(11, (index) => `@d${index}`)} }`, "11 directives in one place"],
  ])("a document with %s is refused before validation", (_name, query, message) => {
    expect(() => checkDocument(parse(query), limits)).toThrow(message)
  })

  test.each([
    [
      "introspection into introspection",
      `{ __schema { types { ${"fields { type { ".repeat(8)} name ${"} } ".repeat(8)} } } }`,
    ],
    [
      "introspection of one type",
      `{ __type(name: "Query") { ${"fields { type { ".repeat(8)} name ${"} } ".repeat(8)} } }`,
    ],
    [
      "introspection through fragments",
      `{ __schema { types { ...F0 } } } ${many(8, (index) => `fragment F${index} on __Type { fields { type { ...F${index + 1} } } }`)} fragment F8 on __Type { name }`,
    ],
    [
      "introspection of interfaces' types",
      `{ __schema { types { ${"possibleTypes { interfaces { ".repeat(6)} name ${"} } ".repeat(6)} } } }`,
    ],
  ])("a document with %s is refused", async (_name, query) => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(query)
    expect(data).toBeUndefined()
    expect(errors?.[0]?.message).toContain("introspection depth")
  })
})

/** An argument, or a field of an input, that is a list. */
interface ListInput {
  /** The field with the argument. */
  owner: string
  field: string
  argument: GraphQLArgument
  /** The path from the argument's value to the list. Empty if the argument is the list. */
  path: readonly string[]
}

function listsIn(
  type: GraphQLInputType,
  path: readonly string[] = [],
  seen: readonly string[] = [],
): (readonly string[])[] {
  const named = getNamedType(type)
  const own = isListType(getNullableType(type)) ? [path] : []
  if (!isInputObjectType(named) || seen.includes(named.name)) return own
  const inner = Object.values(named.getFields()).flatMap((field: GraphQLInputField) =>
    listsIn(field.type, [...path, field.name], [...seen, named.name]),
  )
  return [...own, ...inner]
}

const listInputs: ListInput[] = Object.values(schema.getTypeMap()).flatMap((type) =>
  isObjectType(type) && !type.name.startsWith("__")
    ? Object.values(type.getFields()).flatMap((field) =>
        field.args.flatMap((argument) =>
          listsIn(argument.type).map((path) => ({ owner: type.name, field: field.name, argument, path })),
        ),
      )
    : [],
)

describe("lists in arguments", () => {
  test("the test finds the lists of the schema", () => {
    const named = listInputs.map(({ owner, field, path }) => [owner, field, ...path].join("."))
    expect(named.length).toBeGreaterThan(60)
    expect(named).toEqual(
      expect.arrayContaining([
        "Query.nodes",
        "Query._entities",
        "Query.searchCapsules.values",
        "Mutation.createDataAsset.input.resultsInfo.processes.parameters".replace(".input", ""),
      ]),
    )
  })

  /** An operation with variables for this argument and the other required ones. */
  function operationOn({ owner, field: name, argument }: ListInput): string {
    const type = schema.getType(owner)
    const field = isObjectType(type) ? type.getFields()[name] : undefined
    const others = field!.args.filter(
      (other) => other !== argument && isNonNullType(other.type) && other.defaultValue === undefined,
    )
    const all = [argument, ...others]
    const call = `${name}(${all.map((arg) => `${arg.name}: $${arg.name}`).join(", ")}) { __typename }`
    const variables = all.map((arg) => `$${arg.name}: ${arg.type}`).join(", ")
    if (owner === "Mutation" || owner === "Subscription") return `${owner.toLowerCase()} (${variables}) { ${call} }`
    return `query (${variables}) { ${owner === "Query" ? call : `node(id: "1") { ... on ${owner} { ${call} } }`} }`
  }

  test("every list of the schema has a limit, in variables and in the document", async () => {
    const { ask, sandbox } = await startGateway()
    for (const input of listInputs) {
      const { argument, path } = input
      const value = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), list(1001))
      const operation = operationOn(input)
      const written = JSON.stringify(value).replace(/"(\w+)":/g, "$1:")
      const literal = operation
        .replace(`($${argument.name}: ${argument.type}`, "($unused: Int")
        .replace(`${argument.name}: $${argument.name}`, `${argument.name}: ${written}`)
      const name = [input.owner, input.field, ...path].join(".")
      for (const answer of [await ask(operation, { [argument.name]: value }), await ask(literal)]) {
        expect(
          answer.errors?.map(({ message }) => message),
          name,
        ).toEqual([expect.stringContaining("list of 1001 entries; at most 1000")])
      }
    }
    expect(sandbox.requests).toHaveLength(0)
  })
})

describe("the nesting of brackets before parsing", () => {
  const open = "{ a ".repeat(limits.nesting)
  const notDeep = { ...limits, nesting: 2 }

  test.each([
    ["a comment with closing brackets", `#}}}}\n{ a { #}}\r b { c } } }`],
    ["a string with closing brackets", '{ a(b: "}}}") { c { d } } }'],
    ["a string with an escaped quote before closing brackets", '{ a(b: "\\"}}}") { c { d } } }'],
    ["a block string with closing brackets", '{ a(b: """ "}}} \\"""}} """) { c { d } } }'],
    ["a string without an end", '{ a(b: "}}\n{{{{'],
  ])("brackets count despite %s", (_what, text) => {
    expect(() => checkSource(text, notDeep)).toThrow("deeper than 2 levels")
  })

  test.each([
    ["comments", "{ a #{{{\n }"],
    ["strings", '{ a(b: "{{{ \\" {{") }'],
    ["block strings", '{ a(b: """{{{ " \\""" {{""") }'],
  ])("brackets in %s do not count", (_what, text) => {
    expect(() => checkSource(text, notDeep)).not.toThrow()
  })

  test("a comment with 100,000 closing brackets does not hide 9,000 levels", async () => {
    const { ask } = await startGateway()
    const { errors } = await ask(`#${"}".repeat(100_000)}\n${open.repeat(90)}`)
    expect(errors).toHaveLength(1)
    expect(errors?.[0]?.extensions.code).toBe("GRAPHQL_PARSE_FAILED")
    expect(errors?.[0]?.message).toContain("levels")
  })
})

describe("the lengths of errors", () => {
  const long = "x".repeat(100_000)
  const search = "query ($f: [SearchFilterInput!]) { searchCapsules(filters: $f) { nodes { id } } }"
  test.each<[string, string, Record<string, unknown>]>([
    ["an unknown field", `{ ${long} }`, {}],
    ["an unknown type", `query ($a: ${long}) { __typename @skip(if: $a) }`, {}],
    ["an enum's value", "query ($s: CapsuleStatus) { searchCapsules(status: $s) { nodes { id } } }", { s: long }],
    ["a number", `{ searchCapsules(first: ${"9".repeat(100_000)}) { nodes { id } } }`, {}],
    [
      "unknown keys beside a long value",
      search,
      { f: [{ key: long, ...Object.fromEntries(list(60).map((id) => [id, 1])) }] },
    ],
  ])("the errors about %s of 100,000 characters are short", async (_what, query, variables) => {
    for (const introspection of [true, false]) {
      const { ask } = await startGateway({ config: { introspection } })
      const { errors } = await ask(query, variables)
      expect(errors?.length).toBeGreaterThan(0)
      for (const { message } of errors ?? []) expect(message.length).toBeLessThan(4_100)
    }
  })
})

test("an error of a document of 901 lines has a location", async () => {
  const { ask } = await startGateway()
  const { errors } = await ask(`${"\n".repeat(900)}{ nothing }`)
  expect(errors).toMatchObject([{ locations: [{ line: 901, column: 3 }] }])
})

test("the caches of documents and their errors have a bounded size and keep the newest entries", () => {
  const documents = createDocumentCache()
  const errors = createErrorCache()
  const text = (index: number) => `{ ${many(9_000, () => "id")} a${index} }`
  for (let index = 0; index < 30; index++) {
    documents.set(text(index), parse(text(index)))
    errors.set(`${"x".repeat(1_000_000)} ${index}`, new Error("no"))
  }
  expect(documents.size).toBe(14)
  expect(documents.has(text(29))).toBe(true)
  expect(errors.size).toBe(16)
})

describe("the content of variables", () => {
  const query =
    'query ($v: JSON!, $id: ID!) { searchCapsules(filters: [{key: "k", value: $v}]) { nodes { id } } capsule(id: $id) { id } }'

  test.each([
    ["a lone surrogate", { v: "a\ud800b", id: "1" }, "`$v` contains a lone surrogate"],
    ["a lone surrogate in a key", { v: { "\udc00": 1 }, id: "1" }, "`$v` contains a lone surrogate"],
    [
      "the key __proto__",
      { v: JSON.parse('{"a": [{"__proto__": {"polluted": true}}]}'), id: "1" },
      "`$v` has the key `__proto__`",
    ],
    ["101 levels", { v: deep(101), id: "1" }, "`$v` nests deeper than 100 levels"],
    [
      "a long list in a variable that the operation does not declare",
      { v: "x", id: "1", other: list(1001) },
      "`$other` has a list of 1001 entries",
    ],
    ["twenty thousand values", { v: Array.from({ length: 21 }, () => list(999)), id: "1" }, "more than 20000 values"],
  ])("a variable with %s is refused by its name, without a call", async (_name, variables, message) => {
    const { ask, sandbox } = await startGateway()
    const { errors } = await ask(query, variables)
    expect(errors).toMatchObject([
      { message: expect.stringContaining(message), extensions: { code: "BAD_USER_INPUT" } },
    ])
    expect(sandbox.requests).toHaveLength(0)
    expect({}).not.toHaveProperty("polluted")
  })

  test("a variable of 100,000 levels is refused and overflows no stack", async () => {
    const { gateway, sandbox } = await startGateway()
    const body = `{"query": ${JSON.stringify(query)}, "variables": {"id": "1", "v": ${"[".repeat(100_000)}${"]".repeat(100_000)}}}`
    const response = await gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body,
    })
    expect((await response.json()).errors[0].extensions.code).toBe("BAD_USER_INPUT")
    expect(sandbox.requests).toHaveLength(0)
  })
})

const json = { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` }

async function post({ gateway }: World, body: string, headers: Record<string, string> = json) {
  const response = await gateway.fetch("http://gateway/graphql", { method: "POST", headers, body })
  return { status: response.status, text: await response.text() }
}

const lookup = `{ capsule(id: "${seed.cellCounter}") { name } }`

describe("requests that are not a single operation in JSON", () => {
  test.each([
    ["a list of operations", JSON.stringify([{ query: lookup }, { query: lookup }]), {}],
    ["an empty list", "[]", {}],
    ["a form", `query=${encodeURIComponent(lookup)}`, { "content-type": "application/x-www-form-urlencoded" }],
    [
      "a form with the header Apollo-Require-Preflight",
      `query=${encodeURIComponent(lookup)}`,
      { "content-type": "application/x-www-form-urlencoded", "apollo-require-preflight": "1" },
    ],
    [
      "a multipart form",
      `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${JSON.stringify({ query: lookup })}\r\n--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n{}\r\n--x--\r\n`,
      { "content-type": "multipart/form-data; boundary=x" },
    ],
    ["the type text/plain", JSON.stringify({ query: lookup }), { "content-type": "text/plain" }],
    ["an empty type", JSON.stringify({ query: lookup }), { "content-type": "" }],
    ["an unknown parameter", JSON.stringify({ query: lookup, other: 1 }), {}],
    ["the parameter __proto__", `{"query": ${JSON.stringify(lookup)}, "__proto__": {"variables": 1}}`, {}],
  ])("a request with %s executes nothing", async (_name, body, headers) => {
    const world = await startGateway()
    const { status, text } = await post(world, body, { ...json, ...headers })
    expect([400, 403, 415]).toContain(status)
    expect(JSON.parse(text).errors[0].extensions.code).toMatch(/^(BAD_USER_INPUT|FORBIDDEN)$/)
    expect(world.sandbox.requests).toHaveLength(0)
  })

  test.each(["query", "operationName", "variables", "extensions"])(
    "a parameter `%s` of any type causes no internal error",
    async (parameter) => {
      const world = await startGateway()
      for (const value of [1, true, "x", "\ud800", [], [1], {}, { a: 1 }, [[]], 1e300]) {
        const { text } = await post(world, JSON.stringify({ query: lookup, [parameter]: value }))
        expect(text).not.toContain("INTERNAL_SERVER_ERROR")
      }
    },
  )
})

describe("introspection and suggestions", () => {
  const production = (env: Record<string, string> = {}) => {
    const { introspection } = readConfig({ CODEOCEAN_URL, NODE_ENV: "production", ...env })
    return { introspection }
  }
  const misspelt = [
    ["{ capsul }", undefined],
    ['{ capsule(idd: "1") { id } }', undefined],
    ["{ searchCapsules(status: RELEAS) { nodes { id } } }", undefined],
    ["{ ...F } fragment F on Capsul { id }", undefined],
    ["query ($s: CapsuleStatus) { searchCapsules(status: $s) { nodes { id } } }", { s: "RELEAS" }],
    ["query ($o: CapsuleOrderInput) { searchCapsules(orderBy: $o) { nodes { id } } }", { o: { feild: "NAME" } }],
  ] as const

  test("in production introspection is refused, except `__typename`", async () => {
    const { ask } = await startGateway({ config: production() })
    for (const query of [
      getIntrospectionQuery(),
      '{ __type(name: "Query") { name } }',
      "{ ...F } fragment F on Query { __schema { description } }",
    ]) {
      const { data, errors } = await ask(query)
      expect(data).toBeUndefined()
      expect(errors?.[0]?.message).toContain("introspection has been disabled")
    }
    expect(await ask("{ __typename }")).toEqual({ data: { __typename: "Query" } })
  })

  test("in production errors do not suggest the right spelling of a name", async () => {
    const { ask } = await startGateway({ config: production() })
    for (const [query, variables] of misspelt) {
      const answer = await ask(query, variables)
      expect(answer.errors?.[0]?.extensions.code, query).toMatch(/^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/)
      expect(JSON.stringify(answer), query).not.toContain("Did you mean")
    }
  })

  test("INTROSPECTION=true allows introspection and suggestions in production, and false refuses them elsewhere", async () => {
    const allowed = production({ INTROSPECTION: "true" })
    for (const config of [allowed, readConfig({ CODEOCEAN_URL })]) {
      const { ask } = await startGateway({ config: { introspection: config.introspection } })
      expect((await ask(getIntrospectionQuery())).data.__schema.queryType.name).toBe("Query")
      for (const [query, variables] of misspelt) {
        expect(JSON.stringify(await ask(query, variables)), query).toContain("Did you mean")
      }
    }
    expect(readConfig({ CODEOCEAN_URL, INTROSPECTION: "false" }).introspection).toBe(false)
  })
})

describe("variables of any type", () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(
      "",
      "..",
      "a/b",
      "\ud800",
      "\0",
      "x".repeat(5_000),
      "1970-01-01T00:00:00Z",
      "2024-02-30T25:61:61Z",
      Number.MAX_SAFE_INTEGER,
      -1,
      0.5,
      1e308,
      2 ** 53,
      [],
      [[]],
      [null],
      {},
      { id: null },
      { __typename: "Capsule" },
      { id: {}, input: {} },
      JSON.parse('{"__proto__": {"id": "1"}}'),
      { constructor: { prototype: 1 } },
      { toString: "x" },
    ),
  )

  /** A value that roughly fits a type. On each level it may be anything. */
  function valueFor(type: GraphQLInputType): fc.Arbitrary<unknown> {
    const nullable = getNullableType(type)
    const fitting: fc.Arbitrary<unknown> = isListType(nullable)
      ? fc.array(fc.oneof(valueFor(nullable.ofType), odd), { maxLength: 3 })
      : isInputObjectType(nullable)
        ? fc.record(
            Object.fromEntries(
              Object.values(nullable.getFields()).map((field) => [field.name, fc.oneof(valueFor(field.type), odd)]),
            ),
            { requiredKeys: [] },
          )
        : fc.oneof(fc.string(), fc.integer(), fc.boolean(), odd)
    return fc.oneof({ weight: 4, arbitrary: fitting }, { weight: 1, arbitrary: odd })
  }

  /** An operation with a field of each type whose fields have arguments. */
  const operationWith: Record<string, (field: string) => string> = {
    Query: (field) => `query (DECLARED) { ${field} }`,
    Mutation: (field) => `mutation (DECLARED) { ${field} }`,
    Subscription: (field) => `subscription (DECLARED) { ${field} }`,
    Capsule: (field) => `query (DECLARED) { capsule(id: "${seed.cellCounter}") { ${field} } }`,
    Pipeline: (field) => `query (DECLARED) { pipeline(id: "${seed.ecephysPipeline}") { ${field} } }`,
    Computation: (field) => `query (DECLARED) { computation(id: "${seed.countedCells}") { ${field} } }`,
    DataAsset: (field) => `query (DECLARED) { dataAsset(id: "${seed.sortedSpikes}") { ${field} } }`,
    Folder: (field) => `query (DECLARED) { computation(id: "${seed.countedCells}") { results { ${field} } } }`,
    FilePart: (field) =>
      `query (DECLARED) { dataAsset(id: "${seed.sortedSpikes}") { file(path: "output") { part { ${field} } } } }`,
    File: (field) => `query (DECLARED) { dataAsset(id: "${seed.sortedSpikes}") { file(path: "output") { ${field} } } }`,
  }

  const fields = Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type) && !type.name.startsWith("__")
      ? Object.values(type.getFields())
          .filter((field) => field.args.length > 0)
          .map((field) => [type.name, field.name, field] as const)
      : [],
  )

  test.each(fields)("no variables for %s.%s cause an internal error", async (owner, name, field) => {
    const world = await startGateway()
    const args = field.args.map((arg) => `${arg.name}: $${arg.name}`).join(", ")
    const selected = isLeafType(getNamedType(field.type)) ? "" : " { __typename }"
    const declared = field.args.map((arg) => `$${arg.name}: ${arg.type}`).join(", ")
    const query = operationWith[owner]!(`${name}(${args})${selected}`).replace("DECLARED", declared)
    /** Of a subscription that never completes, up to the first event. */
    async function responseTo(body: string) {
      if (getNamedType(field.type).name !== "ComputationChanges") return (await post(world, body)).text
      const response = await world.gateway.fetch("http://gateway/graphql", { method: "POST", headers: json, body })
      let text = ""
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString()
        if (/^data: ./m.test(text)) break
      }
      return text
    }
    const values = fc.record(Object.fromEntries(field.args.map((arg) => [arg.name, valueFor(arg.type)])), {
      requiredKeys: [],
    })
    await fc.assert(
      fc.asyncProperty(values, async (variables) => {
        const text = await responseTo(JSON.stringify({ query, variables }))
        expect(text).not.toMatch(/INTERNAL_SERVER_ERROR|GRAPHQL_VALIDATION_FAILED/)
      }),
      { numRuns: 40 },
    )
  })
})

test("no document of random words causes an internal error", async () => {
  const world = await startGateway()
  const words = fc.constantFrom(
    ...'{ } ( ) [ ] : ! $ @ ... = | & # , " """ query mutation subscription fragment on Query Capsule node id $id __typename __schema __type'.split(
      " ",
    ),
    ...[
      "capsule",
      "searchCapsules",
      "first",
      "1",
      "-1e5",
      '"a"',
      "null",
      "true",
      "@skip(if: true)",
      "@defer",
      "\\u{D800}",
      "\ufeff",
      "\0",
      "\n",
      "type",
      "extend",
      "schema",
      "{ id }",
      '(id: "1")',
      "...F",
    ],
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(words, { maxLength: 25 }),
      fc.constantFrom("", "{ ", "query ($id: ID!) { "),
      async (parts, start) => {
        const { status, text } = await post(
          world,
          JSON.stringify({ query: `${start}${parts.join(" ")}`, variables: { id: "1" } }),
        )
        expect(status).toBeLessThan(500)
        expect(text).not.toContain("INTERNAL_SERVER_ERROR")
      },
    ),
    { numRuns: 1000 },
  )
})
