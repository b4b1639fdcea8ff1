import {
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  getNullableType,
  isEnumType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql"
import { schema } from "../../src/graph/schema.ts"

// biome-ignore lint/suspicious/noExplicitAny: the wire's objects have any shape, and are walked key by key.
type Wire = Record<string, any>

/** Types whose values are within the wire's object. Every other object is an edge, or needs its own call. */
const within = new Set([
  "OriginalCapsule",
  "Submission",
  "Version",
  "Article",
  "AppPanelGeneral",
  "AppPanelDataAsset",
  "AppPanelCategory",
  "AppPanelParameter",
  "AppPanelResult",
  "AppPanelProcess",
  "ComputationParameter",
  "ComputationDataAsset",
  "ComputationProcess",
  "Provenance",
  "SourceBucket",
  "AppParameter",
  "CustomMetadataEntry",
  "ContainedDataAsset",
])

/** Texts in which "" is a value. In others it means that there is none. */
const emptyTexts = new Set(["default_value", "value"])

/** Values that the gateway computes, or reads by another call. A new field of that kind must be listed here. */
const notOnTheWire = new Set([
  "Capsule.archived",
  "Pipeline.archived",
  "DataAsset.archived",
  "Computation.outcome",
  "Computation.outcomeReasons",
  "CustomMetadataEntry.type",
  "CustomMetadataEntry.units",
])

/** Wire keys whose name has another meaning in the graph. */
const renamedKeys = new Map([["DataAsset.fileCount", "files"]])

const typeOf = (name: string) => schema.getType(name) as GraphQLObjectType

const isNode = (type: unknown) =>
  (isObjectType(type) || isInterfaceType(type)) &&
  (type.name === "Node" || type.getInterfaces().some(({ name }) => name === "Node"))

/** The fields that are read from the wire's object, without those that need their own calls. */
const fieldsOf = (typeName: string) =>
  Object.values(typeOf(typeName).getFields()).filter(({ name, args, type }) => {
    const named = getNamedType(type)
    if (args.length > 0 || notOnTheWire.has(`${typeName}.${name}`)) return false
    return isLeafType(named) || isNode(named) || within.has(named.name)
  })

/** A selection of all fields that are read from the wire's object, made from the schema so that none is missing. */
export function everyField(typeName: string): string {
  const selections = fieldsOf(typeName).map(({ name, type }) => {
    const named = getNamedType(type)
    if (isLeafType(named)) return name
    return isNode(named) ? `${name} { id }` : `${name} { ${everyField(named.name)} }`
  })
  return selections.join(" ")
}

/** Every place that `everyField` selects, such as `Article.doi`. */
export function everyPlace(typeName: string): string[] {
  return fieldsOf(typeName).flatMap(({ name, type }) => {
    const named = getNamedType(type)
    return [`${typeName}.${name}`, ...(within.has(named.name) ? everyPlace(named.name) : [])]
  })
}

/** The places of a response that have a value. */
export function filledPlaces(typeName: string, answer: Wire): string[] {
  return fieldsOf(typeName).flatMap(({ name, type }) => {
    const value = answer[name]
    if (value === null) return []
    const named = getNamedType(type)
    const inner = within.has(named.name) ? [value].flat().flatMap((item) => filledPlaces(named.name, item)) : []
    return [`${typeName}.${name}`, ...inner]
  })
}

/** The expected result of `everyField` for this wire object. Throws for a key that the graph lacks. */
export function asGraph(typeName: string, wire: Wire): Wire {
  const used = new Set<string>()
  const graph = Object.fromEntries(
    fieldsOf(typeName).map(({ name, type }) => {
      const key = keyOf(typeName, name, type, wire)
      used.add(key)
      return [name, shown(type, key, wire[key])]
    }),
  )
  const forgotten = Object.keys(wire).filter((key) => !used.has(key))
  if (forgotten.length > 0) throw new Error(`${typeName} has no field for ${forgotten.join(", ")}`)
  return graph
}

/** The names of the wire's `id` in objects that are no Nodes. */
const embeddedIds: ReadonlySet<string> = new Set(["articleId", "capsuleId", "categoryId", "dataAssetId"])

function hasOtherId(typeName: string): boolean {
  return Object.keys(typeOf(typeName).getFields()).some((name) => embeddedIds.has(name))
}

/** An edge replaces an id: a key of its own, one that ends in `_id`, or that of the entry it is in. */
function keyOf(typeName: string, field: string, type: GraphQLOutputType, wire: Wire): string {
  const renamed = renamedKeys.get(`${typeName}.${field}`)
  if (renamed !== undefined) return renamed
  const key = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  if (embeddedIds.has(field) && !(key in wire)) return "id"
  if (!isNode(getNamedType(type)) || key in wire) return key
  if (`${key}_id` in wire) return `${key}_id`
  return within.has(typeName) && hasOtherId(typeName) ? "id" : key
}

function shown(type: GraphQLOutputType, key: string, value: unknown): unknown {
  if (value === undefined || value === null) return null
  const nullable = getNullableType(type)
  if (isListType(nullable)) {
    if (key === "custom_metadata") return Object.entries(value).map(([key, value]) => ({ key, value }))
    return (value as unknown[]).map((item) => (item === "" ? item : shown(nullable.ofType, key, item)))
  }
  const named = getNamedType(type)
  const absent =
    !isNonNullType(type) && (value === "" ? !emptyTexts.has(key) : named.name === "DateTime" && value === 0)
  if (absent) return null
  if (isNode(named)) return { id: value }
  if (within.has(named.name)) return asGraph(named.name, value as Wire)
  if (isEnumType(named)) {
    const name = String(value).toUpperCase()
    return named.getValue(name) ? name : "UNRECOGNIZED"
  }
  if (named.name === "DateTime") return new Date(Number(value) * 1000).toISOString()
  return named.name === "ByteCount" ? Number(value) : value
}
