import { booleanQuery, type Call, isObject, noContent, ok, type Route, refuse } from "./route.ts"
import { type Entry, page, readSearch, type SearchRequest, type SearchRules, select, text } from "./search.ts"
import {
  type AppPanel,
  computationNow,
  dataAssetNow,
  hasRole,
  isExternal,
  type Kind,
  panelEntry,
  type RunnableRecord,
  roleOf,
  type Shared,
  type User,
  type World,
} from "./world.ts"

const rules: SearchRules = {
  wholeFields: ["id", "doi", "tag"],
  textFields: ["name", "field", "affiliation", "journal", "article", "author"],
  sortFields: ["created", "name", "last_accessed"],
  enums: { status: ["non_release", "release"] },
}

/** Searches whose results are kept until something changes. */
const maximumKept = 50

const singular: Record<Kind, string> = { capsules: "capsule", pipelines: "pipeline" }

/** Every endpoint that capsules and pipelines share, for one of the two. */
export function runnableRoutes(kind: Kind): Route[] {
  const one = `/${kind}/:id`
  return [
    {
      method: "POST",
      path: `/${kind}/search`,
      scope: "capsules:read",
      reads: true,
      search: true,
      handle: search(kind),
    },
    { method: "GET", path: one, scope: "capsules:read", handle: (call) => ok(findRunnable(call, kind).wire) },
    { method: "DELETE", path: one, scope: "capsules:write", handle: remove(kind) },
    { method: "GET", path: `${one}/app_panel`, scope: "capsules:read", handle: appPanel(kind) },
    { method: "GET", path: `${one}/computations`, scope: "capsules:read", handle: listComputations(kind) },
    { method: "PATCH", path: `${one}/archive`, scope: "capsules:write", handle: archive(kind) },
    { method: "POST", path: `${one}/data_assets`, scope: "capsules:write", handle: attach(kind) },
    { method: "DELETE", path: `${one}/data_assets`, scope: "capsules:write", handle: detach(kind) },
  ]
}

/**
 * The capsule or pipeline that the call names. Who has no role on it is told 404, who may only discover it 403.
 * A pipeline answers under `/capsules` too, a capsule never under `/pipelines`.
 */
export function findRunnable({ world, caller, params }: Call, kind: Kind): RunnableRecord {
  const record = world.runnables.get(params.id!)
  const role = record && roleOf(caller.user, record)
  if (!record || !role || (kind === "pipelines" && record.kind === "capsules"))
    return refuse(404, `${singular[kind]} not found`)
  if (role === "discoverable") return refuse(403, `you are not allowed to view this ${singular[kind]}`)
  return record
}

/** Whether an object belongs on the caller's list, as far as ownership, favorites and the archive go. */
export function isListed(object: Shared, user: User, request: SearchRequest): boolean {
  if (object.archived !== request.archived) return false
  if (request.favorite && !object.favoriteOf.has(user.id)) return false
  if (roleOf(user, object) === undefined) return false
  const own = object.owner === user.id
  if (request.ownership === "shared") return !own
  if (request.ownership === "created") return own
  if (request.ownership === "private") return own && isPrivate(object)
  return true
}

function isPrivate({ permissions: { everyone, users, groups } }: Shared): boolean {
  return (everyone === undefined || everyone === "none") && !users?.length && !groups?.length
}

/** Kept as long as a record holds the same parts: a change replaces a part, it never edits one. */
const entries = new WeakMap<RunnableRecord, { wire: unknown; attachments: unknown; entry: Entry<RunnableRecord> }>()

