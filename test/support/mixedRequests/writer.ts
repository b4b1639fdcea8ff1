import { expect } from "vitest"
import { type fc, naturalBelow } from "../properties.ts"
import type { Checks, Path } from "./checks.ts"
import { checkFields, checkFound, type Field, fieldsOf, idField, nameField, type Value } from "./fields.ts"
import { type Item, isRunnable, type Kind, kinds, type State } from "./modelUpstream.ts"

/*
 * Writes requests that look objects up in random ways.
 */

export interface Cursor {
  alias: string
  kind: Kind
  archived: boolean
  sort: "asc" | "desc" | undefined
  first: number
  offset: number
  seen: string[]
  after: string
}

/** A field at the root, with the variables that its text names. */
export interface Root {
  text: string
  variables: Record<string, unknown>
  declarations: string[]
  /** Returns the cursor of the next page, if there is one. */
  check(checks: Checks, data: Value): Cursor | undefined
}

const types = { capsules: "Capsule", pipelines: "Pipeline", computations: "Computation", data_assets: "DataAsset" }
const one = { capsules: "capsule", pipelines: "pipeline", computations: "computation", data_assets: "dataAsset" }
const many = { capsules: "capsules", pipelines: "pipelines", computations: "computations", data_assets: "dataAssets" }
const search = { capsules: "searchCapsules", pipelines: "searchPipelines", data_assets: "searchDataAssets" }

export class Writer {
  readonly #g: fc.GeneratorValue
  /** The kinds of which lists are selected. */
  lists = new Set<Kind>()
  /** Whether there may be searches by ids that the estimate does not count: for links, and for look-ups after other calls. */
  searchesLater = false
  /** The ids that are looked up as objects of each kind. */
  readonly #given = new Map<Kind, string[]>()
  #aliases = 0

  constructor(g: fc.GeneratorValue) {
    this.#g = g
  }

