import assert from "node:assert/strict"
import { test } from "node:test"
import type { CapsulePageQuery } from "../src/generated/graphql.ts"
import { CapsulePage, RenameRun, RunState } from "../src/operations.ts"
import { createUrqlClient } from "../src/urql.ts"
import { countedFetch } from "./countedFetch.ts"

const capsulesOf = (data: CapsulePageQuery | undefined) => data?.searchCapsules?.edges.map(({ node }) => node) ?? []

test("a page, and the next one joins it", async () => {
  const client = createUrqlClient()
  const { data, error } = await client.query(CapsulePage, { first: 2 })
  assert.equal(error, undefined)
  assert.equal(capsulesOf(data).length, 2)
  const after = data?.searchCapsules?.pageInfo.endCursor ?? null
  const next = await client.query(CapsulePage, { first: 2, after })
  assert.deepEqual(capsulesOf(next.data).slice(0, 2), capsulesOf(data))
  assert.equal(new Set(capsulesOf(next.data).map((capsule) => capsule?.id)).size, 4)
})

test("pages of different searches stay apart", async () => {
  const client = createUrqlClient()
  const cells = await client.query(CapsulePage, { first: 5, query: "name:cell" })
  const spikes = await client.query(CapsulePage, { first: 5, query: "name:spike" })
  assert.notEqual(capsulesOf(cells.data).length, 0)
  assert.notDeepEqual(cells.data, spikes.data)
})

test("a data asset that runs mount in different folders keeps all of them, by the default keys", async () => {
  const { fetch, answers } = countedFetch()
  const { data } = await createUrqlClient({ fetch }).query(CapsulePage, { first: 50 })
  assert.deepEqual(data, answers[0].data)
})

test("a run's new name is seen wherever the run is, without asking again", async () => {
  const { fetch, sent } = countedFetch()
  const client = createUrqlClient({ fetch })
  let shown: CapsulePageQuery | undefined
  await new Promise<void>((resolve, reject) => {
    client.query(CapsulePage, { first: 20 }).subscribe(({ data, error }) => {
      shown = data
      error ? reject(error) : resolve()
    })
  })
  const runs = () => capsulesOf(shown).flatMap((capsule) => capsule?.computations?.nodes ?? [])
  const id = runs()[0]?.id ?? ""
  const name = `renamed at ${Date.now()}`
  const { data } = await client.mutation(RenameRun, { id, name })
  assert.equal(data?.renameComputation?.__typename, "RenameComputationPayload")
  assert.equal(runs().find((run) => run?.id === id)?.name, name)
  assert.equal(sent.length, 2)
})

test("a run is followed until it ends", async () => {
  const client = createUrqlClient()
  const { data } = await client.query(CapsulePage, { first: 20 })
  const [run] = capsulesOf(data).flatMap((capsule) => capsule?.computations?.nodes ?? [])
  const states: unknown[] = []
  await new Promise<void>((resolve, reject) => {
    client.subscription(RunState, { id: run?.id ?? "" }).subscribe(({ data, error }) => {
      if (error) reject(error)
      states.push(data?.computation?.state)
      if (data?.computation?.state === "COMPLETED") resolve()
    })
  })
  assert.equal(states.at(-1), "COMPLETED")
})
