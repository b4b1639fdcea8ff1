/**
 * Takes the parsed body of a response and returns it as what the endpoint documents, or throws DecodeError. Decoders check
 * only what the gateway itself relies on (an object, an id). Single odd values are read tolerantly by the fields that show them.
 */
export type Decoder<T> = (body: unknown) => T

/** The body does not have the documented shape. `message` says what was found; it quotes no value of the body. */
export class DecodeError extends Error {}

export type WireObject = Record<string, unknown>

/** An object with any content. */
export function object<T>(body: unknown): T {
  if (!isObject(body)) throw new DecodeError(`expected an object, found ${typeName(body)}`)
  return body as T
}

/** No id of Code Ocean's comes near it. Ids are kept longer than the request. */
const maxIdLength = 256

/** An object whose `id` is a non-empty string of at most 256 characters. */
export function withId<T extends { id: string }>(body: unknown): T {
  const found = object<WireObject>(body)
  if (typeof found.id !== "string" || found.id === "") throw new DecodeError("an object without an id")
  if (found.id.length > maxIdLength)
    throw new DecodeError(`an object with an id of more than ${maxIdLength} characters`)
  return found as T
}

/**
 * The object with this id, so that a response for another object is never taken for the requested one. As in Code Ocean, ids are
 * compared without regard to case, and an object's `slug` is an alternative id.
 */
export function matchingId<T extends { id: string }>(id: string): Decoder<T> {
  return (body) => {
    const found = withId<T & { slug?: unknown }>(body)
    if (found.id !== id && found.id.toLowerCase() !== id.toLowerCase() && found.slug !== id) {
      throw new DecodeError("an object with another id")
    }
    return found
  }
}

/** Lists of whole objects reach the largest size of a response long before. Shorter items could be millions. */
const maxItems = 250_000

/** A list, each item decoded by `item`. `null` is an empty list, because some servers write an empty list as null. */
export function listOf<T>(item: Decoder<T>): Decoder<T[]> {
  return (body) => {
    if (body === null) return []
    if (!Array.isArray(body)) throw new DecodeError(`expected a list, found ${typeName(body)}`)
    if (body.length > maxItems) throw new DecodeError(`a list of more than ${maxItems} items`)
    return body.map(item)
  }
}

/** One page of a search. */
export interface SearchPage<T> {
  has_more?: boolean
  /** Documented both as a number and as a string, so it is sent back unchanged. */
  next_token?: string | number
  results: T[]
}

/** One page of a search: `{has_more, next_token?, results}`. Each result has an id. */
export function searchPage<T extends { id: string }>(body: unknown): SearchPage<T> {
  const page = object<SearchPage<T>>(body)
  return { ...page, results: listOf(withId<T>)(page.results) }
}

/** Ignores the body: the endpoint responds with 204, or with a body that has no use. */
export function noBody(): void {}

export function isObject(value: unknown): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function typeName(value: unknown): string {
  if (value === undefined) return "nothing"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}
