import { expect } from "vitest"
import type { Checks, Path } from "./checks.ts"
import type { Item, Kind } from "./modelUpstream.ts"
import type { Writer } from "./writer.ts"

/*
 * The fields of requests, each with its text and the check of its value in one place.
 */

// biome-ignore lint/suspicious/noExplicitAny: responses have any shape.
export type Value = any

/** A selected field. `key` is its key in the response. */
export interface Field {
  key: string
  text: string
  /** Whether its value can be had without the object itself, and proves that the object exists. */
  isOwnCall?: boolean
  /** Whether it needs only the object's id. */
  needsOnlyId?: boolean
  check(checks: Checks, value: Value, path: Path, item: Item, place: Place): void
}

/** How an object was reached. */
export interface Place {
  /** The route on which it was read. */
  kind: Kind
  /** The lowest version that may be shown. */
  atLeast: number
  /** The capsule or pipeline in whose list of runs it was. */
  listedBy?: Item | undefined
}

export const idField: Field = {
  key: "id",
  needsOnlyId: true,
  text: "id",
  check: (_checks, value, _path, item) => expect(value).toBe(item.id),
}

export const nameField: Field = {
  key: "name",
  text: "name",
  check: (checks, value, _path, item, { kind, atLeast }) => checks.name(value, kind, item, atLeast),
}

export function checkFields(
  checks: Checks,
  value: Value,
  path: Path,
  item: Item,
  fields: readonly Field[],
  place: Place,
): void {
  for (const field of fields) field.check(checks, value[field.key], [...path, field.key], item, place)
}

/** Checks an object that was looked up by its id, or what is in its place. */
export function checkFound(
  checks: Checks,
  value: Value,
  path: Path,
  kind: Kind,
  id: string,
  fields: readonly Field[],
  place: Place = { kind, atLeast: 0 },
): void {
  const outcomes = checks.lookUp(kind, id)
  if (value === null) {
    checks.isNull(path, outcomes)
    return
  }
  const isProven = fields.some(
    ({ isOwnCall, key }) =>
      isOwnCall &&
      (value[key]?.entries ??
        value[key]?.text ??
        value[key]?.users ??
        (key.startsWith("runs") ? value[key]?.nodes : value[key]?.nodes?.[0]) ??
        value[key]?.general) != null,
  )
  if (!isProven) expect([...outcomes], `${path.join(".")} has the value of ${id}`).toContain("value")
  checkFields(checks, value, path, checks.item(kind, id), fields, place)
}

/** Same as `checkFound` for a link. An object of which only the id is selected is not read. */
function checkLink(checks: Checks, value: Value, path: Path, kind: Kind, id: string, fields: readonly Field[]): void {
  if (fields.every(({ key }) => key === "id")) expect(value).toEqual({ id })
  else checkFound(checks, value, path, kind, id, fields)
}

type Nested = (writer: Writer, kind: Kind, depth: number) => Field

const release: Nested = (writer, _kind, depth) => {
  writer.searchesLater = true
  const fields = writer.fields("capsules", depth)
  return {
    key: "releaseCapsule",
    text: `releaseCapsule { ${writer.text("capsules", fields)} }`,
    check: (checks, value, path, { links }) => checkLink(checks, value, path, "capsules", links.release, fields),
  }
}

const original: Nested = (writer, _kind, depth) => {
  writer.searchesLater = true
  const fields = writer.fields("capsules", depth)
  return {
    key: "originalCapsule",
    text: `originalCapsule { capsule { ${writer.text("capsules", fields)} } }`,
    check: (checks, value, path, { links }) =>
      checkLink(checks, value.capsule, [...path, "capsule"], "capsules", links.original, fields),
  }
}

