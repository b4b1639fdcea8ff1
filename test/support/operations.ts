import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from "graphql"
import { type fc, naturalBelow } from "./properties.ts"

export interface WrittenOperation {
  query: string
  variables: Record<string, unknown>
  operationName: string | undefined
}

/** Values of a scalar that make sense for a field or argument of this name. */
export type ValuesFor = (scalar: string, name: string) => readonly unknown[]

/**
 * Writes an operation that is nearly always valid: aliases, merged fields, named and inline fragments on every overlapping
 * type, variables of every kind (with defaults, missing, null), skip and include, several operations in a document.
 */
export function writeOperation(schema: GraphQLSchema, valuesFor: ValuesFor, g: fc.GeneratorValue): WrittenOperation {
  const below = (count: number): number => g(naturalBelow(count))
  // So that shrinking removes parts.
  const chance = (percent: number): boolean => below(100) >= 100 - percent
  const oneOf = <T>(items: readonly T[]): T => items[below(items.length)] as T

  const variables: Record<string, unknown> = {}
  const declarations: { name: string; type: string; text: string }[] = []
  const fragments: { name: string; on: GraphQLCompositeType; text: string }[] = []

  function selectionSet(type: GraphQLCompositeType, depth: number): string {
    const selections = Array.from({ length: 1 + below(4) }, () => selection(type, depth))
    return `{ ${selections.join(" ")} }`
  }

  function selection(type: GraphQLCompositeType, depth: number): string {
    if (depth > 0 && (isUnionType(type) || chance(25))) return `...${fragment(type, depth)}`
    const fields = isUnionType(type) ? [] : Object.values(type.getFields())
    const usable = fields.filter((field) => depth > 0 || isLeafType(getNamedType(field.type)))
    if (usable.length === 0 || chance(6)) return `${chance(20) ? "kind: " : ""}__typename${directives()}`
    return written(oneOf(usable), depth)
  }

  function written(field: GraphQLField<unknown, unknown>, depth: number): string {
    const given = argumentsOf(field)
    const named = getNamedType(field.type)
    // The same arguments have the same alias, so that fields are merged rather than in conflict.
    const alias =
      given !== "" ? `${field.name}_${hash(given).toString(36)}: ` : chance(10) ? `other_${field.name}: ` : ""
    const inner = isCompositeType(named) ? ` ${selectionSet(named, depth - 1)}` : ""
    return `${alias}${field.name}${given}${directives()}${inner}`
  }

  /** The part after the three dots. */
  function fragment(type: GraphQLCompositeType, depth: number): string {
    const overlapping = overlappingIn(schema)(type)
    const known = fragments.filter(({ on }) => overlapping.includes(on))
    if (known.length > 0 && chance(30)) return `${oneOf(known).name}${directives()}`
    const on = oneOf(overlapping)
    if (chance(50))
      return `${chance(80) || on !== type ? ` on ${on.name}` : ""}${directives()} ${selectionSet(on, depth - 1)}`
    const text = selectionSet(on, depth - 1)
    const name = `F${fragments.length}`
    fragments.push({ name, on, text: `fragment ${name} on ${on.name} ${text}` })
    return `${name}${directives()}`
  }

  function directives(): string {
    if (!chance(12)) return ""
    const condition = () => (chance(40) ? String(chance(50)) : variable("Boolean!", () => chance(50)))
    const text = ` @${oneOf(["skip", "include"])}(if: ${condition()})`
    return chance(10) && text.includes("skip") ? `${text} @include(if: ${condition()})` : text
  }

  function argumentsOf({ name, args }: GraphQLField<unknown, unknown>): string {
    const given = args.filter((arg) => isRequired(arg) || chance(30))
    const one = (arg: GraphQLArgument) =>
      `${arg.name}: ${input(arg.type, arg.name === "input" ? name : name + arg.name)}`
    return given.length === 0 ? "" : `(${given.map(one).join(", ")})`
  }

  /** @param name of what the value is for */
  function input(type: GraphQLInputType, name: string): string {
    if (chance(30)) return variable(String(type), () => json(type, name))
    return !isNonNullType(type) && chance(10) ? "null" : literal(type, name)
  }

  function literal(type: GraphQLInputType, name: string): string {
    if (isNonNullType(type)) return literal(type.ofType, name)
    if (isListType(type)) return `[${Array.from({ length: below(4) }, () => input(type.ofType, name)).join(", ")}]`
    if (isInputObjectType(type)) {
      return `{${givenOf(type)
        .map((field) => `${field.name}: ${input(field.type, name + field.name)}`)
        .join(", ")}}`
    }
    return isEnumType(type) ? oneOf(type.getValues()).name : printed(oneOf(valuesFor(type.name, name)))
  }

  function json(type: GraphQLInputType, name: string): unknown {
    if (isNonNullType(type)) return json(type.ofType, name)
    if (isListType(type)) return Array.from({ length: below(4) }, () => json(type.ofType, name))
    if (isInputObjectType(type)) {
      return Object.fromEntries(givenOf(type).map((field) => [field.name, json(field.type, name + field.name)]))
    }
    return isEnumType(type) ? oneOf(type.getValues()).name : oneOf(valuesFor(type.name, name))
  }

  function givenOf(type: GraphQLInputObjectType): GraphQLInputField[] {
    const fields = Object.values(type.getFields())
    return type.isOneOf ? [oneOf(fields)] : fields.filter((field) => isRequired(field) || chance(30))
  }

  /** A variable for a place of this type: an existing one, or a new one. */
  function variable(type: string, value: () => unknown): string {
    const known = declarations.filter((declaration) => declaration.type === type)
    if (known.length > 0 && chance(50)) return `$${oneOf(known).name}`
    const name = `v${declarations.length}`
    const simple = ["Boolean", "Int"].find((scalar) => type.startsWith(scalar))
    const isNullable = !type.endsWith("!")
    const hasDefault = simple !== undefined && chance(40)
    const declared = hasDefault ? type.replace("!", "") : type
    const text = `$${name}: ${declared}${hasDefault ? ` = ${simple === "Int" ? below(30) : chance(50)}` : ""}`
    declarations.push({ name, type, text })
    if ((hasDefault || isNullable) && chance(25)) return `$${name}`
    variables[name] = (hasDefault || isNullable) && chance(15) ? null : value()
    return `$${name}`
  }

  const isMutation = chance(15)
  const root = isMutation ? schema.getMutationType() : schema.getQueryType()
  const body = selectionSet(root as GraphQLCompositeType, isMutation ? 4 : 5)
  const declared = declarations.length > 0 ? `(${declarations.map(({ text }) => text).join(", ")})` : ""
  const several = chance(15)
  const parts = [
    `${isMutation ? "mutation" : "query"} Main${declared} ${body}`,
    ...fragments.map(({ text }) => text),
    ...(several ? ["query Other { __typename }"] : []),
  ]
  return {
    query: parts.join("\n"),
    variables,
    operationName: several ? oneOf(["Main", "Main", "Other", "Nobody", undefined]) : chance(50) ? "Main" : undefined,
  }
}

