import {
  defaultFieldResolver,
  type GraphQLArgument,
  type GraphQLFieldResolver,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isObjectType,
} from "graphql"
import { badUserInput } from "../errors.ts"

/*
 * Every text that a client sends has a largest length, which its description states. Without one, a resolver would have to
 * be safe with texts as large as a request's body, and so would Code Ocean.
 */

/** The most entries of a list, such as `ids`. */
export const maxListEntries = 1_000

/** The largest lengths of texts, in characters (UTF-16 units). */
export const longest = {
  id: 256,
  /** A tag, or the name of a custom metadata field. */
  key: 256,
  /** Whatever declares nothing else: names, email addresses, commits, buckets. */
  name: 1_000,
  path: 4_096,
  /** A run's parameter, which Code Ocean limits to this. */
  parameterValue: 4_096,
  query: 10_000,
  /** The largest cursor holds a thousand marks, some 10,800 characters. */
  cursor: 16_384,
  freeText: 65_536,
  dateTime: 64,
} as const

interface TextExtensions {
  longest: number
}

/** For the `extensions` of an argument or input field: the largest length of its text, or of each text within. */
export function atMost(characters: number): TextExtensions & Record<string, unknown> {
  return { longest: characters }
}

/** The scalars that take texts: as they are, or within JSON. Another one that does is to be named here. */
const scalars: ReadonlyMap<string, { longest: number; check?: (most: number) => Check; isJson?: true }> = new Map([
  ["String", { longest: longest.name, check: textCheck }],
  ["ID", { longest: longest.id, check: textCheck }],
  ["JSON", { longest: longest.parameterValue, check: jsonCheck, isJson: true }],
  ["_Any", { longest: longest.parameterValue, check: jsonCheck, isJson: true }],
  // It checks its text itself, before it reads it.
  ["DateTime", { longest: longest.dateTime }],
])

/** A text that is too long: where it stands in the value that was checked. */
interface TooLong {
  path: string
  isKey: boolean
  length: number
  most: number
}

type Check = (value: unknown) => TooLong | undefined

/**
 * Has every field refuse arguments that hold a text longer than its argument declares, and adds that length to the
 * argument's description. Fields without such arguments keep their resolvers.
 */
export function limitTexts(schema: GraphQLSchema): GraphQLSchema {
  const inputs = new Map<GraphQLInputObjectType, Check | undefined>()
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type)) continue
    if (isInputObjectType(type)) Object.values(type.getFields()).forEach(describe)
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      field.args.forEach(describe)
      const checks = checksOf(field.args, inputs)
      if (checks.length === 0 || !isObjectType(type)) continue
      // The events of a subscription come after its arguments were checked.
      if (field.subscribe) field.subscribe = limited(field.subscribe, checks)
      else field.resolve = limited(field.resolve ?? defaultFieldResolver, checks)
    }
  }
  return schema
}

function describe(input: GraphQLArgument | GraphQLInputField): void {
  const scalar = scalars.get(getNamedType(input.type).name)
  if (scalar === undefined) return
  const most = longestOf(input, scalar.longest).toLocaleString("en-US")
  const limit = scalar.isJson
    ? `Texts in it have at most ${most} characters.`
    : `At most ${most} characters${isListType(getNullableType(input.type)) ? " each" : ""}.`
  input.description = `${input.description ?? ""} ${limit}`.trim()
}

function longestOf({ extensions }: GraphQLArgument | GraphQLInputField, otherwise: number): number {
  return (extensions as Partial<TextExtensions>).longest ?? otherwise
}

type Inputs = Map<GraphQLInputObjectType, Check | undefined>

function checksOf(values: readonly (GraphQLArgument | GraphQLInputField)[], inputs: Inputs): [string, Check][] {
  return values.flatMap((value) => {
    const check = checkOf(value.type, (otherwise) => longestOf(value, otherwise), inputs)
    return check === undefined ? [] : [[value.name, check]]
  })
}

/** What checks a value of this type; undefined where there is no text in it. */
function checkOf(type: GraphQLInputType, most: (otherwise: number) => number, inputs: Inputs): Check | undefined {
  const nullable = getNullableType(type)
  if (isListType(nullable)) {
    const check = checkOf(nullable.ofType, most, inputs)
    return check && listCheck(check)
  }
  if (!isInputObjectType(nullable)) {
    const scalar = scalars.get(nullable.name)
    return scalar?.check?.(most(scalar.longest))
  }
  if (!inputs.has(nullable)) {
    const checks = checksOf(Object.values(nullable.getFields()), inputs)
    inputs.set(nullable, checks.length === 0 ? undefined : objectCheck(checks))
  }
  return inputs.get(nullable)
}

function textCheck(most: number): Check {
  return (value) =>
    typeof value === "string" && value.length > most
      ? { path: "", isKey: false, length: value.length, most }
      : undefined
}

function listCheck(check: Check): Check {
  return (values) => {
    if (!Array.isArray(values)) return undefined
    for (let index = 0; index < values.length; index++) {
      const found = check(values[index])
      if (found !== undefined) return { ...found, path: `[${index}]${found.path}` }
    }
    return undefined
  }
}

function objectCheck(checks: readonly [string, Check][]): Check {
  return (value) => {
    if (typeof value !== "object" || value === null) return undefined
    for (const [name, check] of checks) {
      const found = check((value as Record<string, unknown>)[name])
      if (found !== undefined) return { ...found, path: `.${name}${found.path}` }
    }
    return undefined
  }
}

/** How deep it nests is limited for all variables and documents. */
function jsonCheck(most: number): Check {
  const checkText = textCheck(most)
  const check: Check = (value) => {
    if (typeof value !== "object" || value === null) return checkText(value)
    if (Array.isArray(value)) return checkList(value)
    for (const key of Object.keys(value)) {
      if (key.length > most) return { path: "", isKey: true, length: key.length, most }
      const found = check((value as Record<string, unknown>)[key])
      if (found !== undefined) return { ...found, path: `.${key.slice(0, 100)}${found.path}` }
    }
    return undefined
  }
  const checkList = listCheck(check)
  return check
}

function limited<Source, Context>(
  resolve: GraphQLFieldResolver<Source, Context>,
  checks: readonly [string, Check][],
): GraphQLFieldResolver<Source, Context> {
  return (source, args, context, info) => {
    for (const [name, check] of checks) {
      const found = check(args[name])
      if (found === undefined) continue
      const place = `\`${`${name}${found.path}`.slice(0, 500)}\``
      throw badUserInput(
        `${found.isKey ? `A key in ${place}` : place} has at most ${found.most} characters; this one has ${found.length}.`,
      )
    }
    return resolve(source, args, context, info)
  }
}
