import { downloadUrl, fileUrls, listFolder, resultsOf } from "./files.ts"
import { type Call, noContent, ok, type Route, refuse } from "./route.ts"
import { type ComputationRecord, computationNow, hasRole, roleOf } from "./world.ts"

/** The endpoints of single computations. Everyone who may see a capsule or pipeline may see its runs. */
export const computationRoutes: Route[] = [
  {
    method: "GET",
    path: "/computations/:id",
    scope: "capsules:read",
    handle: (call) => ok(computationNow(call.world, findComputation(call))),
  },
  { method: "PATCH", path: "/computations/:id", scope: "capsules:write", handle: rename },
  { method: "DELETE", path: "/computations/:id", scope: "capsules:write", handle: remove },
  {
    method: "POST",
    path: "/computations/:id/results",
    scope: "capsules:read",
    reads: true,
    handle: (call) => listFolder(resultsOf(call.world, findComputation(call).wire.id), call.body),
  },
  {
    method: "GET",
    path: "/computations/:id/results/urls",
    scope: "capsules:read",
    handle: (call) => {
      const { id } = findComputation(call).wire
      return fileUrls(call, "computations", id, resultsOf(call.world, id))
    },
  },
  {
    method: "GET",
    path: "/computations/:id/results/download_url",
    scope: "capsules:read",
    handle: (call) => {
      const { id } = findComputation(call).wire
      return downloadUrl(call, "computations", id, resultsOf(call.world, id))
    },
  },
]

/** The run that the call names, if the caller may see it. */
function findComputation({ world, caller, params }: Call): ComputationRecord {
  const record = world.computations.get(params.id!)
  const role = record && roleOf(caller.user, world.runnables.get(record.parent)!)
  if (!record || !role) return refuse(404, "computation not found")
  if (role === "discoverable") return refuse(403, "you are not allowed to view this computation")
  return record
}

/** The run that the call names, if the caller may change it: they ran it, or own what was run. */
export function findOwnComputation(call: Call): ComputationRecord {
  const record = findComputation(call)
  const { user } = call.caller
  if (
    (record.startedBy ?? record.wire.owner) !== user.id &&
    !hasRole(user, call.world.runnables.get(record.parent)!, "owner")
  )
    return refuse(403, "you are not allowed to change this computation")
  return record
}

function rename(call: Call) {
  const record = findOwnComputation(call)
  const { name } = call.query
  if (!name) return refuse(400, "name is required")
  record.wire = { ...record.wire, name }
  return noContent
}

function remove(call: Call) {
  const { wire, parent } = findOwnComputation(call)
  const runnable = call.world.runnables.get(parent)!
  runnable.computations = runnable.computations.filter((id) => id !== wire.id)
  call.world.computations.delete(wire.id)
  return noContent
}
