import {
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  getOperationAST,
  isAbstractType,
  isListType,
  isObjectType,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
  valueFromASTUntyped,
} from "graphql"
import { type Cost, costOf, declaresCalls } from "../../graph/cost.ts"
import {
  collectFields,
  fieldDefinition,
  fragmentsOf,
  type SelectionScope,
  selectionSetsOf,
  selectsOnlyId,
} from "../../graph/selection.ts"
import { analyze } from "../documentAnalysis.ts"
import { minBytesPerCall } from "../responseSize.ts"
import { bytesPerKey, bytesPerObject, coordinateOf, itemsInIntrospection, leafBytes } from "./usualBytes.ts"

export type Variables = Readonly<Record<string, unknown>>

/** A selected field that makes calls itself or has such fields below it. All other fields are left out of a plan. */
export interface CostedField {
  /** Its key in the response. */
  readonly key: string
  readonly node: FieldNode
  readonly cost: Cost
  readonly isList: boolean
  readonly typeName: string
  /** The value of an argument, or of a field of an input (`input.ids`). Undefined if it is not given. */
  readonly argumentValue: (path: string, variables: Variables) => unknown
  /** The selections of its value, one for each object type that the value can have. */
  readonly children: readonly SelectionCost[]
  /** Its own size in the response, without its children. */
  readonly bytes: number
}

/** What is selected from an object of one type. */
export interface SelectionCost {
  readonly fields: readonly CostedField[]
  /** How many calls its fields share: each of these is made once for an object. */
  readonly sharedCalls: number
  /** The size of an object in the response, without its costed fields. */
  readonly bytes: number
  /** What to add for each item of its lists that declare no number of items. */
  readonly bytesPerItem: number
}

/** Everything that an operation's cost depends on, except its variables. */
export interface Plan {
  readonly root: SelectionCost
  /** How many calls are made once for a request. */
  readonly callsPerRequest: number
  /** The default values of variables. */
  readonly defaults: Variables
  /** Whether the cost depends on variables. */
  readonly usesVariables: boolean
}

/** Prepares the plan of an operation for the values that these variables give to `@skip` and `@include`. */
export function createPlan(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null,
  variables: Variables,
): Plan {
  const operation = getOperationAST(document, operationName) as OperationDefinitionNode
  const defaults = defaultsOf(operation)
  const variableValues = conditionValues(document, variables, defaults)
  const scope = { schema, fragments: fragmentsOf(document), variableValues }
  const planner = new Planner(scope)
  const root = planner.selectionCost(schema.getRootType(operation.operation) as GraphQLObjectType, [
    operation.selectionSet,
  ])
  const single = singleLookup(root)
  return {
    root: single === undefined ? root : withoutId(root, single),
    callsPerRequest: planner.callsPerRequest,
    defaults,
    usesVariables: planner.usesVariables || (planner.idsUseVariables && single === undefined),
  }
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Variables {
  const defaults: Record<string, unknown> = Object.create(null)
  for (const { variable, defaultValue } of variableDefinitions) {
    if (defaultValue !== undefined) defaults[variable.name.value] = valueFromASTUntyped(defaultValue)
  }
  return defaults
}

/**
 * The values of the variables that `@skip` and `@include` read. Variables are checked after the estimate: one that is no
 * boolean leaves nothing out.
 */
function conditionValues(document: DocumentNode, variables: Variables, defaults: Variables): Variables {
  const entries = analyze(document).conditionVariables.map((name) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : defaults[name]
    return [name, typeof value === "boolean" ? value : "invalid"]
  })
  return Object.fromEntries(entries)
}

/** The only lookup by a single id at the root. Undefined if there is none or there are several. */
function singleLookup({ fields }: SelectionCost): CostedField | undefined {
  const [lookup, another] = fields.filter(({ cost }) => cost.byId !== undefined)
  return another === undefined && lookup?.isList === false ? lookup : undefined
}

/** Makes a lookup cost the same for any id, so that its plan need not read the id. */
function withoutId(root: SelectionCost, lookup: CostedField): SelectionCost {
  const { byId: _, ...cost } = lookup.cost
  return { ...root, fields: root.fields.map((field) => (field === lookup ? { ...field, cost } : field)) }
}

const noCost: Cost = {}

/** Reads the selections of one operation, each of them once. */
class Planner {
  /** Whether the number of calls or items depends on variables, other than the ids of lookups. */
  usesVariables = false
  idsUseVariables = false
  readonly #scope: SelectionScope
  readonly #requestCalls = new Set<string>()
  /** By the type and the numbers of the selection sets: fragments can lead to the same selection many times. */
  readonly #selectionCosts = new Map<string, SelectionCost>()
  readonly #numbers = new Map<SelectionSetNode, number>()

  constructor(scope: SelectionScope) {
    this.#scope = scope
  }

  get callsPerRequest(): number {
    return this.#requestCalls.size
  }

  /** @param freeFields those below it that make no call */
  selectionCost(
    type: GraphQLObjectType,
    sets: readonly SelectionSetNode[],
    freeFields: readonly string[] = [],
  ): SelectionCost {
    const key = `${type.name} ${freeFields.join()} ${sets.map((set) => this.#numberOf(set)).join(" ")}`
    let cost = this.#selectionCosts.get(key)
    if (cost === undefined) {
      cost = this.#readSelection(type, sets, freeFields)
      this.#selectionCosts.set(key, cost)
    }
    return cost
  }

