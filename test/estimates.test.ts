import { readdirSync, readFileSync } from "node:fs"
import { type DocumentNode, getOperationAST, Kind, parse, print, separateOperations } from "graphql"
import { expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { createEstimator } from "../src/operation/estimate/estimator.ts"
import { type Result, startGateway } from "./support/gateway.ts"
import { follow } from "./support/live.ts"

/** The operations of a folder by their names, each with its fragments. */
function operationsIn(folder: string): Record<string, string> {
  const root = new URL(`../${folder}/`, import.meta.url)
  const sources = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".graphql"))
    .map((name) => readFileSync(new URL(name, root), "utf8"))
  const operations = separateOperations(parse(sources.join("\n")))
  return Object.fromEntries(Object.entries(operations).map(([name, document]) => [name, print(document)]))
}

const explorer = operationsIn("explorer/src")
const tools = operationsIn("src/mcp/tools")
const estimate = createEstimator(schema)

const capsule = { id: seed.cellCounter, isPipeline: false }
const runs = { version: null, runs: 200, from: "", again: false }
const page = { first: 100, withFields: true }
const share = { everyone: "VIEWER", users: [{ email: "ada@example.org", role: "OWNER" }], groups: [] }

/** The variables of operations as people use them. An operation may be here several times, or not at all. */
const cases: [where: typeof explorer, name: string, variables: Record<string, unknown>][] = [
  [explorer, "Home", { first: 30 }],
  [explorer, "HomeLive", {}],
  [explorer, "LogTail", { id: seed.failedSorting }],
  [explorer, "SearchCapsules", page],
  [explorer, "SearchPipelines", page],
  [explorer, "SearchDataAssets", page],
  [explorer, "FindDataAssets", { first: 20 }],
  [explorer, "RunnablePage", { ...capsule, ...runs }],
  [explorer, "RunnablePage", { ...capsule, ...runs, id: seed.ecephysPipeline, isPipeline: true }],
  [explorer, "RunnablePage", { ...capsule, ...runs, from: seed.countedCells, again: true }],
  [explorer, "MoreRuns", { ...capsule, first: 1000 }],
  [explorer, "RunsLive", { id: seed.cellCounter }],
  [explorer, "ArchiveRunnable", { ...capsule, archived: true }],
  [explorer, "ArchiveRunnable", { id: seed.archivedPipeline, isPipeline: true, archived: false }],
  [explorer, "DeleteRunnable", { ...capsule, id: seed.archivedNotebook }],
  [explorer, "AttachData", { ...capsule, dataAssets: [{ id: seed.probeGeometry, mount: "p" }], version: null }],
  [explorer, "DetachData", { ...capsule, dataAssetIds: [seed.cellImages], version: null }],
  [explorer, "ShareCapsule", { input: { capsuleId: seed.cellCounter, ...share } }],
  [explorer, "SharePipeline", { input: { pipelineId: seed.ecephysPipeline, ...share } }],
  [explorer, "RunCapsule", { input: { capsuleId: seed.cellCounter } }],
  [explorer, "RunPipeline", { input: { pipelineId: seed.ecephysPipeline } }],
  [explorer, "RunPage", { id: seed.countedCells, of: seed.cellCounter, ofCapsule: true, ofPipeline: false }],
  [explorer, "RunPage", { id: seed.pipelineRun, of: seed.ecephysPipeline, ofCapsule: false, ofPipeline: true }],
  [explorer, "RunPage", { id: seed.countedCells, of: "", ofCapsule: false, ofPipeline: false }],
  [explorer, "RunLive", { id: seed.runningAlignment }],
  [explorer, "FindRunnable", { id: seed.countedCells }],
  [explorer, "OpenFolder", { id: seed.countedCells, isRun: true, path: "", after: null }],
  [explorer, "OpenFolder", { id: seed.cellImages, isRun: false, path: "", after: null }],
  [explorer, "FileText", { id: seed.countedCells, isRun: true, path: "output" }],
  [explorer, "FileUrl", { id: seed.countedCells, isRun: true, path: "output" }],
  [explorer, "ReadFile", { first: 25, path: "processing.json", withFile: true }],
  [explorer, "ReadFile", { first: 25, path: "", withFile: false }],
  [explorer, "Mine", { first: 200 }],
  [explorer, "RenameRun", { input: { id: seed.countedCells, name: "a" } }],
  [explorer, "DeleteRun", { input: { id: seed.countedCells } }],
  [explorer, "DataAssetPage", { id: seed.sortedSpikes }],
  [explorer, "DataAssetPage", { id: seed.cellImages }],
  [explorer, "DataAssetPage", { id: seed.combinedRecordings }],
  [explorer, "EditDataAsset", { input: { id: seed.cellImages, name: "New" } }],
  [explorer, "ArchiveDataAsset", { input: { id: seed.cellImages, archived: true } }],
  [explorer, "DeleteDataAsset", { input: { id: seed.archivedAsset } }],
  [explorer, "ShareDataAsset", { input: { dataAssetId: seed.cellImages, ...share } }],
  [explorer, "BulkEdit", { ids: [seed.cellImages, seed.sortedSpikes], add: ["a"], remove: [], set: [], dryRun: false }],
  [tools, "FindCapsules", {}],
  [tools, "FindCapsules", { pipelines: true }],
  [tools, "FindData", { metadata: true, provenance: true }],
  [tools, "FailedRuns", { id: seed.spikeSorting }],
  [tools, "Inventory", {}],
  [tools, "Lineage", { id: seed.sortedSpikes }],
  [tools, "ListFiles", { id: seed.countedCells }],
  [tools, "ListFiles", { id: seed.cellImages, dataAsset: true }],
  [tools, "MetadataFields", {}],
  [tools, "ReadFile", { id: seed.countedCells, path: "output" }],
  [tools, "ReadFiles", { path: "processing.json" }],
  [tools, "ShowCapsule", { id: seed.cellCounter }],
  [tools, "ShowCapsule", { id: seed.ecephysPipeline }],
  [tools, "ShowRun", { id: seed.pipelineRun }],
  [tools, "UnusedData", {}],
  [tools, "UsedBy", { id: seed.cellImages }],
  [tools, "WaitForRun", { id: seed.countedCells }],
  [tools, "WhatFailed", {}],
  [tools, "Run", { id: seed.cellCounter }],
  [tools, "ArchiveData", { id: seed.cellImages }],
  [tools, "AttachData", { capsuleId: seed.cellCounter, dataAssets: [{ id: seed.probeGeometry, mount: "p" }] }],
  [tools, "DeleteDataPreview", { id: seed.archivedAsset }],
  [tools, "DeleteData", { id: seed.archivedAsset }],
  [tools, "DeleteRunPreview", { id: seed.countedCells }],
  [tools, "EditData", { ids: [seed.cellImages], addTags: ["a"], dryRun: false }],
  [tools, "ShareData", { id: seed.cellImages, everyone: "VIEWER" }],
]

