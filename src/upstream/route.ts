/** An id that cannot be one path segment. `message` is a sentence for the client. */
export class InvalidIdError extends Error {}

const maxIdLength = 256

/**
 * Puts ids into a route's template: `capsules/{id}` with `{id: "a b"}` gives `capsules/a%20b`.
 * Ids come from clients, and each must stay one path segment. `encodeURIComponent` does not change `.` and `..`, which would
 * turn `DELETE capsules/..` into a `DELETE` of the API's root.
 * Throws InvalidIdError for an id that is empty, `.`, `..`, longer than 256 characters, or contains a slash, a control
 * character or an unpaired surrogate.
 */
export function fillRoute(template: string, ids: Readonly<Record<string, string>>): string {
  const parts = partsOf(template)
  let path = parts[0] as string
  for (let index = 1; index < parts.length; index += 2) {
    path += encodeId(ids[parts[index] as string] ?? "") + parts[index + 1]
  }
  return path
}

/** The parsed templates: texts and names alternate. There are a few dozen, all written in the gateway's source. */
const templates = new Map<string, readonly string[]>()

function partsOf(template: string): readonly string[] {
  let parts = templates.get(template)
  if (parts === undefined) {
    parts = template.split(/\{(\w+)\}/)
    templates.set(template, parts)
  }
  return parts
}

/** A search for one such character takes half the time of a pattern for the whole id. */
const otherCharacter = /[^\w-]/

/** Whether an id needs no encoding, as most do. */
function isPlain(id: string): boolean {
  return id !== "" && id.length <= maxIdLength && !otherCharacter.test(id)
}

/** Whether a text that Code Ocean sent as an id can be put into a route, and is not blank. */
export function isUsableId(id: string): boolean {
  return isPlain(id) || (id.trim() !== "" && id.length <= maxIdLength && !isUnsafe(id))
}

function isUnsafe(id: string): boolean {
  return id === "." || id === ".." || /[/\\\u0000-\u001f\u007f]/.test(id) || !id.isWellFormed()
}

/** Why a client's text cannot be an id: a clause that follows the name of its argument. Undefined if it can be one. */
export function problemOfId(id: string): string | undefined {
  if (isPlain(id)) return undefined
  if (id === "") return "is empty. Give the id of an object."
  if (id.length > maxIdLength) return `has at most ${maxIdLength} characters. This one has ${id.length}.`
  if (!isUnsafe(id)) return undefined
  return `is ${JSON.stringify(id)}, which is not an id. Ids are Code Ocean's own, such as 5ce5f88d-980d-4e61-b3a4-ef4a0ce48030.`
}

function encodeId(id: string): string {
  if (isPlain(id)) return id
  const problem = problemOfId(id)
  if (problem !== undefined) throw new InvalidIdError(`The id ${problem}`)
  return encodeURIComponent(id)
}
