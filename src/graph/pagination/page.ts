import { badUserInput } from "../../errors.ts"
import { DecodeError, isReadable, type SearchPage } from "../../upstream/decoders.ts"
import { Cursors, type WriteCursor } from "./cursor.ts"
import {
  commonPart,
  endPart,
  firstPosition,
  markOf,
  maxMarks,
  type Position,
  readPosition,
  tokenLength,
  tokenMark,
  trailAfter,
  usableToken,
  withToken,
} from "./position.ts"

export const defaultFirst = 20
export const maxFirst = 1000

/** One page of a connection. */
export interface Page<T> {
  nodes: T[]
  hasNextPage: boolean
  hasPreviousPage: boolean
  /** The cursor of the node with this index. */
  cursorAt(index: number): string
  /** The cursor after which the next page starts. Null if there is neither a node nor a next page. Throws `failure`. */
  endCursor(): string | null
  /** Why the list ends here although Code Ocean has more. */
  failure?: DecodeError | undefined
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
 * One page of a search. Makes one call. The next page is requested with Code Ocean's `next_token`. A cursor from the middle of a page
 * requests that page again, with a larger limit. Code Ocean sometimes repeats an item, which is then left out. An item that could not
 * be decoded is its DecodeError. A walk that would not advance ends with a page whose `endCursor` throws a DecodeError.
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
  const cursors = new Cursors(name, JSON.stringify(params))
  const start: Position = page.after == null ? firstPosition : cursors.decode(page.after, readPosition)
  const inPage = start.token === undefined ? 0 : start.skip
  const response = await search({
    ...params,
    ...(start.token === undefined ? (start.skip > 0 ? { offset: start.skip } : {}) : { next_token: start.token }),
    limit: Math.min(maxFirst, inPage + size),
  })
  const { results } = response

  const seen = new Set<string>(start.items)
  const known = new Set<string>()
  const nodes: (T | DecodeError)[] = []
  const indexes: number[] = []
  let read = 0
  for (const node of results) {
    // Items beyond the requested number belong to the next page.
    if (nodes.length === size) break
    const id = node instanceof DecodeError ? undefined : node.id
    const repeated = id !== undefined && (known.has(id) || (seen.size > 0 && seen.has(markOf(id))))
    if (id !== undefined) known.add(id)
    if (read >= inPage && !repeated) {
      nodes.push(node)
      indexes.push(read)
    }
    read += 1
  }

  // A page that is requested again, for its remaining items, is not a step of the walk.
  const trail = inPage > 0 ? start.trail : trailAfter(start, results)
  const isBarren = !nodes.some(isReadable)
  const end = endOfPage(start, response, read, { isEmpty: nodes.length === 0, isBarren, isNewStep: inPage === 0 })
  const problem = end.problem ?? (trail === "repeated" && end.next !== null ? repeatedPage(start) : undefined)
  const failure =
    problem === undefined
      ? undefined
      : new DecodeError(`Code Ocean sent an invalid response: ${problem}. The list ends here, and may be incomplete.`)
  const hasNextPage = end.next !== null && failure === undefined
  const shownTrail = trail === "repeated" ? start.trail : trail
  let writeItem: WriteCursor | undefined
  const itemCursor = (index: number) => {
    writeItem ??= cursors.startingWith(commonPart(start.token, shownTrail))
    const after = (indexes[index] as number) + 1
    const skip = start.token === undefined ? start.skip + after : Math.max(start.skip, after)
    return writeItem(skip.toString(36))
  }
  let encodedEnd: string | undefined
  const endCursor = () => {
    if (failure !== undefined) throw failure
    if (encodedEnd !== undefined) return encodedEnd
    if (nodes.length === 0 && !hasNextPage) return null
    const { token, skip } = end.next ?? end.last
    const tokens = token === undefined || token === start.token ? start.tokens : withToken(start.tokens, token)
    const barren = isBarren ? start.barren + 1 : 0
    const items = nodes
      .filter(isReadable)
      .slice(-maxMarks)
      .map(({ id }) => markOf(id))
    const own = endPart(skip, barren, tokens, [...start.items, ...items], tokenLength(token))
    encodedEnd = cursors.startingWith(commonPart(token, shownTrail))(own)
    return encodedEnd
  }
  return {
    nodes,
    hasNextPage,
    hasPreviousPage: page.after != null,
    cursorAt: (index) =>
      index === nodes.length - 1 && failure === undefined ? (endCursor() as string) : itemCursor(index),
    endCursor,
    failure,
  }
}

