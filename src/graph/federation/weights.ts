import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLType,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
} from "graphql"
import { type Cost, costOf } from "../cost.ts"

/*
 * Makes the directives `@cost` and `@listSize`, which routers use, from the costs that fields declare. A router adds up the
 * weights of everything that a query selects, each multiplied by the sizes of the lists around it. Without a directive an object
 * weighs 1, any other value 0, and a mutation 10 more. Here a call to Code Ocean weighs 10, in addition to the 1 of an object:
 *
 * - a call for each id in an argument is weighed at the argument, whose entries routers count
 * - a call for a whole list is divided among its items, because routers multiply the list's weight by their number
 * - a call that is made once for a request is weighed only at root fields, because lists further down would multiply it
 * - every other call is weighed at its field, although fields of one object may share it and an id alone does not need it
 *
 * If routers can't see how often a call is made, the number that the field assumes counts. Fields of interfaces have no weights,
 * because composition forbids them. The fields of their objects do.
 */

type Field = GraphQLField<unknown, unknown>

const callWeight = 10

/** The directives for a field of this type that can make calls or returns a list that counts, as text. */
export function weightsOf(owner: GraphQLObjectType | GraphQLInterfaceType, field: Field): string[] {
  const cost = costOf(field)
  if (cost === undefined) return []
  const weighed = !isInterfaceType(owner) && idsArgumentOf(field) === undefined
  const calls = weighed ? callsOf(cost, owner.name === "Query") : 0
  const size = isList(field.type) ? cost.items?.assumed || 1 : 1
  const weight = (isCompositeType(getNamedType(field.type)) ? 1 : 0) + Math.ceil((calls * callWeight) / size)
  return [...(calls > 0 ? [`@cost(weight: ${weight})`] : []), ...listSizeOf(field, cost)]
}

/** The directives for one of a field's arguments, as text. */
export function argumentWeightsOf(field: Field, argument: string): string[] {
  return idsArgumentOf(field)?.name === argument ? [`@cost(weight: ${(costOf(field)?.calls ?? 0) * callWeight})`] : []
}

function idsArgumentOf(field: Field): GraphQLArgument | undefined {
  const byId = costOf(field)?.byId
  return field.args.find(({ name, type }) => name === byId && isList(type))
}

function callsOf({ calls = 0, per, fixedCalls = 0, oncePerObject, oncePerRequest }: Cost, isRoot: boolean): number {
  const shared = (oncePerObject === undefined ? 0 : 1) + (isRoot && oncePerRequest !== undefined ? 1 : 0)
  return calls * (per?.assumed ?? 1) + fixedCalls + shared
}

function listSizeOf(field: Field, { items }: Cost): string[] {
  const sizedFields = isList(field.type) ? [] : listsOf(field.type)
  if (!items?.assumed || !(isList(field.type) || sizedFields.length > 0)) return []
  const slicing = field.args.find(
    ({ name, type }) => name === items.argument && String(getNullableType(type)) === "Int",
  )
  return [
    `@listSize(assumedSize: ${items.assumed}${
      slicing ? `, slicingArguments: ["${slicing.name}"], requireOneSlicingArgument: false` : ""
    }${sizedFields.length > 0 ? `, sizedFields: ${JSON.stringify(sizedFields)}` : ""})`,
  ]
}

/** The names of an object's lists of objects that declare no size themselves. */
function listsOf(type: GraphQLOutputType): string[] {
  const object = getNamedType(type)
  if (!isObjectType(object) && !isInterfaceType(object)) return []
  return Object.values(object.getFields())
    .filter((field) => isList(field.type) && isCompositeType(getNamedType(field.type)) && !costOf(field)?.items)
    .map(({ name }) => name)
}

function isList(type: GraphQLType): boolean {
  return isListType(getNullableType(type))
}
