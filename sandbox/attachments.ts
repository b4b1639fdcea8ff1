import { type Call, isObject, refuse } from "./route.ts"
import { type DataAssetRecord, dataAssetNow, hasRole, isExternal, roleOf, type World } from "./world.ts"

export interface Attachment {
  id: string
  mount: string
}

/** What a body asks for: a list of `{id, mount?}`. The official client writes a mount that is not set as null. */
export function readAttachments(body: unknown): { id: string; mount?: string }[] {
  if (!Array.isArray(body) || body.length === 0) return refuse(400, "invalid request body")
  return body.map((entry: unknown) => {
    if (!isObject(entry) || typeof entry.id !== "string") return refuse(400, "invalid request body")
    const { id, mount } = entry as { id: string; mount?: unknown }
    if (mount === undefined || mount === null || mount === "") return { id }
    if (typeof mount !== "string") return refuse(400, "invalid request body")
    return { id, mount }
  })
}

/** The ids that a body names to be detached, each of which must be among those attached. */
export function readDetachments(body: unknown, attached: readonly { id: string }[]): string[] {
  if (!Array.isArray(body) || body.length === 0 || body.some((id) => typeof id !== "string"))
    return refuse(400, "invalid request body")
  const unknown = body.find((id) => !attached.some((attachment) => attachment.id === id))
  return unknown === undefined ? body : refuse(404, `data asset ${unknown} is not attached`)
}

/** The keys by which a refusal names the data assets it is about. */
function blamed(assets: readonly DataAssetRecord[]): Record<string, unknown> {
  return { datasets: assets.map(({ wire: { id, name } }) => ({ id, name })) }
}

/** The data assets of these ids, as far as the caller may open all of them. */
export function findReadable({ world, caller }: Call, ids: readonly string[]): DataAssetRecord[] {
  const assets = ids.map((id) => {
    const asset = world.dataAssets.get(id)
    return asset && roleOf(caller.user, asset) !== undefined ? asset : refuse(404, `data asset ${id} not found`)
  })
  const forbidden = assets.filter((asset) => !hasRole(caller.user, asset, "viewer"))
  if (forbidden.length > 0) refuse(403, "you are not allowed to attach these data assets", blamed(forbidden))
  return assets
}

/**
 * The data assets to attach, with their mounts. Refuses those that conflict with the attached ones. A draft may be attached
 * and is mounted later, but a run cannot begin with it.
 */
export function admitted(
  call: Call,
  wanted: readonly { id: string; mount?: string }[],
  present: readonly { id: string; mount?: string }[],
  unusable: readonly string[],
): Attachment[] {
  const ids = wanted.map(({ id }) => id)
  const assets = findReadable(call, ids)
  const attached = present.map(({ id }) => id)
  const again = assets.filter((_asset, at) => [...attached, ...ids.slice(0, at)].includes(ids[at]!))
  if (again.length > 0) return refuse(400, "data asset already attached", blamed(again))
  const unready = assets.filter((asset) => unusable.includes(dataAssetNow(call.world, asset).state))
  if (unready.length > 0) return refuse(400, "data asset is not ready", blamed(unready))
  const added = wanted.map(({ id, mount }, at) => ({ id, mount: mount ?? assets[at]!.wire.mount }))
  const mountless = assets.filter((_asset, at) => added[at]!.mount === "")
  if (mountless.length > 0) return refuse(400, "data asset has no default mount, one is required", blamed(mountless))
  const taken = present.map(({ mount }) => mount)
  const mounts = added.map(({ mount }) => mount)
  const clashing = assets.filter((_asset, at) => [...taken, ...mounts.slice(0, at)].includes(mounts[at]!))
  return clashing.length > 0 ? refuse(400, "mount is already in use", blamed(clashing)) : added
}

/** The result of attaching each data asset. A draft is mounted later, by a job. */
export function attachResults(world: World, added: readonly Attachment[]): Record<string, unknown>[] {
  return added.map(({ id, mount }) => {
    const asset = world.dataAssets.get(id)!
    const external = isExternal(world, asset)
    const ready = dataAssetNow(world, asset).state === "ready"
    if (ready) return { id, mount, mount_state: "mounted", external, ready }
    return { id, mount, mount_state: "pending", job_id: `mount-${id.slice(0, 8)}`, external, ready }
  })
}
