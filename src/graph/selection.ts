import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  isAbstractType,
  Kind,
  type NamedTypeNode,
  SchemaMetaFieldDef,
  type SelectionNode,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
} from "graphql"

/** What a selection set is read with. A resolver's `info` is one. */
export interface SelectionScope {
  readonly schema: GraphQLSchema
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>
  /** The values for `@skip` and `@include`. */
  readonly variableValues: Readonly<Record<string, unknown>>
}

/**
 * Whether all fields that are selected from an object of this type pass a test: the specification's CollectFields. Follows
 * each fragment once and stops at the first field that fails. The document must be valid.
 * Throws GraphQLError if the condition of `@skip` or `@include` is a variable that is missing or null.
 */
export function everyField(
  { schema, fragments, variableValues }: SelectionScope,
  type: GraphQLObjectType,
  sets: readonly SelectionSetNode[],
  test: (node: FieldNode) => boolean,
): boolean {
  let visited: Set<string> | undefined
  const passes = (selection: SelectionNode): boolean => {
    if (selection.kind === Kind.FIELD) return isExcluded(selection, variableValues) || test(selection)
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      return (
        isExcluded(selection, variableValues) ||
        !appliesTo(schema, selection.typeCondition, type) ||
        selection.selectionSet.selections.every(passes)
      )
    }
    const name = selection.name.value
    visited ??= new Set()
    if (visited.has(name) || isExcluded(selection, variableValues)) return true
    visited.add(name)
    const fragment = fragments[name]
    return (
      fragment === undefined ||
      !appliesTo(schema, fragment.typeCondition, type) ||
      fragment.selectionSet.selections.every(passes)
    )
  }
  return sets.every(({ selections }) => selections.every(passes))
}

/** Whether `@skip` or `@include` leaves a selection out. */
function isExcluded(selection: SelectionNode, variables: SelectionScope["variableValues"]): boolean {
  if (!selection.directives?.length) return false
  return (
    getDirectiveValues(GraphQLSkipDirective, selection, variables)?.if === true ||
    getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.if === false
  )
}

/** Whether a fragment with this condition selects from objects of this type. */
function appliesTo(schema: GraphQLSchema, condition: NamedTypeNode | undefined, type: GraphQLObjectType): boolean {
  if (condition === undefined || condition.name.value === type.name) return true
  const conditionType = schema.getType(condition.name.value)
  return isAbstractType(conditionType) && schema.isSubType(conditionType, type)
}

/** The fields that are selected from an object of this type, by their key in the response, in the response's order. */
export function collectFields(
  scope: SelectionScope,
  type: GraphQLObjectType,
  sets: readonly SelectionSetNode[],
): Map<string, FieldNode[]> {
  const fields = new Map<string, FieldNode[]>()
  everyField(scope, type, sets, (node) => {
    const key = (node.alias ?? node.name).value
    const nodes = fields.get(key)
    if (nodes === undefined) fields.set(key, [node])
    else nodes.push(node)
    return true
  })
  return fields
}

/** Whether nothing but `id` and `__typename` is selected from an object of this type. */
export function selectsOnlyId(
  scope: SelectionScope,
  type: GraphQLObjectType,
  sets: readonly SelectionSetNode[],
): boolean {
  return everyField(scope, type, sets, ({ name }) => name.value === "id" || name.value === "__typename")
}

/** The selection sets below a field that is selected in several places. */
export function selectionSetsOf(nodes: readonly FieldNode[]): readonly SelectionSetNode[] {
  return nodes.flatMap(({ selectionSet }) => selectionSet ?? [])
}

/** A document's fragments by their names. */
export function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null)
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition
  }
  return fragments
}

/** The definition of a field, introspection's included. */
export function fieldDefinition(
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
