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
import { costOf } from "../graph/cost.ts"

/*
 * About how many bytes values take in an answer. They are what is usual, as means over real capsules, panels and data assets
 * show it, not the most that there can be: what really comes is bounded while the answer is made.
 */

const bytesOfScalar: Readonly<Record<string, number>> = {
  Boolean: 5,
  Int: 5,
  Float: 12,
  ID: 38,
  DateTime: 26,
  ByteCount: 12,
  JSON: 200,
}
const bytesOfText = 40
const bytesOfEnum = 14
const itemsOfLeafList = 3

/** The quotes, colon and comma beside a key and its value. */
const bytesBesideKey = 4

/** The braces and the comma of an object. */
export const bytesOfObject = 3

export const bytesOfKey = (key: string): number => key.length + bytesBesideKey

/** What the value of a field that has no fields below it usually takes. */
export function bytesOfLeaf(field: GraphQLField<unknown, unknown>): number {
  const declared = costOf(field)?.bytes
  if (declared !== undefined) return declared
  const type = getNamedType(field.type)
  const one = isEnumType(type) ? bytesOfEnum : (bytesOfScalar[type.name] ?? bytesOfText)
  return isListType(getNullableType(field.type)) ? one * itemsOfLeafList : one
}

/** How many items the lists of introspection have in this schema, by type and field; on average, where it depends. */
export function introspectionItems(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(schema.getTypeMap())
  const each = (count: (type: (typeof types)[number]) => number) =>
    types.reduce((sum, type) => sum + count(type), 0) / types.length
  const fieldsOf = (type: (typeof types)[number]) =>
    isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : []
  const fields = types.flatMap(fieldsOf)
  const args = fields.reduce((sum, field) => sum + field.args.length, 0)
  return new Map([
    ["__Schema.types", types.length],
    ["__Schema.directives", schema.getDirectives().length],
    ["__Type.fields", each((type) => fieldsOf(type).length)],
    ["__Type.interfaces", each((type) => (isObjectType(type) ? type.getInterfaces().length : 0))],
    ["__Type.possibleTypes", each((type) => (isInterfaceType(type) ? schema.getPossibleTypes(type).length : 0))],
    ["__Type.enumValues", each((type) => (isEnumType(type) ? type.getValues().length : 0))],
    ["__Type.inputFields", each((type) => (isInputObjectType(type) ? Object.keys(type.getFields()).length : 0))],
    ["__Field.args", args / fields.length],
  ])
}

export const placeOf = (type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): string =>
  `${type.name}.${field.name}`
