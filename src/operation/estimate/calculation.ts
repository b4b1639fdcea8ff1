import type { FieldNode } from "graphql"
import type { Count, SearchById } from "../../graph/cost.ts"
import type { CostedField, Plan, SelectionCost, Variables } from "./plan.ts"

/** How many calls to Code Ocean, and roughly how many bytes of response, an operation needs. */
export interface Expected {
  readonly calls: number
  readonly bytes: number
}

/** The largest number of items to assume for a field, whatever its arguments say. */
export type Cap = (node: FieldNode) => number

const noCap: Cap = () => Number.POSITIVE_INFINITY

/** Computes the cost of a plan with the values of its variables. */
export class Calculation {
  readonly plan: Plan
  readonly #variables: Variables
  readonly #cap: Cap
  /** The cost of one object. Fragments can lead to the same selection many times. */
  readonly #calls = new Map<SelectionCost, number>()
  readonly #bytes = new Map<SelectionCost, number>()

  constructor(plan: Plan, variables: Variables, cap = noCap) {
    this.plan = plan
    this.#variables = Object.keys(plan.defaults).length === 0 ? variables : { ...plan.defaults, ...variables }
    this.#cap = cap
  }

  total(): Expected {
    const { root, callsPerRequest } = this.plan
    const calls = this.#callsOf(root, 1) + callsPerRequest + this.lookupCalls(root.fields)
    return { calls, bytes: this.#bytesOf(root, 1) }
  }

  /** @param parentItems how many items a list has that declares no number of items */
  #callsOf(selection: SelectionCost, parentItems: number): number {
    let calls = this.#calls.get(selection)
    if (calls === undefined) {
      calls = selection.sharedCalls
      for (const field of selection.fields) calls += this.ownCalls(field) + this.childCalls(field, parentItems)
      this.#calls.set(selection, calls)
    }
    return calls
  }

  /** The calls of the field itself, without lookups by id. */
  ownCalls(field: CostedField): number {
    const { calls, byId, per, fixedCalls = 0 } = field.cost
    if (calls === undefined || byId !== undefined) return 0
    return calls * (per === undefined ? 1 : this.#count(per, field)) + fixedCalls
  }

  /** The calls of everything that is selected below the field. */
  childCalls(field: CostedField, parentItems: number): number {
    if (field.children.length === 0) return 0
    const times = field.isList ? this.#items(field, parentItems) : 1
    const items = this.itemsBelow(field)
    return times * Math.max(...field.children.map((child) => this.#callsOf(child, items)))
  }

  /**
   * The calls of lookups by id. Looking up the same id and type again is free. Only root fields are lookups. The searches that find
   * several by their ids may find none of them.
   */
  lookupCalls(fields: readonly CostedField[]): number {
    const lookups = new Map<string, { calls: number; ids: Set<unknown> }>()
    const searches = new Map<string, { maxIds: number; ids: Set<string> }>()
    for (const { cost, node, argumentValue, typeName } of fields) {
      if (cost.byId === undefined) continue
      const { calls = 0 } = cost
      const key = `${typeName} ${calls}`
      const lookup = lookups.get(key) ?? { calls, ids: new Set() }
      lookups.set(key, lookup)
      const ids = [argumentValue(cost.byId, this.#variables) ?? []].flat()
      for (const id of ids.slice(0, this.#cap(node))) {
        lookup.ids.add(typeof id === "object" ? JSON.stringify(id) : id)
        for (const type of cost.searched?.types ?? []) {
          const { maxIds, isSearchable } = cost.searched as SearchById
          const searchedId = idOfType(id, type)
          if (searchedId === undefined || !isSearchable(searchedId)) continue
          const search = searches.get(type) ?? { maxIds, ids: new Set() }
          searches.set(type, search)
          search.ids.add(searchedId)
        }
      }
    }
    let sum = 0
    for (const { calls, ids } of lookups.values()) sum += calls * ids.size
    for (const { maxIds, ids } of searches.values()) if (ids.size > 1) sum += Math.ceil(ids.size / maxIds)
    return sum
  }

  #bytesOf(selection: SelectionCost, parentItems: number): number {
    let bytes = this.#bytes.get(selection)
    if (bytes === undefined) {
      bytes = selection.bytes + selection.bytesPerItem * parentItems
      for (const field of selection.fields) bytes += this.bytesWith(field, parentItems, selection === this.plan.root)
      this.#bytes.set(selection, bytes)
    }
    return bytes
  }

  /** The size of the field's value with its children. Nested pages are seldom full, so they count at their usual size. */
  bytesWith(field: CostedField, parentItems: number, isRoot: boolean): number {
    const { children, bytes, cost, isList } = field
    if (children.length === 0) return bytes
    const usual = isRoot ? Number.POSITIVE_INFINITY : (cost.items?.assumed ?? Number.POSITIVE_INFINITY)
    const items = (others: number) => Math.min(this.#items(field, others), usual)
    const times = isList ? items(parentItems) : 1
    const itemsBelow = isList ? 1 : items(1)
    return bytes + times * Math.max(0, ...children.map((child) => this.#bytesOf(child, itemsBelow)))
  }

  /** How many items the lists below a field have that declare no number of items: as many as the field, if it is not a list. */
  itemsBelow(field: CostedField): number {
    return field.isList ? 1 : this.#items(field, 1)
  }

  #items(field: CostedField, parentItems: number): number {
    return field.cost.items === undefined ? parentItems : this.#count(field.cost.items, field)
  }

  #count({ argument, assumed, max: most }: Count, { node, argumentValue }: CostedField): number {
    if (argument === undefined) return assumed
    const value = argumentValue(argument, this.#variables) ?? assumed
    const count = Array.isArray(value) ? value.length : typeof value === "number" ? Math.max(0, value) : 1
    return Math.min(count, most ?? count, this.#cap(node))
  }
}

/** The id that is given, alone or in a reference. Undefined if there is none, or if the reference names another type. */
function idOfType(given: unknown, type: string): string | undefined {
  let id = given
  if (typeof given === "object" && given !== null) {
    const reference = given as Record<string, unknown>
    if (reference.__typename !== type) return undefined
    id = reference.id
  }
  return typeof id === "string" ? id : undefined
}
