import { isRawNumber, type RawNumber } from "./rawNumber.ts"
import { isUsableId } from "./route.ts"

/**
 * Takes the parsed body of a response and returns it as what the endpoint documents, or throws DecodeError. Decoders check
 * only what the gateway itself relies on (an object, an id). Single odd values are read tolerantly by the fields that show them.
 */
export type Decoder<T> = (body: unknown) => T

/** The body does not have the documented shape. `message` says what was found; it quotes no value of the body. */
export class DecodeError extends Error {
  /** For a body that is larger than the gateway reads: the limit, such as `250000 items`. */
  readonly exceeded: string | undefined

  constructor(message: string, exceeded?: string) {
    super(message)
    this.exceeded = exceeded
  }
}

export type WireObject = Record<string, unknown>

/** An object with any content. */
export function object<T>(body: unknown): T {
  if (!isObject(body)) throw new DecodeError(`${typeName(body)} in place of an object`)
  return body as T
}

/** Far longer than any id of Code Ocean. Ids are kept longer than the request. */
const maxIdLength = 256

/** An object whose `id` is a non-empty string of at most 256 characters. An id that is a number becomes its digits. */
export function withId<T extends { id: string }>(body: unknown): T {
  let found = object<WireObject>(body)
  // A copy, because requests may share a response, which is never modified.
  if (Number.isSafeInteger(found.id)) found = { ...found, id: String(found.id) }
  if (isRawNumber(found.id)) found = { ...found, id: found.id.rawJSON }
  if (typeof found.id !== "string" || found.id === "") throw new DecodeError("an object without an id")
  if (found.id.length > maxIdLength)
    throw new DecodeError(`an object with an id of more than ${maxIdLength} characters`)
  return found as T
}

/** Same as `withId`, for objects of which the id is used in calls: it must be one segment of a path. */
export function withUsableId<T extends { id: string }>(body: unknown): T {
  const found = withId<T>(body)
  if (!isUsableId(found.id)) throw new DecodeError("an object with an id that can't be part of a path")
  return found
}

/**
 * The object with this id, so that a response for another object is never taken for the requested one. As in Code Ocean, ids are
 * compared without regard to case, and an object's `slug` is an alternative id.
 */
export function matchingId<T extends { id: string }>(id: string): Decoder<T> {
  return (body) => {
    const found = withId<T & { slug?: unknown }>(body)
    if (found.id !== id && found.id.toLowerCase() !== id.toLowerCase() && !isSlug(found.slug, id)) {
      throw new DecodeError("an object with another id")
    }
    return found
  }
}

function isSlug(slug: unknown, id: string): boolean {
  return slug === id || (typeof slug === "number" && String(slug) === id) || (isRawNumber(slug) && slug.rawJSON === id)
}

/** Bounds lists of short items. Lists of whole objects reach the maximum size of a response first. */
const maxItems = 250_000

/** A server that sends more of them in one list sends no such list. Finding each takes an exception. */
const maxUnreadable = 1_000

/**
 * A list, each item decoded by `item`. One that cannot be decoded is its DecodeError, so that it does not fail the others.
 * `null` is an empty list, because some servers write an empty list as null.
 */
export function listOf<T>(item: Decoder<T>): Decoder<(T | DecodeError)[]> {
  return (body) => {
    if (body === null) return []
    if (!Array.isArray(body)) throw new DecodeError(`${typeName(body)} in place of a list`)
    if (body.length > maxItems) throw new DecodeError(`a list of more than ${maxItems} items`, `${maxItems} items`)
    const items = new Array<T | DecodeError>(body.length)
    let unreadable = 0
    for (let index = 0; index < items.length; index++) {
      try {
        items[index] = item(body[index])
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        unreadable += 1
        if (unreadable > maxUnreadable) throw new DecodeError(`a list with more than ${maxUnreadable} unreadable items`)
        items[index] = new DecodeError(`Code Ocean sent an invalid response: an item of a list is ${error.message}.`)
      }
    }
    return items
  }
}

/** Whether an item of a list could be decoded. */
export function isReadable<T>(item: T | DecodeError): item is T {
  return !(item instanceof DecodeError)
}

/** Requests the next page of a search. Documented both as a number and as a string, so it is sent back unchanged. */
export type SearchToken = string | number | RawNumber

/** One page of a search. */
export interface SearchPage<T> {
  has_more: boolean
  next_token?: SearchToken
  /** A result that is not an object with an id is a DecodeError. */
  results: (T | DecodeError)[]
}

/** One page of a search: `{has_more, next_token?, results}`. Each result has an id. */
export function searchPage<T extends { id: string }>(body: unknown): SearchPage<T> {
  const page = object<SearchPage<T>>(body)
  return { ...page, has_more: hasMore(page.has_more), results: listOf(withUsableId<T>)(page.results) }
}

const noMore: ReadonlySet<string> = new Set(["", "0", "false"])

/** Anything that is there and does not say false may mean that there are more: no list ends early without an error. */
function hasMore(value: unknown): boolean {
  return value != null && (typeof value === "object" || !noMore.has(String(value).toLowerCase()))
}

/** Ignores the body: the endpoint responds with 204, or with a body that has no use. */
export function noBody(): void {}

export function isObject(value: unknown): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRawNumber(value)
}

function typeName(value: unknown): string {
  if (value === undefined) return "nothing"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (isRawNumber(value)) return "a number"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}