const panel: Nested = (writer, _kind, depth) => {
  const fields = writer.fields("data_assets", depth)
  const version = writer.oneOf([undefined, 1, 2])
  return {
    key: "panel",
    isOwnCall: true,
    text: `panel: appPanel${version === undefined ? "" : `(version: ${version})`} {
      general { title } dataAssets { dataAsset { ${writer.text("data_assets", fields)} } } }`,
    check(checks, value, path, { id, links }, { kind }) {
      const outcomes = checks.below("GET", kind, id, `app_panel${version === undefined ? "" : `?version=${version}`}`)
      if (value === null) return checks.isNull(path, outcomes)
      expect([...outcomes]).toContain("value")
      expect(value.general.title).toBe(`panel of ${id} for ${checks.asked.caller} ${version ?? null}`)
      for (const [index, asset] of links.several.entries()) {
        const at = [...path, "dataAssets", index, "dataAsset"]
        checkLink(checks, value.dataAssets[index].dataAsset, at, "data_assets", asset, fields)
      }
    },
  }
}

const runs: Nested = (writer, _kind, depth) => {
  writer.lists.add("computations")
  const first = 1 + writer.below(3)
  const key = `runs${first}`
  const fields = writer.fields("computations", depth)
  return {
    key,
    isOwnCall: true,
    text: `${key}: computations(first: ${first}) { nodes { id ${writer.text("computations", fields)} } }`,
    check(checks, value, path, item, { kind }) {
      const outcomes = checks.below("GET", kind, item.id, "computations")
      if (value === null) return checks.isNull(path, outcomes, "an empty value")
      expect([...outcomes]).toContain("value")
      const ids = checks.asked.states.map((state) => {
        const all = [...state.items.values()].filter(
          ({ kind, links }) => kind === "computations" && links.of === item.id,
        )
        return all.map(({ id }) => id).sort()
      })
      const shown: string[] = value.nodes.map(({ id }: { id: string }) => id)
      expect(new Set(shown).size).toBe(shown.length)
      expect(
        ids.some(
          (all) =>
            all.length >= shown.length &&
            shown.every((id) => all.includes(id)) &&
            shown.length === Math.min(first, all.length),
        ),
      ).toBe(true)
      for (const [index, run] of value.nodes.entries()) {
        const place = { kind: "computations", atLeast: 0, listedBy: item } as const
        checkFields(checks, run, [...path, "nodes", index], checks.item("computations", run.id), fields, place)
      }
    },
  }
}

const permissions: Nested = () => ({
  key: "permissions",
  isOwnCall: true,
  text: "permissions { users { email } }",
  check(checks, value, path, { id }, { kind }) {
    const outcomes = checks.below("GET", kind, id, "permissions")
    if (value === null) checks.isNull(path, outcomes, "an empty value")
    else expect([value.users, outcomes.has("value")]).toEqual([[{ email: `of ${id} ${checks.asked.caller}` }], true])
  },
})

const archived: Nested = () => ({
  key: "archived",
  needsOnlyId: true,
  text: "archived",
  check: (checks, value, path, item, { kind }) => checks.archived(value, path, kind, item),
})

const inputs: Nested = (writer, kind, depth) => {
  const fields = writer.fields("data_assets", depth)
  const key = kind === "computations" ? "dataAssets" : "containedDataAssets"
  return {
    key,
    text: `${key} { dataAssetId dataAsset { ${writer.text("data_assets", fields)} } }`,
    check(checks, value, path, { links }) {
      expect(value.map(({ dataAssetId }: { dataAssetId: string }) => dataAssetId)).toEqual(links.several)
      for (const [index, id] of links.several.entries()) {
        checkLink(checks, value[index].dataAsset, [...path, index, "dataAsset"], "data_assets", id, fields)
      }
    },
  }
}

const processes: Nested = (writer, _kind, depth) => {
  writer.searchesLater = true
  const fields = writer.fields("capsules", depth)
  return {
    key: "processes",
    text: `processes { capsule { ${writer.text("capsules", fields)} } }`,
    check: (checks, value, path, { links }) =>
      checkLink(checks, value[0].capsule, [...path, 0, "capsule"], "capsules", links.one, fields),
  }
}

