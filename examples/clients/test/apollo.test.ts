import assert from "node:assert/strict"
import { test } from "node:test"
import type { ObservableQuery } from "@apollo/client"
import { filter, firstValueFrom, map } from "rxjs"
import { createApolloClient } from "../src/apollo.ts"
import type { CapsulePageQuery, CapsulePageQueryVariables } from "../src/generated/graphql.ts"
import { CapsulePage, RenameRun } from "../src/operations.ts"
import { countedFetch } from "./countedFetch.ts"

const capsulesOf = (data: CapsulePageQuery | undefined) => data?.searchCapsules?.edges.map(({ node }) => node) ?? []

/** The first result of a watched page with so many capsules. */
const shown = (page: ObservableQuery<CapsulePageQuery, CapsulePageQueryVariables>, count: number) =>
  firstValueFrom(
    page.pipe(
      map(({ data, dataState }) => (dataState === "complete" ? data : undefined)),
      filter((data) => capsulesOf(data).length === count),
    ),
  )

test("a page, and the next one joins it", async () => {
  const page = createApolloClient().watchQuery({ query: CapsulePage, variables: { first: 2 } })
  const first = await shown(page, 2)
  await page.fetchMore({ variables: { after: first?.searchCapsules?.pageInfo.endCursor ?? null } })
  const both = capsulesOf(await shown(page, 4))
  assert.deepEqual(both.slice(0, 2), capsulesOf(first))
  assert.equal(new Set(both.map((capsule) => capsule?.id)).size, 4)
})

test("pages of different searches stay apart", async () => {
  const client = createApolloClient()
  const ask = (query: string) => client.query({ query: CapsulePage, variables: { first: 5, query } })
  const [cells, spikes] = [await ask("name:cell"), await ask("name:spike")]
  assert.notEqual(cells.data?.searchCapsules?.edges.length, 0)
  assert.notDeepEqual(cells.data, spikes.data)
})

test("a data asset that runs mount in different folders keeps all of them, by the default keys", async () => {
  const { fetch, answers } = countedFetch()
  const { data } = await createApolloClient({ fetch }).query({ query: CapsulePage, variables: { first: 50 } })
  assert.deepEqual(data, answers[0].data)
})

test("a run's new name is seen wherever the run is, without asking again", async () => {
  const { fetch, sent } = countedFetch()
  const client = createApolloClient({ fetch })
  const page = client.watchQuery({ query: CapsulePage, variables: { first: 20 } })
  let seen: CapsulePageQuery | undefined
  await new Promise<void>((resolve, reject) => {
    page.subscribe(({ data, dataState, error }) => {
      if (error) reject(error)
      if (dataState !== "complete") return
      seen = data
      resolve()
    })
  })
  const runs = () => capsulesOf(seen).flatMap((capsule) => capsule?.computations?.nodes ?? [])
  const id = runs()[0]?.id ?? ""
  const name = `renamed at ${Date.now()}`
  const { data } = await client.mutate({ mutation: RenameRun, variables: { id, name } })
  assert.equal(data?.renameComputation?.__typename, "RenameComputationPayload")
  assert.equal(runs().find((run) => run?.id === id)?.name, name)
  assert.equal(sent.length, 2)
})
