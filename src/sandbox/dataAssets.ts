import { dataAssetFiles, fileUrls, listFolder } from "./files.ts"
import { booleanQuery, type Call, noContent, ok, type Route, refuse } from "./route.ts"
import { type DataAssetRecord, dataAssetNow, hasRole, isExternal, roleOf } from "./world.ts"

/** The endpoints of single data assets. */
export const dataAssetRoutes: Route[] = [
  {
    method: "GET",
    path: "/data_assets/:id",
    scope: "datasets:read",
    handle: (call) => ok(dataAssetNow(call.world, findDataAsset(call))),
  },
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

function findDataAsset({ world, caller, params }: Call): DataAssetRecord {
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
