import { DecodeError, isObject, type WireObject } from "../upstream/decoders.ts"
import { isExact, isRawNumber } from "../upstream/rawNumber.ts"
import { isUsableId } from "../upstream/route.ts"

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

/** Far longer than any list in an object of Code Ocean. Each item may take a promise or a call. */
const maxItems = 10_000

/** The list at one of these keys, or null. An object is read as a list of one, since some platforms send a list of objects so. */
function listAt(parent: object, keys: readonly string[]): unknown[] | null {
  const value = present(parent, keys)
  if (value === null) return null
  if (!Array.isArray(value)) {
    if (typeof value !== "object" || isRawNumber(value)) throw invalidField(keys[0] as string, "not a list")
    return Object.keys(value).length === 0 ? [] : [value]
  }
  if (value.length > maxItems) throw invalidField(keys[0] as string, `a list of more than ${maxItems} items`)
  return value
}

/**
 * The items of a list for a field: each as `read` returns it, or, where that is undefined, an error in its place, which execution
 * turns into null with an error at the item's own path. The type does not say so: only a field may return such a list.
 */
function itemsFor<T>(list: unknown[] | null, key: string, what: string, read: (item: unknown) => T | undefined) {
  if (list === null) return null
  let error: DecodeError | undefined
  return list.map((item) => {
    const value = read(item)
    if (value !== undefined) return value
    error ??= invalidField(key, `a list with an item that is ${what}`)
    return error as T
  })
}

/** A string, or null. Numbers and booleans are converted. */
export function string(...keys: [string, ...string[]]): Resolver<string | null> {
  return (parent) => asString(present(parent, keys), keys[0])
}

/** A string that may be empty, such as the default value of a parameter, or null. */
export function stringOrEmpty(key: string): Resolver<string | null> {
  return (parent) => asString((parent as WireObject)[key] ?? null, key)
}

/** For fields: a list of strings, or null. Numbers and booleans are converted, and an item that is not a string is null with an error. */
export function stringItems(...keys: [string, ...string[]]): Resolver<string[] | null> {
  return (parent) => {
    const list = listAt(parent, keys)
    return list?.every(isString) ? (list as string[]) : itemsFor(list, keys[0], "not a string", textOf)
  }
}

/** The id of another object, or null. Fails for a number that is not exact, but not for a text that is not an id. */
export function id(...keys: [string, ...string[]]): Resolver<string | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value === null || typeof value === "string") return value
    if (Number.isSafeInteger(value)) return String(value)
    if (isRawNumber(value)) return value.rawJSON
    throw invalidField(keys[0], "not an id")
  }
}

/** The id of another object, or null if there is none that can be used in a call. Never fails. */
export function readableId(...keys: [string, ...string[]]): Resolver<string | null> {
  return (parent) => idOf(present(parent, keys)) ?? null
}

/** The ids of other objects, or null. In the place of one that is not an id there is an error. */
export function ids(...keys: [string, ...string[]]): Resolver<(string | DecodeError)[] | null> {
  return (parent) => itemsFor<string | DecodeError>(listAt(parent, keys), keys[0], "not an id", idOf)
}

/** For fields: a list of objects, or null. An item that is not an object is null with an error. */
export function objectItems<T extends object>(...keys: [string, ...string[]]): Resolver<T[] | null> {
  return (parent) => {
    const list = listAt(parent, keys)
    return list?.every(isObject)
      ? (list as T[])
      : itemsFor(list, keys[0], "not an object", (item) => (isObject(item) ? (item as T) : undefined))
  }
}

/** For fields: a list of any values, or null. A null in it gets an error. */
export function items(...keys: [string, ...string[]]): Resolver<unknown[] | null> {
  return (parent) => itemsFor(listAt(parent, keys), keys[0], "null", (item) => item ?? undefined)
}

