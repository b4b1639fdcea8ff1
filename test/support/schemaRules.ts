import { type Change, CriticalityLevel, diff } from "@graphql-inspector/core"
import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  isUnionType,
} from "graphql"

const defaultChanges: ReadonlySet<string> = new Set([
  "FIELD_ARGUMENT_DEFAULT_CHANGED",
  "INPUT_FIELD_DEFAULT_VALUE_CHANGED",
])

/**
 * One sentence for each change that can break a client's operation or change what it does. A default is part of every
 * operation that omits its argument.
 */
export async function breakingChanges(before: GraphQLSchema, after: GraphQLSchema): Promise<string[]> {
  const breaks = ({ criticality, type }: Change) =>
    criticality.level === CriticalityLevel.Breaking || defaultChanges.has(type)
  return (await diff(before, after)).filter(breaks).map(({ message }) => message)
}

/** The changes that no line of the page accepts (`- change: reason`), and the lines that accept what is no change. */
export function unaccounted(changes: readonly string[], page: string): string[] {
  const lines = page.split("\n").filter((line) => line.startsWith("- "))
  const accepts = (line: string, change: string) => line.startsWith(`- ${change}: `) && line.trim() !== `- ${change}:`
  return [
    ...changes.filter((change) => !lines.some((line) => accepts(line, change))),
    ...lines.filter((line) => !changes.some((change) => accepts(line, change))),
  ]
}

/** Something in the graph that can have a description. */
interface Named {
  /** Such as `Capsule.appPanel(version:)`. */
  place: string
  kind: "type" | "field" | "argument" | "input field" | "enum value" | "directive"
  name: string
  description: string | null | undefined
  deprecationReason?: string | null | undefined
}

/** Everything in the graph that has a name, GraphQL's own left out. */
export function namesIn(schema: GraphQLSchema): Named[] {
  const names: Named[] = []
  for (const type of typesOf(schema)) {
    names.push({ place: type.name, kind: "type", name: type.name, description: type.description })
    if (isEnumType(type)) {
      for (const value of type.getValues())
        names.push({ ...value, place: `${type.name}.${value.name}`, kind: "enum value" })
    } else if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields()))
        names.push({ ...field, place: `${type.name}.${field.name}`, kind: "input field" })
    } else if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        const place = `${type.name}.${field.name}`
        names.push({ ...field, place, kind: "field" })
        for (const arg of field.args) names.push({ ...arg, place: `${place}(${arg.name}:)`, kind: "argument" })
      }
    }
  }
  for (const directive of schema.getDirectives().filter((one) => !isSpecifiedDirective(one))) {
    const place = `@${directive.name}`
    names.push({ ...directive, place, kind: "directive" })
    for (const arg of directive.args) names.push({ ...arg, place: `${place}(${arg.name}:)`, kind: "argument" })
  }
  return names
}

const camelCase = /^[a-z][a-zA-Z0-9]*$/
const spelling: Record<Named["kind"], RegExp> = {
  type: /^[A-Z][a-zA-Z0-9]*$/,
  field: camelCase,
  argument: camelCase,
  "input field": camelCase,
  "enum value": /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/,
  directive: camelCase,
}

/** One sentence for each place where the graph departs from its own rules; beginning with the place. */
export function departures(schema: GraphQLSchema): string[] {
  return [
    ...namesIn(schema).flatMap((named) => [...namingDepartures(named)]),
    ...typesOf(schema).flatMap((type) => [...typeDepartures(type, schema)]),
    ...mutationDepartures(schema),
  ]
}

