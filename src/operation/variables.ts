import { type DocumentNode, getOperationAST } from "graphql"
import type { Limits } from "./limits.ts"
import { invalidRequest, requestError } from "./requestError.ts"

/**
 * Rejects variables that hold too much, text that neither GraphQL nor Code Ocean can represent, or a number that was rounded when
 * they were parsed. Their types are checked by the executor. Throws BAD_USER_INPUT.
 */
export function checkVariables(
  variables: Readonly<Record<string, unknown>>,
  limits: Limits,
  document: DocumentNode,
  operationName: string | null | undefined,
): void {
  if (areTexts(variables, limits)) return
  let values = 0
  let rounded: Set<string> | undefined
  const check = (variable: string, value: unknown, level: number): void => {
    values += 1
    if (values > limits.variableValues) {
      throw invalidRequest(`The variables contain more than ${limits.variableValues} values. Send several requests.`)
    }
    if (typeof value === "string") checkText(variable, value)
    if (isRounded(value)) {
      rounded ??= new Set()
      rounded.add(variable)
    }
    if (typeof value !== "object" || value === null) return
    if (level > limits.nesting) {
      throw invalidRequest(
        `The variable ${label(variable)} nests deeper than ${limits.nesting} levels, which is the limit.`,
      )
    }
    if (Array.isArray(value)) {
      if (value.length > limits.listEntries) {
        throw invalidRequest(
          `The variable ${label(variable)} has a list of ${value.length} entries; at most ${limits.listEntries} are allowed. Send several requests.`,
        )
      }
      for (const entry of value) check(variable, entry, level + 1)
      return
    }
    const keys = Object.keys(value)
    if (keys.length > limits.listEntries) {
      throw invalidRequest(
        `The variable ${label(variable)} has an object of ${keys.length} keys; at most ${limits.listEntries} are allowed.`,
      )
    }
    for (const key of keys) {
      checkKey(variable, key)
      check(variable, (value as Record<string, unknown>)[key], level + 1)
    }
  }
  for (const name of Object.keys(variables)) {
    checkKey(name, name)
    check(name, variables[name], 1)
  }
  if (rounded !== undefined) rejectRounded(variables, rounded, document, operationName)
}

/** Whether all of them are well-formed texts, as in most small operations. */
function areTexts(variables: Readonly<Record<string, unknown>>, limits: Limits): boolean {
  let values = 0
  for (const name in variables) {
    const value = variables[name]
    values += 1
    if (typeof value !== "string" || !value.isWellFormed() || name === "__proto__" || !name.isWellFormed()) return false
  }
  return values <= limits.variableValues
}

/** Whether a parsed number may differ from its text. Fractions are rounded to a double, as in every JSON parser. */
function isRounded(value: unknown): value is number {
  return (
    typeof value === "number" && !Number.isSafeInteger(value) && (Number.isInteger(value) || !Number.isFinite(value))
  )
}

/** Throws the error for the first of these variables that the operation has, in the words of graphql-js. */
function rejectRounded(
  variables: Readonly<Record<string, unknown>>,
  rounded: ReadonlySet<string>,
  document: DocumentNode,
  operationName: string | null | undefined,
): void {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions
  const node = definitions?.find(({ variable }) => rounded.has(variable.name.value))
  if (node === undefined) return
  const name = node.variable.name.value
  const { number, path } = findRounded(variables[name], name) ?? {}
  const place = path === name ? "" : ` at "${path?.slice(0, maxPathLength)}"`
  throw requestError(
    "BAD_USER_INPUT",
    400,
    `Variable "$${name}" got invalid value ${number}${place}; A number beyond 2^53 in a variable is not exact. Write it into the document as a literal, or send a string.`,
    { node },
  )
}

function findRounded(value: unknown, path: string): { number: number; path: string } | undefined {
  if (isRounded(value)) return { number: value, path }
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = findRounded(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}

const maxPathLength = 500

const maxQuoted = 100

const label = (variable: string) => `\`$${variable.slice(0, maxQuoted)}\``

function checkKey(variable: string, key: string): void {
  // Assigned to an object, this key would replace the object's prototype.
  if (key === "__proto__") {
    throw invalidRequest(`The variable ${label(variable)} has the key \`__proto__\`, which is not allowed.`)
  }
  checkText(variable, key)
}

function checkText(variable: string, text: string): void {
  if (!text.isWellFormed()) {
    throw invalidRequest(
      `The variable ${label(variable)} contains a lone surrogate (half of a UTF-16 pair), which is not valid text.`,
    )
  }
}