/** Values for the variables that an operation requires and a case does not give. */
const valueByType: Record<string, unknown> = {
  Boolean: true,
  Int: 20,
  ID: seed.cellCounter,
  String: "a",
}

function required(document: DocumentNode): Record<string, unknown> {
  const operation = getOperationAST(document)
  const values = (operation?.variableDefinitions ?? [])
    .filter(({ type, defaultValue }) => type.kind === Kind.NON_NULL_TYPE && defaultValue === undefined)
    .map(({ variable, type }) => {
      const text = print(type).replace("!", "")
      return [variable.name.value, text.startsWith("[") ? [] : valueByType[text]]
    })
  return Object.fromEntries(values)
}

/** Runs an operation until its response, or the first event. Returns its calls, and the codes of its errors. */
async function run(query: string, variables: Record<string, unknown>): Promise<{ calls: number; codes: string[] }> {
  const { ask, sandbox, gateway } = await startGateway()
  let result: Result | undefined
  if (/^subscription/m.test(query)) {
    const following = await follow(await gateway.listen(), query, {}, variables)
    result = await following.next()
    following.leave()
  } else result = await ask(query, variables)
  return { calls: sandbox.requests.length, codes: (result?.errors ?? []).map(({ extensions }) => extensions.code) }
}

test.each([
  ["explorer", explorer, 30],
  ["agents' tools", tools, 25],
] as const)("no operation of the %s costs more than its estimate", async (what, operations, atLeast) => {
  const given = cases.filter(([where]) => where === operations).map(([, name, variables]) => ({ name, variables }))
  const others = Object.keys(operations).filter((name) => !given.some((one) => one.name === name))
  const costs: { name: string; estimated: number; calls: number; codes: string[] }[] = []
  for (const { name, variables } of [...given, ...others.map((name) => ({ name, variables: {} }))]) {
    const query = operations[name]
    if (query === undefined) throw new Error(`there is no operation ${name}`)
    const document = parse(query)
    const all = { ...required(document), ...variables }
    costs.push({ name, estimated: estimate(document, name, all).calls, ...(await run(query, all)) })
  }
  expect(costs.filter(({ estimated, calls }) => calls > estimated)).toEqual([])
  expect(costs.filter(({ calls }) => calls > 0).length, what).toBeGreaterThan(atLeast)
})

test("ids of which the searches find none cost no more than their estimate", async () => {
  const { ask, sandbox } = await startGateway()
  const ids = Array.from({ length: 101 }, (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`)
  const query =
    "query ($ids: [ID!]!) { capsules(ids: $ids) { name } pipelines(ids: $ids) { name } nodes(ids: $ids) { id } }"
  const { data } = await ask(query, { ids })
  expect(data.capsules).toEqual(ids.map(() => null))
  const { calls } = estimate(parse(query), null, { ids })
  expect(sandbox.requests.length).toBeLessThanOrEqual(calls)
  expect(sandbox.requestsTo("POST /capsules/search")).toHaveLength(2)
})

test("as many look-ups as the limit of calls allows are not cut off by the searches before them", async () => {
  const ids = Array.from({ length: 101 }, (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`)
  const query = "query ($ids: [ID!]!) { capsules(ids: $ids) { name } }"
  const { calls } = estimate(parse(query), null, { ids })
  const { ask } = await startGateway({ config: { limits: { calls } } })
  const { data, errors } = await ask(query, { ids })
  expect(errors).toBeUndefined()
  expect(data.capsules).toEqual(ids.map(() => null))
})
