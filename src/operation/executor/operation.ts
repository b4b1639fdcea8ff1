import {
  type DocumentNode,
  defaultFieldResolver,
  type ExecutionArgs,
  type FieldNode,
  type GraphQLField,
  type GraphQLFieldResolver,
  GraphQLID,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLString,
  getNamedType,
  getNullableType,
  getVariableValues,
  isAbstractType,
  isLeafType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  type TypeNode,
  type VariableDefinitionNode,
} from "graphql"
import { makesCalls } from "../../graph/cost.ts"
import { linkedIdOf } from "../../graph/loader.ts"
import {
  collectFields,
  fieldDefinition,
  fragmentsOf,
  type SelectionScope,
  selectionSetsOf,
} from "../../graph/selection.ts"
import { analyze } from "../documentAnalysis.ts"
import { minBytesPerCall, minBytesPerValue } from "../responseSize.ts"
import { completerFor, unchanged } from "./complete.ts"
import type { PreparedExecution } from "./execute.ts"
import type { Operation, SelectedField, Selection, Variables } from "./execution.ts"

/**
 * How many fields are kept for each field of the document. A field of an interface is prepared once for each object type, and
 * once for each set of left-out fields. Beyond this bound, prepared fields are dropped and prepared again, so that memory
 * grows with the documents, which are bounded.
 */
const keptFieldsPerField = 8
/** How many selections are kept for an operation: one for each set of values of its condition variables. */
const maxSelections = 32

const operations = new WeakMap<DocumentNode, Map<string | undefined, Operation>>()

/**
 * Finds the operation, which is prepared once for each document, and coerces its variables. Returns undefined if the operation
 * needs graphql-js: incremental delivery, variables that do not fit, or an operation that does not exist.
 */
export function prepareExecution(args: ExecutionArgs): PreparedExecution | undefined {
  const { schema, document, operationName, variableValues } = args
  const operation = findOperation(schema, document, operationName)
  if (operation === undefined) return undefined
  const definitions = operation.definition.variableDefinitions ?? []
  const inputs = variableValues ?? {}
  const variables =
    textVariables(schema, definitions, inputs) ??
    getVariableValues(schema, definitions, inputs, { maxErrors: 50 }).coerced
  return variables && { operation, variables }
}

/**
 * The values of the variables if all of them are texts for an `ID` or a `String`, or lists of them, as in most small operations.
 * Undefined if graphql-js has to coerce them, which takes 1 µs in place of 0.05 for one of them.
 */
function textVariables(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  inputs: Readonly<Record<string, unknown>>,
): Variables | undefined {
  const variables: Record<string, unknown> = {}
  for (const { variable, type } of definitions) {
    const name = variable.name.value
    const value = inputs[name]
    if (name === "__proto__" || !isTextOf(schema, type, value)) return undefined
    variables[name] = value
  }
  return variables
}

/** Whether a value is a text for a type of texts, or a list of texts for a list of them. */
function isTextOf(schema: GraphQLSchema, type: TypeNode, value: unknown): boolean {
  const nullable = withoutNonNull(type)
  const isList = nullable.kind === Kind.LIST_TYPE
  const item = isList ? withoutNonNull(nullable.type) : nullable
  const named = item.kind === Kind.NAMED_TYPE ? schema.getType(item.name.value) : undefined
  if (named !== GraphQLID && named !== GraphQLString) return false
  return isList ? Array.isArray(value) && value.every(isText) : isText(value)
}

function withoutNonNull(type: TypeNode) {
  return type.kind === Kind.NON_NULL_TYPE ? type.type : type
}

const isText = (value: unknown) => typeof value === "string"

/**
 * Returns the operation with this name, or the document's only one. Returns undefined if there is no such operation or only
 * graphql-js can execute it. Prepared operations are kept as long as the document, for one schema.
 */
function findOperation(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
): Operation | undefined {
  let byName = operations.get(document)
  if (byName === undefined) {
    byName = prepareOperations(schema, document)
    operations.set(document, byName)
  }
  if (operationName != null) return byName.get(operationName)
  return byName.size === 1 ? byName.values().next().value : undefined
}

