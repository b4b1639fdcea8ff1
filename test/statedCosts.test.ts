import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLUnionType,
  getNamedType,
  isCompositeType,
  isObjectType,
} from "graphql"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { type Result, startGateway, type World } from "./support/gateway.ts"

/** What is selected of a type: more than its id, which often costs nothing. */
const selections: Record<string, string> = {
  AppPanel: "general { title }",
  CapsuleConnection: "nodes { name }",
  ComputationConnection: "nodes { name }",
  CustomMetadataSchema: "categories",
  DataAssetConnection: "nodes { name }",
  FileHead: "text",
  FilePart: "text",
  Node: "... on DataAsset { name }",
  Permissions: "everyone",
  PipelineConnection: "nodes { name }",
  ReleaseJob: "status",
  Runnable: "... on Capsule { name }",
  _Service: "sdl",
}

const attachment = `dataAssets: [{id: "${seed.probeGeometry}", mount: "p"}]`

/** The inputs of the mutations. */
const inputs: Record<string, string> = {
  archiveCapsule: `id: "${seed.cellCounter}", archived: true`,
  archiveDataAsset: `id: "${seed.cellImages}", archived: true`,
  archivePipeline: `id: "${seed.ecephysPipeline}", archived: true`,
  attachComputationDataAssets: `computationId: "${seed.workstation}", ${attachment}`,
  attachDataAssets: `capsuleId: "${seed.cellCounter}", ${attachment}`,
  attachPipelineDataAssets: `pipelineId: "${seed.ecephysPipeline}", ${attachment}`,
  captureResult: `computationId: "${seed.countedCells}", name: "x", tags: [], mount: "m"`,
  createDataAsset: `name: "x", tags: [], mount: "m", source: {computation: {id: "${seed.countedCells}"}}`,
  deleteCapsule: `id: "${seed.archivedNotebook}"`,
  deleteComputation: `id: "${seed.countedCells}"`,
  deleteDataAsset: `id: "${seed.archivedAsset}"`,
  deletePipeline: `id: "${seed.archivedPipeline}"`,
  detachComputationDataAssets: `computationId: "${seed.workstation}", dataAssetIds: ["${seed.cellImages}"]`,
  detachDataAssets: `capsuleId: "${seed.cellCounter}", dataAssetIds: ["${seed.cellImages}"]`,
  detachPipelineDataAssets: `pipelineId: "${seed.ecephysPipeline}", dataAssetIds: ["${seed.mouseRecording}"]`,
  releaseCapsule: `id: "${seed.cellCounter}"`,
  releasePipeline: `id: "${seed.imagingPipeline}"`,
  renameComputation: `id: "${seed.countedCells}", name: "n"`,
  runCapsule: `capsuleId: "${seed.cellCounter}", checkParameters: false`,
  runPipeline: `pipelineId: "${seed.ecephysPipeline}", checkParameters: false`,
  syncCapsule: `id: "${seed.cellCounter}"`,
  syncPipeline: `id: "${seed.ecephysPipeline}"`,
  transferDataAsset: `id: "${seed.cellImages}", target: {aws: {bucket: "b"}}`,
  updateCapsulePermissions: `capsuleId: "${seed.cellCounter}", everyone: VIEWER`,
  updateDataAsset: `id: "${seed.cellImages}", name: "n"`,
  updateDataAssetPermissions: `dataAssetId: "${seed.cellImages}", everyone: VIEWER`,
  updateDataAssets: `ids: ["${seed.cellImages}"], addTags: ["another"]`,
  updatePipelinePermissions: `pipelineId: "${seed.ecephysPipeline}", everyone: VIEWER`,
}

/** Changes that a mutation needs before it. */
const before: Record<string, string> = {
  detachComputationDataAssets: `attachComputationDataAssets(input: {computationId: "${seed.workstation}", dataAssets: [{id: "${seed.cellImages}", mount: "p"}]}) { __typename }`,
}

/** Who may make a mutation, if not Ada. */
const callers: Record<string, string> = { releasePipeline: tokens.grace, transferDataAsset: tokens.admin }

/** The sandbox has no pipeline with a Git repository. A mutation that is refused costs as much. */
const refusedHere = ["syncPipeline"]

type Place = (field: string) => string

