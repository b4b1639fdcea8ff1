import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isUnionType,
} from "graphql"
import { costOf } from "../graph/cost.ts"

/** Finds types and fields by words. Returns excerpts of the schema, with the calls that a field makes. */
export type SearchSchema = (words: string, limit: number) => string

/** What a search can find: a type, or one of its fields. */
interface Entry {
  type: GraphQLNamedType
  /** Undefined for the type itself. */
  line: string | undefined
  names: ReadonlySet<string>
  description: ReadonlySet<string>
}

/** How much more a word in a name counts than one in a description. */
const nameWeight = 4
/** How much less a whole type counts than a field with the same words, and how much more a field with which a query can begin. */
const typeWeight = 0.9
const queryWeight = 1.5

const maxWords = 20

export function createSearchSchema(schema: GraphQLSchema): SearchSchema {
  const types = Object.values(schema.getTypeMap()).filter((type) => !isIntrospectionType(type))
  // The results of mutations say nothing that the mutations don't.
  const entries = types.filter((type) => !isUnionType(type)).flatMap(entriesOf)

  const frequencies = new Map<string, number>()
  for (const { names, description } of entries) {
    for (const word of new Set([...names, ...description])) frequencies.set(word, (frequencies.get(word) ?? 0) + 1)
  }
  /** Words that many entries have say little. */
  const weightOf = (word: string) => Math.log(entries.length / (frequencies.get(word) ?? entries.length))

  return (words, limit) => {
    const wanted = [...wordsIn(words)].slice(0, maxWords).map((word) => ({ word, weight: weightOf(word) }))
    const names = new Set(words.split(/\W+/))
    const exact = types.filter(({ name }) => names.has(name))
    const found = entries
      .map((entry) => ({ entry, score: scoreOf(entry, wanted) }))
      .filter(({ score, entry }) => score > 0 && !exact.includes(entry.type))
      .toSorted((a, b) => b.score - a.score)
      .slice(0, limit)
    const excerpts = Map.groupBy(found, ({ entry }) => entry.type)
    const wholes = exact.map((type) => printed(type, linesOf(type)))
    const parts = [...excerpts].map(([type, matches]) => {
      const lines = matches.flatMap(({ entry }) => entry.line ?? [])
      return printed(type, lines.length === 0 ? linesOf(type) : lines, lines.length > 0)
    })
    return [...wholes, ...parts].join("\n\n")
  }
}

/** The whole schema without descriptions, in the same form. */
export function printSchemaBriefly(schema: GraphQLSchema): string {
  return Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type) && keywordOf(type) !== undefined)
    .map((type) => printed(type, linesOf(type)))
    .join("\n\n")
}

function scoreOf(
  { type, names, description, line }: Entry,
  wanted: readonly { word: string; weight: number }[],
): number {
  const matched = wanted.reduce(
    (sum, { word, weight }) => sum + weight * ((names.has(word) ? nameWeight : 0) + (description.has(word) ? 1 : 0)),
    0,
  )
  const kind = line === undefined ? typeWeight : type.name === "Query" ? queryWeight : 1
  // Of two entries with the same words, the one with the shorter name says more about them.
  return (matched / (1 + names.size / 20)) * kind
}

function entriesOf(type: GraphQLNamedType): Entry[] {
  const own = { type, line: undefined, names: wordsIn(type.name), description: wordsIn(type.description ?? "") }
  if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return [own]
  const fields = Object.values(type.getFields()).map(({ name, description }, index) => ({
    type,
    line: linesOf(type)[index] as string,
    names: wordsIn(`${type.name} ${name}`),
    description: wordsIn(description ?? ""),
  }))
  return [own, ...fields]
}

/** The words of a text in lower case, those of names in camelCase one by one, without the plural's s. */
function wordsIn(text: string): Set<string> {
  const words = text
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  return new Set(words.filter((word) => word.length > 1).map((word) => word.replace(/(?<=\w{3})s$/, "")))
}

function printed(type: GraphQLNamedType, lines: readonly string[], isPart = false): string {
  const head = `${keywordOf(type) ?? "scalar"} ${type.name}${interfacesOf(type)}`
  if (isUnionType(type)) return `${head} = ${lines.join(" | ")}`
  if (lines.length === 0) return head
  const rest = isPart && lines.length < linesOf(type).length ? ["  …"] : []
  return [`${head} {`, ...lines.map((line) => `  ${line}`), ...rest, "}"].join("\n")
}

function keywordOf(type: GraphQLNamedType): string | undefined {
  if (isObjectType(type)) return "type"
  if (isInterfaceType(type)) return "interface"
  if (isInputObjectType(type)) return "input"
  if (isEnumType(type)) return "enum"
  return isUnionType(type) ? "union" : undefined
}

function interfacesOf(type: GraphQLNamedType): string {
  const interfaces = isObjectType(type) ? type.getInterfaces() : []
  return interfaces.length === 0 ? "" : ` implements ${interfaces.map(({ name }) => name).join(" & ")}`
}

function linesOf(type: GraphQLNamedType): string[] {
  if (isObjectType(type) || isInterfaceType(type)) return Object.values(type.getFields()).map(lineOf)
  if (isInputObjectType(type)) {
    return Object.values(type.getFields()).map(
      ({ name, type, defaultValue }) => `${name}: ${type}${defaultOf(defaultValue)}`,
    )
  }
  if (isEnumType(type)) return type.getValues().map(({ name }) => name)
  return isUnionType(type) ? type.getTypes().map(({ name }) => name) : []
}

function lineOf(field: GraphQLField<unknown, unknown>): string {
  const args = field.args.map(({ name, type, defaultValue }) => `${name}: ${type}${defaultOf(defaultValue)}`)
  const list = args.length === 0 ? "" : `(${args.join(", ")})`
  return `${field.name}${list}: ${field.type}${callsOf(field)}`
}

function defaultOf(value: unknown): string {
  return value === undefined ? "" : ` = ${JSON.stringify(value)}`
}

/** The calls to Code Ocean that a field makes, as a comment. */
function callsOf(field: GraphQLField<unknown, unknown>): string {
  const { calls = 0, oncePerObject, oncePerRequest, per, byId } = costOf(field) ?? {}
  const own = calls + Number(oncePerObject !== undefined || oncePerRequest !== undefined)
  if (own === 0) return ""
  const each = per === undefined && byId === undefined ? "" : " for each item"
  return ` # ${own} ${own === 1 ? "call" : "calls"}${each}`
}