  below(count: number): number {
    return this.#g(naturalBelow(count))
  }

  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent
  }

  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** Several fields of an object, each once. Some are in fragments. */
  fields(kind: Kind, depth: number): Field[] {
    const fields = new Map<string, Field>()
    for (let left = 1 + this.below(3); left > 0; left--) {
      const field = this.#field(kind, depth)
      if (!fields.has(field.key)) fields.set(field.key, field)
    }
    return [...fields.values()]
  }

  text(kind: Kind, fields: readonly Field[]): string {
    const type = types[kind]
    return fields.map(({ text }) => (this.chance(8) ? `... on ${type} { ${text} }` : text)).join(" ")
  }

  #field(kind: Kind, depth: number): Field {
    const simple: Field[] = [idField, nameField, nameField, { ...nameField, key: "also", text: "also: name" }]
    if (depth === 0 || this.chance(35)) return this.oneOf(simple)
    return this.oneOf(fieldsOf[kind])(this, kind, depth - 1)
  }

  #alias(): string {
    this.#aliases += 1
    return `f${this.#aliases}`
  }

  /** An id of this kind, of another kind, in another form, or of nothing. Often it is one that the request gives already. */
  id(state: State, kind: Kind): string {
    const given = this.#given.get(kind) ?? []
    this.#given.set(kind, given)
    const id = given.length > 0 && this.chance(40) ? this.oneOf(given) : this.#newId(state, kind)
    given.push(id)
    return id
  }

  /** Makes it likely that these objects are looked up. */
  prefer({ items }: State, ids: readonly string[]): void {
    for (const id of ids) {
      const { kind } = items.get(id) as Item
      this.#given.set(kind, [...(this.#given.get(kind) ?? []), id])
    }
  }

  #newId(state: State, kind: Kind): string {
    const items = [...state.items.values()]
    const fitting = items.filter((item) => item.kind === kind)
    const item = this.chance(88) && fitting.length > 0 ? this.oneOf(fitting) : this.oneOf(items)
    const hasForms = isRunnable(item.kind)
    const roll = this.below(30)
    if (roll === 29) return "00000000-0000-4000-8000-000000000000"
    if (roll === 28 && hasForms) return item.slug
    return roll === 27 && hasForms ? item.id.toUpperCase() : item.id
  }

  /** Fields that look up the same objects alone and among others, in any order. */
  overlapping(state: State): Root[] {
    const kind = this.oneOf(["capsules", "pipelines"] as const)
    const fitting = [...state.items.values()].filter((item) => item.kind === kind).map(({ id }) => id)
    const ids = fitting.filter(() => this.chance(75))
    const parts = [ids, ids.slice(0, 1), ids.slice(-1), ids.toReversed(), ids.slice(1)]
    return Array.from({ length: 2 + this.below(2) }, () => this.#several(state, kind, this.oneOf(parts)))
  }

  root(state: State, cursors: Cursor[]): Root {
    const roll = this.below(10)
    // The others have no searches by id.
    const kind = this.chance(40) ? "capsules" : this.oneOf(kinds)
    if (roll < 3) return this.#single(state, kind)
    if (roll < 6) return this.#several(state, kind)
    if (roll < 8) return this.#nodes(state)
    return this.#page(kind, cursors)
  }

  #single(state: State, kind: Kind): Root {
    const alias = this.#alias()
    const id = this.id(state, kind)
    const fields = this.fields(kind, this.below(3))
    if (fields.every((field) => field.isOwnCall || field.needsOnlyId || field.key === "runnable"))
      this.searchesLater = true
    return {
      text: `${alias}: ${one[kind]}(id: $${alias}) { ${this.text(kind, fields)} }`,
      variables: { [alias]: id },
      declarations: [`$${alias}: ID!`],
      check: (checks, data) => void checkFound(checks, data[alias], [alias], kind, id, fields),
    }
  }

  #several(state: State, kind: Kind, ids = Array.from({ length: this.below(6) }, () => this.id(state, kind))): Root {
    const alias = this.#alias()
    const fields = this.fields(kind, this.below(3))
    return {
      text: `${alias}: ${many[kind]}(ids: $${alias}) { ${this.text(kind, fields)} }`,
      variables: { [alias]: ids },
      declarations: [`$${alias}: [ID!]!`],
      check(checks, data) {
        expect(data[alias]).toHaveLength(ids.length)
        for (const [index, id] of ids.entries())
          checkFound(checks, data[alias][index], [alias, index], kind, id, fields)
        return undefined
      },
    }
  }

  #nodes(state: State): Root {
    const alias = this.#alias()
    const ids = Array.from({ length: 1 + this.below(4) }, () => this.id(state, this.oneOf(kinds)))
    const isOne = ids.length === 1
    const byKind = new Map(kinds.map((kind) => [kind, this.fields(kind, 1)]))
    const fragments = kinds.map((kind) => `... on ${types[kind]} { ${this.text(kind, byKind.get(kind) as Field[])} }`)
    const selection = `{ __typename id ${fragments.join(" ")} }`
    return {
      text: isOne ? `${alias}: node(id: $${alias}) ${selection}` : `${alias}: nodes(ids: $${alias}) ${selection}`,
      variables: { [alias]: isOne ? ids[0] : ids },
      declarations: [`$${alias}: ${isOne ? "ID!" : "[ID!]!"}`],
      check(checks, data) {
        for (const [index, id] of ids.entries()) {
          checkNode(checks, isOne ? data[alias] : data[alias][index], isOne ? [alias] : [alias, index], id, byKind)
        }
        return undefined
      },
    }
  }

  #page(given: Kind, cursors: Cursor[]): Root {
    const kind = given === "computations" ? "data_assets" : given
    this.lists.add(kind)
    const earlier = cursors.length > 0 && this.chance(50) ? cursors.splice(this.below(cursors.length), 1)[0] : undefined
    const alias = this.#alias()
    const page = earlier ?? {
      alias,
      kind,
      archived: this.chance(25),
      sort: this.oneOf(["asc", "desc", undefined] as const),
      first: this.chance(50) ? 10 : 1 + this.below(3),
      offset: 0,
      seen: [],
      after: "",
    }
    this.lists.add(page.kind)
    const fields = this.fields(page.kind, 1)
    const order = page.sort === undefined ? "" : `, orderBy: {field: NAME, direction: ${page.sort.toUpperCase()}}`
    const archived = page.archived ? ", archived: true" : ""
    const after = page.after === "" ? "" : `, after: $${alias}`
    return {
      text: `${alias}: ${search[page.kind as keyof typeof search]}(first: ${page.first}${order}${archived}${after}) {
        nodes { id ${this.text(page.kind, fields)} } pageInfo { hasNextPage endCursor } }`,
      variables: page.after === "" ? {} : { [alias]: page.after },
      declarations: page.after === "" ? [] : [`$${alias}: String`],
      check(checks, data) {
        const { archived, sort, first, offset, seen } = page
        const searched = { kind: page.kind, ...(archived && { archived }), sort }
        checks.page(data[alias], [alias], searched, { first, offset, seen }, (node, path, item) =>
          checkFields(checks, node, path, item, fields, { kind: page.kind, atLeast: 0 }),
        )
        const { endCursor, hasNextPage } = data[alias]?.pageInfo ?? {}
        if (!hasNextPage || endCursor == null) return undefined
        const ids = data[alias].nodes.map(({ id }: { id: string }) => id)
        return { ...page, offset: offset + first, seen: [...seen, ...ids], after: endCursor }
      },
    }
  }

  /** A field of a mutation, which changes an object and shows it. */
  change(state: State): Root & { change: Change } {
    const alias = this.#alias()
    const kind = this.oneOf(kinds)
    const id = this.oneOf([...state.items.values()].filter((item) => item.kind === kind)).id
    const fields = this.fields(kind, 1)
    const selection = `{ ... on MutationRefused { code } ... on`
    const shown = `${one[kind]} { ${this.text(kind, fields)} }`
    const type = types[kind]
    const archives = kind !== "computations" && (kind !== "data_assets" || this.chance(50))
    const name = archives ? `archive${type}` : kind === "computations" ? "renameComputation" : "updateDataAsset"
    const payload = `${name[0]?.toUpperCase()}${name.slice(1)}Payload`
    const archived = archives ? this.chance(50) : undefined
    const value = archives ? `archived: ${archived}` : `name: "n"`
    const version = state.items.get(id)?.version as number
    return {
      change: { id, archived },
      text: `${alias}: ${name}(input: {id: $${alias}, ${value}}) ${selection} ${payload} { ${shown} } }`,
      variables: { [alias]: id },
      declarations: [`$${alias}: ID!`],
      check(checks, data) {
        const outcomes = new Set([...checks.lookUp(kind, id), ...checks.change(kind, id)])
        const payload = data[alias]
        if (payload === null) checks.isNull([alias], outcomes)
        else if (payload.code !== undefined) expect([...outcomes]).toContain(payload.code)
        else {
          const path = [alias, one[kind]]
          const isRead = !fields.every((field) => field.needsOnlyId || (field.isOwnCall && isRunnable(kind)))
          const place = { kind, atLeast: version + 1 }
          if (isRead || (!isRunnable(kind) && fields.some(({ key }) => key !== "id"))) {
            checkFound(checks, payload[one[kind]], path, kind, id, fields, place)
          } else checkFields(checks, payload[one[kind]], path, checks.item(kind, id), fields, place)
        }
        return undefined
      },
    }
  }
}