/** Queries with a place for a field of a type. */
const places: Record<string, Place> = {
  Query: (field) => `{ ${field} __typename }`,
  AppPanelDataAsset: (field) => `{ capsule(id: "${seed.cellCounter}") { appPanel { dataAssets { mount ${field} } } } }`,
  Capsule: (field) => `{ capsule(id: "${seed.cellCounter}") { name ${field} } }`,
  Computation: (field) => `{ computation(id: "${seed.countedCells}") { name ${field} } }`,
  ComputationDataAsset: (field) => `{ computation(id: "${seed.countedCells}") { dataAssets { mount ${field} } } }`,
  ContainedDataAsset: (field) =>
    `{ dataAsset(id: "${seed.combinedRecordings}") { containedDataAssets { mount ${field} } } }`,
  CustomMetadataEntry: (field) => `{ dataAsset(id: "${seed.mouseRecording}") { customMetadata { key ${field} } } }`,
  DataAsset: (field) => `{ dataAsset(id: "${seed.cellImages}") { name ${field} } }`,
  File: (field) =>
    `{ computation(id: "${seed.countedCells}") { name resultFile(path: "processing.json") { name ${field} } } }`,
  FilePart: (field) =>
    `{ computation(id: "${seed.countedCells}") { name resultFile(path: "output") { part { text ${field} } } } }`,
  Folder: (field) => `{ computation(id: "${seed.countedCells}") { name results { name ${field} } } }`,
  LineageNode: (field) => `{ dataAsset(id: "${seed.sortedSpikes}") { lineage { nodes { nodeId ${field} } } } }`,
  OriginalCapsule: (field) => `{ capsule(id: "${seed.spikeSortingCopy}") { originalCapsule { name ${field} } } }`,
  Pipeline: (field) => `{ pipeline(id: "${seed.ecephysPipeline}") { name ${field} } }`,
  Provenance: (field) => `{ dataAsset(id: "${seed.sortedSpikes}") { provenance { commit ${field} } } }`,
  RecentComputationConnection: (field) => `{ recentComputations(runnables: 2) { isComplete ${field} } }`,
  ReleaseJob: (field) =>
    `{ capsule(id: "${seed.cellCounter}") { release(jobId: "${seed.secondRelease}") { status ${field} } } }`,
  Submission: (field) => `{ capsule(id: "${seed.cellCounter}") { submission { commit ${field} } } }`,
}

/** The fields whose cost depends on more than these queries show, and which have tests of their own. */
const dependent = [
  "Capsule.archived",
  "CaptureResultPayload.dataAsset",
  "Computation.findRunnable",
  // One search finds the capsules of all processes.
  "ComputationProcess.capsule",
  "DataAsset.archived",
  "DataAsset.lineage",
  "FilePart.matches",
  "Mutation.updateDataAssets",
  "Pipeline.archived",
  "Query._entities",
  "Query.capsules",
  "Query.node",
  "Query.nodes",
  "Query.pipelines",
  "Query.recentComputations",
  ...Object.keys(schema.getSubscriptionType()?.getFields() ?? {}).map((name) => `Subscription.${name}`),
]

/** Null in these queries: there is no link to follow. */
const isNullHere = ["Computation.runnable", "Pipeline.releaseCapsule"]

const args: Record<string, string> = {
  "Capsule.release": `(jobId: "${seed.secondRelease}")`,
  "Computation.resultFile": `(path: "output")`,
  "DataAsset.file": `(path: "a")`,
  "Pipeline.release": `(jobId: "${seed.imagingRelease}")`,
  "Query.capsule": `(id: "${seed.cellCounter}")`,
  "Query.computation": `(id: "${seed.countedCells}")`,
  "Query.computations": `(ids: ["${seed.countedCells}"])`,
  "Query.dataAsset": `(id: "${seed.cellImages}")`,
  "Query.dataAssets": `(ids: ["${seed.cellImages}"])`,
  "Query.pipeline": `(id: "${seed.ecephysPipeline}")`,
}

const numbers: Record<string, number> = { no: 0, one: 1, two: 2 }

/** The calls that a description states first. */
function statedIn(description: string | null | undefined): number | undefined {
  const [, number] = /\bcosts (no|one|two) REST calls?/i.exec(description ?? "") ?? []
  return number === undefined ? undefined : numbers[number]
}

interface Stated {
  name: string
  description: string
  calls: number
  /** The field with more than an id, and with its id alone if that costs nothing. */
  field: string
  idAlone?: string
}

/** The fields of a type whose descriptions state calls. */
function statedFields(typeName: string, within = (field: string) => field): Stated[] {
  return Object.values((schema.getType(typeName) as GraphQLObjectType).getFields()).flatMap((field) => {
    const name = `${typeName}.${field.name}`
    const calls = statedIn(field.description)
    if (calls === undefined || dependent.includes(name)) return []
    const named = getNamedType(field.type)
    const call = `stated: ${field.name}${args[name] ?? ""}`
    const isFree = /none if only (its|their) ids? (is|are) selected/.test(field.description ?? "")
    return [
      {
        name,
        description: field.description ?? "",
        calls,
        field: within(isCompositeType(named) ? `${call} { ${selections[named.name] ?? "name"} }` : call),
        ...(isFree && { idAlone: within(`${call} { id }`) }),
      },
    ]
  })
}

