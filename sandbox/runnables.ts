import { admitted, attachResults, readAttachments, readDetachments } from "./attachments.ts"
import { booleanQuery, type Call, noContent, ok, type Route, refuse } from "./route.ts"
import {
  type Entry,
  keptWhile,
  page,
  readSearch,
  type SearchRequest,
  type SearchRules,
  select,
  text,
} from "./search.ts"
import {
  type AppPanel,
  computationNow,
  hasRole,
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

export const singular: Record<Kind, string> = { capsules: "capsule", pipelines: "pipeline" }

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
 * The capsule or pipeline that the call names. Responds 404 to callers without a role on it, and 403 to those who may only
 * discover it. A pipeline can be read under `/capsules` too, a capsule never under `/pipelines`.
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

/** Cached while a record has the same parts: a change replaces a part and never edits it. */
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
export function prepareRunnableSearch(world: World): void {
  for (const record of world.runnables.values()) entryOf(record)
}

function search(kind: Kind) {
  const kept = keptWhile<RunnableRecord>()
  return ({ world, caller, body }: Call) => {
    const request = readSearch(body, rules)
    const found = kept(String(world.revision), `${caller.user.id} ${request.fingerprint}`, () => {
      const listed: Entry<RunnableRecord>[] = []
      for (const record of world.runnables.values()) {
        if (record.kind !== kind || !isListed(record, caller.user, request)) continue
        if (request.enums.status === undefined || record.wire.status === request.enums.status)
          listed.push(entryOf(record))
      }
      return select(listed, request, rules)
    })
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
    const added = admitted(call, wanted, record.attachments, ["failed"])
    record.attachments = [...record.attachments, ...added]
    if (record.panel) {
      const rows = added.map(({ id, mount }) => panelEntry(world, id, mount)!)
      record.panel = { ...record.panel, data_assets: [...(record.panel.data_assets ?? []), ...rows] }
    }
    return ok(attachResults(world, added))
  }
}

function detach(kind: Kind) {
  return (call: Call) => {
    const record = findRunnable(call, kind)
    if (!hasRole(call.caller.user, record, "editor"))
      return refuse(403, `you are not allowed to edit this ${singular[kind]}`)
    const ids = readDetachments(call.body, record.attachments)
    record.attachments = record.attachments.filter(({ id }) => !ids.includes(id))
    if (record.panel?.data_assets)
      record.panel = { ...record.panel, data_assets: record.panel.data_assets.filter(({ id }) => !ids.includes(id)) }
    return noContent
  }
}
