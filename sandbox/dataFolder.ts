import { readFileSync } from "node:fs"
import { join } from "node:path"
import { isObject } from "./route.ts"
import { users } from "./seed.ts"
import {
  type AppPanel,
  addDataAsset,
  addRunnable,
  type Capsule,
  type DataAsset,
  fillPanels,
  type Kind,
  type Permissions,
  type World,
} from "./world.ts"

/** The files' owners are not among the users of the demo tokens, so those users may view and edit everything. */
const forEveryone: Permissions = {
  everyone: "viewer",
  users: [users.ada, users.grace].map(({ email }) => ({ email, role: "editor" })),
}

/**
 * Adds the objects of a folder: `capsules.json`, `pipelines.json` and `data_assets.json` (lists of wire objects),
 * `app_panels.json` (id to panel) and `attachments.json` (id to a list of `{id, mount}`). Throws an error that names the
 * file which is missing or broken.
 */
export function addDataFolder(world: World, folder: string): void {
  const panels = readById(folder, "app_panels.json")
  const attachments = readById(folder, "attachments.json")
  for (const asset of readList(folder, "data_assets.json", ["name", "mount", "owner", "state", "type"]))
    addDataAsset(world, asset as unknown as DataAsset, { permissions: forEveryone })
  for (const kind of ["capsules", "pipelines"] as Kind[])
    for (const runnable of readList(folder, `${kind}.json`, ["name", "status", "owner", "slug"])) {
      const wire = runnable as unknown as Capsule
      const attached = attachments[wire.id] ?? []
      if (!Array.isArray(attached)) throw broken(folder, "attachments.json", `${wire.id} has no list`)
      const panel = panels[wire.id]
      if (panel !== undefined && !isObject(panel)) throw broken(folder, "app_panels.json", `${wire.id} is no object`)
      addRunnable(world, kind, wire, {
        permissions: forEveryone,
        attachments: attached,
        ...(panel === undefined ? {} : { panel: panel as AppPanel }),
      })
    }
  fillPanels(world)
}

function broken(folder: string, file: string, why: string): Error {
  return new Error(`cannot use ${join(folder, file)}: ${why}`)
}

function read(folder: string, file: string): unknown {
  let text: string
  try {
    text = readFileSync(join(folder, file), "utf8")
  } catch (error) {
    throw broken(folder, file, (error as NodeJS.ErrnoException).code === "ENOENT" ? "it does not exist" : String(error))
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw broken(folder, file, (error as Error).message)
  }
}

function readById(folder: string, file: string): Record<string, unknown> {
  const value = read(folder, file)
  if (!isObject(value)) throw broken(folder, file, "it holds no object of ids")
  return value
}

function readList(folder: string, file: string, strings: string[]): Record<string, unknown>[] {
  const value = read(folder, file)
  if (!Array.isArray(value)) throw broken(folder, file, "it holds no list")
  const ids = new Set<string>()
  value.forEach((entry: unknown, at) => {
    if (!isObject(entry)) throw broken(folder, file, `entry ${at} is no object`)
    for (const key of ["id", ...strings])
      if (typeof entry[key] !== "string") throw broken(folder, file, `entry ${at} has no ${key}`)
    if (typeof entry.created !== "number") throw broken(folder, file, `entry ${at} has no created`)
    if (ids.has(entry.id as string)) throw broken(folder, file, `the id ${entry.id} occurs twice`)
    ids.add(entry.id as string)
  })
  return value
}