/** For what the gateway itself needs: a list of strings, or null. Null items are left out. Throws for one that is not a string. */
export function strings(...keys: [string, ...string[]]): Resolver<string[] | null> {
  return (parent) =>
    listAt(parent, keys)
      ?.filter((item) => item !== null)
      .map((item) => asString(item, keys[0]) as string) ?? null
}

/** For what the gateway itself needs: the objects in a list, or null. Other items are left out. */
export function readableObjects<T extends object>(...keys: [string, ...string[]]): Resolver<T[] | null> {
  return (parent) => (listAt(parent, keys)?.filter(isObject) as T[] | undefined) ?? null
}

/** For what the gateway itself needs: a list of objects, or null. Null items are left out. Throws for one that is not an object. */
export function objects<T extends object>(...keys: [string, ...string[]]): Resolver<T[] | null> {
  return (parent) =>
    ((listAt(parent, keys) as (T | null)[] | null)?.filter((item) => {
      if (item !== null && !isObject(item)) throw invalidField(keys[0], "a list with an item that is not an object")
      return item !== null
    }) as T[] | undefined) ?? null
}

/** An object, or null. */
export function object<T extends object>(...keys: [string, ...string[]]): Resolver<T | null> {
  return (parent) => {
    const value = present(parent, keys)
    if (value !== null && !isObject(value)) throw invalidField(keys[0], "not an object")
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
    return value === "" ? null : (textOf(value) ?? null)
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
    const named = toBoolean(value)
    if (named === undefined) throw invalidField(keys[0], "neither true nor false")
    return named
  }
}

/** A boolean, or null for anything else. Never fails: for judging. */
export function readableBoolean(key: string): Resolver<boolean | null> {
  return (parent) => toBoolean((parent as WireObject)[key]) ?? null
}

function toBoolean(value: unknown): boolean | undefined {
  return typeof value === "object" ? undefined : booleans.get(String(value).toLowerCase())
}

const tenThousandYears = Date.UTC(10_000) / 1000
/** January 1 of the year 1, which programs in Go send for a time that is not set. */
const zeroTimeOfGo = -62_135_596_800

/** Epoch seconds, or null. 0 means never and is read as null. Fails for what can only be milliseconds. */
export function epochSeconds(...keys: [string, ...string[]]): Resolver<number | null> {
  return (parent) => {
    const seconds = asNumber(present(parent, keys), keys[0])
    if (!seconds || seconds === zeroTimeOfGo) return null
    if (seconds >= tenThousandYears) throw invalidField(keys[0], "a time after the year 9999, so it is not in seconds")
    return seconds
  }
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
  const text = textOf(value)
  if (text === undefined) throw invalidField(key, "not a string")
  return text
}

/** The most digits of a number that a message quotes. */
const maxQuoted = 50

const isString = (value: unknown): value is string => typeof value === "string"

function idOf(value: unknown): string | undefined {
  const id = Number.isSafeInteger(value) || isRawNumber(value) ? textOf(value) : value
  return typeof id === "string" && isUsableId(id) ? id : undefined
}

function textOf(value: unknown): string | undefined {
  if (isRawNumber(value)) return value.rawJSON
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined
}

function asNumber(value: unknown, key: string): number | null {
  if (value === null) return null
  const number = toNumber(value)
  if (number !== undefined) return number
  const digits = textOf(value)?.slice(0, maxQuoted)
  throw invalidField(key, isRawNumber(value) ? `the number ${digits}, which cannot be shown exactly` : "not a number")
}

const decimal = /^[-+]?\d+$/

/** A fraction with more digits than a double has is rounded to the nearest double; an integer beyond 2^53 is undefined. */
function toNumber(value: unknown): number | undefined {
  const text = isRawNumber(value) ? value.rawJSON : typeof value === "string" ? value.trim() : undefined
  const number = text === undefined ? value : Number(text || Number.NaN)
  if (typeof number !== "number" || !Number.isFinite(number)) return undefined
  const isRounded = text !== undefined && decimal.test(text) && Number.isInteger(number) && !isExact(number, text)
  return isRounded ? undefined : number
}
