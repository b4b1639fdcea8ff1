import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
} from "graphql"
import { costOf } from "../../graph/cost.ts"

/*
 * The usual size of values in a response, in bytes: means over real capsules, panels and data assets. The sizes are not upper
 * bounds. The executor measures the real size while it makes the response.
 */

const bytesPerScalar: Readonly<Record<string, number>> = {
  Boolean: 5,
  Int: 5,
  Float: 12,
  ID: 38,
  DateTime: 26,
  ByteCount: 12,
  JSON: 200,
}
const bytesPerString = 40
const bytesPerEnum = 14
const itemsPerLeafList = 3

/** The quotes, colon and comma beside a key and its value. */
const bytesBesideKey = 4

/** The braces and comma of an object. */
export const bytesPerObject = 3

export const bytesPerKey = (key: string): number => key.length + bytesBesideKey

/** The usual size of a value without selected fields: the one that its field declares, or that of its type. */
export function leafBytes(field: GraphQLField<unknown, unknown>): number {
  const declared = costOf(field)?.bytes
  if (declared !== undefined) return declared
  const type = getNamedType(field.type)
  const bytes = isEnumType(type) ? bytesPerEnum : (bytesPerScalar[type.name] ?? bytesPerString)
  return isListType(getNullableType(field.type)) ? bytes * itemsPerLeafList : bytes
}

const introspectionItems = new WeakMap<GraphQLSchema, ReadonlyMap<string, number>>()

/**
 * How many items the lists of introspection have in this schema, by `Type.field`. Averages, if that depends on the type. Counted
 * once for each schema, when they are first needed.
 */
export function itemsInIntrospection(schema: GraphQLSchema): ReadonlyMap<string, number> {
  let items = introspectionItems.get(schema)
  if (items === undefined) {
    items = countItems(schema)
    introspectionItems.set(schema, items)
  }
  return items
}

function countItems(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(schema.getTypeMap())
  const average = (count: (type: (typeof types)[number]) => number) =>
    types.reduce((sum, type) => sum + count(type), 0) / types.length
  const fieldsOf = (type: (typeof types)[number]) =>
    isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : []
  const fields = types.flatMap(fieldsOf)
  const args = fields.reduce((sum, field) => sum + field.args.length, 0)
  return new Map([
    ["__Schema.types", types.length],
    ["__Schema.directives", schema.getDirectives().length],
    ["__Type.fields", average((type) => fieldsOf(type).length)],
    ["__Type.interfaces", average((type) => (isObjectType(type) ? type.getInterfaces().length : 0))],
    ["__Type.possibleTypes", average((type) => (isInterfaceType(type) ? schema.getPossibleTypes(type).length : 0))],
    ["__Type.enumValues", average((type) => (isEnumType(type) ? type.getValues().length : 0))],
    ["__Type.inputFields", average((type) => (isInputObjectType(type) ? Object.keys(type.getFields()).length : 0))],
    ["__Field.args", args / fields.length],
  ])
}

/** The schema coordinate of a field: `Type.field`. */
export const coordinateOf = (type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): string =>
  `${type.name}.${field.name}`
