import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isLeafType,
  isListType,
  isObjectType,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql"

/** For the `extensions` of a field that looks up objects which are not in its own value. */
export const looksUpObjects = { looksUpObjects: true }

/** A field with a connection, by the types of the object that has it, of the connection, and of its items. */
interface ConnectionField {
  owner: string
  connection: string
  item: string
}

const answers = new WeakMap<OperationDefinitionNode, Map<ConnectionField, boolean>>()

/**
 * Whether a resolver's operation has one page of a connection for each object that has the connection, and reaches the items in no other
 * way. Then these need not be kept for other fields. `@skip` and `@include` are ignored: the answer is true only if it is for all variables.
 */
export function isOnlyPage(info: GraphQLResolveInfo, field: ConnectionField): boolean {
  let ofOperation = answers.get(info.operation)
  if (ofOperation === undefined) {
    ofOperation = new Map()
    answers.set(info.operation, ofOperation)
  }
  let answer = ofOperation.get(field)
  if (answer === undefined) {
    answer = new Reach(info).isOnlyPage(field)
    ofOperation.set(field, answer)
  }
  return answer
}

/** A field that is selected somewhere, and the type that it is selected from. */
interface Selected {
  parent: GraphQLNamedType
  field: GraphQLField<unknown, unknown>
}

/** The ways in which an operation reaches objects. */
class Reach {
  readonly #schema: GraphQLSchema
  /** Without scalars and enums. */
  readonly #selected: Selected[] = []

  constructor({ schema, operation, fragments }: GraphQLResolveInfo) {
    this.#schema = schema
    const types = new TypeInfo(schema)
    const visitor = visitWithTypeInfo(types, {
      Field: () => {
        const parent = types.getParentType()
        const field = types.getFieldDef()
        if (parent && field && !isLeafType(getNamedType(field.type))) this.#selected.push({ parent, field })
      },
    })
    for (const part of [operation, ...Object.values(fragments)]) visit(part, visitor)
  }

  isOnlyPage({ owner, connection, item }: ConnectionField): boolean {
    const [wayToOwner, ...others] = this.#waysTo(owner)
    return (
      // Each object that has the connection is in the response once.
      wayToOwner !== undefined &&
      others.length === 0 &&
      isItem(wayToOwner) &&
      this.#isRequestedOnce(wayToOwner.parent) &&
      this.#waysTo(connection).length === 1 &&
      // No field looks up an item by its id.
      this.#waysTo(item).every(isItem) &&
      this.#selected.every(({ field }) => field.extensions.looksUpObjects !== true)
    )
  }

  /** Whether a page of a query's root field, or the list of its edges, is requested once. */
  #isRequestedOnce(pagePart: GraphQLNamedType): boolean {
    const [way, ...others] = this.#waysTo(pagePart.name)
    if (way === undefined || others.length > 0) return false
    const { parent, field } = way
    if (isConnection(parent)) return field.name === "edges" && this.#isRequestedOnce(parent)
    return parent === this.#schema.getQueryType() && !isListType(getNullableType(field.type))
  }

  /** The selected fields that lead to an object of this type. */
  #waysTo(typename: string): Selected[] {
    const wanted = this.#schema.getType(typename)
    return this.#selected.filter(({ field }) => {
      const type = getNamedType(field.type)
      return type === wanted || (isAbstractType(type) && isObjectType(wanted) && this.#schema.isSubType(type, wanted))
    })
  }
}

/** Relay's convention for the names of types. */
const isConnection = ({ name }: GraphQLNamedType) => name.endsWith("Connection")

function isItem({ parent, field }: Selected): boolean {
  return isConnection(parent) ? field.name === "nodes" : parent.name.endsWith("Edge") && field.name === "node"
}
