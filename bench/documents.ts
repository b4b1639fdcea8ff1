const pageInfo = "pageInfo { hasNextPage endCursor }"

/** The items of a connection, as Relay and the Relay caches of Apollo and urql ask for them. */
const edges = (node: string) => `edges { cursor node { ${node} } } ${pageInfo}`
const nodes = (node: string) => `nodes { ${node} }`

const run = "id name state runTime dataAssets { mount dataAsset { id name size } }"
const nested = (items: typeof nodes) =>
  `{ searchCapsules(first: 50) { ${items(`id name computations(first: 5) { ${items(run)} }`)} } }`

const scalars = "id name status owner slug created lastAccessed description field tags"
const withVersions = `${scalars} versions { majorVersion minorVersion releaseTime doi }`
const wide = (first: number) => `{ searchCapsules(first: ${first}) { ${nodes(scalars)} } }`

const ordered = `query: "tag:ecephys", orderBy: {field: LAST_ACCESSED, direction: DESC}`
const oneCapsule = (fields: string) => `query ($id: ID!) { capsule(id: $id) { ${fields} } }`

/** Every document that is sent, by a name for it. */
export const documents = {
  typename: "{ __typename }",
  nestedEdges: nested(edges),
  nestedNodes: nested(nodes),
  wideEdges: `{ searchCapsules(first: 1000) { ${edges(withVersions)} } }`,
  wideNodes: `{ searchCapsules(first: 1000) { ${nodes(withVersions)} } }`,
  wide100: wide(100),
  wide300: wide(300),
  wide1000: wide(1000),
  page: `query ($after: String) { searchCapsules(first: 20, after: $after) { ${edges(withVersions)} } }`,
  byIds: "query ($ids: [ID!]!) { capsules(ids: $ids) { id name status owner slug created } }",
  capsulePage: `query CapsulePage {
  searchCapsules(first: 50, ${ordered}) {
    nodes {
      id name status lastAccessed tags
      appPanel { general { title } parameters { name type defaultValue } dataAssets { mount dataAsset { name size state } } }
      computations(first: 5) { nodes { id name state endStatus runTime dataAssets { mount dataAsset { id name size } } } }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
  archive: `mutation ($input: ArchiveCapsuleInput!) {
  archiveCapsule(input: $input) { __typename ... on ArchiveCapsulePayload { capsule { id name status } } }
}`,
  card: oneCapsule("id name status owner slug created"),
  runs: oneCapsule("id name computations(first: 5) { nodes { id name state runTime } }"),
  inputs: oneCapsule("id name computations(first: 5) { nodes { id dataAssets { mount dataAsset { id name size } } } }"),
  form: oneCapsule("id name appPanel { general { title } parameters { name type defaultValue } }"),
  list: `query ($search: String) { searchCapsules(first: 20, query: $search) { ${nodes("id name status lastAccessed")} ${pageInfo} } }`,
  capsulesAfter: "query ($after: String) { searchCapsules(first: 3, after: $after) { nodes { id } } }",
  orderedAfter: `query ($after: String) { searchCapsules(first: 3, after: $after, ${ordered}) { nodes { id } } }`,
  runsAfter:
    "query ($id: ID!, $after: String) { capsule(id: $id) { computations(first: 2, after: $after) { nodes { id } } } }",
} as const

export type DocumentName = keyof typeof documents