function checkNode(checks: Checks, value: Value, path: Path, id: string, byKind: Map<Kind, Field[]>): void {
  const outcomes = new Map(kinds.map((kind) => [kind, checks.lookUp(kind, id)]))
  if (value === null) {
    const all = [...outcomes.values()]
    const known = kinds.find((kind) => checks.asked.states.some(({ items }) => items.get(id)?.kind === kind))
    // If the type is known from an earlier request, only its own route is asked.
    const isMissing = all.every((codes) => codes.has("NOT_FOUND")) || (known && outcomes.get(known)?.has("NOT_FOUND"))
    const failed = all.flatMap((codes) => [...codes]).filter((code) => code !== "NOT_FOUND")
    checks.isNull(path, new Set([...failed, ...(isMissing ? ["NOT_FOUND"] : [])]))
    return
  }
  const kind = kinds.find((kind) => types[kind] === value.__typename) as Kind
  expect([...(outcomes.get(kind) as Set<string>)]).toContain("value")
  const item = checks.item(kind, id)
  // A pipeline is also on the route of capsules: it is shown as one only if the route of pipelines refuses it.
  if (item.kind !== kind)
    expect([...(outcomes.get(item.kind) as Set<string>)].some((code) => code !== "value")).toBe(true)
  expect(value.id).toBe(item.id)
  checkFields(checks, value, path, item, byKind.get(kind) as Field[], { kind, atLeast: 0 })
}

/** A change of an object, which archives or unarchives it or only makes a new version. */
export interface Change {
  id: string
  archived: boolean | undefined
}

/** The parts of a request. */
export interface Mix {
  query: string
  variables: Record<string, unknown>
  lists: ReadonlySet<Kind>
  searchesLater: boolean
  isMutation: boolean
  changes: Change[]
  check(checks: Checks, data: Value): Cursor[]
}

/** Writes a request. */
export function writeMix(g: fc.GeneratorValue, state: State, cursors: Cursor[], changedIds: readonly string[]): Mix {
  const writer = new Writer(g)
  writer.prefer(state, changedIds)
  const isMutation = writer.chance(18)
  const count = isMutation ? 1 + writer.below(2) : 1 + writer.below(4)
  const changes: Change[] = []
  const overlapping = !isMutation && writer.chance(20) ? writer.overlapping(state) : []
  const others = Array.from({ length: overlapping.length > 0 ? 0 : count }, (): Root => {
    if (!isMutation) return writer.root(state, cursors)
    const change = writer.change(state)
    changes.push(change.change)
    return change
  })
  const roots = [...overlapping, ...others]
  const declared = roots.flatMap(({ declarations }) => declarations)
  const kind = isMutation ? "mutation" : "query"
  return {
    query: `${kind} ${declared.length > 0 ? `(${declared.join(", ")}) ` : ""}{ ${roots.map(({ text }) => text).join(" ")} }`,
    variables: Object.assign({}, ...roots.map(({ variables }) => variables)),
    lists: writer.lists,
    searchesLater: writer.searchesLater,
    isMutation,
    changes,
    check: (checks, data) => roots.map((root) => root.check(checks, data)).filter((cursor) => cursor !== undefined),
  }
}
