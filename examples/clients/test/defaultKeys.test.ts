import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { gql, InMemoryCache } from "@apollo/client"
import { Client, fetchExchange } from "@urql/core"
import { cacheExchange } from "@urql/exchange-graphcache"
import { createOperationDescriptor, fetchQuery, type GraphQLTaggedNode, getRequest } from "relay-runtime"
import { createApolloClient } from "../src/apollo.ts"
import { headers, url } from "../src/gateway.ts"
import { createRelayEnvironment } from "../src/relay/environment.ts"
import { panelTitles, runsAndPanels } from "../src/relay/operations.ts"
import { createUrqlClient } from "../src/urql.ts"
import { countedFetch } from "./countedFetch.ts"

const textOf = (query: GraphQLTaggedNode) => gql(getRequest(query).params.text ?? "")

/** The warnings of clients in development. */
function warningsOf({ mock }: TestContext) {
  const calls = [mock.method(console, "warn", () => {}), mock.method(console, "error", () => {})]
  return () => calls.flatMap(({ mock }) => mock.calls.map((call) => call.arguments.join(" ")))
}

/** Fails if the response has no objects that a cache could confuse. */
function assertAmbiguous(answer: unknown) {
  for (const name of ["dataAssetId", "categoryId"]) {
    const valuesById = new Map<string, Set<string>>()
    JSON.stringify(answer, (_key, value) => {
      const id = value?.[name]
      if (id) valuesById.set(id, (valuesById.get(id) ?? new Set()).add(JSON.stringify(value)))
      return value
    })
    assert.notEqual([...valuesById.values()].filter(({ size }) => size > 1).length, 0, name)
  }
}

const plain = (data: unknown) =>
  JSON.parse(JSON.stringify(data, (key, value) => (key === "__typename" ? undefined : value)))

test("Apollo Client keeps each object's own values, also those that other queries select, without a warning", async (context) => {
  const warnings = warningsOf(context)
  const { fetch, answers } = countedFetch()
  const client = createApolloClient({ fetch })
  const query = textOf(runsAndPanels)
  const { data } = await client.query({ query })
  await client.query({ query: textOf(panelTitles) })
  assertAmbiguous(answers[0].data)
  assert.deepEqual(data, answers[0].data)
  assert.deepEqual(client.readQuery({ query }), data)
  assert.deepEqual(warnings(), [])
})

test("urql keeps each object's own values, also those that other queries select, without a warning", async (context) => {
  const warnings = warningsOf(context)
  const { fetch, answers } = countedFetch()
  const client = createUrqlClient({ fetch })
  const { data } = await client.query(textOf(runsAndPanels), {})
  await client.query(textOf(panelTitles), {})
  const again = await client.query(textOf(runsAndPanels), {}, { requestPolicy: "cache-only" })
  assertAmbiguous(answers[0].data)
  assert.deepEqual(plain(data), plain(answers[0].data))
  assert.deepEqual(again.data, data)
  assert.deepEqual(warnings(), [])
})

test("Relay keeps each object's own values, also those that other queries select, without a warning", async (context) => {
  const warnings = warningsOf(context)
  const { fetch, answers } = countedFetch()
  const environment = createRelayEnvironment(fetch)
  const operation = createOperationDescriptor(getRequest(runsAndPanels), {})
  environment.retain(operation)
  await fetchQuery(environment, runsAndPanels, {}).toPromise()
  await fetchQuery(environment, panelTitles, {}).toPromise()
  const { data, isMissingData } = environment.lookup(operation.fragment)
  assertAmbiguous(answers[0].data)
  assert.deepEqual(data, answers[0].data)
  assert.equal(isMissingData, false)
  assert.deepEqual(warnings(), [])
})

test("the caches of Apollo Client and urql mix no objects up without any configuration", async (context) => {
  warningsOf(context)
  const { fetch, answers } = countedFetch()
  const query = textOf(runsAndPanels)
  const { data } = await new Client({
    url,
    fetchOptions: { headers },
    fetch,
    exchanges: [cacheExchange(), fetchExchange],
    preferGetMethod: false,
  }).query(query, {})
  assertAmbiguous(answers[0].data)
  assert.deepEqual(plain(data), plain(answers[0].data))
  const cache = new InMemoryCache()
  cache.writeQuery({ query, data: answers[0].data })
  assert.deepEqual(plain(cache.readQuery({ query })), plain(answers[0].data))
})
