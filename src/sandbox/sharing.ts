import { type Call, isObject, ok, type Route, refuse } from "./route.ts"
import { findRunnable } from "./runnables.ts"
import { hasRole, type Kind, type Permissions, type Scope, type Shared } from "./world.ts"

const userRoles = ["owner", "editor", "viewer"]
const groupRoles = [...userRoles, "discoverable"]
const everyoneRoles = ["viewer", "discoverable", "none"]

/** Reads and replaces the permissions of one kind of object. */
export function permissionRoutes(path: string, scope: "capsules" | "datasets", find: (call: Call) => Shared): Route[] {
  const read: Scope = `${scope}:read`
  const write: Scope = `${scope}:write`
  return [
    { method: "GET", path, scope: read, handle: (call) => ok(find(call).permissions) },
    {
      method: "POST",
      path,
      scope: write,
      handle: (call) => {
        const object = find(call)
        if (!hasRole(call.caller.user, object, "owner"))
          return refuse(403, "only the owner or an admin may change permissions")
        object.permissions = readPermissions(call.body)
        return { status: 200 }
      },
    },
  ]
}

/** Null counts as absent, as the official client writes it. `share_assets` is an instruction, and not kept. */
function readPermissions(body: unknown): Permissions {
  if (!isObject(body)) return refuse(400, "invalid request body")
  const { users, groups, everyone } = body
  const permissions: Permissions = {}
  if (users != null) permissions.users = entries(users, "email", userRoles) as NonNullable<Permissions["users"]>
  if (groups != null) permissions.groups = entries(groups, "group", groupRoles) as NonNullable<Permissions["groups"]>
  if (everyone != null) {
    if (!everyoneRoles.includes(everyone as string)) return refuse(400, "invalid role for everyone")
    permissions.everyone = everyone as NonNullable<Permissions["everyone"]>
  }
  return permissions
}

function entries(given: unknown, key: string, roles: readonly string[]) {
  if (!Array.isArray(given)) return refuse(400, "invalid request body")
  for (const entry of given) {
    if (!isObject(entry) || typeof entry[key] !== "string" || entry[key] === "") refuse(400, `${key} is required`)
    if (!roles.includes((entry as Record<string, unknown>).role as string)) refuse(400, `invalid role for ${key}`)
  }
  return given
}

/** Git sync: what is cloned from an external repository has one commit to pull, once. */
export function syncRoute(kind: Kind): Route {
  const synced = new WeakSet<object>()
  return {
    method: "POST",
    path: `/${kind}/:id/sync`,
    scope: "capsules:write",
    handle: (call) => {
      const record = findRunnable(call, kind)
      if (!hasRole(call.caller.user, record, "editor")) return refuse(403, "you are not allowed to edit this")
      if (!record.wire.cloned_from_url) return refuse(400, "no linked Git repository")
      if (synced.has(record)) return ok({})
      synced.add(record)
      return ok({ pulled: 1 })
    },
  }
}
