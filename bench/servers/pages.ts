/** Connections in the form of `graphql-relay`, for the servers to compare with: a cursor is an offset in base64. */

// biome-ignore lint/suspicious/noExplicitAny: the wire's objects.
type Json = any

export interface Page {
  nodes: Json[]
  /** The number of items before the page. */
  offset: number
  hasNextPage: boolean
}

const prefix = "arrayconnection:"

const cursorOf = (offset: number) => Buffer.from(`${prefix}${offset}`).toString("base64")

/** The offset of the page after this cursor. */
export function offsetOf(after: string | null | undefined): number {
  if (after == null) return 0
  const text = Buffer.from(after, "base64").toString()
  const offset = Number(text.slice(prefix.length))
  if (!text.startsWith(prefix) || !Number.isInteger(offset)) throw new Error("`after` is not a cursor")
  return offset + 1
}

export const edgesOf = ({ nodes, offset }: Page) =>
  nodes.map((node, index) => ({ cursor: cursorOf(offset + index), node }))

export const pageInfoOf = ({ nodes, offset, hasNextPage }: Page) => ({
  hasNextPage,
  endCursor: nodes.length > 0 ? cursorOf(offset + nodes.length - 1) : null,
})

/** A page of a capsule's runs. Code Ocean returns all of them at once. */
export function pageOfList(list: Json[], first: number | null | undefined, after: string | null | undefined): Page {
  const offset = offsetOf(after)
  const end = offset + (first ?? 20)
  const nodes = list.sort((a, b) => b.created - a.created).slice(offset, end)
  return { nodes, offset, hasNextPage: list.length > end }
}

export const searchForIds = (ids: readonly string[]) => ({
  query: ids.map((id) => `id:${id}`).join(" "),
  limit: ids.length,
})

/** The capsules with these ids, and null for those that weren't found. */
export function inOrder(capsules: Json[], ids: readonly string[]): Json[] {
  const byId = new Map(capsules.map((capsule) => [capsule.id, capsule]))
  return ids.map((id) => byId.get(id) ?? null)
}
