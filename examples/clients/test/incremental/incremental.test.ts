import assert from "node:assert/strict"
import { test } from "node:test"
import { gql } from "@apollo/client"
import { createApolloClient } from "../../src/apollo.ts"
import { createUrqlClient } from "../../src/urql.ts"

interface Page {
  searchCapsules: { edges: { node: { id: string; name: string; appPanel?: { general: { title: string } } } }[] }
}

const panelsLater = gql`
  query PanelsLater {
    searchCapsules(first: 3, query: "name:cell") {
      edges { node { id name ... @defer { appPanel { general { title } } } } }
    }
  }
`

const listLater = gql`
  query ListLater($ids: [ID!]!) {
    capsules(ids: $ids) @stream(initialCount: 1) { id name }
  }
`

/** The titles of a page's panels, as far as they have arrived. */
const titles = ({ searchCapsules: { edges } }: Page) => edges.flatMap(({ node }) => node.appPanel?.general.title ?? [])

test("Apollo Client shows a page at once and what is deferred when it comes", async () => {
  const seen: string[][] = []
  await new Promise<void>((resolve, reject) => {
    createApolloClient()
      .watchQuery<Page>({ query: panelsLater })
      .subscribe(({ data, dataState, error }) => {
        if (error) reject(error)
        if (data) seen.push(titles(data as Page))
        if (dataState === "complete") resolve()
      })
  })
  assert.deepEqual(seen[0], [])
  assert.notDeepEqual(seen.at(-1), [])
})

test("urql shows a page at once and what is deferred when it comes", async () => {
  const seen: string[][] = []
  await new Promise<void>((resolve, reject) => {
    createUrqlClient()
      .query<Page>(panelsLater, {})
      .subscribe(({ data, error, hasNext }) => {
        if (error) reject(error)
        if (data) seen.push(titles(data))
        if (!hasNext) resolve()
      })
  })
  assert.deepEqual(seen[0], [])
  assert.notDeepEqual(seen.at(-1), [])
})

test("urql shows the beginning of a streamed list before its end", async () => {
  const client = createUrqlClient()
  const { data } = await client.query<{ searchCapsules: { nodes: { id: string }[] } }>(
    gql`query Ids { searchCapsules(first: 3) { nodes { id } } }`,
    {},
  )
  const ids = data?.searchCapsules.nodes.map(({ id }) => id) ?? []
  const lengths: number[] = []
  await new Promise<void>((resolve, reject) => {
    client.query<{ capsules: unknown[] }>(listLater, { ids }).subscribe(({ data, error, hasNext }) => {
      if (error) reject(error)
      if (data) lengths.push(data.capsules.length)
      if (!hasNext) resolve()
    })
  })
  assert.equal(lengths[0], 1)
  assert.equal(lengths.at(-1), 3)
})
