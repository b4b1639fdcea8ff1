import { readFile } from "node:fs/promises"
import { buildSchema } from "graphql"
import { describe, expect, test } from "vitest"
import { apiSdl } from "../src/graph/federation/sdl.ts"
import { schema } from "../src/graph/schema.ts"
import { breakingChanges, departures, namesIn, unaccounted } from "./support/schemaRules.ts"

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), "utf8")

describe("a change that breaks clients of the last release", () => {
  const before = `
    type Query { capsule(id: ID!, depth: Int! = 3): String! gone: Int }
    input SearchInput { query: String! = "all" }
    type Mutation { search(input: SearchInput!): [Kind!] }
    enum Kind { NEW OLD }`

  test.each([
    ["gone: Int", "", "Field 'gone' was removed from object type 'Query'"],
    ["NEW OLD", "NEW", "Enum value 'OLD' was removed from enum 'Kind'"],
    ["String! gone", "String gone", "Field 'Query.capsule' changed type from 'String!' to 'String'"],
    ["id: ID!,", "id: ID!, ref: ID!,", "Argument 'ref: ID!' added to field 'Query.capsule'"],
    ["Int! = 3", "Int! = 4", "Default value for argument 'depth' on field 'Query.capsule' changed from '3' to '4'"],
    ['String! = "all"', "String!", `Input field 'SearchInput.query' default value changed from '"all"' to 'undefined'`],
    ["input SearchInput", "input SearchInput @oneOf", "Directive 'oneOf' was added to input object 'SearchInput'"],
  ])("a change from %s to %s breaks clients", async (from, to, sentence) => {
    const after = before.replace(from, to)
    expect(await breakingChanges(buildSchema(before), buildSchema(after, { assumeValid: true }))).toEqual([sentence])
  })

  test("a change that only adds breaks no client of the last release", async () => {
    const after = before.replace("gone: Int", "gone: Int new(id: ID): Kind").replace("NEW OLD", "NEW OLD NEWER")
    expect(await breakingChanges(buildSchema(before), buildSchema(after))).toEqual([])
  })
})

test("every change that breaks clients of the last release is one that docs/breaking.md accepts", async () => {
  const released = buildSchema(await read("schema.released.graphql"))
  // Built from its text, in which the defaults of enums are the names that clients know.
  const present = buildSchema(apiSdl(schema))
  expect(unaccounted(await breakingChanges(released, present), await read("docs/breaking.md"))).toEqual([])
})

test("each line of docs/breaking.md quotes a present break and has a reason", () => {
  const gone = "Field 'gone' was removed from object type 'Query'"
  expect(unaccounted([gone], `- ${gone}: nobody asks for it.`)).toEqual([])
  expect(unaccounted([gone], `- ${gone}: `)).toEqual([gone, `- ${gone}: `])
  expect(unaccounted([], `- ${gone}: nobody asks for it.`)).toEqual([`- ${gone}: nobody asks for it.`])
})

test("everything in the graph has a description", () => {
  expect(namesIn(schema).length).toBeGreaterThan(900)
  expect(namesIn(schema).filter(({ description }) => !description)).toEqual([])
})

test("the graph keeps its own rules of naming and nullability", () => {
  expect(departures(buildSchema(apiSdl(schema)))).toEqual([])
})

const keepsAllRules = `
  "X." interface Node { "X." id: ID! }
  "X." enum Kind { "X." UNKNOWN }
  "X." type Thing implements Node { "X." id: ID! "X." created: String! "One call." owner: Kind "X." friend: Thing }
  "X." type PageInfo { "X." hasNextPage: Boolean! }
  "X." type ThingEdge { "X." cursor: String! "X." node: Thing }
  "X." type ThingConnection { "X." edges: [ThingEdge!]! "X." nodes: [Thing]! "X." pageInfo: PageInfo! }
  "X." type Query {
    "X." thing("X." id: ID!): Thing
    "X." list: [Thing]!
    "X." search("X." first: Int "X." after: String): ThingConnection
  }
  "X." input RenameThingInput { "X." id: ID! }
  "X." type RenameThingPayload { "X." thing: Thing }
  "X." type MutationRefused { "X." message: String! }
  "X." union RenameThingResult = RenameThingPayload | MutationRefused
  "X." type Mutation { "X." renameThing("X." input: RenameThingInput!): RenameThingResult }`

test.each([
  ["an enum value in small letters", "UNKNOWN", "unknown", "Kind.unknown"],
  ["a field with an underscore", "created:", "created_at:", "Thing.created_at"],
  ["an argument with a capital", "first:", "First:", "Query.search(First:)"],
  ["a field that nobody describes", '"X." created', "created", "Thing.created"],
  ["a description that is no sentence", '"X." created', '"x" created', "Thing.created"],
  ["a deprecation without advice", "created: String!", "created: String! @deprecated", "Thing.created"],
  ["an input type by another name", "RenameThingInput", "RenameThing", "RenameThing"],
  ["an object type called an input", "MutationRefused", "RefusedInput", "RefusedInput"],
  ["a union by another name", "RenameThingResult", "RenameThingUnion", "RenameThingUnion"],
  ["a call that is not nullable", "owner: Kind", "owner: Kind!", "Thing.owner"],
  ["an entity that is not nullable", "friend: Thing", "friend: Thing!", "Thing.friend"],
  ["a list that one failed call empties", "list: [Thing]!", "list: [Thing!]!", "Query.list"],
  ["a list that one unreadable item empties", '"X." created: String!', '"X." tags: [String!]', "Thing.tags"],
  ["a bare id of an entity", "friend: Thing", "thingId: ID", "Thing.thingId"],
  ["an entity that is no node", "Thing implements Node", "Thing", "Thing"],
  ["an id of what is no node", "hasNextPage: Boolean!", "id: ID", "PageInfo.id"],
  ["an id in an interface that is no node", '"X." enum', '"X." interface Named { "X." id: ID } "X." enum', "Named.id"],
  ["a list of connections", "ThingConnection\n", "[ThingConnection]\n", "Query.search"],
  ["a connection without a size", '"X." first: Int', "", "Query.search"],
  ["edges that may be null", "[ThingEdge!]!", "[ThingEdge]", "ThingConnection.edges"],
  ["a cursor that may be null", "cursor: String!", "cursor: String", "ThingEdge.cursor"],
  ["an item that fails its page", "node: Thing", "node: Thing!", "ThingEdge.node"],
  ["a mutation with loose arguments", "input: RenameThingInput!", "id: ID!", "Mutation.renameThing"],
  [
    "a mutation that takes others' results along",
    "RenameThingResult }",
    "RenameThingResult! }",
    "Mutation.renameThing",
  ],
  [
    "a mutation that can't be refused",
    "RenameThingPayload | MutationRefused",
    "RenameThingPayload",
    "Mutation.renameThing",
  ],
])("the rules of the graph refuse %s", (_name, from, to, place) => {
  const places = (source: string) =>
    departures(buildSchema(source, { assumeValid: true })).map((sentence) => sentence.split(": ")[0])
  expect(places(keepsAllRules)).toEqual([])
  expect(places(keepsAllRules.replaceAll(from, to))).toContain(place)
})
