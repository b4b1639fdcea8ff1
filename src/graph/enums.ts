import { badUserInput } from "../errors.ts"
import { builder } from "./builder.ts"
import type { Context } from "./context.ts"
import { invalidField, string } from "./fields.ts"

const unrecognized = "UNRECOGNIZED"

/**
 * An enum of upstream's: SCREAMING_CASE outside, upstream's string inside, and UNRECOGNIZED for what upstream adds later.
 * @param values upstream's strings with a description each
 * @param older what older platforms wrote instead
 */
export function wireEnum<Value extends string>(
  name: string,
  description: string,
  values: Record<Value, string>,
  older: Readonly<Record<string, Value>> = {},
) {
  const ref = builder.enumType(name, {
    description,
    values: enumValues({ ...values, [unrecognized]: "A value that this gateway doesn't know yet." }),
  })
  const known = new Set<string>(Object.keys(values))
  const longestKnown = Math.max(...[...known, ...Object.keys(older)].map((value) => value.length))
  const read = (raw: unknown, context: Context): string => {
    if (typeof raw !== "string") return typeof raw === "number" ? read(String(raw), context) : unrecognized
    if (raw.length <= longestKnown) {
      const value = older[raw] ?? raw.toLowerCase()
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
    /** The value as GraphQL has it; what nobody knows is UNRECOGNIZED, and logged once. */
    read,
    /** A resolver for the value under this key; null where there is none. */
    at,
    /** A resolver for a value that the API always sends. */
    required(key: string) {
      const valueAt = at(key)
      return (parent: object, args: object, context: Context): string => {
        const value = valueAt(parent, args, context)
        if (value === null) throw invalidField(key, "missing")
        return value
      }
    },
    /** The value as upstream takes it. Throws BAD_USER_INPUT for UNRECOGNIZED. */
    toWire(value: string | null | undefined): string | undefined {
      if (value === unrecognized) throw badUserInput(`UNRECOGNIZED is no ${name} that can be sent: give another.`)
      return value ?? undefined
    },
  }
}

/** The values of an enum that only ever goes in: name outside, upstream's string inside. */
export function enumValues(
  values: Readonly<Record<string, string>>,
): Record<string, { value: string; description: string }> {
  return Object.fromEntries(
    Object.entries(values).map(([value, description]) => [value.toUpperCase(), { value, description }]),
  )
}
