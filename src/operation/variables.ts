import type { Limits } from "./limits.ts"
import { invalidRequest } from "./requestError.ts"

/**
 * Rejects variables that hold too much, or text that neither GraphQL nor Code Ocean can represent. Their types are checked by
 * the executor. Throws BAD_USER_INPUT.
 */
export function checkVariables(variables: Readonly<Record<string, unknown>>, limits: Limits): void {
  let values = 0
  const check = (variable: string, value: unknown, level: number): void => {
    values += 1
    if (values > limits.variableValues) {
      throw invalidRequest(`The variables contain more than ${limits.variableValues} values. Send several requests.`)
    }
    if (typeof value === "string") checkText(variable, value)
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
}

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
