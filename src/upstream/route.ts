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
  return template.replace(/\{(\w+)\}/g, (_placeholder, name: string) => encodeId(ids[name] ?? ""))
}

function encodeId(id: string): string {
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
