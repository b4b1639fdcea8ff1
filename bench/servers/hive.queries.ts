import { type DocumentName, documents } from "../documents.ts"
import type { Request } from "../queries.ts"
import { inOrder, offsetOf, searchForIds } from "./pages.ts"

// biome-ignore lint/suspicious/noExplicitAny: results of Hive Gateway's schema.
type Json = any

const time = (seconds: number) => new Date(seconds * 1000).toISOString()
const upper = (value: string) => value.toUpperCase()

const runs = (list: Json[]) => ({
  nodes: list.map(({ state, end_status, run_time, data_assets, ...rest }) => ({
    ...rest,
    ...(state && { state: upper(state) }),
    ...(end_status && { endStatus: upper(end_status) }),
    ...(run_time && { runTime: run_time }),
    ...(data_assets && { dataAssets: data_assets }),
  })),
})

const capsule = ({ status, created, last_accessed, versions, appPanel, computations, ...rest }: Json) => ({
  ...rest,
  ...(status && { status: upper(status) }),
  ...(created && { created: time(created) }),
  ...(last_accessed && { lastAccessed: time(last_accessed) }),
  ...(versions && {
    versions: versions.map(({ major_version, minor_version, release_time, doi }: Json) => ({
      majorVersion: major_version,
      minorVersion: minor_version,
      releaseTime: time(release_time),
      doi,
    })),
  }),
  ...(appPanel && {
    appPanel: {
      general: appPanel.general,
      parameters: appPanel.parameters.map(({ name, type, default_value }: Json) => ({
        name,
        type: upper(type),
        defaultValue: default_value,
      })),
      ...(appPanel.data_assets && {
        dataAssets: appPanel.data_assets.map(({ mount, dataAsset }: Json) => ({
          mount,
          dataAsset: { ...dataAsset, state: upper(dataAsset.state) },
        })),
      }),
    },
  }),
  ...(computations && { computations: runs(computations) }),
})

const page = ({ data: { searchCapsules } }: Json) => {
  const { results, has_more, next_token } = searchCapsules
  const pageInfo = has_more !== undefined && { pageInfo: { hasNextPage: has_more, endCursor: next_token } }
  return { data: { searchCapsules: { nodes: results.map(capsule), ...pageInfo } } }
}

/** The form of a query for this schema. */
interface Wording {
  query: string
  /** Converts the variables. They are the same by default. */
  variables?: (ours: Json) => Request["variables"]
  /** Converts the result into the form of the gateway's schema. */
  asOurs(answer: Json, ours: Json): unknown
}

const fields = "id name status owner slug created last_accessed description field tags"
const capsules = (limit: number) => `searchCapsules(input: {limit: ${limit}, offset: $offset})`
const offset = ({ after }: Json) => ({ offset: offsetOf(after) })
const versions = "versions { major_version minor_version release_time doi }"

/** A page with cursors. Its `endCursor` is the cursor of the last item. */
const edgesIn = (limit: number): Wording => ({
  query: `query ($offset: Int!) {
  ${capsules(limit)} { edges(offset: $offset) { cursor node { ${fields} ${versions} } } has_more }
}`,
  variables: offset,
  asOurs: ({ data: { searchCapsules } }) => {
    const edges = searchCapsules.edges.map(({ cursor, node }: Json) => ({ cursor, node: capsule(node) }))
    const pageInfo = { hasNextPage: searchCapsules.has_more, endCursor: edges.at(-1)?.cursor ?? null }
    return { data: { searchCapsules: { edges, pageInfo } } }
  },
})

const one = (fields: string) => ({
  query: `query ($id: String!) { getCapsule(id: $id) { ${fields} } }`,
  asOurs: ({ data }: Json) => ({ data: { capsule: capsule(data.getCapsule) } }),
})

/**
 * The queries for a schema with the REST API's names. It has edges only for searches with scalar fields, and its mutation cannot return
 * the object that it changed.
 */
const wordings: Partial<Record<DocumentName, Wording>> = {
  typename: { query: "{ __typename }", asOurs: (answer) => answer },
  nestedNodes: {
    query: `{
  searchCapsules(input: {limit: 50}) {
    results { id name computations { id name state run_time data_assets { mount dataAsset { id name size } } } }
  }
}`,
    asOurs: page,
  },
  wideEdges: edgesIn(1000),
  page: edgesIn(20),
  capsulesAfter: {
    query: `query ($offset: Int!) { ${capsules(3)} { results { id } } }`,
    variables: offset,
    asOurs: page,
  },
  wideNodes: {
    query: `{
  searchCapsules(input: {limit: 1000}) {
    results { ${fields} ${versions} }
  }
}`,
    asOurs: page,
  },
  capsulePage: {
    query: `query CapsulePage {
  searchCapsules(input: {limit: 50, query: "tag:ecephys", sort_field: "last_accessed", sort_order: "desc"}) {
    results {
      id name status last_accessed tags
      appPanel { general { title } parameters { name type default_value } data_assets { mount dataAsset { name size state } } }
      computations { id name state end_status run_time data_assets { mount dataAsset { id name size } } }
    }
    has_more next_token
  }
}`,
    asOurs: page,
  },
  byIds: {
    query: `query ($query: String!, $limit: Int!) {
  searchCapsules(input: {query: $query, limit: $limit}) { results { id name status owner slug created } }
}`,
    variables: ({ ids }) => searchForIds(ids),
    asOurs: ({ data }, { ids }) => ({ data: { capsules: inOrder(data.searchCapsules.results, ids).map(capsule) } }),
  },
  card: one("id name status owner slug created"),
  runs: one("id name computations { id name state run_time }"),
  inputs: one("id name computations { id data_assets { mount dataAsset { id name size } } }"),
  form: one("id name appPanel { general { title } parameters { name type default_value } }"),
  list: {
    query: `query ($search: String) {
  searchCapsules(input: {limit: 20, query: $search}) { results { id name status last_accessed } has_more next_token }
}`,
    asOurs: page,
  },
}

const byText = new Map<string, Wording>()
for (const [name, wording] of Object.entries(wordings)) byText.set(documents[name as DocumentName], wording)

/** The request for this server, and the conversion of its result. Undefined if its schema has no such query. */
export function wordingFor(
  server: string,
  request: Request,
): { request: Request; asOurs(answer: Json): Json } | undefined {
  if (server !== "hive") return { request, asOurs: (answer) => answer }
  const wording = byText.get(request.query)
  if (wording === undefined) return undefined
  const { query, variables = (ours) => ours, asOurs } = wording
  return {
    request: { query, variables: variables(request.variables ?? {}) },
    asOurs: (answer) => asOurs(answer, request.variables),
  }
}