function prepareOperations(schema: GraphQLSchema, document: DocumentNode): Map<string | undefined, Operation> {
  const byName = new Map<string | undefined, Operation>()
  const { needsGraphqlJs, conditionVariables, fieldCount } = analyze(document)
  if (needsGraphqlJs) return byName
  const fragments = fragmentsOf(document)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const rootType = schema.getRootType(definition.operation)
    if (rootType == null) continue
    const selections = new Map<string, Selection>()
    let keptFields = 0
    const onPrepared = (fields: number) => {
      keptFields += fields
      if (keptFields <= fieldCount * keptFieldsPerField) return
      selections.clear()
      keptFields = 0
    }
    const selectionFor = (variables: Variables): Selection => {
      const key = conditionVariables.map((name) => String(variables[name])).join()
      let selection = selections.get(key)
      if (selection === undefined) {
        if (selections.size === maxSelections) selections.clear()
        const scope = { schema, fragments, variableValues: pick(variables, conditionVariables) }
        selection = createSelection(scope, [definition.selectionSet], onPrepared)
        selections.set(key, selection)
      }
      return selection
    }
    byName.set(definition.name?.value, { schema, definition, fragments, rootType, selectionFor })
  }
  return byName
}

/** Selections are kept as long as the document, so they must not keep the other variables of the request that made them. */
function pick(variables: Variables, names: readonly string[]): Variables {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(variables, name)).map((name) => [name, variables[name]]),
  )
}

const emptySelection: Selection = { fieldsOf: () => [] }

/**
 * Prepares the fields for each type when the first object of that type is executed.
 * @param onPrepared called with the number of fields that were prepared for a type
 */
function createSelection(
  scope: SelectionScope,
  sets: readonly SelectionSetNode[],
  onPrepared: (fields: number) => void,
): Selection {
  if (sets.length === 0) return emptySelection
  const byType = new Map<GraphQLObjectType, SelectedField[]>()
  /** The last ones. All objects of most lists have the same type. */
  let lastType: GraphQLObjectType | undefined
  let lastFields: SelectedField[] = []
  return {
    fieldsOf(type) {
      if (type === lastType) return lastFields
      let fields = byType.get(type)
      if (fields === undefined) {
        fields = []
        for (const [key, nodes] of collectFields(scope, type, sets)) {
          const definition = fieldDefinition(scope.schema, type, (nodes[0] as FieldNode).name.value)
          if (definition === undefined) continue
          const resolve = definition.resolve ?? defaultFieldResolver
          const isLeaf = isLeafType(getNullableType(definition.type))
          const completionNeedsInfo = completionUsesInfo(definition.type)
          fields.push({
            key,
            nodes,
            parentType: type,
            definition,
            resolve,
            type: definition.type,
            complete: completerFor(definition.type),
            variableArguments: variableArgumentsOf(definition, nodes[0] as FieldNode),
            isLeaf,
            asIs: unchanged(getNullableType(definition.type)),
            isNullable: !isNonNullType(definition.type),
            needsInfo: usesInfo(resolve) || completionNeedsInfo,
            completionNeedsInfo,
            linkedId: linkedIdOf(resolve),
            selection: createSelection(scope, selectionSetsOf(nodes), onPrepared),
            bytes: makesCalls(definition) ? minBytesPerCall : Math.max(minBytesPerValue, key.length + 8),
          })
        }
        byType.set(type, fields)
        onPrepared(fields.length)
      }
      lastType = type
      lastFields = fields
      return fields
    },
  }
}

/** Undefined unless each argument's value is a variable, or the argument is left out and then has no value. */
function variableArgumentsOf(
  { args }: GraphQLField<unknown, unknown>,
  node: FieldNode,
): SelectedField["variableArguments"] {
  const found: [string, string][] = []
  for (const { name, type, defaultValue } of args) {
    const value = node.arguments?.find((argument) => argument.name.value === name)?.value
    if (value === undefined && defaultValue === undefined && !isNonNullType(type)) continue
    if (value?.kind !== Kind.VARIABLE) return undefined
    found.push([name, value.name.value])
  }
  return found
}

/** Whether the type of the value is decided by a function, which may use `info`. */
function completionUsesInfo(type: GraphQLOutputType): boolean {
  const named = getNamedType(type)
  return isAbstractType(named) || (isObjectType(named) && named.isTypeOf != null)
}

/**
 * Whether a resolver may use its fourth parameter, judged by its source: it has four parameters, or it takes arguments in a
 * way that `length` does not count.
 */
function usesInfo(resolve: GraphQLFieldResolver<unknown, unknown>): boolean {
  if (resolve.length > 3) return true
  const source = Function.prototype.toString.call(resolve)
  const parameters = source.slice(0, source.search(/\)|=>/))
  return /\.\.\.|=/.test(parameters) || /\barguments\b|\[native code\]/.test(source)
}
