import { findDataAsset, refuseDraft } from "./dataAssets.ts"
import { type Answer, type Call, ok, type Route, readObject, refuse } from "./route.ts"
import { findRunnable } from "./runnables.ts"
import {
  type DataAssetRecord,
  hasRole,
  type Kind,
  type Permissions,
  type RunnableRecord,
  type Shared,
  type User,
  type World,
} from "./world.ts"

const userRoles = ["owner", "editor", "viewer"]
const groupRoles = [...userRoles, "discoverable"]
const everyoneRoles = ["viewer", "discoverable", "none"]

type Users = NonNullable<Permissions["users"]>
type Groups = NonNullable<Permissions["groups"]>

/** Who may see and change what, and Git sync. */
export function sharingRoutes(): Route[] {
  return [
    ...permissionRoutes(
      "capsules",
      (call) => findRunnable(call, "capsules"),
      relatedToRunnable,
      () => undefined,
    ),
    ...permissionRoutes(
      "pipelines",
      (call) => findRunnable(call, "pipelines"),
      relatedToRunnable,
      () => undefined,
    ),
    ...permissionRoutes("data_assets", findDataAsset, relatedToDataAsset, refuseDraft),
    ...syncRoutes(),
  ]
}

/**
 * Everyone who may view an object may read its permissions. Its owner replaces all of them. Groups without a member are unknown:
 * they are dropped, and the response is still 200.
 */
function permissionRoutes<Record extends Shared>(
  kind: Kind | "data_assets",
  find: (call: Call) => Record,
  related: (world: World, record: Record) => Shared[],
  refuseUnready: (world: World, record: Record) => void,
): Route[] {
  const path = `/${kind}/:id/permissions`
  const scope = kind === "data_assets" ? "datasets" : "capsules"
  const replace = (call: Call): Answer => {
    const record = find(call)
    const { user } = call.caller
    if (!hasRole(user, record, "owner")) return refuse(403, "only the owner or an admin may change permissions")
    refuseUnready(call.world, record)
    const { permissions, shareAssets } = readPermissions(call.body)
    const known = new Set([...call.world.access.values()].flatMap(({ user: { groups } }) => groups))
    if (permissions.groups) permissions.groups = permissions.groups.filter(({ group }) => known.has(group))
    record.permissions = permissions
    if (shareAssets) for (const object of related(call.world, record)) letView(object, permissions, user)
    return { status: 200 }
  }
  return [
    { method: "GET", path, scope: `${scope}:read`, handle: (call) => ok(find(call).permissions) },
    { method: "POST", path, scope: `${scope}:write`, handle: replace },
  ]
}

/** The attached data assets, and the capsules that a pipeline runs. */
function relatedToRunnable(world: World, { attachments, processes = [] }: RunnableRecord): Shared[] {
  const assets = attachments.map(({ id }) => world.dataAssets.get(id))
  const capsules = processes.map(({ capsule_id }) => world.runnables.get(capsule_id))
  return [...assets, ...capsules].filter((object) => object !== undefined)
}

function relatedToDataAsset(world: World, { wire }: DataAssetRecord): Shared[] {
  const contained = (wire.contained_data_assets ?? []).map(({ id }) => world.dataAssets.get(id ?? ""))
  return contained.filter((asset) => asset !== undefined)
}

/** Lets the users and groups view an object if the caller may share it. Existing roles stay. */
function letView(object: Shared, { users = [], groups = [] }: Permissions, caller: User): void {
  if (!hasRole(caller, object, "owner")) return
  const held = object.permissions
  const newUsers = users.filter(({ email }) => !held.users?.some((entry) => entry.email === email))
  const newGroups = groups.filter(({ group }) => !held.groups?.some((entry) => entry.group === group))
  object.permissions = {
    ...held,
    users: [...(held.users ?? []), ...newUsers.map(({ email }) => ({ email, role: "viewer" as const }))],
    groups: [...(held.groups ?? []), ...newGroups.map(({ group }) => ({ group, role: "viewer" as const }))],
  }
}

/** `share_assets` is an instruction, and not kept. */
function readPermissions(body: unknown): { permissions: Permissions; shareAssets: boolean } {
  const { users, groups, everyone, share_assets } = readObject(body)
  const permissions: Permissions = {}
  if (users !== undefined) permissions.users = readEntries(users, "email", userRoles) as Users
  if (groups !== undefined) permissions.groups = readEntries(groups, "group", groupRoles) as Groups
  if (everyone !== undefined && !everyoneRoles.includes(everyone as string))
    return refuse(400, `everyone must be one of ${everyoneRoles.join(", ")}`)
  if (everyone !== undefined) permissions.everyone = everyone as NonNullable<Permissions["everyone"]>
  if (share_assets !== undefined && typeof share_assets !== "boolean")
    return refuse(400, "share_assets must be a boolean")
  return { permissions, shareAssets: share_assets === true }
}

function readEntries(given: unknown, key: string, roles: readonly string[]) {
  if (!Array.isArray(given)) return refuse(400, "invalid request body")
  return given.map((entry: unknown) => {
    const { [key]: who, role } = readObject(entry)
    if (typeof who !== "string" || who === "") return refuse(400, `${key} is required`)
    if (!roles.includes(role as string)) return refuse(400, `the role of ${who} must be one of ${roles.join(", ")}`)
    return { [key]: who, role }
  })
}

/** A capsule that is cloned from an external repository has one commit to pull, once. */
function syncRoutes(): Route[] {
  const synced = new WeakSet<RunnableRecord>()
  return (["capsules", "pipelines"] as const).map((kind) => ({
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
  }))
}
