/**
 * What a call promises to answer. Each function takes the parsed body and returns it, or throws NotPromisedError.
 * They look only at what the gateway itself leans on (is it an object, does it have an id): single odd values are
 * read tolerantly where they are shown.
 */
export type Answer<T> = (body: unknown) => T

/** The body is not of the promised shape; `message` says what it is instead. */
export class NotPromisedError extends Error {}

export type WireObject = Record<string, unknown>

/** An object of any content. */
export function anObject<T>(body: unknown): T {
  if (!isObject(body)) throw new NotPromisedError(`${nameOf(body)} where an object belongs`)
  return body as T
}

/** An object with an id that is a non-empty string. */
export function anIdentified<T extends { id: string }>(body: unknown): T {
  const object = anObject<WireObject>(body)
  if (typeof object.id !== "string" || object.id === "") throw new NotPromisedError("an object without its id")
  return object as T
}

/**
 * The object with this id, for calls that ask for one by its id: an answer for another one must not pass as this one. Ids are
 * compared as Code Ocean compares them, whatever the case of their letters, and an object's `slug` is another id of its.
 */
export function theOne<T extends { id: string }>(id: string): Answer<T> {
  return (body) => {
    const object = anIdentified<T & { slug?: unknown }>(body)
    if (object.id !== id && object.id.toLowerCase() !== id.toLowerCase() && object.slug !== id) {
      throw new NotPromisedError("an object with another id")
    }
    return object
  }
}

/** A list of what the item promises. `null` counts as empty: that is how some servers write a list without items. */
export function aListOf<T>(item: Answer<T>): Answer<T[]> {
  return (body) => {
    if (body === null) return []
    if (!Array.isArray(body)) throw new NotPromisedError(`${nameOf(body)} where a list belongs`)
    return body.map(item)
  }
}

/** One answer of upstream's searches. */
export interface SearchAnswer<T> {
  has_more?: boolean
  /** Documented both as number and as text: handed back as it came. */
  next_token?: string | number
  results: T[]
}

/** What a search promises to answer: `{has_more, next_token?, results}`, each result with its id. */
export function aSearchAnswer<T extends { id: string }>(body: unknown): SearchAnswer<T> {
  const answer = anObject<SearchAnswer<T>>(body)
  return { ...answer, results: aListOf(anIdentified<T>)(answer.results) }
}

/** Nothing that anyone reads: the call answers 204, or a body of no use. */
export function nothing(): void {}

export function isObject(value: unknown): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function nameOf(value: unknown): string {
  if (value === undefined) return "nothing"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}
