import type { Query } from "../queries.ts"

// biome-ignore lint/suspicious/noExplicitAny: responses in Hive Gateway's schema.
type Json = any

const time = (seconds: number) => new Date(seconds * 1000).toISOString()
const upper = (value: string) => value.toUpperCase()

const runs = (list: Json[]) => ({
  nodes: list.map(({ state, end_status, run_time, data_assets, ...rest }) => ({
    ...rest,
    state: upper(state),
    ...(end_status && { endStatus: upper(end_status) }),
    runTime: run_time,
    dataAssets: data_assets,
  })),
})

const capsule = ({ status, created, last_accessed, appPanel, computations, ...rest }: Json) => ({
  ...rest,
  ...(status && { status: upper(status) }),
  ...(created && { created: time(created) }),
  ...(last_accessed && { lastAccessed: time(last_accessed) }),
  ...(appPanel && {
    appPanel: {
      general: appPanel.general,
      parameters: appPanel.parameters.map(({ name, type, default_value }: Json) => ({
        name,
        type: upper(type),
        defaultValue: default_value,
      })),
      dataAssets: appPanel.data_assets.map(({ mount, dataAsset }: Json) => ({
        mount,
        dataAsset: { ...dataAsset, state: upper(dataAsset.state) },
      })),
    },
  }),
  ...(computations && { computations: runs(computations) }),
})

const page = ({ data: { searchCapsules } }: Json) => {
  const { results, has_more, next_token } = searchCapsules
  const pageInfo = has_more !== undefined && { pageInfo: { hasNextPage: has_more, endCursor: next_token } }
  return { data: { searchCapsules: { nodes: results.map(capsule), ...pageInfo } } }
}

const nested = `{
  searchCapsules(input: {limit: 50}) {
    results { id name computations { id name state run_time data_assets { mount dataAsset { id name size } } } }
  }
}`

/**
 * The same queries for a schema with the shapes of the REST API, and the conversion of its responses to the gateway's shapes. Q6 is
 * missing, because the mutation of that schema cannot return the changed object.
 */
export const hiveQueries: Record<string, Pick<Query, "query" | "variables"> & { asOurs(answer: Json): unknown }> = {
  Q1: {
    query: "query ($id: String!) { getCapsule(id: $id) { id name status owner slug created } }",
    asOurs: ({ data }) => ({ data: { capsule: capsule(data.getCapsule) } }),
  },
  Q2: { query: nested, asOurs: page },
  "Q2=": { query: nested, asOurs: page },
  Q3: {
    query:
      "{ searchCapsules(input: {limit: 1000}) { results { id name status owner slug created last_accessed description field tags } } }",
    asOurs: page,
  },
  Q4: { query: "{ __typename }", asOurs: (answer) => answer },
  Q5: {
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
}
