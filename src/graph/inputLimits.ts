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
import { problemOfId } from "../upstream/route.ts"

/*
 * Every string that a client sends has a maximum length, which its description states. Otherwise resolvers and Code Ocean would have
 * to be safe with strings as large as the body of a request. An id must also be one that can be part of a path.
 */

/** The maximum number of entries of a list, such as `ids`. */
export const maxListEntries = 1_000

/** The maximum lengths of strings, in UTF-16 units. */
export const maxLength = {
  id: 256,
  /** A tag, or the name of a custom metadata field. */
  key: 256,
  /** The default, for names, email addresses, commits and buckets. */
  name: 1_000,
  path: 4_096,
  /** A parameter of a run. Code Ocean has the same limit. */
  parameterValue: 4_096,
  query: 10_000,
  /** The largest cursor contains a token of Code Ocean's of 4,096 characters. */
  cursor: 5_000,
  freeText: 65_536,
  dateTime: 64,
} as const

interface LengthExtensions {
  maxLength: number
  checksItems: boolean
}

/** For the `extensions` of an argument or input field: the maximum length of its string, or of each string in it. */
export function limitLength(characters: number): Partial<LengthExtensions> & Record<string, unknown> {
  return { maxLength: characters }
}

/** For the `extensions` of a list of ids whose field checks each by itself: one that is no id, but not too long, fails alone. */
export const checksItems: Partial<LengthExtensions> & Record<string, unknown> = { checksItems: true }

/** The scalars whose values are or contain strings. Every such scalar must be listed here. */
const scalars: ReadonlyMap<string, { maxLength: number; check?: (max: number) => Check; isJson?: true }> = new Map([
  ["String", { maxLength: maxLength.name, check: stringCheck }],
  ["ID", { maxLength: maxLength.id, check: () => idCheck }],
  ["JSON", { maxLength: maxLength.parameterValue, check: jsonCheck, isJson: true }],
  ["_Any", { maxLength: maxLength.parameterValue, check: jsonCheck, isJson: true }],
  // Checked by the scalar, before it parses the string.
  ["DateTime", { maxLength: maxLength.dateTime }],
])

/** A string that is too long or no id, and its path in the checked value. */
interface Violation {
  path: string
  /** Whether it is a key at this path. */
  isKey?: true
  /** A clause that follows the path. */
  problem: string
}

type Check = (value: unknown) => Violation | undefined

/**
 * Makes every field reject arguments with a string longer than the argument declares, or with an id that is none, and adds the maximum to the description of the
 * argument. Fields without such arguments keep their resolvers.
 */
export function limitStrings(schema: GraphQLSchema): GraphQLSchema {
  const inputs = new Map<GraphQLInputObjectType, Check | undefined>()
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type)) continue
    if (isInputObjectType(type)) Object.values(type.getFields()).forEach(describe)
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      field.args.forEach(describe)
      const checks = checksOf(field.args, inputs)
      if (checks.length === 0 || !isObjectType(type)) continue
      // The arguments of a subscription are checked once, before its events.
      if (field.subscribe) field.subscribe = limited(field.subscribe, checks)
      else field.resolve = limited(field.resolve ?? defaultFieldResolver, checks)
    }
  }
  return schema
}

function describe(input: GraphQLArgument | GraphQLInputField): void {
  const scalar = scalars.get(getNamedType(input.type).name)
  if (scalar === undefined) return
  const max = maxLengthOf(input, scalar.maxLength).toLocaleString("en-US")
  const limit = scalar.isJson
    ? `Strings in it have at most ${max} characters.`
    : `At most ${max} characters${isListType(getNullableType(input.type)) ? " each" : ""}.`
  input.description = `${input.description ?? ""} ${limit}`.trim()
}

function maxLengthOf({ extensions }: GraphQLArgument | GraphQLInputField, defaultMax: number): number {
  return (extensions as Partial<LengthExtensions>).maxLength ?? defaultMax
}

type Inputs = Map<GraphQLInputObjectType, Check | undefined>

function checksOf(values: readonly (GraphQLArgument | GraphQLInputField)[], inputs: Inputs): [string, Check][] {
  return values.flatMap((value) => {
    if ((value.extensions as Partial<LengthExtensions>).checksItems)
      return [[value.name, listCheck(stringCheck(maxLength.id))]]
    const check = checkOf(value.type, (defaultMax) => maxLengthOf(value, defaultMax), inputs)
    return check === undefined ? [] : [[value.name, check]]
  })
}

/** The check of values of this type. Undefined if they contain no string. */
function checkOf(type: GraphQLInputType, max: (defaultMax: number) => number, inputs: Inputs): Check | undefined {
  const nullable = getNullableType(type)
  if (isListType(nullable)) {
    const check = checkOf(nullable.ofType, max, inputs)
    return check && listCheck(check)
  }
  if (!isInputObjectType(nullable)) {
    const scalar = scalars.get(nullable.name)
    return scalar?.check?.(max(scalar.maxLength))
  }
  if (!inputs.has(nullable)) {
    const checks = checksOf(Object.values(nullable.getFields()), inputs)
    inputs.set(nullable, checks.length === 0 ? undefined : objectCheck(checks))
  }
  return inputs.get(nullable)
}

function stringCheck(max: number): Check {
  return (value) =>
    typeof value === "string" && value.length > max ? { path: "", problem: tooLong(value, max) } : undefined
}

function tooLong({ length }: string, max: number): string {
  return `has at most ${max} characters. This one has ${length}.`
}

/** An id becomes part of a path, or is compared with one that does. */
function idCheck(value: unknown): Violation | undefined {
  const problem = typeof value === "string" ? problemOfId(value) : undefined
  return problem === undefined ? undefined : { path: "", problem }
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

/** Checks JSON. The depth of its nesting is limited elsewhere, for all variables and documents. */
function jsonCheck(max: number): Check {
  const checkString = stringCheck(max)
  const check: Check = (value) => {
    if (typeof value !== "object" || value === null) return checkString(value)
    if (Array.isArray(value)) return checkList(value)
    for (const key of Object.keys(value)) {
      if (key.length > max) return { path: "", isKey: true, problem: tooLong(key, max) }
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
    // Without destructuring, which would allocate for each check.
    for (const limit of checks) {
      const name = limit[0]
      const found = limit[1](args[name])
      if (found === undefined) continue
      const path = `\`${`${name}${found.path}`.slice(0, 500)}\``
      throw badUserInput(`${found.isKey ? `A key in ${path}` : path} ${found.problem}`)
    }
    return resolve(source, args, context, info)
  }
}
