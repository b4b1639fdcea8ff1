import type { GraphQLArgument } from "graphql"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway, type World } from "./support/gateway.ts"

const ways = [
  { way: "the fast path", options: {} },
  { way: "Yoga and the compiled executor", options: { fastPath: false } },
  { way: "the fast path and graphql-js", options: { compiledExecutor: false } },
  { way: "Yoga and its own executor", options: { fastPath: false, compiledExecutor: false } },
]

async function post({ gateway }: Pick<World, "gateway">, body: object, accept?: string) {
  return await fetch(`${await gateway.listen()}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${tokens.ada}`,
      ...(accept !== undefined && { accept }),
    },
    body: JSON.stringify(body),
  })
}

const lookup = "query ($id: ID!) { capsule(id: $id) { id } }"
/** An operation with the variable `$i` of this type. */
function operationWith(type: string): string {
  const selections: Record<string, string> = {
    "ID!": "capsule(id: $i) { id }",
    "[ID!]!": "capsules(ids: $i) { id }",
    Int: "searchCapsules(first: $i) { nodes { id } }",
    Boolean: "searchCapsules(archived: $i) { nodes { id } }",
    CapsuleStatus: "searchCapsules(status: $i) { nodes { id } }",
    CapsuleOrderInput: "searchCapsules(orderBy: $i) { nodes { id } }",
    "[SearchFilterInput!]": "searchCapsules(filters: $i) { nodes { id } }",
    DateTime: 'capsule(id: "c") { computations(filter: { created: { from: $i } }) { nodes { id } } }',
    "AttachDataAssetsInput!": "attachDataAssets(input: $i) { __typename }",
  }
  return `${type === "AttachDataAssetsInput!" ? "mutation" : "query   "} ($i: ${type}) { ${selections[type]} }`
}

const invalidOperations: Record<string, object> = {
  "a document that does not parse": { query: "{" },
  "a document that does not validate": { query: "{ nothing }" },
  "an operation name that the document lacks": { query: "query A { __typename }", operationName: "B" },
  "two operations and no name": { query: "query A { __typename } query B { __typename }" },
  "a document without an operation": { query: "fragment F on Query { __typename }" },
  "null for a variable that is not nullable": { query: lookup, variables: { id: null } },
  "a missing variable": { query: lookup, variables: {} },
  "null for the variable of a directive": {
    query: "query ($b: Boolean!) { __typename @skip(if: $b) }",
    variables: { b: null },
  },
  "a variable of another type": { query: lookup, variables: { id: {} } },
  "null in a list of a variable": {
    query: "query ($ids: [ID!]!) { capsules(ids: $ids) { id } }",
    variables: { ids: ["a", null] },
  },
  "a literal of another type": { query: "{ searchCapsules(first: 1.5) { nodes { id } } }" },
  "a variable with half a character": { query: lookup, variables: { id: "\ud800" } },
  "an operation that costs too much": {
    query:
      "{ searchCapsules(first: 1000) { nodes { computations(first: 1000) { nodes { dataAssets { dataAsset { name } } } } } } }",
  },
  "a variable of a subscription": {
    query: "subscription ($id: ID!) { computation(id: $id) { state } }",
    variables: { id: null },
  },
}

