import { type GraphQLInterfaceType, type GraphQLObjectType, getNamedType, isObjectType } from "graphql"
import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { startGateway, type World } from "./support/gateway.ts"

/** An object of each type that has connections or is a Node. */
const samples: Record<string, string> = {
  Capsule: seed.cellCounter,
  Pipeline: seed.ecephysPipeline,
  Computation: seed.countedCells,
  DataAsset: seed.mouseRecording,
}

/** The query around a field of a type. */
const within = (type: string, selection: string) =>
  type === "Query" ? `{ ${selection} }` : `{ node(id: "${samples[type]}") { ... on ${type} { ${selection} } } }`

const connectionFields = Object.values(schema.getTypeMap())
  .filter((type) => isObjectType(type) && !type.name.startsWith("__"))
  .flatMap((type) =>
    Object.values((type as GraphQLObjectType).getFields())
      .filter((field) => getNamedType(field.type).name.endsWith("Connection"))
      .map((field) => ({ type: type.name, field: field.name })),
  )

interface Page {
  edges: { cursor: string; node: { id: string } }[]
  nodes: { id: string }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
}

async function page({ ask }: World, type: string, field: string, first: number, after?: string): Promise<Page> {
  const args = `first: ${first}${after === undefined ? "" : `, after: ${JSON.stringify(after)}`}`
  const { data, errors } = await ask(
    within(
      type,
      `${field}(${args}) { edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }`,
    ),
  )
  expect(errors).toBeUndefined()
  return type === "Query" ? data[field] : data.node[field]
}

describe("Relay's cursor connections", () => {
  test("every field with pages has Relay's cursor connections", () => {
    expect(connectionFields.length).toBeGreaterThan(6)
  })

  test.each(connectionFields)(
    "$type.$field is walked page by page, each item once and in order",
    async ({ type, field }) => {
      const world = await startGateway()
      const whole = await page(world, type, field, 1000)
      expect(whole.edges.length).toBeGreaterThan(0)
      expect(whole.nodes).toEqual(whole.edges.map(({ node }) => node))
      expect(whole.pageInfo.hasNextPage).toBe(false)

      const walked: string[] = []
      let after: string | undefined
      for (;;) {
        const { edges, pageInfo } = await page(world, type, field, 2, after)
        expect(edges.length).toBeLessThanOrEqual(2)
        expect(pageInfo.startCursor).toBe(edges[0]?.cursor)
        expect(pageInfo.endCursor).toBe(edges.at(-1)?.cursor)
        walked.push(...edges.map(({ node }) => node.id))
        if (!pageInfo.hasNextPage) break
        after = pageInfo.endCursor ?? undefined
      }
      expect(walked).toEqual(whole.edges.map(({ node }) => node.id))
    },
  )

  test.each(connectionFields)("$type.$field goes on behind any cursor of a page", async ({ type, field }) => {
    const world = await startGateway()
    const { edges } = await page(world, type, field, 3)
    for (const [index, { cursor }] of edges.entries()) {
      const rest = await page(world, type, field, 1000, cursor)
      const all = [...edges.slice(0, index + 1), ...rest.edges].map(({ node }) => node.id)
      expect(new Set(all).size).toBe(all.length)
      expect(all.slice(0, edges.length)).toEqual(edges.map(({ node }) => node.id))
    }
  })
})

describe("Relay's nodes", () => {
  const types = schema.getPossibleTypes(schema.getType("Node") as GraphQLInterfaceType).map(({ name }) => name)

  test("an object of each Node type is found by its id, with its type", async () => {
    const { ask } = await startGateway()
    expect(types.sort()).toEqual(Object.keys(samples).sort())
    const ids = types.map((type) => samples[type])
    const { data } = await ask("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", { ids })
    expect(data.nodes).toEqual(types.map((type) => ({ __typename: type, id: samples[type] })))
    for (const type of types) {
      const answer = await ask("query ($id: ID!) { node(id: $id) { __typename id } }", { id: samples[type] })
      expect(answer.data.node).toEqual({ __typename: type, id: samples[type] })
    }
  })

  test("a node with an unknown id is null", async () => {
    const { ask } = await startGateway()
    const { data, errors } = await ask('{ node(id: "nothing") { id } nodes(ids: ["nothing"]) { id } }')
    expect(errors).toBeUndefined()
    expect(data).toEqual({ node: null, nodes: [null] })
  })
})
