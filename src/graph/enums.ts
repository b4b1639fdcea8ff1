import { badUserInput } from "../errors.ts"
import { builder } from "./builder.ts"
import type { Context } from "./context.ts"
import { invalidField, string } from "./fields.ts"

const unrecognized = "UNRECOGNIZED"

/**
 * Defines an enum of the REST API: SCREAMING_CASE in GraphQL, the API's string internally, and UNRECOGNIZED for values that the API
 * adds later.
 * @param values the API's strings, with a description each
 * @param older strings of older platforms, in lower case with `_` for `-`, with the value that replaced each
 */
export function wireEnum<Value extends string>(
  name: string,
  description: string,
  values: Record<Value, string>,
  older: Readonly<Record<string, Value>> = {},
) {
  const ref = builder.enumType(name, {
    description,
    values: enumValues({ ...values, [unrecognized]: "A value that is missing from this schema." }),
  })
  const known = new Set<string>(Object.keys(values))
  const longestKnown = Math.max(...[...known, ...Object.keys(older)].map((value) => value.length))
  const read = (raw: unknown, context: Context): string => {
    if (typeof raw !== "string") return typeof raw === "number" ? read(String(raw), context) : unrecognized
    if (known.has(raw)) return raw
    if (raw.length <= longestKnown) {
      const plain = raw.toLowerCase().replaceAll("-", "_")
      const value = older[plain] ?? plain
      if (known.has(value)) return value
    }
    context.warnUnknownEnum(context.state, name, raw)
    return unrecognized
  }
  const at = (key: string) => {
    const rawAt = string(key)
    return (parent: object, _args: object, context: Context): string | null => {
      const raw = rawAt(parent)
      return raw === null ? null : read(raw, context)
    }
  }
  return {
    ref,
    /** Returns the value for GraphQL. An unknown value is UNRECOGNIZED and is logged once. */
    read,
    /** A resolver for the value at this key. Null if there is none. */
    at,
    /** A resolver for a value that the API always sends. Throws if it is missing. */
    required(key: string) {
      const valueAt = at(key)
      return (parent: object, args: object, context: Context): string => {
        const value = valueAt(parent, args, context)
        if (value === null) throw invalidField(key, "missing")
        return value
      }
    },
    /**
     * The value for the REST API. Throws BAD_USER_INPUT for UNRECOGNIZED.
     * @param place the argument or input field that has the value
     */
    toWire(value: string | null | undefined, place: string): string | undefined {
      if (value === unrecognized) {
        throw badUserInput(`\`${place}\` is UNRECOGNIZED, which cannot be sent as ${name}. Use another value.`)
      }
      return value ?? undefined
    },
  }
}

/** The values of an enum: SCREAMING_CASE in GraphQL, the given string internally. */
export function enumValues(
  values: Readonly<Record<string, string>>,
): Record<string, { value: string; description: string }> {
  return Object.fromEntries(
    Object.entries(values).map(([value, description]) => [value.toUpperCase(), { value, description }]),
  )
}