const runnable: Nested = () => ({
  key: "runnable",
  text: "runnable { __typename id name }",
  check(checks, value, path, item, { listedBy }) {
    if (value === null) {
      const kind = listedBy?.kind ?? "capsules"
      const outcomes = new Set([...checks.lookUp("capsules", item.links.of), ...checks.lookUp(kind, item.links.of)])
      // Only who was reached from a list or a provenance is known to belong to it.
      return checks.isNull(path, listedBy === undefined ? outcomes.add("NOT_FOUND") : outcomes)
    }
    const kind = value.__typename === "Pipeline" ? "pipelines" : "capsules"
    expect(value.id).toBe(item.links.of)
    checkFound(checks, value, path, kind, item.links.of, [nameField])
  },
})

const provenance: Nested = (writer, _kind, depth) => {
  writer.searchesLater = true
  const capsule = writer.fields("capsules", depth)
  const run = writer.fields("computations", depth)
  const assets = writer.fields("data_assets", depth)
  return {
    key: "provenance",
    text: `provenance { capsule { ${writer.text("capsules", capsule)} } computation { ${writer.text("computations", run)} }
      dataAssets { ${writer.text("data_assets", assets)} } }`,
    check(checks, value, path, { links }) {
      checkLink(checks, value.capsule, [...path, "capsule"], "capsules", links.one, capsule)
      checkLink(checks, value.computation, [...path, "computation"], "computations", links.run, run)
      for (const [index, id] of links.several.entries()) {
        checkLink(checks, value.dataAssets[index], [...path, "dataAssets", index], "data_assets", id, assets)
      }
    },
  }
}

const attached: Nested = (writer, _kind, depth) => {
  const kind = writer.oneOf(["capsules", "pipelines"] as const)
  writer.lists.add(kind)
  const first = writer.oneOf([1, 2, 10])
  const fields = writer.fields(kind, depth)
  const key = `${kind}${first}`
  return {
    key,
    isOwnCall: true,
    text: `${key}: attachedTo${kind === "capsules" ? "" : "Pipelines"}(first: ${first}) {
      nodes { id ${writer.text(kind, fields)} } pageInfo { hasNextPage endCursor } }`,
    check(checks, value, path, { id }) {
      checks.page(value, path, { kind, query: id }, { first, offset: 0, seen: [] }, (node, at, item) =>
        checkFields(checks, node, at, item, fields, { kind, atLeast: 0 }),
      )
    },
  }
}

const entries: Nested = (_writer, kind) => {
  const key = kind === "computations" ? "results" : "files"
  return {
    key,
    isOwnCall: true,
    text: `${key} { entries { path } }`,
    check(checks, value, path, { id }) {
      const outcomes = checks.below("POST", kind, id, key)
      if (value.entries === null) return checks.isNull([...path, "entries"], outcomes)
      expect([...outcomes]).toContain("value")
      const paths = ["a", "b"].map((name) => ({ path: `${name} ${id} ${checks.asked.caller}` }))
      expect(value.entries).toEqual(paths)
    },
  }
}

const file: Nested = (writer, kind) => {
  const name = writer.oneOf(["x", "y"])
  const key = `file_${name}`
  return {
    key,
    isOwnCall: true,
    text: `${key}: ${kind === "computations" ? "resultFile" : "file"}(path: "${name}") { text }`,
    check: (checks, value, path, item) => checks.file(value.text, [...path, "text"], kind, item, name),
  }
}

const ofRunnables = [release, original, panel, runs, runs, permissions, archived]

/** The fields of each kind, beside its id and its name. */
export const fieldsOf: Record<Kind, readonly Nested[]> = {
  capsules: ofRunnables,
  pipelines: ofRunnables,
  computations: [inputs, processes, runnable, entries, file],
  data_assets: [provenance, inputs, attached, permissions, archived, entries, file],
}