describe.each(ways)("invalid operations by $way", ({ options }) => {
  test.each(Object.entries(invalidOperations))(
    "the response to %s is 200, and 400 if the client accepts application/graphql-response+json",
    async (_name, body) => {
      const world = await startGateway(options)
      const accepted = [undefined, "*/*", "application/json", "application/json;charset=utf-8", "text/event-stream"]
      if (!JSON.stringify(body).includes("subscription")) accepted.push("multipart/mixed")
      for (const accept of accepted) {
        const response = await post(world, body, accept)
        expect(response.status, accept).toBe(200)
        expect(await response.text(), accept).toContain('"errors"')
      }
      for (const accept of [
        "application/graphql-response+json",
        "application/graphql-response+json, application/json;q=0.9",
      ]) {
        const response = await post(world, body, accept)
        expect(response.status, accept).toBe(400)
        expect(await response.json(), accept).not.toHaveProperty("data")
      }
    },
  )

  test.each(
    Object.entries({
      "no query": {},
      "a query that is no string": { query: 1 },
      "variables that are no object": { query: lookup, variables: [1] },
      "an operation name that is no string": { query: lookup, operationName: { a: 1 } },
      "an unknown parameter": { query: lookup, vars: {} },
    }),
  )("a request with %s is malformed, and its status is 400", async (_name, body) => {
    const world = await startGateway(options)
    for (const accept of ["application/json", "application/graphql-response+json"]) {
      expect((await post(world, body, accept)).status).toBe(400)
    }
  })

  test.each<[string, unknown, string]>([
    [
      "AttachDataAssetsInput!",
      { capsuleId: "c", dataAssets: [{ id: "a" }, { id: null }] },
      'Variable "$i" got invalid value null at "i.dataAssets[1].id"; Expected non-nullable type "ID!" not to be null.',
    ],
    [
      "AttachDataAssetsInput!",
      { capsuleId: "c", dataAssets: [{ mount: "a" }] },
      'Variable "$i" got invalid value { mount: "a" } at "i.dataAssets[0]"; Field "id" of required type "ID!" was not provided.',
    ],
    ["ID!", null, 'Variable "$i" of non-null type "ID!" must not be null.'],
    ["ID!", undefined, 'Variable "$i" of required type "ID!" was not provided.'],
    ["ID!", { a: 1 }, 'Variable "$i" got invalid value { a: 1 }; ID cannot represent value: { a: 1 }'],
    [
      "Int",
      2 ** 31,
      'Variable "$i" got invalid value 2147483648; Int cannot represent non 32-bit signed integer value: 2147483648',
    ],
    ["Int", 1.5, 'Variable "$i" got invalid value 1.5; Int cannot represent non-integer value: 1.5'],
    ["Boolean", "true", 'Variable "$i" got invalid value "true"; Boolean cannot represent a non boolean value: "true"'],
    [
      "[ID!]!",
      ["a", null],
      'Variable "$i" got invalid value null at "i[1]"; Expected non-nullable type "ID!" not to be null.',
    ],
    [
      "CapsuleStatus",
      "RELEAS",
      'Variable "$i" got invalid value "RELEAS"; Value "RELEAS" does not exist in "CapsuleStatus" enum.',
    ],
    [
      "CapsuleOrderInput",
      { field: "NAME", direktion: "ASC" },
      'Variable "$i" got invalid value { field: "NAME", direktion: "ASC" }; Field "direktion" is not defined by type "CapsuleOrderInput".',
    ],
    [
      "DateTime",
      "yesterday",
      'Variable "$i" got invalid value "yesterday"; A DateTime is an ISO 8601 string such as 2026-08-20T09:30:00Z, 2026-08-20T11:30:00+02:00 or 2026-08-20. This one has another form.',
    ],
  ])("a variable of type %s that is %j is named in the error, with the place in it", async (type, value, message) => {
    const { ask } = await startGateway({ ...options, config: { introspection: false } })
    const { data, errors } = await ask(operationWith(type), { i: value })
    expect(data).toBeUndefined()
    expect(errors).toEqual([
      {
        message,
        locations: [{ line: 1, column: 11 }],
        extensions: { code: "BAD_USER_INPUT", requestId: expect.any(String) },
      },
    ])
  })

  test("an invalid value is shortened in its middle, and its place stays", async () => {
    const { ask } = await startGateway(options)
    const long = `first${"x".repeat(100_000)}last`
    const wide = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`key${index}`, "y".repeat(500)]))
    for (const second of [
      long,
      wide,
      { key: "a", ...wide },
      { key: long, value: 1, exclude: wide },
      { key: 1, range: { min: long } },
    ]) {
      const filters = [{ key: "a", value: 1 }, second]
      const { errors } = await ask(operationWith("[SearchFilterInput!]"), { i: filters })
      expect(errors![0]!.message).toMatch(/^Variable "\$i" got invalid value .* at "i\[1\][.a-z]*"; \w/)
      expect(errors!.some(({ message }) => message.includes(" … "))).toBe(true)
      for (const { message } of errors!) expect(message.length).toBeLessThan(900)
      expect(errors!.length).toBeLessThanOrEqual(51)
    }
  })

  test("of many invalid values the first fifty are reported", async () => {
    const { ask } = await startGateway(options)
    const { errors } = await ask(operationWith("[ID!]!"), { i: Array.from({ length: 1_000 }, () => null) })
    expect(errors).toHaveLength(51)
    expect(errors![49]!.message).toContain('at "i[49]"')
    expect(errors![50]!.message).toContain("Too many errors")
  })

  test.each([
    ["searchCapsules(first: 1.5) { nodes { id } }", 'Argument "first" of "searchCapsules" got an invalid value; Int'],
    [
      "searchCapsules(first: 9999999999) { nodes { id } }",
      'Argument "first" of "searchCapsules" got an invalid value; Int',
    ],
    [
      'searchCapsules(archived: "true") { nodes { id } }',
      'Argument "archived" of "searchCapsules" got an invalid value; B',
    ],
    [
      'searchCapsules(status: "RELEASE") { nodes { id } }',
      'Argument "status" of "searchCapsules" got an invalid value; En',
    ],
    ["capsule(id: {a: 1}) { id }", 'Argument "id" of "capsule" got an invalid value; ID cannot'],
    ["capsules(ids: [1, null]) { id }", 'Argument "ids" of "capsules" got an invalid value at "ids[1]"; Expected'],
    [
      'searchCapsules(filters: [{key: "a", value: 1}, {key: 5}]) { nodes { id } }',
      'Argument "filters" of "searchCapsules" got an invalid value at "filters[1].key"; String',
    ],
    [
      "searchCapsules(filters: [{value: 1}]) { nodes { id } }",
      'Argument "filters" of "searchCapsules" got an invalid value at "filters[0]"; Field "SearchFilterInput.key"',
    ],
    [
      'searchCapsules(filters: {key: "a", values: [[A]]}) { nodes { id } }',
      'Argument "filters" of "searchCapsules" got an invalid value at "filters.values[0][0]"; ',
    ],
    [
      "searchCapsules(orderBy: {field: NAME, feild: 1}) { nodes { id } }",
      'Argument "orderBy" of "searchCapsules" got an invalid value at "orderBy.feild"; Field "feild" is not',
    ],
    [
      `capsule(id: "c") { computations(filter: {created: {from: "yesterday"}}) { nodes { id } } }`,
      'Argument "filter" of "computations" got an invalid value at "filter.created.from"; A DateTime',
    ],
    ['__typename @skip(if: "yes")', 'Argument "if" of "@skip" got an invalid value; Boolean'],
  ])("the error for a literal in `%s` names the argument and its place", async (selection, start) => {
    const { ask, sandbox } = await startGateway(options)
    const { data, errors } = await ask(`{\n  ${selection}\n}`)
    expect(data).toBeUndefined()
    expect(errors![0]!.message.slice(0, start.length)).toBe(start)
    expect(errors![0]).toMatchObject({ locations: [{ line: 2 }] })
    expect(sandbox.requests).toEqual([])
  })

  test.each([
    [
      'query ($a: ID = "x") { capsule(id: $a) { id } }',
      'Argument "id" of non-null type "ID!" must not be null. The variable "$a" is null.',
    ],
    [
      'query ($a: ID = "x") { capsules(ids: ["b", $a]) { id } }',
      'Argument "ids" has invalid value ["b", $a]. The variable "$a" is null.',
    ],
    [
      'mutation ($a: ID = "x") { attachDataAssets(input: {capsuleId: "c", dataAssets: [{id: $a}]}) { __typename } }',
      'Argument "input" has invalid value {capsuleId: "c", dataAssets: [{id: $a}]}. The variable "$a" is null.',
    ],
    [
      'mutation ($a: ID = "x", $b: ID = "y") { detachDataAssets(input: {capsuleId: $a, dataAssetIds: [$b]}) { __typename } }',
      'Argument "input" has invalid value {capsuleId: $a, dataAssetIds: [$b]}. One of "$a", "$b" is null, and must not be.',
    ],
    [
      "query ($a: Boolean = true) { __typename @skip(if: $a) }",
      'Argument "if" of non-null type "Boolean!" must not be null. The variable "$a" is null.',
    ],
  ])(
    "the error for a variable that is null in a value names the argument and the variable: %s",
    async (query, message) => {
      const { ask } = await startGateway(options)
      const { errors } = await ask(query, { a: null })
      expect(errors).toMatchObject([{ message, locations: [{ line: 1 }], extensions: { code: "BAD_USER_INPUT" } }])
    },
  )

  test("the error for a default value names the variable and its place", async () => {
    const { ask } = await startGateway(options)
    const { errors } = await ask('query ($i: [ID!]! = ["a", 2.5]) { capsules(ids: $i) { id } }')
    expect(errors![0]!.message).toMatch(/^Variable "\$i" has an invalid default value at "i\[1\]"; ID cannot/)
  })
})