/** Pages without a new item in a row that are followed: Code Ocean repeats single items, which can be all of a small page. */
const maxBarrenPages = 3

interface PageEnd {
  /** Where the next page starts. Null if there is none. */
  next: Pick<Position, "token" | "skip"> | null
  /** After the last item that was read. */
  last: Pick<Position, "token" | "skip">
  /** Why the walk ends here although Code Ocean has more. */
  problem?: string
}

function repeatedPage({ token, skip }: Position): string {
  return token === undefined
    ? `it ignored the offset ${skip}, and sent an earlier page again`
    : "it sent an earlier page again in place of the next one"
}

/** Finds where the next page starts, and whether the walk has advanced. */
function endOfPage(
  start: Position,
  { results, has_more, next_token }: SearchPage<unknown>,
  read: number,
  { isEmpty, isBarren, isNewStep }: { isEmpty: boolean; isBarren: boolean; isNewStep: boolean },
): PageEnd {
  const skip = start.token === undefined ? start.skip + read : Math.max(start.skip, read)
  const last = { token: start.token, skip }
  if (read < results.length) return { next: last, last }
  if (!has_more) return { next: null, last }
  const token = usableToken(next_token)
  if (isEmpty && isNewStep && results.length > 1)
    return { next: null, last, problem: "it has more results, but sent nothing new" }
  if (isBarren && start.barren >= maxBarrenPages) {
    return { next: null, last, problem: `it has more results, but sent nothing new on ${maxBarrenPages + 1} pages` }
  }
  if (token !== undefined) {
    const mark = tokenMark(token)
    if ((start.token !== undefined && tokenMark(start.token) === mark) || start.tokens.includes(mark)) {
      return { next: null, last, problem: "its token for the next page is one that came before" }
    }
    return { next: { token, skip: 0 }, last }
  }
  if (skip === start.skip)
    return { next: null, last, problem: "it has more results, but sent nothing new, and no token for the next page" }
  return { next: last, last }
}

/**
 * Returns a function that makes a page of a list that Code Ocean returns as a whole. Checks the arguments of the page, so that the list
 * need not be read for invalid ones. A cursor contains the key of its item and not an offset, so that new items at the start of the list
 * do not shift the pages.
 * @param writeKey writes the cursor that identifies an item
 * @param readKey reads the content of a cursor, which may be any text. Returns undefined if it is not a key
 * @param follows whether the item comes after the one with the key
 */
export function pageOfList<T, Key>(
  cursors: Cursors,
  page: PageArguments,
  writeKey: (item: T, write: WriteCursor) => string,
  readKey: (text: string) => Key | undefined,
  follows: (item: T, key: Key) => boolean,
): <Item extends T>(items: readonly Item[]) => Page<Item> {
  const size = pageSize(page)
  const key = page.after == null ? undefined : cursors.decode(page.after, readKey)
  return (items) => {
    const rest = key === undefined ? items : items.filter((item) => follows(item, key))
    const nodes = rest.slice(0, size)
    let write: WriteCursor | undefined
    let encodedEnd: string | undefined
    const cursorAt = (index: number) => {
      if (index === nodes.length - 1 && encodedEnd !== undefined) return encodedEnd
      write ??= cursors.startingWith("")
      const cursor = writeKey(nodes[index] as T, write)
      if (index === nodes.length - 1) encodedEnd = cursor
      return cursor
    }
    return {
      nodes,
      hasNextPage: rest.length > nodes.length,
      hasPreviousPage: page.after != null,
      cursorAt,
      endCursor: () => (nodes.length > 0 ? cursorAt(nodes.length - 1) : null),
    }
  }
}
