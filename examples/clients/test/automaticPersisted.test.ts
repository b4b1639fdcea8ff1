import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import { gql } from "@apollo/client"
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries"
import { persistedExchange } from "@urql/exchange-persisted"
import { createApolloClient } from "../src/apollo.ts"
import { createUrqlClient } from "../src/urql.ts"
import { countedFetch } from "./countedFetch.ts"

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

/** A query with a new name, which the gateway has not stored. */
const newQuery = (client: string) =>
  gql`query ${client}${Date.now()} { searchCapsules(first: 1) { nodes { id name } } }`

test("Apollo Client sends a query's text once, and from then on every client its hash, by GET", async () => {
  const query = newQuery("Apollo")
  const ask = async () => {
    const { fetch, sent } = countedFetch()
    const links = [new PersistedQueryLink({ sha256, useGETForHashedQueries: true })]
    const { data } = await createApolloClient({ fetch, links }).query({ query })
    assert.equal((data as { searchCapsules: { nodes: unknown[] } }).searchCapsules.nodes.length, 1)
    return sent
  }
  assert.deepEqual(await ask(), [
    { method: "GET", hasText: false },
    { method: "POST", hasText: true },
  ])
  assert.deepEqual(await ask(), [{ method: "GET", hasText: false }])
})

test("urql sends a query's text once, and from then on every client its hash, by GET", async () => {
  const query = newQuery("Urql")
  const ask = async () => {
    const { fetch, sent } = countedFetch()
    const { data, error } = await createUrqlClient({ fetch, exchanges: [persistedExchange()] }).query(query, {})
    assert.equal(error, undefined)
    assert.equal(data.searchCapsules.nodes.length, 1)
    return sent.map(({ hasText }) => hasText)
  }
  assert.deepEqual(await ask(), [false, true])
  assert.deepEqual(await ask(), [false])
})
