/** The wire's shapes, and the state of a Code Ocean deployment. */

import type { ReleaseRecord, Version } from "./releaseJob.ts"

export type Kind = "capsules" | "pipelines"
export type Role = "owner" | "editor" | "viewer" | "discoverable"
export type Scope = "capsules:read" | "capsules:write" | "datasets:read" | "datasets:write"

export interface Capsule {
  id: string
  created: number
  name: string
  status: string
  owner: string
  slug: string
  owner_email?: string
  last_accessed?: number
  description?: string
  field?: string
  tags?: string[] | null
  cloned_from_url?: string
  original_capsule?: {
    id?: string
    major_version?: number
    minor_version?: number
    name?: string
    created?: number
    public?: boolean
  }
  release_capsule?: string
  submission?: {
    timestamp: number
    commit?: string
    verification_capsule?: string
    verified?: boolean
    verified_timestamp?: number
  }
  versions?: Version[]
  article?: {
    url?: string
    id?: string
    doi?: string
    citation?: string
    state?: string
    name?: string
    journal_name?: string
    publish_time?: number
  }
}

export interface AppPanelParameter {
  name: string
  type: string
  category?: string
  param_name?: string
  description?: string
  help_text?: string
  value_type?: string
  default_value?: string
  required?: boolean
  hidden?: boolean
  minimum?: number
  maximum?: number
  pattern?: string
  value_options?: string[]
}

export interface AppPanelCategory {
  id: string
  name: string
  description?: string
  help_text?: string
}

export interface AppPanelDataAsset {
  id: string
  mount: string
  name: string
  description?: string
  help_text?: string
  kind: string
  accessible: boolean
}

export interface AppPanel {
  general?: { title?: string; instructions?: string; help_text?: string }
  data_assets?: AppPanelDataAsset[]
  categories?: AppPanelCategory[]
  parameters?: AppPanelParameter[]
  results?: { file_name: string }[]
  processes?: { name: string; categories?: AppPanelCategory[]; parameters?: AppPanelParameter[] }[]
}

export interface Param {
  name?: string
  param_name?: string
  value?: string
}

export interface Computation {
  id: string
  created: number
  name: string
  owner: string
  run_time: number
  state: string
  end_status?: string
  exit_code?: number
  has_results?: boolean
  cloud_workstation?: boolean
  owner_email?: string
  nextflow_profile?: string
  parameters?: Param[]
  data_assets?: { id: string; mount?: string }[]
  processes?: { name: string; capsule_id: string; version?: number; public?: boolean; parameters?: Param[] }[]
}

export interface DataAsset {
  id: string
  created: number
  name: string
  mount: string
  owner: string
  last_used: number
  state: string
  type: string
  files?: number
  size?: number | string
  description?: string
  field?: string
  owner_email?: string
  nextflow_profile?: string
  failure_reason?: string
  transfer_error?: string
  tags?: string[] | null
  last_transferred?: number
  provenance?: {
    commit?: string
    run_script?: string
    docker_image?: string
    capsule?: string
    computation?: string
    data_assets?: string[]
  }
  source_bucket?: { origin: string; bucket?: string; prefix?: string; external?: boolean }
  custom_metadata?: Record<string, string | number | (string | number)[]>
  app_parameters?: Param[]
  contained_data_assets?: { id?: string; mount?: string; size?: number }[]
}

export interface Permissions {
  users?: { email: string; role: Role }[]
  groups?: { group: string; role: Role }[]
  everyone?: "viewer" | "discoverable" | "none"
}

export interface User {
  id: string
  email: string
  admin: boolean
  groups: string[]
}

/** The user and the scopes of a token. */
export interface Access {
  user: User
  scopes: ReadonlySet<Scope>
}

/** A file's text or bytes, or, for files too large to keep, only its size in bytes. */
export type FileContent = string | Uint8Array | { size: number }
/** Path ("folder/name", without a leading slash) to content. */
export type Files = Record<string, FileContent>

/** What capsules, pipelines and data assets have in common beside their wire objects. */
export interface Shared {
  owner: string
  permissions: Permissions
  archived: boolean
  favoriteOf: Set<string>
}

export interface RunnableRecord extends Shared {
  kind: Kind
  wire: Capsule
  panel?: AppPanel
  /** Panels of released versions that differ from the latest, by major version. */
  versionPanels?: Map<number, AppPanel>
  attachments: { id: string; mount: string }[]
  /** The capsules that a pipeline runs, where that is known. */
  processes?: { name: string; capsule_id: string; version?: number; public?: boolean }[]
  computations: string[]
  authors: { name: string; affiliation: string }[]
  customMetadata: Record<string, string | number>
}

/** The phases of a run, each in seconds, from `started` (epoch seconds) on, and what the record says once it is over. */
export interface Life {
  started: number
  initializing: number
  running: number
  finalizing: number
  end: Pick<Computation, "state" | "end_status" | "exit_code" | "has_results">
}

export interface ComputationRecord {
  wire: Computation
  /** Id of the capsule or pipeline that was run; the wire never shows it. */
  parent: string
  /** Id of the user who ran it, where the wire names another owner. */
  startedBy?: string
  life?: Life
  files?: Files
}

export interface DataAssetRecord extends Shared {
  wire: DataAsset
  files?: Files
  /** A draft becomes what `becomes` says at `at` (epoch seconds). */
  creation?: { at: number; becomes: Partial<DataAsset> }
}

export interface Clock {
  now(): number
  advance(seconds: number): void
}