describe("an error of the gateway's own checks", () => {
  const filters = (list: string) => `{ searchCapsules(filters: ${list}) { nodes { id } } }`
  const capsule = (field: string) => `{ capsule(id: "${seed.spikeSorting}") { ${field} } }`
  const mutation = (field: string) => `mutation { ${field} { __typename } }`

  test.each<[string, string]>([
    [
      filters('[{key: "a", value: 1}, {key: "b", values: [1]}, {key: "c", value: 1, range: {min: 1}}]'),
      '`filters[2]`, the filter on "c", needs exactly one of `value`, `values` and `range`; it has 2.',
    ],
    [filters('{key: "b"}'), '`filters[0]`, the filter on "b", needs exactly one'],
    [filters('[{key: "a", value: 1}, {key: " ", value: 1}]'), "`filters[1].key` must name a field"],
    [
      filters('[{key: "a", value: 1}, {key: "b", value: true}]'),
      '`filters[1]`, the filter on "b", accepts only strings',
    ],
    ["{ searchCapsules(first: 0) { nodes { id } } }", "`first` must be from 1 to 1000"],
    [capsule("computations(first: 1001) { nodes { id } }"), "`first` must be from 1 to 1000"],
    ['{ searchDataAssets(after: "x") { nodes { id } } }', "`after` is not a cursor"],
    ["{ searchCapsules(status: UNRECOGNIZED) { nodes { id } } }", "`status` is UNRECOGNIZED"],
    ["{ searchDataAssets(type: UNRECOGNIZED) { nodes { id } } }", "`type` is UNRECOGNIZED"],
    [capsule("computations(filter: {created: {}}) { nodes { id } }"), "`filter.created` is an empty range"],
    [`{ capsules(ids: ["a", "${"b".repeat(300)}"]) { id } }`, "`ids[1]` has at most 256 characters"],
    [
      mutation('attachDataAssets(input: {capsuleId: "c", dataAssets: [{id: "a"}, {id: ""}]})'),
      "`input.dataAssets[1].id` is empty",
    ],
    [
      mutation('detachDataAssets(input: {capsuleId: "c", dataAssetIds: ["a", ""]})'),
      "`input.dataAssetIds[1]` is empty",
    ],
    [mutation('updateDataAssets(input: {ids: ["a"], addTags: ["x", " "]})'), "`addTags[1]` is empty"],
    [
      mutation('updateDataAssets(input: {ids: ["a"], setCustomMetadata: [{key: "x", value: 1}, {key: "", value: 1}]})'),
      "`setCustomMetadata[1].key` is empty",
    ],
    [
      mutation('updateDataAsset(input: {id: "a", customMetadata: [{key: "x", value: 1}, {key: "x", value: 1}]})'),
      '`customMetadata[1].key`: "x" is given twice',
    ],
    [
      '{ _entities(representations: [{__typename: "Nothing"}]) { __typename } }',
      "`representations[0]` must be an object",
    ],
  ])("an error of the gateway's own checks names the argument and the item in it: %s", async (query, start) => {
    const { ask } = await startGateway()
    const { errors } = await ask(query)
    expect(errors![0]!.message.slice(0, start.length)).toBe(start)
    expect(errors![0]).toMatchObject({
      locations: [{ line: 1 }],
      path: expect.any(Array),
      extensions: { code: "BAD_USER_INPUT" },
    })
  })
})

