import { DecodeError, type WireObject } from "../upstream/decoders.ts"

/*
 * Readers for the values of REST objects, which are loosely typed. Each function takes a key and optionally the names of the same
 * key on older platforms, and returns a resolver for the object that has it. Absent, null and "" are all read as null.
 */

type Resolver<T> = (parent: object) => T

function present(parent: object, keys: readonly string[]): unknown {
  for (const key of keys) {
    const value = (parent as WireObject)[key]
    if (value !== undefined && value !== null && value !== "") return value
  }
  return null
}

/** The error for a value that is not what the API documents. Only its own field fails. */
export function invalidField(key: string, problem: string): DecodeError {
  return new DecodeError(`Code Ocean sent an invalid response: "${key}" is ${problem}.`)
}

/** No list in an object of Code Ocean comes near it. Each item may take a promise or a call. */
const maxItems = 10_000

function checkList(value: unknown, key: string): asserts value is unknown[] {
  if (!Array.isArray(value)) throw invalidField(key, "not a list")
  if (value.length > maxItems) throw invalidField(key, `a list of more than ${maxItems} items`)
}

/** A string, or null. Numbers and booleans are converted. */
export function string(...keys: [string, ...string[]]): Resolver<string | null> {
  return (parent) => asString(present(parent, keys), keys[0])
}

/** A string that may be empty, such as the default value of a parameter, or null. */
export function stringOrEmpty(key: string): Resolver<string | null> {
  return (parent) => asString((parent as WireObject)[key] ?? null, key)
}

/** A list of strings, or null. Null items are left out. */
export function strings(...keys: [string, ...string[]]): Resolver<string[] | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value === null) return null
    checkList(value, keys[0])
    if (value.every((item) => typeof item === "string")) return value
    return value.filter((item) => item !== null).map((item) => asString(item, keys[0]) as string)
  }
}

/** A list of any values, or null. Null items are left out. */
export function list(...keys: [string, ...string[]]): Resolver<unknown[] | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value === null) return null
    checkList(value, keys[0])
    return value.filter((item) => item !== null)
  }
}

/** A list of objects, or null. Null items are left out. */
export function objects<T extends object>(...keys: [string, ...string[]]): Resolver<T[] | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value === null) return null
    checkList(value, keys[0])
    return (value as (T | null)[]).filter((item) => {
      if (item !== null && typeof item !== "object")
        throw invalidField(keys[0], "a list with an item that is not an object")
      return item !== null
    })
  }
}

/** An object, or null. */
export function object<T extends object>(...keys: [string, ...string[]]): Resolver<T | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value !== null && (typeof value !== "object" || Array.isArray(value)))
      throw invalidField(keys[0], "not an object")
    return value as T | null
  }
}

/** The keys and values of an object, or null. */
export function entries(key: string): Resolver<{ key: string; value: unknown }[] | null> {
  const objectAt = object<WireObject>(key)
  return (parent) => {
    const value = objectAt(parent)
    if (value === null) return null
    const found = Object.entries(value)
    if (found.length > maxItems) throw invalidField(key, `an object of more than ${maxItems} keys`)
    return found.map(([key, value]) => ({ key, value }))
  }
}

/** An integer of 32 bits, or null. Fractions are truncated. */
export function int(...keys: [string, ...string[]]): Resolver<number | null> {
  return (parent) => {
    const value = asNumber(present(parent, keys), keys[0])
    if (value === null) return null
    const whole = Math.trunc(value)
    if (whole !== (whole | 0)) throw invalidField(keys[0], "larger than 32 bits")
    return whole
  }
}

/**
 * A string, number or boolean as a string, or null for anything else. Never fails: for filtering and judging, where one
 * unreadable value must not fail a whole list.
 */
export function readableString(key: string): Resolver<string | null> {
  return (parent) => {
    const value = (parent as WireObject)[key]
    if (typeof value === "string") return value === "" ? null : value
    return typeof value === "number" || typeof value === "boolean" ? String(value) : null
  }
}

/** A number, or null for anything else. Never fails: for sorting and filtering. */
export function readableFloat(key: string): Resolver<number | null> {
  return (parent) => toNumber((parent as WireObject)[key]) ?? null
}

/** A number, or null. */
export function float(...keys: [string, ...string[]]): Resolver<number | null> {
  return (parent) => asNumber(present(parent, keys), keys[0])
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
])

/** A boolean, or null. The strings and numbers for true and false are converted. */
export function boolean(...keys: [string, ...string[]]): Resolver<boolean | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value === null || typeof value === "boolean") return value
    const named = typeof value === "object" ? undefined : booleans.get(String(value).toLowerCase())
    if (named === undefined) throw invalidField(keys[0], "neither true nor false")
    return named
  }
}

/** Epoch seconds, or null. 0 means never and is read as null. */
export function epochSeconds(...keys: [string, ...string[]]): Resolver<number | null> {
  return (parent) => asNumber(present(parent, keys), keys[0]) || null
}

/** A value that the API always sends. Throws DecodeError if it is missing. */
export function required<T>(key: string, read: (key: string) => Resolver<T | null>): Resolver<T> {
  const resolve = read(key)
  return (parent) => {
    const value = resolve(parent)
    if (value === null) throw invalidField(key, "missing")
    return value
  }
}

function asString(value: unknown, key: string): string | null {
  if (value === null || typeof value === "string") return value
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  throw invalidField(key, "not a string")
}

function asNumber(value: unknown, key: string): number | null {
  if (value === null) return null
  const number = toNumber(value)
  if (number === undefined) throw invalidField(key, "not a number")
  return number
}

function toNumber(value: unknown): number | undefined {
  const number = typeof value === "string" ? Number(value.trim() || Number.NaN) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}
