import { DecodeError } from "./decoders.ts"

/**
 * How deep objects and lists may nest in what upstream answers. Whoever walks or writes out a value does so by recursion, and
 * a few thousand levels are more than the stack holds.
 */
export const deepestJson = 200

/** The value of a JSON text. Throws DecodeError where it is none, or nests deeper than `deepestJson` levels. */
export function parseJson(text: string): unknown {
  const value = parsed(text)
  if (typeof value === "object" && value !== null && isDeeper(value, deepestJson)) {
    throw new DecodeError(`JSON that nests deeper than ${deepestJson} levels`)
  }
  return value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the body, which may hold what no log should.
    throw new DecodeError("no JSON")
  }
}

/**
 * Whether the value has more levels than that. It is asked of every answer, so it is written for V8: lists by index and objects
 * by `for … in`, without a list of their values, take a twentieth of the time that parsing takes.
 */
function isDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index]
      if (typeof item === "object" && item !== null && isDeeper(item, levels - 1)) return true
    }
    return false
  }
  for (const key in value) {
    const inner: unknown = (value as Record<string, unknown>)[key]
    if (typeof inner === "object" && inner !== null && isDeeper(inner, levels - 1)) return true
  }
  return false
}