describe("a text that can't be an id", () => {
  const id = seed.cellImages
  const operations: [operation: string, argument: string, path: (string | number)[]][] = [
    ["query ($v: ID!) { capsule(id: $v) { name } }", "id", ["capsule"]],
    ["query ($v: ID!) { pipeline(id: $v) { permissions { everyone } } }", "id", ["pipeline"]],
    ["query ($v: ID!) { dataAsset(id: $v) { files { entries { path } } } }", "id", ["dataAsset"]],
    ["query ($v: ID!) { node(id: $v) { id } }", "id", ["node"]],
    [`query ($v: ID!) { nodes(ids: ["${id}", $v]) { id } }`, "ids[1]", ["nodes", 1]],
    ...["capsules", "pipelines", "computations", "dataAssets"].map((field): (typeof operations)[number] => [
      `query ($v: ID!) { ${field}(ids: [$v, "${id}", $v]) { name } }`,
      "ids[0]",
      [field, 0],
    ]),
    [
      `query ($v: ID!) { capsule(id: "${seed.cellCounter}") { computations(filter: {dataAssetId: $v}) { nodes { id } } } }`,
      "filter.dataAssetId",
      ["capsule", "computations"],
    ],
    [
      'mutation ($v: ID!) { renameComputation(input: {id: $v, name: "n"}) { __typename } }',
      "input.id",
      ["renameComputation"],
    ],
    ["mutation ($v: ID!) { runCapsule(input: {capsuleId: $v}) { __typename } }", "input.capsuleId", ["runCapsule"]],
    [
      `mutation ($v: ID!) { runPipeline(input: {pipelineId: "p", resumeRunId: $v}) { __typename } }`,
      "input.resumeRunId",
      ["runPipeline"],
    ],
    [
      `mutation ($v: ID!) { updateDataAssets(input: {ids: ["${id}", $v], addTags: ["x"]}) { __typename } }`,
      "input.ids[1]",
      ["updateDataAssets"],
    ],
    [
      `mutation ($v: ID!) { updateDataAssetPermissions(input: {dataAssetId: $v, everyone: VIEWER}) { __typename } }`,
      "input.dataAssetId",
      ["updateDataAssetPermissions"],
    ],
  ]

  test.each(operations)("is named with its argument and its place in the error: %s", async (query, argument, path) => {
    const { ask } = await startGateway()
    for (const [value, problem] of [
      ["", "is empty. Give the id of an object."],
      ["../x", 'is "../x", which is not an id. Ids are Code Ocean\'s own, such as '],
      ["a\n", 'is "a\\n", which is not an id.'],
    ] as const) {
      const { errors } = await ask(query, { v: value })
      expect(errors?.[0]).toMatchObject({
        message: expect.stringMatching(new RegExp(`^${RegExp.escape(`\`${argument}\` ${problem}`)}`)),
        path,
        extensions: { code: "BAD_USER_INPUT" },
      })
    }
  })

  test("of several ids, one that can't be an id fails alone", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(
      "query ($ids: [ID!]!) { dataAssets(ids: $ids) { id } nodes(ids: $ids) { id } }",
      {
        ids: [id, "..", id],
      },
    )
    expect(data).toEqual({ dataAssets: [{ id }, null, { id }], nodes: [{ id }, null, { id }] })
    expect(errors?.map(({ path }) => path)).toEqual([
      ["dataAssets", 1],
      ["nodes", 1],
    ])
  })

  test("in a reference of a router it is named with its place", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask(
      "query ($v: [_Any!]!) { _entities(representations: $v) { ... on DataAsset { id } } }",
      { v: ["a/b", id].map((key) => ({ __typename: "DataAsset", id: key })) },
    )
    expect(data._entities).toEqual([null, { id }])
    expect(errors?.[0]?.message).toMatch(/^`representations\[0\]\.id` is "a\/b", which is not an id/)
  })
})

describe("`first`", () => {
  test("every `first` of a connection has the default 20", async () => {
    const { schema } = await import("../src/graph/schema.ts")
    const found = Object.values(schema.getTypeMap()).flatMap((type) =>
      "getFields" in type
        ? Object.values(type.getFields())
            .filter((field) => String(field.type).replace("!", "").endsWith("Connection"))
            .flatMap((field) =>
              "args" in field ? (field.args as readonly GraphQLArgument[]).filter(({ name }) => name === "first") : [],
            )
        : [],
    )
    expect(found.length).toBeGreaterThanOrEqual(8)
    for (const { defaultValue } of found) expect(defaultValue).toBe(20)
  })

  test.each(ways)(
    "`first` is 20 if it is omitted, null, or a null or missing variable, by $way",
    async ({ options }) => {
      const { ask, sandbox } = await startGateway(options)
      for (const [query, variables] of [
        ["{ searchCapsules { nodes { id } } }", undefined],
        ["{ searchCapsules(first: null) { nodes { id } } }", undefined],
        ["query ($n: Int) { searchCapsules(first: $n) { nodes { id } } }", {}],
        ["query ($n: Int) { searchCapsules(first: $n) { nodes { id } } }", { n: null }],
      ] as const) {
        sandbox.requests.length = 0
        const { errors, data } = await ask(query, variables)
        expect(errors).toBeUndefined()
        expect(data.searchCapsules.nodes.length).toBeGreaterThan(0)
        expect(sandbox.requests.map(({ body }) => (body as { limit: number }).limit)).toEqual([20])
      }
    },
  )
})

describe("a DateTime of the input", () => {
  const created = `query ($from: DateTime) { capsule(id: "${seed.spikeSorting}") { computations(filter: { created: { from: $from } }) { nodes { id } } } }`

  test.each([
    ["+0000", "2026-08-20T09:30:00+0000"],
    ["+00", "2026-08-20T09:30:00+00"],
    ["+05:30", "2026-08-20T15:00:00+05:30"],
    ["+0530", "2026-08-20T15:00:00+0530"],
    ["-0800", "2026-08-20T01:30:00-0800"],
    ["lower case", "2026-08-20t09:30:00z"],
    ["a short fraction", "2026-08-20T09:30:00.0Z"],
    ["a long fraction", "2026-08-20T09:30:00.000000000000000000Z"],
    ["no seconds", "2026-08-20T09:30+0000"],
  ])("a DateTime of the input is read with %s", async (_name, from) => {
    const { schema } = await import("../src/graph/schema.ts")
    const { parseValue } = schema.getType("DateTime") as import("graphql").GraphQLScalarType
    expect(parseValue(from)).toBe(Date.parse("2026-08-20T09:30:00Z") / 1000)
  })

  test.each([
    ["yesterday", "This one has another form."],
    ["", "This one is empty."],
    [" 2026-08-20", "This one has another form."],
    ["20260820", "This one has another form."],
    [5, "This one is not a string."],
    ["2026-13-01", "Its month must be from 01 to 12."],
    ["2026-00-01", "Its month must be from 01 to 12."],
    ["2026-02-30", "There is no day 30 in 2026-02."],
    ["2026-04-31T00:00:00Z", "There is no day 31 in 2026-04."],
    ["2026-08-00", "There is no day 00 in 2026-08."],
    ["2026-08-20T24:00:00Z", "Its hour must be from 00 to 23. Midnight is 00:00 of the next day."],
    ["2026-08-20T09:60:00Z", "Its minute must be from 00 to 59."],
    ["2026-12-31T23:59:60Z", "Its second must be from 00 to 59. There are no leap seconds."],
    ["2026-08-20T09:30:00", "Its time needs an offset, such as Z or +02:00."],
    ["2026-08-20T09:30:00+24:00", "Its offset must be from -23:59 to +23:59."],
    ["2026-08-20T09:30:00+0060", "Its offset must be from -23:59 to +23:59."],
    ["12026-08-20", "Its year must have four digits."],
    ["+012026-08-20T09:30:00Z", "Its year must have four digits."],
  ])("a DateTime of the input that is %j is refused with an example and the reason", async (from, problem) => {
    const { ask } = await startGateway()
    const answers = [
      await ask(created, { from }),
      await ask(created.replace("($from: DateTime)", "").replace("$from", JSON.stringify(from))),
    ]
    for (const { errors } of answers) {
      expect(errors![0]!.message).toContain("2026-08-20T09:30:00Z")
      expect(errors![0]!.message.slice(-problem.length)).toBe(problem)
      expect(errors![0]).toHaveProperty("locations")
    }
  })
})