function* namingDepartures({ place, kind, name, description, deprecationReason }: Named): Iterable<string> {
  if (!spelling[kind].test(name)) yield `${place}: a name of a ${kind} is spelled otherwise`
  if (!description) yield `${place}: has no description`
  else if (!/^[A-Z0-9`].*\.$/s.test(description)) yield `${place}: a description is made of sentences`
  if (deprecationReason != null && !/`\w+`.*\b\d{4}-\d{2}-\d{2}\b/s.test(deprecationReason)) {
    yield `${place}: a deprecation names what to use instead, in backticks, and the day from which it may be gone`
  }
}

function* typeDepartures(type: GraphQLNamedType, schema: GraphQLSchema): Iterable<string> {
  const { name } = type
  if (isInputObjectType(type) !== name.endsWith("Input")) yield `${name}: input types, and no others, end in Input`
  if (isUnionType(type) && !name.endsWith("Result"))
    yield `${name}: unions are what came of a mutation, and end in Result`
  if (!isObjectType(type) && !isInterfaceType(type)) return
  const fields = type.getFields()
  for (const field of Object.values(fields)) yield* fieldDepartures(name, field, fields, schema)
  if (isObjectType(type) && name.endsWith("Connection")) yield* connectionDepartures(type)
  if (name === "Node" || type.getInterfaces().some((one) => one.name === "Node")) return
  if (isEntity(name, schema)) yield `${name}: what can be looked up is a Node`
  else if ("id" in fields) {
    yield `${name}.id: only Nodes have a field \`id\`, because caches take an object with one for the same wherever it is`
  }
}

function* fieldDepartures(
  owner: string,
  field: GraphQLField<unknown, unknown>,
  siblings: object,
  schema: GraphQLSchema,
): Iterable<string> {
  const place = `${owner}.${field.name}`
  const target = getNamedType(field.type)
  const costsCalls =
    /\bcalls?\b/i.test(field.description ?? "") && !/\bno (REST )?call\b/i.test(field.description ?? "")
  if ((costsCalls || isEntity(target.name, schema)) && !losesNothingElse(field) && !owner.endsWith("Edge")) {
    yield `${place}: costs a call, so it is nullable: a failed call loses one field`
  }
  if (isListType(isNonNullType(field.type) ? field.type.ofType : field.type) && target.name.endsWith("Connection")) {
    yield `${place}: a connection is a page already, and no list of them`
  }
  if (target.name.endsWith("Connection")) {
    const args = Object.fromEntries(field.args.map((arg) => [arg.name, String(arg.type)]))
    if (args.first !== "Int" || args.after !== "String")
      yield `${place}: a connection takes first: Int and after: String`
  }
  if (/!\]/.test(String(field.type)) && !(owner.endsWith("Connection") && field.name === "edges")) {
    yield `${place}: an item that can't be read is null, and does not fail its list`
  }
  const [, bare = ""] = /^(\w+?)Ids?$/.exec(field.name) ?? []
  const capitalized = bare.charAt(0).toUpperCase() + bare.slice(1)
  if (isEntity(capitalized, schema) && !(bare in siblings)) {
    yield `${place}: an id that can be followed is an edge: \`${bare}\``
  }
}

/** Whether a failure below the field leaves the fields beside it unchanged. */
function losesNothingElse({ type }: GraphQLField<unknown, unknown>): boolean {
  return !isNonNullType(type) || (isListType(type.ofType) && !isNonNullType(type.ofType.ofType))
}

function* connectionDepartures(type: GraphQLObjectType): Iterable<string> {
  const fields = type.getFields()
  // A second connection of the same items has a word before their name, and the same edges.
  const item = fields.nodes === undefined ? "" : getNamedType(fields.nodes.type).name
  if (!type.name.endsWith(`${item}Connection`)) yield `${type.name}: a connection of ${item} ends in ${item}Connection`
  const wanted = { edges: `[${item}Edge!]!`, nodes: `[${item}]!`, pageInfo: "PageInfo!" }
  for (const [name, shape] of Object.entries(wanted)) {
    if (String(fields[name]?.type) !== shape) yield `${type.name}.${name}: is not ${shape}`
  }
  const edge = fields.edges === undefined ? undefined : getNamedType(fields.edges.type)
  if (!isObjectType(edge)) return
  const { cursor, node } = edge.getFields()
  if (String(cursor?.type) !== "String!") yield `${edge.name}.cursor: is not String!`
  if (String(node?.type) !== item) yield `${edge.name}.node: is not ${item}`
}

function* mutationDepartures(schema: GraphQLSchema): Iterable<string> {
  for (const { name, args, type } of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const place = `Mutation.${name}`
    const Name = name.charAt(0).toUpperCase() + name.slice(1)
    const shape = args.map((arg) => `${arg.name}: ${arg.type}`).join(", ")
    if (shape !== `input: ${Name}Input!`) yield `${place}: takes one argument, input: ${Name}Input!`
    if (String(type) !== `${Name}Result`) {
      yield `${place}: returns ${Name}Result, nullable, so that what other mutations did is still told`
    }
    const result = schema.getType(`${Name}Result`)
    const members = isUnionType(result) ? result.getTypes().map((member) => member.name) : []
    if (members.sort().join() !== [`${Name}Payload`, "MutationRefused"].sort().join()) {
      yield `${place}: its result is a union of ${Name}Payload and MutationRefused`
    }
  }
}

/** Whether the type is one that a root field looks up by its id, each object with a call of its own. */
function isEntity(name: string, schema: GraphQLSchema): boolean {
  const lookups = Object.values(schema.getQueryType()?.getFields() ?? {})
  return lookups.some(({ type, args }) => String(type) === name && args.map((arg) => arg.name).join() === "id")
}

function typesOf(schema: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(schema.getTypeMap()).filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type))
}
