import { getNamedType, isInputObjectType, isInterfaceType, isObjectType, isScalarType } from "graphql"
import { describe, expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { startGateway } from "./support/gateway.ts"
import { statedLimit, type TextPlace, textPlaces } from "./support/textPlaces.ts"

const places = textPlaces(schema)

/** The result of a field with these arguments, as far as its arguments decide it. */
async function refusalOf({ field }: TextPlace, args: object): Promise<string | undefined> {
  try {
    const found: unknown = await (field.subscribe ?? field.resolve)?.({}, args, {}, {} as never)
    if (Array.isArray(found)) await Promise.allSettled(found)
    return undefined
  } catch (error) {
    const { message, extensions } = error as { message: string; extensions?: { code: string } }
    return extensions?.code === "BAD_USER_INPUT" ? message : undefined
  }
}

test("every argument that takes a text has a maximum length in its description", () => {
  const inputs = Object.values(schema.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith("__")) return []
    if (isInputObjectType(type)) {
      return Object.values(type.getFields()).map((field) => ({ ...field, place: `${type.name}.${field.name}` }))
    }
    if (!isObjectType(type) && !isInterfaceType(type)) return []
    return Object.values(type.getFields()).flatMap((field) =>
      field.args.map((arg) => ({ ...arg, place: `${type.name}.${field.name}(${arg.name}:)` })),
    )
  })
  const texts = inputs.filter(({ type }) => {
    const named = getNamedType(type)
    return isScalarType(named) && !["Int", "Float", "Boolean", "ByteCount"].includes(named.name)
  })
  expect(texts.length).toBeGreaterThan(120)
  expect(texts.filter(({ description }) => !(statedLimit(description) <= 65_536)).map(({ place }) => place)).toEqual([])
})

// Their text is read before a resolver is called.
const resolved = places.filter(({ scalar }) => scalar !== "DateTime")

test("a text of one character more than its argument allows is refused, with its place and both lengths", async () => {
  expect(resolved.length).toBeGreaterThan(200)
  for (const place of resolved) {
    const most = statedLimit(place.input.description)
    expect(await refusalOf(place, place.argsWith("x".repeat(most + 1))), `${place.type}.${place.field.name}`).toBe(
      `\`${place.path}\` has at most ${most} characters. This one has ${most + 1}.`,
    )
  }
})

test("a text of the maximum length of its argument is accepted", async () => {
  for (const place of resolved) {
    const text = "x".repeat(statedLimit(place.input.description))
    expect((await refusalOf(place, place.argsWith(text))) ?? "", place.path).not.toContain("characters. This one has")
  }
})

describe.each([
  ["the gateway's own executor", { compiledExecutor: true, fastPath: true }],
  ["graphql-js", { compiledExecutor: false, fastPath: false }],
])("texts that are too long, with %s", (_name, options) => {
  test.each([
    ["an id", "query ($text: ID!) { capsule(id: $text) { id } }", 256, "`id`"],
    ["an id among many", 'query ($text: ID!) { nodes(ids: ["1", $text]) { id } }', 256, "`ids[1]`"],
    ["a search", "query ($text: String) { searchDataAssets(query: $text) { nodes { id } } }", 10_000, "`query`"],
    ["a cursor", "query ($text: String) { searchPipelines(after: $text) { nodes { id } } }", 5_000, "`after`"],
    [
      "a value within JSON",
      'query ($text: JSON!) { searchCapsules(filters: [{key: "a", value: 1}, {key: "b", values: [1, $text]}]) { nodes { id } } }',
      4_096,
      "`filters[1].values[1]`",
    ],
    [
      "a path below another field",
      `query ($text: String!) { dataAsset(id: "${seed.exampleReference}") { file(path: $text) { path } } }`,
      4_096,
      "`path`",
    ],
    [
      "a router's reference",
      'query ($text: _Any!) { _entities(representations: [{__typename: "Capsule", id: $text}]) { __typename } }',
      4_096,
      "`representations[0].id`",
    ],
    [
      "a tag of a mutation's input",
      'mutation ($text: String!) { updateDataAssets(input: {ids: ["1"], addTags: ["a", $text]}) { __typename } }',
      256,
      "`input.addTags[1]`",
    ],
  ])("%s that is too long is refused without a call for it", async (_name, query, most, place) => {
    const { ask, sandbox } = await startGateway(options)
    const { errors } = await ask(query, { text: "x".repeat(most + 1) })
    expect(errors).toMatchObject([
      {
        message: `${place} has at most ${most} characters. This one has ${most + 1}.`,
        extensions: { code: "BAD_USER_INPUT" },
      },
    ])
    expect(sandbox.requests.filter(({ path }) => path !== `/data_assets/${seed.exampleReference}`)).toEqual([])
  })

  test("a key within JSON that is too long is refused", async () => {
    const { ask } = await startGateway(options)
    const value = { fine: [{ ["k".repeat(65_537)]: 1 }] }
    const { errors } = await ask(
      'mutation ($value: JSON!) { updateDataAssets(input: {ids: ["1"], setCustomMetadata: [{key: "a", value: $value}]}) { __typename } }',
      { value },
    )
    expect(errors?.[0]?.message).toBe(
      "A key in `input.setCustomMetadata[0].value.fine[0]` has at most 65536 characters. This one has 65537.",
    )
  })

  test("a time that is too long is refused before it is read", async () => {
    const { ask } = await startGateway(options)
    const { errors } = await ask(
      `query ($from: DateTime) { capsule(id: "${seed.cellCounter}") { computations(filter: {created: {from: $from}}) { nodes { id } } } }`,
      { from: `2026-08-20T00:00:00.${"0".repeat(65_536)}Z` },
    )
    expect(errors?.[0]?.message).toContain("A DateTime has at most 64 characters")
    expect(errors?.[0]?.extensions.code).toBe("BAD_USER_INPUT")
  })

  test("a subscription's text that is too long is refused", async () => {
    const { gateway } = await startGateway(options)
    const response = await fetch(`${await gateway.listen()}/graphql`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${tokens.ada}`,
        accept: "text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify({ query: `subscription { computation(id: "${"x".repeat(257)}") { id } }` }),
    })
    expect(await response.text()).toContain("`id` has at most 256 characters. This one has 257.")
  })
})