function entryOf(record: RunnableRecord): Entry<RunnableRecord> {
  const { wire, authors, customMetadata, attachments } = record
  const kept = entries.get(record)
  if (kept?.wire === wire && kept.attachments === attachments) return kept.entry
  const texts = (given: (string | undefined)[]) =>
    given.filter((one) => one !== undefined && one !== "").map((one) => text(one!))
  const tags = wire.tags ?? []
  const name = text(wire.name)
  const authorNames = authors.map((author) => author.name)
  const entry: Entry<RunnableRecord> = {
    item: record,
    id: wire.id,
    texts: [
      name,
      text(tags.join("\n")),
      text(wire.field ?? ""),
      text(wire.description ?? ""),
      text([...authorNames, wire.article?.name ?? ""].join("\n")),
    ],
    relatedIds: attachments.map(({ id }) => id.toLowerCase()),
    fields: {
      id: [text(wire.id)],
      doi: texts([wire.article?.doi, ...(wire.versions ?? []).map(({ doi }) => doi)]),
      tag: texts(tags),
      name: [name],
      field: texts([wire.field]),
      affiliation: texts(authors.map((author) => author.affiliation)),
      journal: texts([wire.article?.journal_name]),
      article: texts([wire.article?.name, wire.article?.citation]),
      author: texts(authorNames),
    },
    filterable: { ...customMetadata, name: wire.name, description: wire.description, tags },
    sort: { created: wire.created, name: name.plain, last_accessed: wire.last_accessed ?? 0 },
  }
  entries.set(record, { wire, attachments, entry })
  return entry
}

/** Prepares every capsule and pipeline for searching, so that the first search is as quick as the next. */
export function prepareSearch(world: World): void {
  for (const record of world.runnables.values()) entryOf(record)
}

function search(kind: Kind) {
  // Pages of one walk, and equal searches, need the objects looked through only once.
  let keptRevision = -1
  const kept = new Map<string, Entry<RunnableRecord>[]>()
  return ({ world, caller, body }: Call) => {
    const request = readSearch(body, rules)
    const key = `${caller.user.id} ${request.fingerprint}`
    if (keptRevision !== world.revision || kept.size > maximumKept) kept.clear()
    keptRevision = world.revision
    let found = kept.get(key)
    if (!found) {
      const listed: Entry<RunnableRecord>[] = []
      for (const record of world.runnables.values()) {
        if (record.kind !== kind || !isListed(record, caller.user, request)) continue
        if (request.enums.status === undefined || record.wire.status === request.enums.status)
          listed.push(entryOf(record))
      }
      found = select(listed, request, rules)
      kept.set(key, found)
    }
    return page(found, request, (record) => record.wire)
  }
}

function appPanel(kind: Kind) {
  return (call: Call) => {
    const record = findRunnable(call, kind)
    const { panel } = record
    if (!panel) return refuse(404, "app panel not found")
    const { version } = call.query
    if (version === undefined) return ok(shown(call, panel))
    if (!/^\d+$/.test(version)) return refuse(400, "version must be an integer")
    if (!record.wire.versions?.some(({ major_version }) => major_version === Number(version)))
      return refuse(404, `version ${version} not found`)
    return ok(shown(call, record.versionPanels?.get(Number(version)) ?? panel))
  }
}

function shown({ world, caller }: Call, panel: AppPanel): AppPanel {
  if (!panel.data_assets) return panel
  const data_assets = panel.data_assets.map((entry) => {
    const asset = world.dataAssets.get(entry.id)
    return asset && !hasRole(caller.user, asset, "viewer") ? { ...entry, accessible: false } : entry
  })
  return { ...panel, data_assets }
}

function listComputations(kind: Kind) {
  return (call: Call) => {
    const { computations } = findRunnable(call, kind)
    return ok(computations.map((id) => computationNow(call.world, call.world.computations.get(id)!)))
  }
}

function archive(kind: Kind) {
  return (call: Call) => {
    const record = findRunnable(call, kind)
    const archived = booleanQuery(call, "archive")
    if (!hasRole(call.caller.user, record, "owner"))
      return refuse(403, `only the owner or an admin may archive this ${singular[kind]}`)
    record.archived = archived
    return noContent
  }
}

function remove(kind: Kind) {
  return (call: Call) => {
    const record = findRunnable(call, kind)
    const what = singular[kind]
    if (!hasRole(call.caller.user, record, "owner"))
      return refuse(403, `only the owner or an admin may delete this ${what}`)
    if (record.wire.status === "release" || record.wire.release_capsule || record.wire.versions?.length)
      return refuse(403, `this ${what} was released and cannot be deleted`)
    if (!record.archived) return refuse(403, `this ${what} must be archived before it is deleted`)
    for (const id of record.computations) call.world.computations.delete(id)
    call.world.runnables.delete(record.wire.id)
    return noContent
  }
}

