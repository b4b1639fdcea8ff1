import assert from "node:assert/strict"
import { test } from "node:test"
import {
  commitMutation,
  createOperationDescriptor,
  type Environment,
  fetchQuery,
  type GraphQLTaggedNode,
  getFragment,
  getRequest,
  getSingularSelector,
} from "relay-runtime"
import type { CapsuleList_query$data } from "../src/relay/__generated__/CapsuleList_query.graphql.ts"
import nextPage, {
  type CapsuleListPaginationQuery,
} from "../src/relay/__generated__/CapsuleListPaginationQuery.graphql.ts"
import type { CapsuleRow_capsule$data } from "../src/relay/__generated__/CapsuleRow_capsule.graphql.ts"
import oneRow, { type CapsuleRowRefetchQuery } from "../src/relay/__generated__/CapsuleRowRefetchQuery.graphql.ts"
import type { operationsCapsulesPageQuery } from "../src/relay/__generated__/operationsCapsulesPageQuery.graphql.ts"
import type { operationsRenameRunMutation } from "../src/relay/__generated__/operationsRenameRunMutation.graphql.ts"
import { capsuleList } from "../src/relay/CapsuleList.tsx"
import { capsuleRow } from "../src/relay/CapsuleRow.tsx"
import { createRelayEnvironment } from "../src/relay/environment.ts"
import { capsulesPage, renameRun } from "../src/relay/operations.ts"
import { countedFetch } from "./countedFetch.ts"

/** The page's data from Relay's store, as its components get it. */
async function openPage(first: number) {
  const { fetch, sent, answers } = countedFetch()
  const environment = createRelayEnvironment(fetch)
  await fetchQuery<operationsCapsulesPageQuery>(environment, capsulesPage, { first }).toPromise()
  const page = createOperationDescriptor(getRequest(capsulesPage), { first })
  environment.retain(page)

  function read<Data>(fragment: GraphQLTaggedNode, owner: unknown): Data {
    const { data, isMissingData } = environment.lookup(
      getSingularSelector(getFragment(fragment), owner) ?? assert.fail(),
    )
    assert.equal(isMissingData, false)
    return data as Data
  }
  const list = () => read<CapsuleList_query$data>(capsuleList, environment.lookup(page.fragment).data).searchCapsules
  const nodes = () => list()?.edges.flatMap(({ node }) => node ?? []) ?? []
  const rows = () => nodes().map((node) => read<CapsuleRow_capsule$data>(capsuleRow, node))
  return { environment, sent, answers, list, nodes, rows }
}

const rename = (environment: Environment, id = "", name: string) =>
  new Promise((onCompleted, onError) => {
    commitMutation<operationsRenameRunMutation>(environment, {
      mutation: renameRun,
      variables: { id, name },
      onCompleted,
      onError,
    })
  })

test("a page, and the next one joins it in the connection", async () => {
  const { environment, nodes, list } = await openPage(2)
  const before = nodes()
  assert.equal(before.length, 2)
  const after = list()?.pageInfo.endCursor ?? null
  await fetchQuery<CapsuleListPaginationQuery>(environment, nextPage, { first: 2, after }).toPromise()
  assert.deepEqual(nodes().slice(0, 2), before)
  assert.equal(new Set(nodes().map(({ id }) => id)).size, 4)
})

test("one node is fetched again by its id, with what has changed meanwhile", async () => {
  const { environment, nodes, rows } = await openPage(20)
  const index = rows().findIndex(({ computations }) => computations?.nodes[0])
  const run = () => rows()[index]?.computations?.nodes[0]
  const name = `renamed elsewhere at ${Date.now()}`
  await rename((await openPage(1)).environment, run()?.id, name)
  assert.notEqual(run()?.name, name)
  await fetchQuery<CapsuleRowRefetchQuery>(environment, oneRow, { id: nodes()[index]?.id ?? "" }).toPromise()
  assert.equal(run()?.name, name)
})

test("a data asset that runs mount in different folders keeps all of them, by the default keys", async () => {
  const { rows, answers } = await openPage(50)
  const mounts = (capsules: readonly CapsuleRow_capsule$data[]) =>
    capsules.map(({ computations }) =>
      computations?.nodes.map((run) => run?.dataAssets?.map((asset) => `${asset?.dataAssetId} ${asset?.mount}`)),
    )
  const sent = answers[0].data.searchCapsules.edges.map(({ node }: { node: CapsuleRow_capsule$data }) => node)
  assert.deepEqual(mounts(rows()), mounts(sent))
})

test("a run's new name is seen wherever the run is, without asking again", async () => {
  const { environment, rows, sent } = await openPage(20)
  const runs = () => rows().flatMap(({ computations }) => computations?.nodes ?? [])
  const id = runs()[0]?.id ?? ""
  const name = `renamed at ${Date.now()}`
  await rename(environment, id, name)
  assert.equal(runs().find((run) => run?.id === id)?.name, name)
  assert.equal(sent.length, 2)
})
