import { randomUUID } from "node:crypto"
import { readCustomMetadata } from "./customMetadata.ts"
import { dataAssetFiles, fileUrls, listFolder, resultsOf } from "./files.ts"
import { booleanQuery, type Call, isObject, noContent, ok, type Route, refuse } from "./route.ts"
import { isListed } from "./runnables.ts"
import { type Entry, page, readSearch, type SearchRules, select, text } from "./search.ts"
import {
  addDataAsset,
  computationNow,
  type DataAsset,
  type DataAssetRecord,
  dataAssetNow,
  type Files,
  hasRole,
  isExternal,
  roleOf,
  type World,
} from "./world.ts"

const rules: SearchRules = {
  wholeFields: ["tag", "commit_id", "contained_data_id"],
  textFields: ["name", "run_script"],
  sortFields: ["created", "type", "name", "size"],
  enums: { type: ["dataset", "result", "combined", "model"], origin: ["internal", "external"] },
}
const creationSeconds = 10
/** A bucket of this name can't be read or written. */
const missingBucket = "missing-bucket"

/** The endpoints of single data assets. */
export const dataAssetRoutes: Route[] = [
  {
    method: "GET",
    path: "/data_assets/:id",
    scope: "datasets:read",
    handle: (call) => ok(dataAssetNow(call.world, findDataAsset(call))),
  },
  { method: "POST", path: "/data_assets/search", scope: "datasets:read", reads: true, search: true, handle: search },
  { method: "POST", path: "/data_assets", scope: "datasets:write", handle: create },
  { method: "PUT", path: "/data_assets/:id", scope: "datasets:write", handle: update },
  { method: "POST", path: "/data_assets/:id/transfer", scope: "datasets:write", handle: transfer },
  { method: "DELETE", path: "/data_assets/:id", scope: "datasets:write", handle: remove },
  { method: "PATCH", path: "/data_assets/:id/archive", scope: "datasets:write", handle: archive },
  {
    method: "POST",
    path: "/data_assets/:id/files",
    scope: "datasets:read",
    reads: true,
    handle: (call) => listFolder(filesOf(call), call.body),
  },
  {
    method: "GET",
    path: "/data_assets/:id/files/urls",
    scope: "datasets:read",
    handle: (call) => fileUrls(call, "data_assets", call.params.id!, filesOf(call)),
  },
]

/** The data asset that the call names, if the caller may see it. */
export function findDataAsset({ world, caller, params }: Call): DataAssetRecord {
  const record = world.dataAssets.get(params.id!)
  const role = record && roleOf(caller.user, record)
  if (!record || !role) return refuse(404, "data asset not found")
  if (role === "discoverable") return refuse(403, "you are not allowed to view this data asset")
  return record
}

function findOwnDataAsset(call: Call, verb: string): DataAssetRecord {
  const record = findDataAsset(call)
  if (!hasRole(call.caller.user, record, "owner"))
    return refuse(403, `only the owner or an admin may ${verb} this data asset`)
  return record
}

function filesOf(call: Call) {
  const record = findDataAsset(call)
  if (isExternal(call.world, record)) return refuse(400, "files of an external data asset cannot be listed")
  if (dataAssetNow(call.world, record).state !== "ready") return refuse(400, "data asset is not ready")
  return dataAssetFiles(call.world, record.wire.id)
}

function archive(call: Call) {
  const archived = booleanQuery(call, "archive")
  findOwnDataAsset(call, "archive").archived = archived
  return noContent
}

/** Where it was attached, it is attached no more. */
function remove(call: Call) {
  const { id } = findOwnDataAsset(call, "delete").wire
  for (const runnable of call.world.runnables.values()) {
    if (!runnable.attachments.some((attachment) => attachment.id === id)) continue
    runnable.attachments = runnable.attachments.filter((attachment) => attachment.id !== id)
    const { panel } = runnable
    if (panel?.data_assets)
      runnable.panel = { ...panel, data_assets: panel.data_assets.filter((entry) => entry.id !== id) }
  }
  call.world.dataAssets.delete(id)
  return noContent
}

function search({ world, caller, body }: Call) {
  // Without anything to rank by, the newest come first.
  const given = isObject(body) ? body : {}
  const unordered = given.sort_field == null && !given.query
  const request = readSearch(unordered ? { ...given, sort_field: "created", sort_order: "desc" } : body, rules)
  const listed: Entry<DataAssetRecord>[] = []
  for (const record of world.dataAssets.values()) {
    if (!isListed(record, caller.user, request)) continue
    const { type, origin } = request.enums
    if (type !== undefined && record.wire.type !== type) continue
    if (origin !== undefined && isExternal(world, record) !== (origin === "external")) continue
    listed.push(entryOf(world, record))
  }
  return page(select(listed, request, rules), request, (record) => dataAssetNow(world, record))
}

