import { useCallback, useEffect, useReducer, useRef } from "react"
import { type TypedDocumentNode, useClient } from "urql"
import { type Problem, problemsOf } from "./problem.ts"
import { nameOf, type PageData, usePage } from "./usePage.ts"
import { useRead } from "./useRead.ts"

/*
 * A list that grows at its end. Its first page is the request of the page, and each further one a request of its own. They are kept
 * as they came instead of merged in the cache, so that page 50 costs no more than page 2.
 */

export interface Connection<Node> {
  nodes: readonly (Node | null)[]
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

interface Paged {
  first: number
  after?: string | null | undefined
}

interface Further<Node> {
  /** The cursor that each page was read from. The list is continued only if it is still the end of what is there. */
  pages: { after: string; connection: Connection<Node> }[]
  loading: boolean
  problem: Problem | undefined
}

export interface Pages<Data, Node> extends PageData<Data> {
  /** Whether the first page is still being read. A part of it may be known from other pages. */
  isReadingFirst: boolean
  /** All items so far. */
  nodes: readonly Node[]
  hasMore: boolean
  loadingMore: boolean
  /** Why the last further page could not be read. */
  moreProblem: Problem | undefined
  /** Reads the next page. Does nothing while one is being read. */
  loadMore(): void
}

/** The further pages of the last lists, by client and request, so that going back shows the whole list at once. */
const kept = 5
const lists = new WeakMap<object, Map<string, Further<unknown>>>()

export function usePages<Data, Node, Variables extends Record<string, unknown> & Paged>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  select: (data: Data) => Connection<Node> | null | undefined,
): Pages<Data, Node> {
  const client = useClient()
  const read = useRead()
  const page = usePage(query, variables)
  const [, redraw] = useReducer((count: number) => count + 1, 0)
  const isMounted = useRef(true)
  useEffect(() => {
    isMounted.current = true
    return () => {
      isMounted.current = false
    }
  }, [])

  const first = page.data === undefined ? undefined : select(page.data)
  const key = JSON.stringify(variables)
  const list = listOf<Node>(client, `${nameOf(query)} ${key}`)
  let end = first?.pageInfo
  const nodes: Node[] = []
  const add = (connection: Connection<Node>) => {
    for (const node of connection.nodes) if (node !== null) nodes.push(node)
  }
  if (first) add(first)
  for (const { after, connection } of list.pages) {
    if (after !== end?.endCursor) break
    add(connection)
    end = connection.pageInfo
  }

  const after = end?.hasNextPage ? end.endCursor : null
  const loadMore = useCallback(async () => {
    if (list.loading || after === null) return
    list.loading = true
    redraw()
    const wanted = { ...(JSON.parse(key) as Variables), after, withFields: false }
    const result = await read(query, wanted, "network-only")
    list.loading = false
    if (result === undefined) return
    const connection = result.data ? select(result.data) : undefined
    list.problem = connection ? undefined : problemsOf(result.error)[0]
    if (connection) {
      const index = list.pages.findIndex((known) => known.after === after)
      list.pages.splice(index === -1 ? list.pages.length : index, Number.POSITIVE_INFINITY, { after, connection })
    }
    if (isMounted.current) redraw()
  }, [read, query, key, select, after, list])

  return {
    ...page,
    isReadingFirst: !first && page.problems.length === 0,
    nodes,
    hasMore: after !== null,
    loadingMore: list.loading,
    moreProblem: list.problem,
    loadMore: () => void loadMore(),
  }
}

function listOf<Node>(client: object, key: string): Further<Node> {
  const known = lists.get(client) ?? new Map<string, Further<unknown>>()
  lists.set(client, known)
  const list = known.get(key) ?? { pages: [], loading: false, problem: undefined }
  if (!known.has(key)) {
    known.set(key, list)
    const [oldest] = known.keys()
    if (known.size > kept && oldest !== undefined) known.delete(oldest)
  }
  return list as Further<Node>
}
