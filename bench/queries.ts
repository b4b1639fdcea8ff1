/** A request to measure, and the minimum number of REST calls that it needs. */
export interface Query {
  name: string
  what: string
  query: string
  variables?: Record<string, unknown>
  calls: number
  /** About how many the gateway handles per second: a comparison counts requests, because time depends on the machine's load. */
  perSecond: number
  /** Whether one caller sends all 32 requests at the same time, and the next 32 after all responses. */
  equal?: true
}

/** The id of the n-th object of a kind in the simulated upstream. */
export function idOf(kind: "capsule" | "computation" | "asset", n: number): string {
  const group = { capsule: "cccc", computation: "dddd", asset: "eeee" }[kind]
  return `00000000-0000-4000-${group}-${String(n).padStart(12, "0")}`
}

const nested = `{
  searchCapsules(first: 50) {
    nodes { id name computations(first: 5) { nodes { id name state runTime dataAssets { mount dataAsset { id name size } } } } }
  }
}`

const wide = (first: number) => `{
  searchCapsules(first: ${first}) { nodes { id name status owner slug created lastAccessed description field tags } }
}`

export const queries: readonly Query[] = [
  {
    name: "Q1",
    what: "one capsule, six fields",
    query: "query ($id: ID!) { capsule(id: $id) { id name status owner slug created } }",
    variables: { id: idOf("capsule", 7) },
    calls: 1,
    perSecond: 10000,
  },
  { name: "Q2", what: "50 capsules, 5 runs each, 2 of 40 data assets a run", query: nested, calls: 91, perSecond: 150 },
  { name: "Q3", what: "1,000 capsules, ten fields", query: wide(1000), calls: 1, perSecond: 120 },
  { name: "Q4", what: "`{ __typename }`", query: "{ __typename }", calls: 0, perSecond: 20000 },
  {
    name: "Q5",
    what: "the capsule page that GraphiQL opens with",
    query: `query CapsulePage {
  searchCapsules(first: 50, query: "tag:ecephys", orderBy: {field: LAST_ACCESSED, direction: DESC}) {
    nodes {
      id name status lastAccessed tags
      appPanel { general { title } parameters { name type defaultValue } dataAssets { mount dataAsset { name size state } } }
      computations(first: 5) { nodes { id name state endStatus runTime dataAssets { mount dataAsset { id name size } } } }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
    calls: 141,
    perSecond: 110,
  },
  {
    name: "Q6",
    what: "a mutation, and the object as it is then",
    query: `mutation ($input: ArchiveCapsuleInput!) {
  archiveCapsule(input: $input) { __typename ... on ArchiveCapsulePayload { capsule { id name status } } }
}`,
    variables: { input: { id: idOf("capsule", 7), archived: true } },
    calls: 2,
    perSecond: 7000,
  },
  {
    name: "Q2=",
    what: "Q2, 32 equal ones of one caller at once",
    query: nested,
    calls: 91,
    perSecond: 500,
    equal: true,
  },
]

/** The same fields on pages of three sizes: the cost per node should not depend on the size. */
export const growth: readonly Query[] = [100, 300, 1000].map((first) => ({
  name: `N${first}`,
  what: `${first} capsules, ten fields`,
  query: wide(first),
  calls: 1,
  perSecond: Math.round(120_000 / first),
}))
