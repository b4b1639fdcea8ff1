import { badUserInput } from "../../errors.ts"
import type { SearchPage } from "../../upstream/decoders.ts"
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
  /** From where the next page goes on; null when there is neither a node nor a next page. */
  endCursor(): string | null
}

/** The arguments of every connection. */
export interface PageArguments {
  first?: number | null | undefined
  after?: string | null | undefined
}

/** How many nodes a page is to have. Throws BAD_USER_INPUT for what upstream would refuse. */
export function pageSize({ first }: PageArguments): number {
  const size = first ?? defaultFirst
  if (size < 1 || size > maxFirst) {
    throw badUserInput(`\`first\` must be from 1 to ${maxFirst}; for more, walk on with \`after\`.`)
  }
  return size
}

/**
 * Where in a walk a page begins: `skip` items into the page that `token` opens, or into the whole search where there
 * is no token. `seen` has the marks of the last items before it.
 */
interface Position {
  token?: string | number
  skip: number
  seen?: string
}

/** Ids are remembered in cursors as marks of 48 bits: two of a thousand are alike once in five hundred million pages. */
const markLength = 8
/** One page at its largest: upstream repeats items where pages meet. */
const maxMarks = maxFirst

/** No page begins further on, and no token of upstream's is longer. */
const maxSkip = 1_000_000_000
const maxTokenLength = 4_096

function isToken(token: unknown): token is string | number {
  return typeof token === "string" ? token.length <= maxTokenLength : Number.isSafeInteger(token)
}

/** The position in a cursor; undefined where there is none, or one that no page has made. */
function positionIn(value: unknown): Position | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
  const { token, skip, seen, ...more } = value as Record<string, unknown>
  const isSkip = Number.isSafeInteger(skip) && (skip as number) >= 0 && (skip as number) <= maxSkip
  const isSeen =
    seen === undefined ||
    (typeof seen === "string" && seen.length % markLength === 0 && seen.length <= maxMarks * markLength)
  return (token === undefined || isToken(token)) && isSkip && isSeen && Object.keys(more).length === 0
    ? (value as Position)
    : undefined
}

/**
 * One page of an upstream search: one call. Walking on uses upstream's `next_token`; a cursor from the middle of a page
 * asks for that page again, longer. Upstream repeats an item now and then; what the walk has shown isn't shown again.
 * @param name the search's name; with `params` it is what cursors are bound to
 * @param params the search's body on the wire, without paging
 * @param search sends the search with this body
 */
export async function pageOfSearch<T extends { id: string }>(
  name: string,
  params: object,
  page: PageArguments,
  search: (body: object) => Promise<SearchPage<T>>,
): Promise<Page<T>> {
  const size = pageSize(page)
  const cursors = new Cursors(`${name} ${JSON.stringify(params)}`)
  const start: Position = page.after == null ? { skip: 0 } : cursors.decode(page.after, positionIn)
  const inPage = start.token === undefined ? 0 : start.skip
  const answer = await search({
    ...params,
    ...(start.token === undefined ? (start.skip > 0 ? { offset: start.skip } : {}) : { next_token: start.token }),
    limit: Math.min(maxFirst, inPage + size),
  })

  const seen = new Set<string>(marksIn(start.seen ?? ""))
  const known = new Set<string>()
  const nodes: T[] = []
  const places: number[] = []
  let read = 0
  for (const node of answer.results) {
    // More than was asked for is left to the next page.
    if (nodes.length === size) break
    const repeated = known.has(node.id) || (seen.size > 0 && seen.has(markOf(node.id)))
    known.add(node.id)
    if (read >= inPage && !repeated) {
      nodes.push(node)
      places.push(read)
    }
    read += 1
  }

  const positionAfter = (place: number): Position =>
    start.token === undefined
      ? { skip: start.skip + place + 1 }
      : { token: start.token, skip: Math.max(start.skip, place + 1) }
  const isWhole = read === answer.results.length
  // Upstream writes "" for nothing. With a token that no cursor can hold, the walk goes on by counting.
  const token = answer.next_token !== "" && isToken(answer.next_token) ? answer.next_token : null
  const next = isWhole && answer.has_more === true && token !== null ? { token, skip: 0 } : positionAfter(read - 1)
  // A page without anything new that leads to itself would be asked for again and again.
  const standsStill = nodes.length === 0 && next.token === start.token && next.skip === start.skip
  const hasNextPage = !isWhole || (answer.has_more === true && !standsStill)
  let made: string | undefined
  const endCursor = () => {
    if (made !== undefined) return made
    if (nodes.length === 0 && !hasNextPage) return null
    const marks = (start.seen ?? "") + nodes.map((node) => markOf(node.id)).join("")
    made = cursors.encode({ ...next, seen: marks.slice(-maxMarks * markLength) } satisfies Position)
    return made
  }
  return {
    nodes,
    hasNextPage,
    hasPreviousPage: page.after != null,
    cursorAt: (index) =>
      index === nodes.length - 1 ? (endCursor() as string) : cursors.encode(positionAfter(places[index] as number)),
    endCursor,
  }
}

function markOf(id: string): string {
  return hash(id, markLength)
}

function marksIn(seen: string): string[] {
  return Array.from({ length: seen.length / markLength }, (_, index) =>
    seen.slice(index * markLength, (index + 1) * markLength),
  )
}

/**
 * One page of a list that upstream gives whole. The cursor names the item it follows, not a number, so that new items at
 * the list's head don't shift the walk.
 * @param name what the cursors are bound to
 * @param list gives the items in the order to page through; not called when the page's arguments are refused
 * @param keyOf what a cursor remembers of an item
 * @param readKey takes that out of what a cursor holds, which may be anything: undefined where it is none
 * @param follows whether the item comes after the one that a cursor names
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
