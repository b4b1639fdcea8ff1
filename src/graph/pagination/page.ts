import { badUserInput } from "../../errors.ts"
import { DecodeError, type SearchPage } from "../../upstream/decoders.ts"
import { Cursors, hash } from "./cursor.ts"

export const defaultFirst = 20
export const maxFirst = 1000

/** One page of a connection. */
export interface Page<T> {
  nodes: T[]
  hasNextPage: boolean
  hasPreviousPage: boolean
  /** The cursor of the node with this index. */
  cursorAt(index: number): string
  /** The cursor after which the next page starts. Null if there is neither a node nor a next page. */
  endCursor(): string | null
}

/** The arguments of every connection. */
export interface PageArguments {
  first?: number | null | undefined
  after?: string | null | undefined
}

/** The size of a page. Throws BAD_USER_INPUT for a size that Code Ocean would reject. */
export function pageSize({ first }: PageArguments): number {
  const size = first ?? defaultFirst
  if (size < 1 || size > maxFirst) {
    throw badUserInput(`\`first\` must be from 1 to ${maxFirst}. Use \`after\` to get more.`)
  }
  return size
}

/**
 * Where a page starts: after `skip` items of the page that `token` requests, or of the whole search if there is no token. `seen` has
 * the digests of the last items before it.
 */
interface Position {
  token?: string | number
  skip: number
  seen?: string
}

/** Cursors contain ids as digests of 48 bits. Two of a thousand are equal once in five hundred million pages. */
const digestLength = 8
/** The largest page, since Code Ocean repeats items of the previous page. */
const maxDigests = maxFirst

/** Bounds for what a forged cursor may contain. No page starts later, and no token of Code Ocean's is longer. */
const maxSkip = 1_000_000_000
const maxTokenLength = 4_096

function isToken(token: unknown): token is string | number {
  return typeof token === "string" ? token.length <= maxTokenLength : Number.isSafeInteger(token)
}

/** Validates the content of a cursor. Returns undefined if no page can have made it. */
function positionIn(value: unknown): Position | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
  const { token, skip, seen, ...more } = value as Record<string, unknown>
  const isSkip = Number.isSafeInteger(skip) && (skip as number) >= 0 && (skip as number) <= maxSkip
  const isSeen =
    seen === undefined ||
    (typeof seen === "string" && seen.length % digestLength === 0 && seen.length <= maxDigests * digestLength)
  return (token === undefined || isToken(token)) && isSkip && isSeen && Object.keys(more).length === 0
    ? (value as Position)
    : undefined
}

/**
 * One page of a search. Makes one call. The next page is requested with Code Ocean's `next_token`. A cursor from the middle of a page
 * requests that page again, with a larger limit. Code Ocean sometimes repeats an item, which is then left out. An item that could not
 * be decoded is its DecodeError.
 * @param name the name of the search. Cursors are bound to it and to `params`
 * @param params the body of the search in the form of the REST API, without paging
 * @param search sends the search with this body
 */
export async function pageOfSearch<T extends { id: string }>(
  name: string,
  params: object,
  page: PageArguments,
  search: (body: object) => Promise<SearchPage<T>>,
): Promise<Page<T | DecodeError>> {
  const size = pageSize(page)
  const cursors = new Cursors(`${name} ${JSON.stringify(params)}`)
  const start: Position = page.after == null ? { skip: 0 } : cursors.decode(page.after, positionIn)
  const inPage = start.token === undefined ? 0 : start.skip
  const response = await search({
    ...params,
    ...(start.token === undefined ? (start.skip > 0 ? { offset: start.skip } : {}) : { next_token: start.token }),
    limit: Math.min(maxFirst, inPage + size),
  })

  const seen = new Set<string>(digestsIn(start.seen ?? ""))
  const known = new Set<string>()
  const nodes: (T | DecodeError)[] = []
  const indexes: number[] = []
  let read = 0
  for (const node of response.results) {
    // Items beyond the requested number belong to the next page.
    if (nodes.length === size) break
    const id = node instanceof DecodeError ? undefined : node.id
    const repeated = id !== undefined && (known.has(id) || (seen.size > 0 && seen.has(digestOf(id))))
    if (id !== undefined) known.add(id)
    if (read >= inPage && !repeated) {
      nodes.push(node)
      indexes.push(read)
    }
    read += 1
  }

  const positionAfter = (index: number): Position =>
    start.token === undefined
      ? { skip: start.skip + index + 1 }
      : { token: start.token, skip: Math.max(start.skip, index + 1) }
  const isWhole = read === response.results.length
  // An empty token means none. If the token does not fit into a cursor, the next page is requested by offset.
  const token = response.next_token !== "" && isToken(response.next_token) ? response.next_token : null
  const next = isWhole && response.has_more === true && token !== null ? { token, skip: 0 } : positionAfter(read - 1)
  // Without this a page with no new items that leads to itself would be requested forever.
  const isStuck = nodes.length === 0 && next.token === start.token && next.skip === start.skip
  const hasNextPage = !isWhole || (response.has_more === true && !isStuck)
  let encodedEnd: string | undefined
  const endCursor = () => {
    if (encodedEnd !== undefined) return encodedEnd
    if (nodes.length === 0 && !hasNextPage) return null
    const digests =
      (start.seen ?? "") + nodes.map((node) => (node instanceof DecodeError ? "" : digestOf(node.id))).join("")
    encodedEnd = cursors.encode({ ...next, seen: digests.slice(-maxDigests * digestLength) } satisfies Position)
    return encodedEnd
  }
  return {
    nodes,
    hasNextPage,
    hasPreviousPage: page.after != null,
    cursorAt: (index) =>
      index === nodes.length - 1 ? (endCursor() as string) : cursors.encode(positionAfter(indexes[index] as number)),
    endCursor,
  }
}

function digestOf(id: string): string {
  return hash(id, digestLength)
}

function digestsIn(seen: string): string[] {
  return Array.from({ length: seen.length / digestLength }, (_, index) =>
    seen.slice(index * digestLength, (index + 1) * digestLength),
  )
}

/**
 * One page of a list that Code Ocean returns as a whole. A cursor contains the key of its item and not an offset, so that new items at
 * the start of the list do not shift the pages.
 * @param name what the cursors are bound to
 * @param list returns the items in order. Not called if the arguments of the page are invalid
 * @param keyOf the key of an item in a cursor
 * @param readKey validates the content of a cursor, which may be any value. Returns undefined if it is not a key
 * @param follows whether the item comes after the one with the key
 */
export async function pageOfList<T, Key>(
  name: string,
  list: () => Promise<readonly T[]>,
  page: PageArguments,
  keyOf: (item: T) => Key,
  readKey: (value: unknown) => Key | undefined,
  follows: (item: T, key: Key) => boolean,
): Promise<Page<T>> {
  const size = pageSize(page)
  const cursors = new Cursors(name)
  const key = page.after == null ? undefined : cursors.decode(page.after, readKey)
  const items = await list()
  const rest = key === undefined ? items : items.filter((item) => follows(item, key))
  const nodes = rest.slice(0, size)
  const cursorAt = (index: number) => cursors.encode(keyOf(nodes[index] as T))
  return {
    nodes,
    hasNextPage: rest.length > nodes.length,
    hasPreviousPage: page.after != null,
    cursorAt,
    endCursor: () => (nodes.length > 0 ? cursorAt(nodes.length - 1) : null),
  }
}