  #numberOf(set: SelectionSetNode): number {
    const number = this.#numbers.get(set) ?? this.#numbers.size
    this.#numbers.set(set, number)
    return number
  }

  #readSelection(
    type: GraphQLObjectType,
    sets: readonly SelectionSetNode[],
    freeFields: readonly string[],
  ): SelectionCost {
    const fields: CostedField[] = []
    const sharedCalls = new Set<string>()
    let bytes = bytesPerObject
    let bytesPerItem = 0
    for (const [key, nodes] of collectFields(this.#scope, type, sets)) {
      const field = fieldDefinition(this.#scope.schema, type, (nodes[0] as FieldNode).name.value)
      if (field === undefined) continue
      bytes += bytesPerKey(key)
      const cost = freeFields.includes(coordinateOf(type, field)) ? noCost : (costOf(field) ?? noCost)
      const freeBelow = cost.free ?? (declaresCalls(cost) ? [] : freeFields)
      const costed = this.#costedField(field, cost, key, nodes, freeBelow)
      if (costed === undefined) {
        const free = this.#freeFieldBytes(type, field, nodes, freeBelow)
        bytes += free.bytes
        bytesPerItem += free.bytesPerItem
        continue
      }
      fields.push(costed)
      const { oncePerObject, oncePerRequest } = costed.cost
      if (oncePerObject !== undefined) sharedCalls.add(oncePerObject)
      if (oncePerRequest !== undefined) this.#requestCalls.add(oncePerRequest)
    }
    return { fields, sharedCalls: sharedCalls.size, bytes, bytesPerItem }
  }

  /** The size of a field without calls, its children included. */
  #freeFieldBytes(
    type: GraphQLObjectType,
    field: GraphQLField<unknown, unknown>,
    nodes: readonly FieldNode[],
    freeFields: readonly string[],
  ): { bytes: number; bytesPerItem: number } {
    const sets = selectionSetsOf(nodes)
    if (sets.length === 0) return { bytes: leafBytes(field), bytesPerItem: 0 }
    const items =
      costOf(field)?.items?.assumed ?? itemsInIntrospection(this.#scope.schema).get(coordinateOf(type, field))
    const isList = isListType(getNullableType(field.type))
    const childBytes = this.#objectTypes(getNamedType(field.type)).map((childType) => {
      const { bytes, bytesPerItem } = this.selectionCost(childType, sets, freeFields)
      return bytes + bytesPerItem * (isList ? 1 : (items ?? 1))
    })
    const largest = Math.max(0, ...childBytes)
    if (!isList) return { bytes: largest, bytesPerItem: 0 }
    return items === undefined ? { bytes: 0, bytesPerItem: largest } : { bytes: largest * items, bytesPerItem: 0 }
  }

  #costedField(
    field: GraphQLField<unknown, unknown>,
    cost: Cost,
    key: string,
    nodes: readonly FieldNode[],
    freeFields: readonly string[],
  ): CostedField | undefined {
    const node = nodes[0] as FieldNode
    const namedType = getNamedType(field.type)
    const sets = selectionSetsOf(nodes)
    const types = this.#objectTypes(namedType)
    if (cost.idsAreFree && types.every((type) => selectsOnlyId(this.#scope, type, sets))) return undefined
    const children = types.map((type) => this.selectionCost(type, sets, freeFields))
    const hasCalls = declaresCalls(cost)
    if (!hasCalls && children.every(({ fields }) => fields.length === 0)) return undefined
    return {
      key,
      node,
      cost,
      isList: isListType(getNullableType(field.type)),
      typeName: namedType.name,
      argumentValue: this.#argumentReader(field, node, cost),
      children,
      bytes: (sets.length === 0 ? leafBytes(field) : 0) + (hasCalls ? minBytesPerCall : 0),
    }
  }

  #argumentReader(field: GraphQLField<unknown, unknown>, node: FieldNode, cost: Cost): CostedField["argumentValue"] {
    const readers = new Map<string, (variables: Variables) => unknown>()
    for (const path of [cost.per?.argument, cost.items?.argument, cost.byId]) {
      if (path === undefined) continue
      const { read, isConstant } = readerAt(field, node, path)
      readers.set(path, read)
      if (isConstant) continue
      if (path === cost.byId) this.idsUseVariables = true
      else this.usesVariables = true
    }
    return (path, variables) => readers.get(path)?.(variables)
  }

  #objectTypes(type: GraphQLNamedType): readonly GraphQLObjectType[] {
    if (isObjectType(type)) return [type]
    return isAbstractType(type) ? this.#scope.schema.getPossibleTypes(type) : []
  }
}

/** Reads an argument, or a field of an input (`input.ids`). */
function readerAt(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  path: string,
): { read: (variables: Variables) => unknown; isConstant: boolean } {
  const [name = "", ...keys] = path.split(".")
  const value: ValueNode | undefined = node.arguments?.find((argument) => argument.name.value === name)?.value
  const byDefault = field.args.find((argument) => argument.name === name)?.defaultValue
  if (value !== undefined && containsVariable(value)) {
    const read = (variables: Variables) => valueAt(valueFromASTUntyped(value, variables) ?? byDefault, keys)
    return { read, isConstant: false }
  }
  const constant = valueAt(value === undefined ? byDefault : valueFromASTUntyped(value), keys)
  return { read: () => constant, isConstant: true }
}

function containsVariable(value: ValueNode): boolean {
  if (value.kind === "Variable") return true
  if (value.kind === "ListValue") return value.values.some(containsVariable)
  return value.kind === "ObjectValue" && value.fields.some((field) => containsVariable(field.value))
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (inner, key) => (typeof inner === "object" && inner !== null ? (inner as Variables)[key] : undefined),
    value,
  )
}
