import { readFile } from "node:fs/promises"
import { isInputObjectType, isInterfaceType, isObjectType } from "graphql"
import { expect, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { startGateway } from "./support/gateway.ts"

const document = await readFile(new URL("../docs/clients.md", import.meta.url), "utf8")
const rows = [...document.matchAll(/^\| `([a-z]\w*\.\w+)` \| `(\w+)\.(\w+)` \|$/gm)].map(([, method, type, field]) => ({
  method: method as string,
  type: type as string,
  field: field as string,
}))

/** The operations that capsules and pipelines have. */
const runnable = (one: "capsule" | "pipeline", target: string, archived: string) => {
  const One = one === "capsule" ? "Capsule" : "Pipeline"
  const attach = one === "capsule" ? "attachDataAssets" : "attachPipelineDataAssets"
  const detach = one === "capsule" ? "detachDataAssets" : "detachPipelineDataAssets"
  const read = (selection: string) => `{ ${one}(id: "${target}") { ${selection} } }`
  const asset = seed.sortedSpikes
  const released = one === "capsule" ? seed.cellCounter : seed.imagingPipeline
  const job = one === "capsule" ? seed.secondRelease : seed.imagingRelease
  const attachIt = `${attach}(input: {${one}Id: "${target}", dataAssets: [{id: "${asset}"}]}) { ... on ${attach === "attachDataAssets" ? "AttachDataAssetsPayload" : "AttachPipelineDataAssetsPayload"} { results { mountState } } }`
  return {
    [`get_${one}`]: read("name slug"),
    [`delete_${one}`]: `mutation { delete${One}(input: {id: "${archived}"}) { ... on Delete${One}Payload { deleted${One}Id } } }`,
    [`get_${one}_app_panel`]: read("appPanel { general { title } }"),
    list_computations: read("computations { nodes { name } }"),
    get_permissions: read("permissions { everyone }"),
    update_permissions: `mutation { update${One}Permissions(input: {${one}Id: "${target}", everyone: NONE}) { ... on Update${One}PermissionsPayload { permissions { everyone } } } }`,
    attach_data_assets: `mutation { ${attachIt} }`,
    detach_data_assets: `mutation { ${attachIt} ${detach}(input: {${one}Id: "${target}", dataAssetIds: ["${asset}"]}) { ... on ${detach === "detachDataAssets" ? "DetachDataAssetsPayload" : "DetachPipelineDataAssetsPayload"} { ${one} { id } } } }`,
    [`archive_${one}`]: `mutation { archive${One}(input: {id: "${target}", archived: true}) { ... on Archive${One}Payload { ${one} { name } } } }`,
    [`search_${one}s`]: `{ search${One}s(query: "id:${target}") { nodes { name } } }`,
    [`search_${one}s_iterator`]: `{ search${One}s(first: 1) { nodes { name } pageInfo { hasNextPage endCursor } } }`,
    [`search_${one}s_by_data_asset`]: `{ dataAsset(id: "${seed.mouseRecording}") { ${one === "capsule" ? "attachedTo" : "attachedToPipelines"} { nodes { name } } } }`,
    [`release_${one}`]: `mutation { release${One}(input: {id: "${released}"}) { ... on Release${One}Payload { release { jobId status } } } }`,
    get_release_job: `{ ${one}(id: "${released}") { release(jobId: "${job}") { status releaseVersion { majorVersion } } } }`,
    wait_until_release_completed: `subscription { release(${one}Id: "${released}", jobId: "${job}") { status } }`,
    [`sync_${one}`]: `mutation { sync${One}(input: {id: "${one === "capsule" ? seed.cellCounter : target}"}) { ... on Sync${One}Payload { pulled pushed newBranch } ... on MutationRefused { message } } }`,
  }
}

const under = (room: string, operations: Record<string, string>) =>
  Object.entries(operations).map(([method, operation]) => [`${room}.${method}`, operation] as const)

const run = (selection: string) => `{ computation(id: "${seed.countedCells}") { ${selection} } }`
const asset = (selection: string) => `{ dataAsset(id: "${seed.cellImages}") { ${selection} } }`
const attachSession = `attachComputationDataAssets(input: {computationId: "${seed.workstation}", dataAssets: [{id: "${seed.cellImages}"}]}) { ... on AttachComputationDataAssetsPayload { results { mountState } } }`

/** An operation for each method. They run as the admin, who may do everything. */
const operations = new Map<string, string>([
  ...under("capsules", runnable("capsule", seed.spikeSorting, seed.archivedNotebook)),
  ...under("pipelines", runnable("pipeline", seed.ecephysPipeline, seed.archivedPipeline)),
  ...under("computations", {
    get_computation: run("name state"),
    run_capsule: `mutation { runCapsule(input: {capsuleId: "${seed.cellCounter}"}) { ... on RunCapsulePayload { computation { state } } } }`,
    run_pipeline: `mutation { runPipeline(input: {pipelineId: "${seed.ecephysPipeline}"}) { ... on RunPipelinePayload { computation { state } } } }`,
    wait_until_completed: `subscription { computation(id: "${seed.countedCells}") { state } }`,
    attach_data_assets: `mutation { ${attachSession} }`,
    detach_data_assets: `mutation { ${attachSession} detachComputationDataAssets(input: {computationId: "${seed.workstation}", dataAssetIds: ["${seed.cellImages}"]}) { ... on DetachComputationDataAssetsPayload { computation { id } } } }`,
    list_computation_results: run("results { entries { name path } }"),
    get_result_file_urls: run('resultFile(path: "output") { downloadUrl viewUrl }'),
    get_result_file_download_url: run('resultFile(path: "output") { downloadUrl }'),
    rename_computation: `mutation { renameComputation(input: {id: "${seed.countedCells}", name: "x"}) { ... on RenameComputationPayload { computation { name } } } }`,
    delete_computation: `mutation { deleteComputation(input: {id: "${seed.countedCells}"}) { ... on DeleteComputationPayload { deletedComputationId } } }`,
  }),
  ...under("data_assets", {
    get_data_asset: asset("name size"),
    update_metadata: `mutation { updateDataAsset(input: {id: "${seed.cellImages}", name: "x"}) { ... on UpdateDataAssetPayload { dataAsset { name } } } }`,
    create_data_asset: `mutation { createDataAsset(input: {name: "x", tags: [], mount: "x", source: {aws: {bucket: "b"}}}) { ... on CreateDataAssetPayload { dataAsset { state } } } }`,
    wait_until_ready: `subscription { dataAsset(id: "${seed.cellImages}") { state } }`,
    delete_data_asset: `mutation { deleteDataAsset(input: {id: "${seed.cellImages}"}) { ... on DeleteDataAssetPayload { deletedDataAssetId } } }`,
    get_permissions: asset("permissions { everyone }"),
    update_permissions: `mutation { updateDataAssetPermissions(input: {dataAssetId: "${seed.cellImages}", everyone: NONE}) { ... on UpdateDataAssetPermissionsPayload { permissions { everyone } } } }`,
    archive_data_asset: `mutation { archiveDataAsset(input: {id: "${seed.cellImages}", archived: true}) { ... on ArchiveDataAssetPayload { dataAsset { name } } } }`,
    search_data_assets: '{ searchDataAssets(query: "tag:imaging") { nodes { name } } }',
    search_data_assets_iterator: "{ searchDataAssets(first: 1) { nodes { name } pageInfo { hasNextPage endCursor } } }",
    list_data_asset_files: asset("files { entries { name } }"),
    get_data_asset_file_urls: asset('file(path: "processing.json") { downloadUrl viewUrl }'),
    get_data_asset_file_download_url: asset('file(path: "processing.json") { downloadUrl }'),
    transfer_data_asset: `mutation { transferDataAsset(input: {id: "${seed.cellImages}", target: {aws: {bucket: "b"}}}) { ... on TransferDataAssetPayload { dataAsset { lastTransferred } } } }`,
  }),
  ...under("custom_metadata", { get_custom_metadata: "{ customMetadata { fields { name type } categories } }" }),
])

test("docs/clients.md has a row for each method of the official clients, and no other", () => {
  expect(rows.length).toBe(58)
  expect(rows.map(({ method }) => method).sort()).toEqual([...operations.keys()].sort())
})

test.each(rows)("$method: $field of $type", async ({ method, type, field }) => {
  const owner = schema.getType(type)
  expect((isObjectType(owner) || isInterfaceType(owner)) && owner.getFields()[field]).toBeTruthy()
  const query = operations.get(method) as string
  expect(query).toMatch(new RegExp(`\\b${field}\\b`))

  const { gateway } = await startGateway()
  const isSubscription = query.startsWith("subscription")
  const response = await gateway.fetch("http://gateway/graphql", {
    method: "POST",
    headers: {
      authorization: `Bearer ${tokens.admin}`,
      "content-type": "application/json",
      accept: isSubscription ? "text/event-stream" : "application/json",
    },
    body: JSON.stringify({ query }),
  })
  const text = await response.text()
  const { data, errors } = JSON.parse(isSubscription ? (/^data: (\{.*)$/m.exec(text)?.[1] ?? "") : text)
  expect(errors).toBeUndefined()
  expect(JSON.stringify(data)).not.toMatch(/null|\{\}/)
})

const renames = document.slice(document.indexOf("## Names that differ")).match(/^\| `.*$/gm) as string[]

test.each(renames)("the graph has the new name of a client's field or argument, and not the old one: %s", (row) => {
  const [, old, typeName, name, argument] =
    /^\| `[\w.]+(?:\.|\["|\()(\w+)(?:"\]|\))?` \| `(\w+)\.(\w+)(?:\((\w+):\))?` \|$/.exec(row) ?? expect.fail(row)
  const camelCase = (old as string).replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
  const type = schema.getType(typeName as string)
  const isOwner = isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)
  const fields: object = isOwner ? type.getFields() : expect.fail(typeName)
  const args = (fields as Record<string, { args?: readonly { name: string }[] }>)[name as string]?.args
  const names = argument === undefined ? ["__typename", ...Object.keys(fields)] : args?.map(({ name }) => name)
  expect(names).toContain(argument ?? name)
  // `files` is a field of its own in the graph: the folder.
  if (`${typeName}.${name}` !== "DataAsset.fileCount") expect(names).not.toContain(camelCase)
})
