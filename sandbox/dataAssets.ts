import { randomUUID } from "node:crypto"
import { readCustomMetadata } from "./customMetadata.ts"
import { bucketProblem, makeFrom, readTarget } from "./dataAssetSources.ts"
import { dataAssetFiles, downloadUrl, fileUrls, listFolder } from "./files.ts"
import {
  type Answer,
  booleanQuery,
  type Call,
  isObject,
  noContent,
  ok,
  optionalText,
  type Route,
  readObject,
  refuse,
  requiredText,
} from "./route.ts"
import { isListed } from "./runnables.ts"
import { type Entry, keptWhile, page, readSearch, type SearchRules, select, text } from "./search.ts"
import {
  addDataAsset,
  type DataAsset,
  type DataAssetRecord,
  dataAssetNow,
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
/** Seconds for which a new data asset is a draft. */
const creationSeconds = 10

/** The endpoints of data assets. */
export const dataAssetRoutes = (): Route[] => [
  {
    method: "GET",
    path: "/data_assets/:id",
    scope: "datasets:read",
    handle: (call) => ok(dataAssetNow(call.world, findDataAsset(call))),
  },
  { method: "POST", path: "/data_assets/search", scope: "datasets:read", reads: true, search: true, handle: search() },
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
  {
    method: "GET",
    path: "/data_assets/:id/files/download_url",
    scope: "datasets:read",
    handle: (call) => downloadUrl(call, "data_assets", call.params.id!, filesOf(call)),
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

/** Refuses what cannot be done while a data asset is still being created. */
export function refuseDraft(world: World, record: DataAssetRecord): void {
  if (dataAssetNow(world, record).state === "draft") refuse(400, "data asset is not ready")
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

/** Detaches it everywhere. */
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

function search() {
  const kept = keptWhile<DataAssetRecord>()
  return ({ world, caller, body }: Call) => {
    // Without an order or free text, the newest come first.
    const given = isObject(body) ? body : {}
    const unordered = given.sort_field == null && !given.query
    const request = readSearch(unordered ? { ...given, sort_field: "created", sort_order: "desc" } : body, rules)
    const { type, origin } = request.enums
    const now = world.clock.now()
    const state = `${world.revision} ${world.creations.filter((at) => at <= now).length}`
    const found = kept(state, `${caller.user.id} ${request.fingerprint}`, () => {
      const listed: Entry<DataAssetRecord>[] = []
      for (const record of world.dataAssets.values()) {
        if (!isListed(record, caller.user, request)) continue
        if (type !== undefined && record.wire.type !== type) continue
        if (origin !== undefined && isExternal(world, record) !== (origin === "external")) continue
        listed.push(entryOf(world, record))
      }
      return select(listed, request, rules)
    })
    return page(found, request, (record) => dataAssetNow(world, record))
  }
}

/** Prepares every data asset for searching, so that the first search is as quick as the next. */
export function prepareDataAssetSearch(world: World): void {
  for (const record of world.dataAssets.values()) entryOf(world, record)
}

/** Kept as long as the object stays the same: a change replaces it. */
const entries = new WeakMap<DataAsset, Entry<DataAssetRecord>>()

function entryOf(world: World, record: DataAssetRecord): Entry<DataAssetRecord> {
  const wire = dataAssetNow(world, record)
  const kept = entries.get(wire)
  if (kept) return kept
  const tags = wire.tags ?? []
  const name = text(wire.name)
  const contained = (wire.contained_data_assets ?? []).map(({ id }) => id).filter((id) => id !== undefined)
  const { run_script = "", commit = "" } = wire.provenance ?? {}
  const metadata = Object.values(wire.custom_metadata ?? {}).flat()
  const entry: Entry<DataAssetRecord> = {
    item: record,
    id: wire.id,
    texts: [name, text(tags.join("\n")), text(wire.description ?? ""), text(metadata.join("\n"))],
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
  entries.set(wire, entry)
  return entry
}

function readTags(given: unknown): string[] {
  return Array.isArray(given) && given.every((tag) => typeof tag === "string")
    ? given
    : refuse(400, "tags must be a list of strings")
}

/** A new data asset is a draft for some seconds, and only its creator may see it. */
function create(call: Call): Answer {
  const { world, caller } = call
  const body = readObject(call.body)
  const [name, mount] = [requiredText(body, "name"), requiredText(body, "mount")]
  if (body.tags === undefined) return refuse(400, "tags is required")
  const tags = readTags(body.tags)
  const description = optionalText(body, "description")
  const metadata = body.custom_metadata === undefined ? undefined : readCustomMetadata(body.custom_metadata)
  const { wire: made, becomes, files } = makeFrom(call, body)
  const now = world.clock.now()
  const wire: DataAsset = {
    id: randomUUID(),
    created: 0,
    name,
    mount,
    owner: caller.user.id,
    owner_email: caller.user.email,
    last_used: 0,
    state: "draft",
    size: 0,
    tags,
    ...(description ? { description } : {}),
    ...(metadata ? { custom_metadata: metadata } : {}),
    ...made,
  }
  addDataAsset(world, wire, {
    permissions: { everyone: "none" },
    ...(files ? { files } : {}),
    creation: { at: now + creationSeconds, becomes: { created: Math.floor(now), state: "ready", ...becomes } },
  })
  return ok(wire)
}

/**
 * The strictest reading of a PUT: tags, description and metadata that the body omits are emptied. An omitted name or mount
 * stays, because neither can be missing.
 */
function update(call: Call): Answer {
  const record = findDataAsset(call)
  if (!hasRole(call.caller.user, record, "editor")) return refuse(403, "you are not allowed to edit this data asset")
  const body = readObject(call.body)
  const description = optionalText(body, "description")
  const {
    tags: _tags,
    description: _description,
    custom_metadata: _metadata,
    ...rest
  } = dataAssetNow(call.world, record)
  record.wire = {
    ...rest,
    ...(body.name === undefined ? {} : { name: requiredText(body, "name") }),
    ...(body.mount === undefined ? {} : { mount: requiredText(body, "mount") }),
    tags: body.tags === undefined ? [] : readTags(body.tags),
    ...(description ? { description } : {}),
    ...(body.custom_metadata === undefined ? {} : { custom_metadata: readCustomMetadata(body.custom_metadata) }),
  }
  return ok(record.wire)
}

/** The transfer has succeeded or failed before the response. Code Ocean may take longer. */
function transfer(call: Call): Answer {
  const record = findDataAsset(call)
  if (!call.caller.user.admin) return refuse(403, "only admins may transfer data assets")
  const body = readObject(call.body)
  const source_bucket = readTarget(body.target)
  if (body.force !== undefined && typeof body.force !== "boolean") return refuse(400, "force must be a boolean")
  const { transfer_error: _error, ...wire } = dataAssetNow(call.world, record)
  if (wire.state !== "ready") return refuse(400, "data asset is not ready")
  if (body.force !== true && isInRelease(call.world, wire.id))
    return refuse(400, "data asset is used by a released pipeline, force is required")
  const transfer_error = bucketProblem(source_bucket.bucket)
  record.wire =
    transfer_error === undefined
      ? { ...wire, last_transferred: Math.floor(call.world.clock.now()), source_bucket }
      : { ...wire, transfer_error }
  return { status: 200 }
}

function isInRelease(world: World, id: string): boolean {
  return [...world.runnables.values()].some(
    ({ kind, wire, attachments }) =>
      kind === "pipelines" && wire.status === "release" && attachments.some((attachment) => attachment.id === id),
  )
}