function isRequired({ type, defaultValue }: GraphQLArgument | GraphQLInputField): boolean {
  return isNonNullType(type) && defaultValue === undefined
}

const overlappingIn = cached((schema: GraphQLSchema) =>
  cached((type: GraphQLCompositeType): GraphQLCompositeType[] => {
    const objectsOf = (one: GraphQLNamedType) => (isAbstractType(one) ? schema.getPossibleTypes(one) : [one])
    const wanted = new Set<GraphQLNamedType>(objectsOf(type))
    return Object.values(schema.getTypeMap()).filter(
      (one): one is GraphQLCompositeType =>
        (isObjectType(one) || isAbstractType(one)) && objectsOf(one).some((object) => wanted.has(object)),
    )
  }),
)

/** The function, which is called once for each argument. */
function cached<K, V>(compute: (key: K) => V): (key: K) => V {
  const values = new Map<K, V>()
  return (key) => {
    const value = values.get(key) ?? compute(key)
    values.set(key, value)
    return value
  }
}

/** A value as a GraphQL literal: like JSON, except for the names of fields. */
function printed(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printed).join(", ")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, inner]) => `${key}: ${printed(inner)}`)
    .join(", ")}}`
}

/** A hash of the text, with 32 bits. */
export function hash(text: string): number {
  let value = 2166136261
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 16777619)
  return value >>> 0
}