export interface World {
  clock: Clock
  access: Map<string, Access>
  /** Capsules and pipelines share one id space, because pipelines can be read as capsules too. */
  runnables: Map<string, RunnableRecord>
  computations: Map<string, ComputationRecord>
  dataAssets: Map<string, DataAssetRecord>
  /** By job id. */
  releases: Map<string, ReleaseRecord>
  /** When drafts cease to be drafts, in epoch seconds. */
  creations: number[]
  /** Increases with every request that may change something, so that search results can be cached until then. */
  revision: number
}

/** A clock that shows real time in epoch seconds, plus whatever it was advanced by. */
export function createClock(): Clock {
  let ahead = 0
  return {
    now: () => Date.now() / 1000 + ahead,
    advance: (seconds) => {
      ahead += seconds
    },
  }
}

/** A world with nothing in it but its clock and the tokens it knows. */
export function createWorld(clock: Clock, access: Map<string, Access>): World {
  return {
    clock,
    access,
    runnables: new Map(),
    computations: new Map(),
    dataAssets: new Map(),
    releases: new Map(),
    creations: [],
    revision: 0,
  }
}

/** Adds a capsule or pipeline. Omitted values are empty, and everyone may view it by default. */
export function addRunnable(
  world: World,
  kind: Kind,
  wire: Capsule,
  rest: Partial<Omit<RunnableRecord, "kind" | "wire">> = {},
): RunnableRecord {
  const record: RunnableRecord = {
    kind,
    wire,
    owner: wire.owner,
    permissions: { everyone: "viewer" },
    archived: false,
    favoriteOf: new Set(),
    attachments: [],
    computations: [],
    authors: [],
    customMetadata: {},
    ...rest,
  }
  world.runnables.set(wire.id, record)
  return record
}

/** Adds a run to the history of its capsule or pipeline. */
export function addComputation(
  world: World,
  parent: RunnableRecord,
  wire: Computation,
  rest: Partial<Omit<ComputationRecord, "wire" | "parent">> = {},
): void {
  world.computations.set(wire.id, { wire, parent: parent.wire.id, ...rest })
  parent.computations.push(wire.id)
}

/** Adds a data asset. Everyone may view it unless its permissions say otherwise. */
export function addDataAsset(world: World, wire: DataAsset, rest: Partial<Omit<DataAssetRecord, "wire">> = {}): void {
  if (rest.creation) world.creations.push(rest.creation.at)
  world.dataAssets.set(wire.id, {
    wire,
    owner: wire.owner,
    permissions: { everyone: "viewer" },
    archived: false,
    favoriteOf: new Set(),
    ...rest,
  })
}

const rank: Record<Role, number> = { owner: 4, editor: 3, viewer: 2, discoverable: 1 }

/** The strongest role the user has on an object; undefined when it does not exist for them. Admins own everything. */
export function roleOf(user: User, object: Shared): Role | undefined {
  if (user.admin || object.owner === user.id) return "owner"
  const { everyone, users, groups } = object.permissions
  let best: Role | undefined = everyone === "none" ? undefined : everyone
  const offer = (role: Role) => {
    if (!best || rank[role] > rank[best]) best = role
  }
  for (const entry of users ?? []) if (entry.email === user.email) offer(entry.role)
  for (const entry of groups ?? []) if (user.groups.includes(entry.group)) offer(entry.role)
  return best
}

/** Whether the user holds at least that role. */
export function hasRole(user: User, object: Shared, role: Role): boolean {
  const held = roleOf(user, object)
  return held !== undefined && rank[held] >= rank[role]
}

/** The computation as the wire shows it now: a run in progress ages with the clock, and ends by itself. */
export function computationNow(world: World, { wire, life }: ComputationRecord): Computation {
  if (!life) return wire
  const age = world.clock.now() - life.started
  const ran = (seconds: number) => Math.max(0, Math.floor(Math.min(seconds, life.running)))
  if (age < life.initializing) return { ...wire, state: "initializing", run_time: 0 }
  const sinceRunning = age - life.initializing
  if (sinceRunning < life.running) return { ...wire, state: "running", run_time: ran(sinceRunning) }
  if (sinceRunning < life.running + life.finalizing)
    return { ...wire, state: "finalizing", run_time: ran(sinceRunning) }
  return { ...wire, run_time: ran(sinceRunning), ...life.end }
}

/** The data asset as the wire shows it now: a draft becomes ready, or fails, with the clock, and stays so. */
export function dataAssetNow(world: World, record: DataAssetRecord): DataAsset {
  const { creation } = record
  if (creation && world.clock.now() >= creation.at) {
    record.wire = { ...record.wire, ...creation.becomes }
    delete record.creation
  }
  return record.wire
}

/** Whether the data asset's files stay in a customer's own bucket. */
export function isExternal(world: World, { wire }: DataAssetRecord): boolean {
  if (wire.source_bucket?.external) return true
  return (wire.contained_data_assets ?? []).some(({ id }) => {
    const contained = id === undefined ? undefined : world.dataAssets.get(id)
    return contained !== undefined && isExternal(world, contained)
  })
}

/** The entry by which an App Panel shows an attached data asset. */
export function panelEntry(world: World, id: string, mount: string): AppPanelDataAsset | undefined {
  const asset = world.dataAssets.get(id)
  if (!asset) return undefined
  const kind = asset.wire.type === "combined" ? "combined" : isExternal(world, asset) ? "external" : "internal"
  return { id, mount, name: asset.wire.name, kind, accessible: true }
}

/** Gives panels without a data asset section the one that follows from the attachments. */
export function fillPanels(world: World): void {
  for (const record of world.runnables.values()) {
    if (!record.panel || record.panel.data_assets || record.attachments.length === 0) continue
    const entries = record.attachments.map(({ id, mount }) => panelEntry(world, id, mount))
    record.panel = { ...record.panel, data_assets: entries.filter((entry) => entry !== undefined) }
  }
}
