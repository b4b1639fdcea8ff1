import { DecodeError } from "./decoders.ts"
import { mayBeInexact, parseExactly } from "./rawNumber.ts"

/**
 * The maximum depth of objects and lists in a response. Code that walks or serializes a value is recursive, and a few thousand
 * levels overflow the stack.
 */
export const maxJsonDepth = 200

/**
 * Parses JSON. A number that a double cannot hold is a RawNumber. Throws DecodeError if the text is not JSON or is nested deeper than
 * `maxJsonDepth`.
 */
export function parseJson(text: string): unknown {
  const value = parsed(text)
  if (typeof value !== "object" || value === null) return value
  foundInexact = false
  if (isDeeper(value, maxJsonDepth)) throw new DecodeError(`JSON nested deeper than ${maxJsonDepth} levels`)
  return foundInexact ? parseExactly(text) : value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the body, which may contain what must not be logged.
    throw new DecodeError("not JSON")
  }
}

/** Whether the last walk met a number that may differ from its text. */
let foundInexact = false

/**
 * Whether the value has more than this many levels. Notes numbers that may differ from their text. Runs on every response, so it is written for V8: lists by index and objects by
 * `for … in`, without a list of their values, take a twentieth of the time that parsing takes.
 */
function isDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index]
      if (typeof item === "object") {
        if (item !== null && isDeeper(item, levels - 1)) return true
      } else if (typeof item === "number" && mayBeInexact(item)) foundInexact = true
    }
    return false
  }
  for (const key in value) {
    const inner: unknown = (value as Record<string, unknown>)[key]
    if (typeof inner === "object") {
      if (inner !== null && isDeeper(inner, levels - 1)) return true
    } else if (typeof inner === "number" && mayBeInexact(inner)) foundInexact = true
  }
  return false
}
