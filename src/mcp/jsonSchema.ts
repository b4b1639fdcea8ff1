import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLString,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  typeFromAST,
  valueFromASTUntyped,
} from "graphql"

/** A JSON Schema of the few keywords that are used here. */
export interface JsonSchema {
  type?: string
  description?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean
  items?: JsonSchema
  enum?: string[]
  default?: unknown
  minimum?: number
  maximum?: number
}

const scalars: Readonly<Record<string, JsonSchema>> = {
  ID: { type: "string" },
  String: { type: "string" },
  Int: { type: "integer" },
  Float: { type: "number" },
  Boolean: { type: "boolean" },
  ByteCount: { type: "integer" },
  DateTime: { type: "string" },
  JSON: {},
}

/** Values of enums for what a client cannot send. */
const unrecognized = "UNRECOGNIZED"

/** The schema of an operation's variables. */
export function inputSchemaOf(
  operation: OperationDefinitionNode,
  schema: GraphQLSchema,
  descriptions: ReadonlyMap<string, string>,
): JsonSchema {
  const properties: Record<string, JsonSchema> = {}
  const required: string[] = []
  for (const { variable, type: typeNode, defaultValue } of operation.variableDefinitions ?? []) {
    const name = variable.name.value
    const type = typeFromAST(schema, typeNode as never) as GraphQLInputType
    const description = descriptions.get(name)
    properties[name] = {
      ...inputType(type),
      ...(description && { description }),
      ...(defaultValue && { default: valueFromASTUntyped(defaultValue) }),
    }
    if (isNonNullType(type) && defaultValue === undefined) required.push(name)
  }
  for (const name of descriptions.keys()) {
    if (!(name in properties)) throw new Error(`its comments describe $${name}, which it does not declare`)
  }
  return { type: "object", properties, ...(required.length > 0 && { required }), additionalProperties: false }
}

function inputType(type: GraphQLInputType): JsonSchema {
  if (isNonNullType(type)) return inputType(type.ofType)
  if (isListType(type)) return { type: "array", items: inputType(type.ofType) }
  if (!isInputObjectType(type)) return { ...leaf(type), ...(type.name === "DateTime" && dateTime) }
  const fields = Object.values(type.getFields())
  const properties = fields.map(({ name, type, description, defaultValue }) => {
    const inner = inputType(type)
    const isPlain = inner.enum === undefined && inner.type !== "boolean"
    return [
      name,
      {
        ...inner,
        ...(isPlain && description && { description: shortened(description) }),
        ...(defaultValue !== undefined && { default: defaultValue }),
      },
    ] as const
  })
  const required = fields
    .filter(({ type, defaultValue }) => isNonNullType(type) && defaultValue === undefined)
    .map(({ name }) => name)
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  }
}

const dateTime = { description: "ISO 8601, such as 2026-08-20 or 2026-08-20T09:30:00Z." }

/** The first sentence, which says what a value is. Models read the whole list of tools in every conversation. */
function shortened(description: string): string {
  return /^.*?[.](?= |$)/s.exec(description)?.[0] ?? description
}

function leaf(type: GraphQLNamedType): JsonSchema {
  if (!isEnumType(type)) return scalars[type.name] ?? {}
  const names = type.getValues().map(({ name }) => name)
  return { type: "string", enum: names.filter((name) => name !== unrecognized) }
}

/**
 * The schema of a tool's answer in its compact form (answer.ts). No property is required, since nulls are left out.
 */
export function outputSchemaOf(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  schema: GraphQLSchema,
): JsonSchema {
  const fragments = new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [],
    ),
  )
  const root = schema.getRootType(operation.operation)
  if (root == null) throw new Error(`the schema has no ${operation.operation}`)
  const result = new SelectionSchema(schema, fragments).of(root, [operation.selectionSet])
  const [only, ...others] = Object.values(result.properties ?? {})
  return only?.type === "object" && others.length === 0 ? only : result
}

class SelectionSchema {
  readonly #schema: GraphQLSchema
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
    this.#schema = schema
    this.#fragments = fragments
  }

  of(type: GraphQLNamedType, sets: readonly SelectionSetNode[]): JsonSchema {
    const fields = new Map<string, { type: GraphQLOutputType; sets: SelectionSetNode[] }>()
    for (const set of sets) this.#collect(type, set, fields)
    const properties = Object.fromEntries([...fields].map(([key, { type, sets }]) => [key, this.#value(type, sets)]))
    if (!("pageInfo" in properties)) return { type: "object", properties }
    const { pageInfo: _, edges, nodes, ...others } = properties
    const items = nodes ?? { type: "array", items: edges?.items?.properties?.node ?? {} }
    const leftOut = { type: "integer" }
    return { type: "object", properties: { ...others, items, leftOut, next: { type: "string" } } }
  }

  #value(type: GraphQLOutputType, sets: readonly SelectionSetNode[]): JsonSchema {
    if (isNonNullType(type)) return this.#value(type.ofType, sets)
    if (isListType(type)) return { type: "array", items: this.#value(type.ofType, sets) }
    if (isCompositeType(type)) return this.of(type, sets)
    // The answer can have values that the schema does not know yet.
    return isEnumType(type) ? { type: "string" } : leaf(type)
  }

  #collect(
    type: GraphQLNamedType,
    { selections }: SelectionSetNode,
    fields: Map<string, { type: GraphQLOutputType; sets: SelectionSetNode[] }>,
  ): void {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value
        const field = fields.get(key) ?? { type: this.#typeOf(type, selection.name.value), sets: [] }
        if (selection.selectionSet) field.sets.push(selection.selectionSet)
        fields.set(key, field)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.#collect(this.#conditioned(type, selection.typeCondition?.name.value), selection.selectionSet, fields)
      } else {
        const fragment = this.#fragments.get(selection.name.value)
        if (fragment === undefined) continue
        this.#collect(this.#conditioned(type, fragment.typeCondition.name.value), fragment.selectionSet, fields)
      }
    }
  }

  #conditioned(type: GraphQLNamedType, name: string | undefined): GraphQLNamedType {
    return (name === undefined ? undefined : this.#schema.getType(name)) ?? type
  }

  #typeOf(parent: GraphQLNamedType, field: string): GraphQLOutputType {
    if (field === "__typename") return GraphQLString
    const fields = isInterfaceType(parent) || isObjectType(parent) ? parent.getFields() : {}
    const known = fields[field]
    if (known === undefined) throw new Error(`${parent.name} has no ${field}`)
    return known.type
  }
}
