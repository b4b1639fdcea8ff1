import { GraphQLError } from "graphql"
import type { ErrorCode } from "../errors.ts"
import type { Limits } from "./limits.ts"

/**
 * Refuses variables that hold too much, or what no text of GraphQL or of Code Ocean can hold. Their types are left to the
 * executor. Throws BAD_USER_INPUT.
 */
export function checkVariables(variables: Readonly<Record<string, unknown>>, limits: Limits): void {
  let values = 0
  const check = (name: string, value: unknown, level: number): void => {
    values += 1
    if (values > limits.variableValues) {
      throw refused(
        `The variables hold more than ${limits.variableValues} values, the most that are read. Send several requests.`,
      )
    }
    if (typeof value === "string") checkText(name, value)
    if (typeof value !== "object" || value === null) return
    if (level > limits.nesting) {
      throw refused(`The variable ${quoted(name)} nests deeper than ${limits.nesting} levels, the most that are read.`)
    }
    if (Array.isArray(value)) {
      if (value.length > limits.listEntries) {
        throw refused(
          `The variable ${quoted(name)} has a list of ${value.length} entries; at most ${limits.listEntries} are allowed. Send several requests.`,
        )
      }
      for (const entry of value) check(name, entry, level + 1)
      return
    }
    const keys = Object.keys(value)
    if (keys.length > limits.listEntries) {
      throw refused(
        `The variable ${quoted(name)} has an object of ${keys.length} keys; at most ${limits.listEntries} are allowed.`,
      )
    }
    for (const key of keys) {
      checkKey(name, key)
      check(name, (value as Record<string, unknown>)[key], level + 1)
    }
  }
  for (const name of Object.keys(variables)) {
    checkKey(name, name)
    check(name, variables[name], 1)
  }
}

const quoted = (name: string) => `\`$${name.slice(0, 100)}\``

function checkKey(name: string, key: string): void {
  // As a key of an object that is made of it, it would change what the object is.
  if (key === "__proto__")
    throw refused(`The variable ${quoted(name)} has the key \`__proto__\`, which is taken from nobody.`)
  checkText(name, key)
}

function checkText(name: string, text: string): void {
  if (!text.isWellFormed()) {
    throw refused(`The variable ${quoted(name)} holds half of a character (a surrogate by itself): it is no text.`)
  }
}

function refused(message: string): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: "BAD_USER_INPUT" satisfies ErrorCode, http: { spec: true, status: 400 } },
  })
}