function attach(kind: Kind) {
  return (call: Call) => {
    const { world, caller } = call
    const record = findRunnable(call, kind)
    const wanted = readAttachments(call.body)
    if (!hasRole(caller.user, record, "editor"))
      return refuse(403, `you are not allowed to edit this ${singular[kind]}`)
    const assets = wanted.map(({ id }) => {
      const asset = world.dataAssets.get(id)
      if (!asset || roleOf(caller.user, asset) === undefined) return refuse(404, `data asset ${id} not found`)
      return asset
    })
    const ids = wanted.map(({ id }) => id)
    const blamed = (guilty: typeof assets) => ({ datasets: guilty.map(({ wire: { id, name } }) => ({ id, name })) })
    const forbidden = assets.filter((asset) => !hasRole(caller.user, asset, "viewer"))
    if (forbidden.length > 0) return refuse(403, "you are not allowed to attach these data assets", blamed(forbidden))
    const attached = record.attachments.map(({ id }) => id)
    const again = assets.filter((_asset, at) => [...attached, ...ids.slice(0, at)].includes(ids[at]!))
    if (again.length > 0) return refuse(400, "data asset already attached", blamed(again))
    const failed = assets.filter((asset) => dataAssetNow(world, asset).state === "failed")
    if (failed.length > 0) return refuse(400, "data asset is not ready", blamed(failed))
    const added = wanted.map(({ id, mount }, at) => ({ id, mount: mount ?? assets[at]!.wire.mount }))
    const mountless = assets.filter((_asset, at) => added[at]!.mount === "")
    if (mountless.length > 0) return refuse(400, "data asset has no default mount, one is required", blamed(mountless))
    const taken = record.attachments.map(({ mount }) => mount)
    const mounts = added.map(({ mount }) => mount)
    const clashing = assets.filter((_asset, at) => [...taken, ...mounts.slice(0, at)].includes(mounts[at]!))
    if (clashing.length > 0) return refuse(400, "mount is already in use", blamed(clashing))

    record.attachments = [...record.attachments, ...added]
    if (record.panel) {
      const rows = added.map(({ id, mount }) => panelEntry(world, id, mount)!)
      record.panel = { ...record.panel, data_assets: [...(record.panel.data_assets ?? []), ...rows] }
    }
    return ok(
      added.map(({ id, mount }, at) => {
        const external = isExternal(world, assets[at]!)
        const ready = dataAssetNow(world, assets[at]!).state === "ready"
        if (ready) return { id, mount, mount_state: "mounted", external, ready }
        return { id, mount, mount_state: "pending", job_id: `mount-${id.slice(0, 8)}`, external, ready }
      }),
    )
  }
}

/** A mount of null is refused, as the platform does: an unset one is left out. */
export function readAttachments(body: unknown): { id: string; mount?: string }[] {
  if (!Array.isArray(body) || body.length === 0) return refuse(400, "invalid request body")
  return body.map((entry: unknown) => {
    if (!isObject(entry) || typeof entry.id !== "string") return refuse(400, "invalid request body")
    const { id, mount } = entry as { id: string; mount?: unknown }
    if (mount === undefined || mount === "") return { id }
    if (typeof mount !== "string") return refuse(400, "invalid request body")
    return { id, mount }
  })
}

function detach(kind: Kind) {
  return (call: Call) => {
    const record = findRunnable(call, kind)
    const ids = call.body
    if (!Array.isArray(ids) || ids.length === 0 || ids.some((id) => typeof id !== "string"))
      return refuse(400, "invalid request body")
    if (!hasRole(call.caller.user, record, "editor"))
      return refuse(403, `you are not allowed to edit this ${singular[kind]}`)
    const unknown = ids.find((id) => !record.attachments.some((attachment) => attachment.id === id))
    if (unknown !== undefined) return refuse(404, `data asset ${unknown} is not attached`)
    record.attachments = record.attachments.filter(({ id }) => !ids.includes(id))
    if (record.panel?.data_assets)
      record.panel = { ...record.panel, data_assets: record.panel.data_assets.filter(({ id }) => !ids.includes(id)) }
    return noContent
  }
}
