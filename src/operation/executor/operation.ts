import {
  type DocumentNode,
  defaultFieldResolver,
  type FieldNode,
  type FragmentDefinitionNode,
  type FragmentSpreadNode,
  type GraphQLField,
  type GraphQLFieldResolver,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  getNullableType,
  type InlineFragmentNode,
  isAbstractType,
  isLeafType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  typeFromAST,
  visit,
} from "graphql"
import { makesCalls } from "../../graph/cost.ts"
import { leastBytesOfCall, leastBytesOfValue } from "../responseSize.ts"
import { type Complete, completeAs } from "./execute.ts"

type Variables = Readonly<Record<string, unknown>>

/** One operation of a document, prepared to be executed many times. */
export interface Operation {
  readonly schema: GraphQLSchema
  readonly definition: OperationDefinitionNode
  readonly fragments: Record<string, FragmentDefinitionNode>
  readonly rootType: GraphQLObjectType
  /** Which fields it selects for these variables, as far as that is known by now. */
  selectionFor(variables: Variables): Selection
}

/** A field where objects of one type are selected: what there is to know of it before there are any values. */
export interface SelectedField {
  /** Its name in the answer. */
  readonly key: string
  /** Every place that selects it. */
  readonly nodes: readonly FieldNode[]
  readonly parentType: GraphQLObjectType
  readonly definition: GraphQLField<unknown, unknown>
  readonly resolve: GraphQLFieldResolver<unknown, unknown>
  readonly complete: Complete
  /** Whether its value is a scalar or an enum's value: it has nothing below it. */
  readonly isLeaf: boolean
  /** Whether anybody looks at the field's info: not so for a leaf whose resolver has no parameter for it. */
  readonly wantsInfo: boolean
  /** What is selected of its value. */
  readonly selection: Selection
  /** What it counts of the answer's size, in bytes, beside the text in its value. */
  readonly bytes: number
}

/** What is selected of an object, whose type is known only when it is there. */
export interface Selection {
  /** The fields to execute, in order. Throws GraphQLError where a directive can't be read. */
  fieldsOf(type: GraphQLObjectType): readonly SelectedField[]
}

/**
 * How many fields are kept of an operation for each that its document names: an interface's field is another one for each
 * type, and variables may leave out this or that. Those of a greedy operation are forgotten and prepared again, so that
 * what is kept grows with the documents, which are bounded.
 */
const fieldsKeptForEach = 8
/** The most ways of leaving things out that are kept of an operation. */
const selectionsKept = 32

const operations = new WeakMap<DocumentNode, Map<string | undefined, Operation>>()

/**
 * The operation with this name, or the only one; undefined where there is none, or where it is for graphql-js: incremental
 * delivery, which only it does, and names that objects of the answer can't have as they are.
 * It is kept as long as the document, which the server keeps for each text that it has parsed, and has one schema for.
 */
export function operationOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
): Operation | undefined {
  let byName = operations.get(document)
  if (byName === undefined) {
    byName = prepared(schema, document)
    operations.set(document, byName)
  }
  if (operationName != null) return byName.get(operationName)
  return byName.size === 1 ? byName.values().next().value : undefined
}

function prepared(schema: GraphQLSchema, document: DocumentNode): Map<string | undefined, Operation> {
  const byName = new Map<string | undefined, Operation>()
  const { isUnusual, conditions, fields } = surveyOf(document)
  if (isUnusual) return byName
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null)
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const rootType = schema.getRootType(definition.operation)
    if (rootType == null) continue
    const selections = new Map<string, Selection>()
    let kept = 0
    const keep = (more: number) => {
      kept += more
      if (kept <= fields * fieldsKeptForEach) return
      selections.clear()
      kept = 0
    }
    const selectionFor = (variables: Variables): Selection => {
      const key = conditions.map((name) => String(variables[name])).join()
      let selection = selections.get(key)
      if (selection === undefined) {
        if (selections.size === selectionsKept) selections.clear()
        selection = rootSelection(schema, fragments, variables, definition.selectionSet, keep)
        selections.set(key, selection)
      }
      return selection
    }
    byName.set(definition.name?.value, { schema, definition, fragments, rootType, selectionFor })
  }
  return byName
}

