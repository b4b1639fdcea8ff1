import { documents } from "./documents.ts"

/** One GraphQL request. */
export interface Request {
  query: string
  variables?: Record<string, unknown>
}

/** One measurement. */
export interface Query {
  name: string
  what: string
  /** What is sent, round-robin. */
  requests: readonly Request[]
  /** The minimum of REST calls of its distinct requests together, if they share none. */
  calls: number
  /** The approximate rate of operations on the gateway. A comparison runs a number of operations, since a duration depends on the load. */
  perSecond: number
  /** By default each request is an operation, and the next one is from another caller. */
  burst?: Burst
  /** Measures these pages of a search. The query has a variable `after`. The first page is 1. */
  pages?: { from: number; to: number }
  /** Requests for what follows the cursors of the first response. Cursors differ between servers, but these results must be equal. */
  afterCursors?: (data: Data) => Request[]
}

/** One caller sends all requests at once, and waits for all responses. */
export interface Burst {
  /** The number of callers that send bursts independently of each other. They start at different times. */
  callers: number
  /** The caller sends the same requests again after this delay. */
  repeatAfterMs?: number
  requestsPerOperation: number
}

// biome-ignore lint/suspicious/noExplicitAny: the result of a query, whose shape the query has.
type Data = any

/** The id of the n-th object of a kind in the simulated upstream. */
export function idOf(kind: "capsule" | "computation" | "asset", n: number): string {
  const group = { capsule: "cccc", computation: "dddd", asset: "eeee" }[kind]
  return `00000000-0000-4000-${group}-${String(n).padStart(12, "0")}`
}

/** Continues after an item in the middle of the page, after its last item, and after `endCursor`. */
function capsulesAfter({ searchCapsules }: Data): Request[] {
  const { edges, pageInfo } = searchCapsules
  const cursors = [edges[Math.floor(edges.length / 2)].cursor, edges.at(-1).cursor, pageInfo.endCursor]
  return cursors.map((after) => ({ query: documents.capsulesAfter, variables: { after } }))
}

function runsAfter({ searchCapsules }: Data): Request[] {
  const { id, computations } = searchCapsules.edges[1].node
  const cursors = [computations.edges[1].cursor, computations.pageInfo.endCursor]
  return cursors.map((after) => ({ query: documents.runsAfter, variables: { id, after } }))
}

const dashboard: readonly Request[] = [
  ...[3, 4, 5, 6].flatMap((n) =>
    [documents.card, documents.runs, documents.inputs, documents.form].map((query) => ({
      query,
      variables: { id: idOf("capsule", n) },
    })),
  ),
  ...["tag:ecephys", "tag:sorting", "ada", "spikes"].map((search) => ({
    query: documents.list,
    variables: { search },
  })),
]

export const queries: readonly Query[] = [
  {
    name: "Q1",
    what: "one capsule, six fields",
    requests: [{ query: documents.card, variables: { id: idOf("capsule", 7) } }],
    calls: 1,
    perSecond: 10000,
  },
  {
    name: "Q2",
    what: "50 capsules, 5 runs each, 2 of 40 data assets a run, in edges with cursors",
    requests: [{ query: documents.nestedEdges }],
    calls: 91,
    perSecond: 150,
    afterCursors: (data) => [...capsulesAfter(data), ...runsAfter(data)],
  },
  {
    name: "Q2n",
    what: "the same in nodes, without cursors",
    requests: [{ query: documents.nestedNodes }],
    calls: 91,
    perSecond: 150,
  },
  {
    name: "Q3",
    what: "1,000 capsules, ten fields and three versions each, in edges with cursors",
    requests: [{ query: documents.wideEdges }],
    calls: 1,
    perSecond: 60,
    afterCursors: capsulesAfter,
  },
  {
    name: "Q3n",
    what: "the same in nodes, without cursors",
    requests: [{ query: documents.wideNodes }],
    calls: 1,
    perSecond: 80,
  },
  { name: "Q4", what: "`{ __typename }`", requests: [{ query: documents.typename }], calls: 0, perSecond: 20000 },
  {
    name: "Q5",
    what: "the capsule page that GraphiQL opens with",
    requests: [{ query: documents.capsulePage }],
    calls: 141,
    perSecond: 110,
    afterCursors: ({ searchCapsules }) => [
      { query: documents.orderedAfter, variables: { after: searchCapsules.pageInfo.endCursor } },
    ],
  },
  {
    name: "Q6",
    what: "a mutation, and the object as it is then",
    requests: [{ query: documents.archive, variables: { input: { id: idOf("capsule", 7), archived: true } } }],
    calls: 2,
    perSecond: 7000,
  },
  {
    name: "Q7",
    what: "pages 1 to 10 of a search in pages of 20, with Q3's fields",
    requests: [{ query: documents.page }],
    pages: { from: 1, to: 10 },
    calls: 10,
    perSecond: 2000,
  },
  {
    name: "Q7+",
    what: "pages 41 to 50 of the same search",
    requests: [{ query: documents.page }],
    pages: { from: 41, to: 50 },
    calls: 10,
    perSecond: 2000,
  },
  {
    name: "Q8",
    what: "50 capsules by their ids",
    requests: [
      {
        query: documents.byIds,
        variables: { ids: Array.from({ length: 50 }, (_, n) => idOf("capsule", (n * 617) % 1000)) },
      },
    ],
    calls: 1,
    perSecond: 1500,
  },
  {
    name: "Q9",
    what: "the 20 queries of a dashboard, sent at once by one caller, and again a second later",
    requests: dashboard,
    burst: { callers: 16, repeatAfterMs: 1000, requestsPerOperation: 20 },
    calls: 72,
    perSecond: 30,
  },
  {
    name: "Q2=",
    what: "Q2, 32 equal ones of one caller at once",
    requests: Array<Request>(32).fill({ query: documents.nestedEdges }),
    burst: { callers: 1, requestsPerOperation: 1 },
    calls: 91,
    perSecond: 500,
  },
]

/** The same fields on pages of three sizes: what a node costs should not depend on the page. */
export const growth: readonly Query[] = ([100, 300, 1000] as const).map((first) => ({
  name: `N${first}`,
  what: `${first} capsules, ten fields`,
  requests: [{ query: documents[`wide${first}`] }],
  calls: 1,
  perSecond: Math.round(120_000 / first),
}))
