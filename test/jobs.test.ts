import { readFile } from "node:fs/promises"
import { Kind, parse } from "graphql"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startGateway, type World } from "./support/gateway.ts"
import { follow, pushedTime } from "./support/live.ts"

const document = await readFile(new URL("../docs/jobs.md", import.meta.url), "utf8")

/** Whether an operation of the page is a query, a mutation or a subscription. */
const kinds = new Map<string, string>()

/** The operations of the page by their names. */
const operations = new Map(
  [...document.matchAll(/```graphql\n(.*?)```/gs)].map(([, source]) => {
    const [definition] = parse(source as string).definitions
    if (definition?.kind !== Kind.OPERATION_DEFINITION) throw new Error("no operation")
    kinds.set(definition.name?.value ?? "", definition.operation)
    return [definition.name?.value ?? "", source as string]
  }),
)

/** The variables after an operation in the page, by the operation's name. */
const pageVariables = new Map(
  [...document.matchAll(/```graphql\n\w+ (\w+)[^`]*```\n\n```json\n(.*?)```/gs)].map(([, name, text]) => [
    name as string,
    JSON.parse(text as string) as Record<string, unknown>,
  ]),
)

/** The operations of each job, and its calls in the page's table. */
const jobs = [...document.matchAll(/^\| [^|]+ \| ([^|]+) \| (\d+) \| (\d+) \|([^|]*)\|$/gm)].map(
  ([, names, rest, here, additional]) => ({
    names: [...(names as string).matchAll(/`(\w+)`/g)].map(([, name]) => name as string),
    rest: Number(rest),
    here: Number(here),
    additional: (additional as string).trim(),
  }),
)

/** The calls of the table by the job's last operation. */
const costs = new Map(jobs.map((job) => [job.names.at(-1), job]))

/** Runs an operation of the page with the page's variables, or others. It must not cost more than its estimate. */
async function run({ ask }: World, name: string, variables = pageVariables.get(name)) {
  const headers = { authorization: `Bearer ${tokens.ada}`, "x-upstream-cost": "1" }
  const { data, errors, extensions } = await ask(operations.get(name) as string, variables, headers)
  expect(errors, name).toBeUndefined()
  expect(extensions.cost.upstreamCalls, name).toBeLessThanOrEqual(extensions.cost.estimatedUpstreamCalls)
  return data
}

/** The calls that were made must be those of the table. */
function expectCost({ sandbox }: World, name: string): void {
  expect(sandbox.requests.length, name).toBe(costs.get(name)?.here)
}

test("docs/jobs.md has twelve jobs, each of them one operation, or one mutation and one subscription", () => {
  expect(costs.size).toBe(12)
  expect(jobs.flatMap(({ names }) => names).sort()).toEqual([...operations.keys()].sort())
  for (const { names } of jobs)
    expect(["query", "mutation", "mutation subscription"]).toContain(names.map((name) => kinds.get(name)).join(" "))
})

test("a job in docs/jobs.md with more calls than the shortest script explains them, and no other does", () => {
  for (const { names, rest, here, additional } of jobs) expect(additional !== "", names.join()).toBe(here > rest)
})

test("the job for the newest data asset with a tag returns it and its provenance", async () => {
  const world = await startGateway()
  const { searchDataAssets } = await run(world, "NewestWithTag")
  expect(searchDataAssets.nodes[0]).toMatchObject({
    name: expect.any(String),
    provenance: { computation: { name: expect.any(String) } },
  })
  expectCost(world, "NewestWithTag")
})

test("the job that runs, waits, captures and shares ends with a shared data asset", async () => {
  const time = pushedTime()
  const world = await startGateway({ clock: time })
  const url = await world.gateway.listen()
  const { runCapsule } = await run(world, "Run")
  const variables = { ...pageVariables.get("CaptureWhenDone"), id: runCapsule.computation.id }
  const following = await follow(url, operations.get("CaptureWhenDone") as string, {}, variables)
  expect((await following.next())?.data.captureResult.computation.state).toBe("INITIALIZING")
  await time.waits()
  world.sandbox.clock.advance(60)
  time.push(60)
  while ((await following.next())?.data.captureResult.dataAsset?.state !== "DRAFT");
  await time.waits(2)
  world.sandbox.clock.advance(11)
  time.push(11)
  const events = await following.rest()
  expect(events.at(-1)?.data.captureResult).toMatchObject({
    dataAsset: { state: "READY" },
    complete: true,
    refusal: null,
  })
  expectCost(world, "CaptureWhenDone")
})

test("the job for a run's outcome returns the outcome of the run", async () => {
  const world = await startGateway()
  const { computation } = await run(world, "DidItSucceed")
  expect(computation.outcome).toBe("SUSPECT")
  expect(computation.outcomeReasons).not.toHaveLength(0)
  expect(computation.log).toEqual(expect.any(String))
  // The file itself is read from its signed address, which the sandbox does not record as a call of its API.
  expect(world.sandbox.requests.length + 1).toBe(costs.get("DidItSucceed")?.here)
})

test("the job for failed runs returns the failed runs of a pipeline", async () => {
  const world = await startGateway()
  const { pipeline } = await run(world, "FailedRuns")
  expect(pipeline.computations.nodes.map(({ id }: { id: string }) => id)).toEqual([seed.failedPipelineRun])
  expectCost(world, "FailedRuns")
})

test("the job for the runs of a data asset returns the runs that used it", async () => {
  const world = await startGateway()
  const { dataAsset } = await run(world, "WhoUsedIt")
  const used = dataAsset.attachedTo.nodes.flatMap(
    (capsule: { computations: { nodes: unknown[] } }) => capsule.computations.nodes,
  )
  expect(used.length).toBeGreaterThan(1)
  expectCost(world, "WhoUsedIt")
})

test("the job for a subject returns all its data assets", async () => {
  const world = await startGateway()
  const { searchDataAssets } = await run(world, "OfSubject")
  expect(searchDataAssets.nodes.length).toBeGreaterThan(1)
  expectCost(world, "OfSubject")
})

test("the job that edits tags changes many data assets after a dry run", async () => {
  const world = await startGateway()
  const dry = await run(world, "EditTags")
  expect(dry.updateDataAssets.items.every(({ status }: { status: string }) => status === "WOULD_CHANGE")).toBe(true)
  const before = world.sandbox.requests.length
  const real = await run(world, "EditTags", { ...pageVariables.get("EditTags"), dryRun: false })
  expect(real.updateDataAssets).toMatchObject({ changed: 1, failed: 0 })
  expect(world.sandbox.requests.length - before).toBe(costs.get("EditTags")?.here)
})

test("the job that attaches finds data assets by name, tag or query", async () => {
  const world = await startGateway()
  const { attachDataAssets } = await run(world, "AttachFound")
  expect(attachDataAssets.results.length).toBeGreaterThan(0)
  expectCost(world, "AttachFound")
})

test("the job for owned objects returns everything that the caller owns", async () => {
  const world = await startGateway()
  const { searchCapsules, searchPipelines, searchDataAssets } = await run(world, "Inventory")
  for (const { nodes } of [searchCapsules, searchPipelines, searchDataAssets]) expect(nodes.length).toBeGreaterThan(0)
  expectCost(world, "Inventory")
})

test("the job for unused data assets returns archived ones that nothing uses", async () => {
  const world = await startGateway()
  const { searchDataAssets } = await run(world, "CanBeDeleted")
  expect(searchDataAssets.nodes).toMatchObject([{ id: seed.archivedAsset, attachedTo: { nodes: [] } }])
  expectCost(world, "CanBeDeleted")
})

test("the job that reads files returns one small file of many data assets", async () => {
  const world = await startGateway()
  const { searchDataAssets } = await run(world, "ReadOneFile")
  expect(searchDataAssets.nodes.some(({ file }: { file: { json: unknown } }) => file.json !== null)).toBe(true)
  const files = searchDataAssets.nodes.filter(({ file }: { file: { json: unknown } }) => file.json !== null).length
  expect(world.sandbox.requests.length + files).toBe(costs.get("ReadOneFile")?.here)
})

test("the job for parameters runs a capsule with them and returns those of the run", async () => {
  const world = await startGateway()
  const { runCapsule } = await run(world, "RunAndCheck")
  expect(runCapsule.computation.parameters).toEqual([{ paramName: "stain", value: "NeuN" }])
  expect(runCapsule.computation.runnable.appPanel.parameters.length).toBeGreaterThan(1)
  expectCost(world, "RunAndCheck")
})

test.each([...operations.keys()].filter((name) => kinds.get(name) !== "subscription"))(
  "the job %s works in the demo as pasted",
  async (name) => {
    const world = await startGateway({ sandbox: { documentedOnly: true } })
    const [result] = Object.values((await run(world, name)) as Record<string, unknown>)
    expect(result).toEqual(expect.any(Object))
    expect(result).not.toHaveProperty("code")
  },
)

test("the job that captures works in the demo as pasted, with a run that has ended", async () => {
  const world = await startGateway({ clock: pushedTime(), sandbox: { documentedOnly: true } })
  const url = await world.gateway.listen()
  const variables = pageVariables.get("CaptureWhenDone")
  const following = await follow(url, operations.get("CaptureWhenDone") as string, {}, variables)
  expect((await following.next())?.data.captureResult).toMatchObject({ computation: { outcome: "SUCCEEDED" } })
  expect((await following.next())?.data.captureResult.dataAsset).toMatchObject({ state: "DRAFT" })
})
