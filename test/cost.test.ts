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
} from "graphql"
import { describe, expect, test } from "vitest"
import { type Cost, costOf } from "../src/cost/cost.ts"
import { schema } from "../src/schema.ts"

interface Place {
  name: string
  field: GraphQLField<unknown, unknown>
  cost: Cost | undefined
}

const objects = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && !type.name.startsWith("__"))

const places: Place[] = objects.flatMap((type) =>
  isObjectType(type)
    ? Object.values(type.getFields()).map((field) => ({
        name: `${type.name}.${field.name}`,
        field,
        cost: costOf(field),
      }))
    : [],
)

const makesCalls = ({ cost }: Place) =>
  !!(cost && (cost.calls || cost.oncePerObject !== undefined || cost.oncePerRequest !== undefined))

/** The places of a type's fields, or of those of all types that it can be. */
function placesOf(type: GraphQLNamedType): Place[] {
  const types = isInterfaceType(type) || isUnionType(type) ? schema.getPossibleTypes(type) : [type]
  return places.filter(({ name }) => types.some((one) => name.startsWith(`${one.name}.`)))
}

/** Whether a selection on this type can make calls. */
function leadsToCalls(type: GraphQLNamedType, seen = new Set<string>()): boolean {
  if (!isCompositeType(type) || seen.has(type.name)) return false
  seen.add(type.name)
  return placesOf(type).some((place) => makesCalls(place) || leadsToCalls(getNamedType(place.field.type), seen))
}

describe("what fields cost", () => {
  test("is declared of every field whose description speaks of a call, and of no other", () => {
    const says = ({ field }: Place) =>
      /\b(one|a|two|three) calls?\b(?! more)|one read and one write/i.test(field.description ?? "")
    expect(places.filter(makesCalls).length).toBeGreaterThan(80)
    expect(places.filter((place) => says(place) !== makesCalls(place)).map(({ name }) => name)).toEqual([])
  })

  test("names arguments that there are", () => {
    const named = places.flatMap(({ name, field, cost }) =>
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

  test("is counted once for each item: every list that leads to calls says how many it holds, or the field above it does", () => {
    const isList = ({ field }: Place) => isListType(getNullableType(field.type))
    const lists = places.filter((place) => isList(place) && leadsToCalls(getNamedType(place.field.type)))
    expect(lists.length).toBeGreaterThan(20)
    const unsized = lists.filter(({ name, cost }) => {
      if (cost?.items !== undefined) return false
      const [owner = ""] = name.split(".")
      const above = places.filter(({ field }) =>
        placesOf(getNamedType(field.type)).some((place) => place.name.startsWith(`${owner}.`)),
      )
      return above.length === 0 || above.some((place) => place.cost?.items === undefined)
    })
    expect(unsized.map(({ name }) => name)).toEqual([])
  })
})
