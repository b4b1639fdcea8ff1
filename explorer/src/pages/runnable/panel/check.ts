import type { Field, Values } from "./panel.ts"
import { mismatches } from "./pattern.ts"

/** Code Ocean's limit on the length of a value. */
const longestValue = 4_096

/** What is wrong with the values, by the key of their field: everything that can be known before they are sent. */
export function problemsOf(fields: readonly Field[], values: Values): Map<string, string> {
  const problems = new Map<string, string>()
  for (const field of fields) {
    const problem = problemOf(field, values[field.key] ?? "")
    if (problem !== undefined) problems.set(field.key, problem)
  }
  return problems
}

/** What is wrong with one value. The default is always right, as it is for the gateway. */
export function problemOf({ parameter }: Field, value: string): string | undefined {
  const { required, defaultValue, valueType, minimum, maximum, pattern, valueOptions } = parameter
  if (value === "") return required && !defaultValue ? "Needs a value." : undefined
  if (value === defaultValue) return undefined
  if (value.length > longestValue)
    return `Has ${value.length.toLocaleString("en")} characters. At most 4,096 are allowed.`
  const type = valueType?.toLowerCase()
  const number = value.trim() === "" ? Number.NaN : Number(value)
  if (type === "integer" && !Number.isInteger(number)) return "Must be a whole number."
  if ((isNumber(type) || minimum !== null || maximum !== null) && Number.isNaN(number)) return "Must be a number."
  if (minimum !== null && number < minimum) return `Must be at least ${minimum}.`
  if (maximum !== null && number > maximum) return `Must be at most ${maximum}.`
  const options = (valueOptions ?? []).filter((option) => option !== null)
  if (options.length > 0 && !options.includes(value)) return "Choose one of the values."
  if (pattern !== null && mismatches(pattern, value)) return `Must match the pattern ${pattern}`
  return undefined
}

/** The gateway takes `float` as text, so that only what it would refuse is refused here. */
function isNumber(type: string | undefined): boolean {
  return type === "number"
}

/** What values a field takes, to be shown beside it. */
export function limitsOf({ parameter: { minimum, maximum, valueType, pattern, type } }: Field): string | undefined {
  if (type === "LIST") return undefined
  const kind = valueType?.toLowerCase()
  const noun = kind === "integer" ? "Whole number" : kind === "number" || kind === "float" ? "Number" : undefined
  if (minimum !== null && maximum !== null) return `${noun ?? "Number"} from ${minimum} to ${maximum}`
  if (minimum !== null) return `${noun ?? "Number"}, at least ${minimum}`
  if (maximum !== null) return `${noun ?? "Number"}, at most ${maximum}`
  if (noun !== undefined) return noun
  return pattern === null ? undefined : `Pattern: ${pattern}`
}