function entryOf(world: World, record: DataAssetRecord): Entry<DataAssetRecord> {
  const wire = dataAssetNow(world, record)
  const tags = wire.tags ?? []
  const name = text(wire.name)
  const contained = (wire.contained_data_assets ?? []).map(({ id }) => id).filter((id) => id !== undefined)
  const { run_script = "", commit = "" } = wire.provenance ?? {}
  return {
    item: record,
    id: wire.id,
    texts: [name, text(tags.join("\n")), text(wire.description ?? "")],
    relatedIds: [],
    fields: {
      name: [name],
      tag: tags.map(text),
      run_script: [text(run_script)],
      commit_id: [text(commit)],
      contained_data_id: contained.map(text),
    },
    filterable: { ...wire.custom_metadata, name: wire.name, description: wire.description, tags },
    sort: { created: wire.created, type: wire.type, name: name.plain, size: Number(wire.size ?? 0) },
  }
}

const readTags = (given: unknown): string[] =>
  Array.isArray(given) && given.every((tag) => typeof tag === "string") ? given : refuse(400, "tags must be strings")

const readText = (given: unknown, name: string): string =>
  typeof given === "string" && given !== "" ? given : refuse(400, `${name} is required`)

/** Null counts as absent, at the top and in sources, where the official client writes every unset field. */
function withoutNulls(given: unknown): Record<string, unknown> {
  if (!isObject(given)) return refuse(400, "invalid request body")
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
}

/** What is made of the source: how it will look once it is ready, or failed, and its files. */
interface Made {
  type: string
  becomes: Partial<DataAsset>
  files?: Files
  more?: Partial<DataAsset>
}

function create(call: Call) {
  const { world, caller } = call
  const body = withoutNulls(call.body)
  const made = body.data_asset_ids === undefined ? fromSource(call, body) : combine(call, body.data_asset_ids)
  const wire: DataAsset = {
    id: randomUUID(),
    created: 0,
    name: readText(body.name, "name"),
    mount: readText(body.mount, "mount"),
    tags: readTags(body.tags),
    owner: caller.user.id,
    owner_email: caller.user.email,
    last_used: 0,
    state: "draft",
    size: 0,
    ...made.more,
    type: made.type,
    ...(body.description === undefined ? {} : { description: String(body.description) }),
    ...(body.custom_metadata === undefined ? {} : { custom_metadata: readCustomMetadata(body.custom_metadata) }),
  }
  const created = Math.floor(world.clock.now())
  addDataAsset(world, wire, {
    permissions: { everyone: "none" },
    ...(made.files ? { files: made.files } : {}),
    creation: { at: created + creationSeconds, becomes: { created, state: "ready", ...made.becomes } },
  })
  return ok(wire)
}

function fromSource(call: Call, body: Record<string, unknown>): Made {
  const source = withoutNulls(body.source ?? refuse(400, "source is required"))
  const [kind, ...others] = Object.keys(source)
  if (kind === undefined || others.length > 0) return refuse(400, "exactly one source is required")
  const given = withoutNulls(source[kind])
  if (kind === "computation") return fromComputation(call, given)
  if (kind === "cloud_workstation") {
    const id = readText(given.id, "id")
    if (!call.world.computations.get(id)?.wire.cloud_workstation) return refuse(400, "no cloud workstation session")
    readText(given.path, "path")
    const isResult = given.run_script !== undefined
    return {
      type: isResult ? "result" : "dataset",
      becomes: { size: 2048, files: 1 },
      more: isResult ? { provenance: { run_script: String(given.run_script), computation: id } } : {},
    }
  }
  if (kind !== "aws" && kind !== "gcp") return refuse(400, `unknown source ${kind}`)
  if (given.use_input_bucket === true && !call.caller.user.admin)
    return refuse(403, "only admins may use the input bucket")
  const bucket = readText(given.bucket, "bucket")
  const info = body.results_info === undefined ? undefined : withoutNulls(body.results_info)
  const external = given.keep_on_external_storage === true
  return {
    type: info ? "result" : "dataset",
    becomes:
      bucket === missingBucket
        ? { state: "failed", failure_reason: `bucket ${bucket} cannot be read` }
        : { size: 4096, files: 2 },
    more: {
      source_bucket: {
        origin: kind,
        bucket,
        ...(given.prefix === undefined ? {} : { prefix: String(given.prefix) }),
        ...(external ? { external } : {}),
      },
      ...(info ? { provenance: provenanceOf(info) } : {}),
    },
  }
}

