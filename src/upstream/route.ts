/** An id that can't be one path segment. `message` is a sentence for whoever sent it. */
export class UnsendableIdError extends Error {}

const longestId = 256

/**
 * Puts ids into a route's template: `capsules/{id}` and `{id: "a b"}` give `capsules/a%20b`.
 * Ids come from strangers, and an id must stay one path segment: `encodeURIComponent` leaves `.` and `..` as they are,
 * which would make `DELETE capsules/..` a `DELETE` of the API's root.
 * Throws UnsendableIdError for an id that is empty, `.`, `..`, over 256 characters, or holds a slash, a control
 * character or half a surrogate pair.
 */
export function fillRoute(template: string, ids: Readonly<Record<string, string>>): string {
  const encoded = (part: string, index: number) => (index % 2 === 0 ? part : encodeId(ids[part] ?? ""))
  return partsOf(template).map(encoded).join("")
}

/** The gateway's own templates, of which there are a few dozen: text and names by turns. */
const known = new Map<string, readonly string[]>()

function partsOf(template: string): readonly string[] {
  let parts = known.get(template)
  if (parts === undefined) {
    parts = template.split(/\{(\w+)\}/)
    known.set(template, parts)
  }
  return parts
}

/** What most ids are made of; it means nothing else in a path. */
const plainId = /^[\w-]{1,256}$/

function encodeId(id: string): string {
  if (plainId.test(id)) return id
  if (id === "") throw new UnsendableIdError("An id must not be empty.")
  if (id.length > longestId) {
    throw new UnsendableIdError(`An id has at most ${longestId} characters; this one has ${id.length}.`)
  }
  if (id === "." || id === ".." || /[/\\\u0000-\u001f\u007f]/.test(id) || !id.isWellFormed()) {
    throw new UnsendableIdError(
      `${JSON.stringify(id)} is not an id. Ids are Code Ocean's own, such as 5ce5f88d-980d-4e61-b3a4-ef4a0ce48030.`,
    )
  }
  return encodeURIComponent(id)
}