/** The different values of the field, anywhere in a result. */
function statedValues(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value !== "object" || value === null) return found
  for (const [key, inner] of Object.entries(value)) {
    if (key === "stated") for (const one of [inner].flat()) found.add(JSON.stringify(one))
    else statedValues(inner, found)
  }
  return found
}

/** The objects within the payloads of mutations, and where they are. */
const withinPayloads: Record<string, [mutation: string, field: string]> = {
  AttachedDataAsset: ["attachDataAssets", "results"],
  DataAssetUpdate: ["updateDataAssets", "items"],
}

const costOf = ({ extensions }: Result): number => extensions.cost.upstreamCalls

const withCost = (token: string = tokens.ada) => ({ authorization: `Bearer ${token}`, "x-upstream-cost": "1" })

test("each field of a query costs what its description states", async () => {
  const { ask } = await startGateway()
  const askWithCost = async (query: string) => {
    const result = await ask(query, {}, withCost())
    expect(result.errors, query).toBeUndefined()
    return result
  }
  for (const [type, place] of Object.entries(places)) {
    const without = costOf(await askWithCost(place("")))
    for (const { name, description, calls, field, idAlone } of statedFields(type)) {
      const result = await askWithCost(place(field))
      const values = [...statedValues(result.data)].filter((value) => value !== "null")
      // The link of each of several objects is a call of its own.
      const isLink = /only (its|their) ids? (is|are) selected/.test(description)
      if (isLink) expect(values.length === 0, name).toBe(isNullHere.includes(name))
      const times = isLink ? values.length : 1
      expect(costOf(result) - without, name).toBe(calls * times)
      if (idAlone !== undefined) expect(costOf(await askWithCost(place(idAlone))), name).toBe(without)
    }
  }
})

test("each mutation, and each field of its payload, costs what its description states", async () => {
  const mutations = (schema.getMutationType() as GraphQLObjectType).getFields()
  let made = 0
  for (const [mutation, input] of Object.entries(inputs)) {
    const { description, type } = mutations[mutation] as GraphQLField<unknown, unknown>
    const [payload] = (getNamedType(type) as GraphQLUnionType).getTypes().filter(({ name }) => name.endsWith("Payload"))
    const change = (selected: string) =>
      `mutation { ${before[mutation] ?? ""} ${mutation}(input: {${input}}) { __typename ... on ${payload?.name} { ${selected} } } }`
    let world: World | undefined
    /** Makes the change, in another sandbox if it cannot be made again. Returns its calls without those before it. */
    const make = async (selected = "__typename") => {
      for (;;) {
        const isFirst = world === undefined
        world ??= await startGateway()
        made += 1
        const query = change(selected).replace("another", `tag ${made}`)
        const result = await world.ask(query, {}, withCost(callers[mutation]))
        expect(result.errors, mutation).toBeUndefined()
        const isMade = result.data[mutation].__typename === payload?.name
        if (isMade || refusedHere.includes(mutation)) return costOf(result) - (mutation in before ? 1 : 0)
        if (isFirst) throw new Error(`${mutation} was refused`)
        world = undefined
      }
    }
    const stated = statedIn(description) ?? (mutation === "updateDataAssets" ? 2 : Number.NaN)
    expect(await make(), mutation).toBe(stated)
    if (refusedHere.includes(mutation)) continue
    const within = Object.entries(withinPayloads).filter(([, [one]]) => one === mutation)
    const inPayload = [
      ...statedFields(payload?.name as string),
      ...within.flatMap(([type, [, field]]) => statedFields(type, (inner) => `${field} { ${inner} }`)),
    ]
    for (const { name, calls, field, idAlone } of inPayload) {
      expect(await make(field), name).toBe(stated + calls)
      if (idAlone !== undefined) expect(await make(idAlone), name).toBe(stated)
    }
  }
})

test("no other description states a cost", () => {
  const types = [...Object.keys(places), ...Object.keys(withinPayloads)]
  const isMeasured = (type: string, field: string) =>
    types.includes(type) || type.endsWith("Payload") || (type === "Mutation" && field in inputs)
  const others = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type))
    .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type: type.name, field })))
    .filter(({ field }) => /\bcosts?\b/i.test(field.description ?? ""))
    .filter(({ type, field }) => statedIn(field.description) === undefined || !isMeasured(type, field.name))
    .map(({ type, field }) => `${type}.${field.name}`)
    .filter((name) => !dependent.includes(name))
  expect(others).toEqual([])
})
