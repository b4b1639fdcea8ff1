import assert from "node:assert/strict"
import { test } from "node:test"
import type { DocumentNode } from "@apollo/client"
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries"
import { persistedExchange } from "@urql/exchange-persisted"
import { createApolloClient } from "../../src/apollo.ts"
import { CapsulePage, RenameRun } from "../../src/operations.ts"
import { createUrqlClient } from "../../src/urql.ts"
import { countedFetch } from "../countedFetch.ts"

/** The key that codegen has given to a document in persisted-documents.json. */
const keyOf = (document: DocumentNode) => (document as { __meta__?: { hash: string } }).__meta__?.hash ?? ""

test("Apollo Client's operations are answered by their hashes alone, its own text is refused", async () => {
  const { fetch, sent } = countedFetch()
  const links = [new PersistedQueryLink({ generateHash: keyOf })]
  const { data } = await createApolloClient({ fetch, links }).query({ query: CapsulePage, variables: { first: 2 } })
  assert.equal(data?.searchCapsules?.edges.length, 2)
  assert.deepEqual(sent, [{ method: "POST", hasText: false }])

  await assert.rejects(createApolloClient().query({ query: CapsulePage, variables: { first: 2 } }), /manifest/)
})

test("urql's operations are answered by their hashes alone, mutations too, its own text is refused", async () => {
  const { fetch, sent } = countedFetch()
  const exchanges = [
    persistedExchange({
      enforcePersistedQueries: true,
      enableForMutation: true,
      generateHash: async (_text, document) => keyOf(document as DocumentNode),
    }),
  ]
  const client = createUrqlClient({ fetch, exchanges })
  const { data } = await client.query(CapsulePage, { first: 20 })
  const run = data?.searchCapsules?.edges.flatMap(({ node }) => node?.computations?.nodes ?? [])[0]
  const renamed = await client.mutation(RenameRun, { id: run?.id ?? "", name: "renamed by hash" })
  assert.equal(renamed.data?.renameComputation?.__typename, "RenameComputationPayload")
  assert.deepEqual(
    sent.map(({ hasText }) => hasText),
    [false, false],
  )

  const { error } = await createUrqlClient().query(CapsulePage, { first: 2 })
  assert.match(String(error), /manifest/)
})