function provenanceOf(info: Record<string, unknown>): NonNullable<DataAsset["provenance"]> {
  const capsule = info.capsule_id ?? info.pipeline_id
  return {
    ...(capsule === undefined ? {} : { capsule: String(capsule) }),
    ...(info.commit === undefined ? {} : { commit: String(info.commit) }),
    ...(info.run_script === undefined ? {} : { run_script: String(info.run_script) }),
    ...(Array.isArray(info.data_assets) ? { data_assets: info.data_assets.map(String) } : {}),
  }
}

function fromComputation({ world, caller }: Call, given: Record<string, unknown>): Made {
  const id = readText(given.id, "id")
  const record = world.computations.get(id)
  const parent = record && world.runnables.get(record.parent)
  if (!record || !parent || !hasRole(caller.user, parent, "viewer")) return refuse(404, "computation not found")
  const now = computationNow(world, record)
  if (!now.has_results) return refuse(400, "computation has no results")
  const folder = String(given.path ?? "").replace(/^\/+|\/+$/g, "")
  const prefix = folder === "" ? "" : `${folder}/`
  const files = Object.fromEntries(
    Object.entries(resultsOf(world, id))
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, content]) => [path.slice(prefix.length), content]),
  )
  if (Object.keys(files).length === 0) return refuse(400, "no results at this path")
  return {
    type: "result",
    files,
    becomes: { size: 1024, files: Object.keys(files).length },
    more: {
      provenance: {
        commit: "6f1ed002ab5595859014ebf0951522d9a1b2c3d4",
        run_script: "code/run",
        capsule: parent.wire.id,
        computation: id,
        ...(now.data_assets ? { data_assets: now.data_assets.map((input) => input.id) } : {}),
      },
      ...(now.parameters
        ? {
            app_parameters: now.parameters.map(({ name, param_name, value = "" }) => ({
              name: name ?? param_name ?? "",
              value,
            })),
          }
        : {}),
      ...(now.nextflow_profile ? { nextflow_profile: now.nextflow_profile } : {}),
    },
  }
}

function combine({ world, caller }: Call, ids: unknown): Made {
  if (!Array.isArray(ids) || ids.length === 0) return refuse(400, "data_asset_ids must name data assets")
  const contained = ids.map((id) => {
    const asset = world.dataAssets.get(String(id))
    if (!asset || !hasRole(caller.user, asset, "viewer")) return refuse(404, `data asset ${id} not found`)
    const size = Number(asset.wire.size ?? 0)
    return { id: asset.wire.id, mount: asset.wire.mount, size }
  })
  const size = contained.reduce((sum, part) => sum + part.size, 0)
  return { type: "combined", becomes: { size }, more: { contained_data_assets: contained } }
}

/** The strictest reading of a PUT: tags, description and metadata that the body leaves out are emptied. */
function update(call: Call) {
  const record = findDataAsset(call)
  if (!hasRole(call.caller.user, record, "editor")) return refuse(403, "you are not allowed to edit this data asset")
  const body = withoutNulls(call.body)
  const { tags: _tags, description: _description, custom_metadata: _metadata, ...kept } = record.wire
  const tags = body.tags === undefined ? [] : readTags(body.tags)
  record.wire = {
    ...kept,
    ...(body.name === undefined ? {} : { name: readText(body.name, "name") }),
    ...(body.mount === undefined ? {} : { mount: readText(body.mount, "mount") }),
    tags,
    ...(body.description ? { description: String(body.description) } : {}),
    ...(body.custom_metadata === undefined ? {} : { custom_metadata: readCustomMetadata(body.custom_metadata) }),
  }
  return ok(dataAssetNow(call.world, record))
}

function transfer(call: Call) {
  const record = findDataAsset(call)
  if (!call.caller.user.admin) return refuse(403, "only admins may transfer data assets")
  const aws = withoutNulls(withoutNulls(withoutNulls(call.body).target ?? {}).aws ?? {})
  const bucket = readText(aws.bucket, "bucket")
  record.wire =
    bucket === missingBucket
      ? { ...record.wire, transfer_error: `bucket ${bucket} cannot be written` }
      : {
          ...record.wire,
          last_transferred: Math.floor(call.world.clock.now()),
          source_bucket: {
            origin: "aws",
            bucket,
            ...(aws.prefix ? { prefix: String(aws.prefix) } : {}),
            external: true,
          },
        }
  return { status: 200 }
}