/** What has to be known of a document before anything of it is executed. */
function surveyOf(document: DocumentNode) {
  let isUnusual = false
  let fields = 0
  /** The variables that decide, in `@skip` and `@include`, whether something is left out. */
  const conditions = new Set<string>()
  visit(document, {
    Field({ alias }) {
      fields += 1
      if (alias?.value === "__proto__") isUnusual = true
    },
    Directive({ name, arguments: given = [] }) {
      if (name.value === "defer" || name.value === "stream") isUnusual = true
      for (const { value } of given) if (value.kind === Kind.VARIABLE) conditions.add(value.name.value)
    },
  })
  return { isUnusual, fields, conditions: [...conditions] }
}

/**
 * Whether a resolver may look at its fourth argument, as its text says: it has four parameters, or takes arguments in a way
 * that its length doesn't show.
 */
function looksAtInfo(resolve: GraphQLFieldResolver<unknown, unknown>): boolean {
  if (resolve.length > 3) return true
  const text = Function.prototype.toString.call(resolve)
  const parameters = text.slice(0, text.search(/\)|=>/))
  return /\.\.\.|=/.test(parameters) || /\barguments\b|\[native code\]/.test(text)
}

/** The definition of a field of this type, introspection's included. */
export function fieldOf(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef
  if (type === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef
  }
  return type.getFields()[name]
}

const nothing: Selection = { fieldsOf: () => [] }

function rootSelection(
  schema: GraphQLSchema,
  fragments: Record<string, FragmentDefinitionNode>,
  variables: Variables,
  root: SelectionSetNode,
  keep: (fields: number) => void,
): Selection {
  function selectionOf(sets: readonly SelectionSetNode[]): Selection {
    if (sets.length === 0) return nothing
    const byType = new Map<GraphQLObjectType, SelectedField[]>()
    return {
      fieldsOf(type) {
        let fields = byType.get(type)
        if (fields === undefined) {
          fields = []
          for (const [key, nodes] of collect(type, sets)) {
            const name = (nodes[0] as FieldNode).name.value
            const definition = fieldOf(schema, type, name)
            if (definition === undefined) continue
            const resolve = definition.resolve ?? defaultFieldResolver
            const isLeaf = isLeafType(getNullableType(definition.type))
            fields.push({
              key,
              nodes,
              parentType: type,
              definition,
              resolve,
              complete: completeAs(definition.type),
              isLeaf,
              wantsInfo: !isLeaf || looksAtInfo(resolve),
              selection: selectionOf(nodes.flatMap(({ selectionSet }) => selectionSet ?? [])),
              bytes: makesCalls(definition) ? leastBytesOfCall : Math.max(leastBytesOfValue, key.length + 8),
            })
          }
          byType.set(type, fields)
          keep(fields.length)
        }
        return fields
      },
    }
  }

  /** As the specification's CollectFields has it. */
  function collect(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Map<string, FieldNode[]> {
    const fields = new Map<string, FieldNode[]>()
    const visited = new Set<string>()
    const walk = ({ selections }: SelectionSetNode): void => {
      for (const node of selections) {
        if (node.kind === Kind.FIELD) {
          if (isLeftOut(node)) continue
          const key = (node.alias ?? node.name).value
          const nodes = fields.get(key)
          if (nodes === undefined) fields.set(key, [node])
          else nodes.push(node)
        } else if (node.kind === Kind.INLINE_FRAGMENT) {
          if (!isLeftOut(node) && concerns(type, node)) walk(node.selectionSet)
        } else {
          const name = node.name.value
          if (visited.has(name) || isLeftOut(node)) continue
          visited.add(name)
          const fragment = fragments[name]
          if (fragment !== undefined && concerns(type, fragment)) walk(fragment.selectionSet)
        }
      }
    }
    sets.forEach(walk)
    return fields
  }

  function isLeftOut(node: FieldNode | InlineFragmentNode | FragmentSpreadNode): boolean {
    if (!node.directives?.length) return false
    return (
      getDirectiveValues(GraphQLSkipDirective, node, variables)?.if === true ||
      getDirectiveValues(GraphQLIncludeDirective, node, variables)?.if === false
    )
  }

  function concerns(type: GraphQLObjectType, { typeCondition }: InlineFragmentNode | FragmentDefinitionNode): boolean {
    if (typeCondition === undefined) return true
    const condition = typeFromAST(schema, typeCondition)
    return condition === type || (isAbstractType(condition) && schema.isSubType(condition, type))
  }

  return selectionOf([root])
}
