import type { LinkedObject, Links, SelectedField } from "./execution.ts"

/** The most objects of one field that are kept. */
const maxKept = 512

/** The linked objects of an operation, or of one root field of a mutation, which can change what links lead to. */
export class ResponseLinks implements Links {
  /** The table of the last field. A list asks for the same one for each of its items. */
  private last: LinkTable | undefined
  private tables: Map<SelectedField, LinkTable> | undefined

  find(field: SelectedField, source: object): LinkedObject | undefined {
    const id = (field.linkedId as (source: object) => string | null)(source)
    if (id === null) return undefined
    const table = this.last?.field === field ? this.last : this.tableOf(field)
    return table.find(id)
  }

  private tableOf(field: SelectedField): LinkTable {
    this.tables ??= new Map()
    let table = this.tables.get(field)
    if (table === undefined) {
      table = new LinkTable(field)
      this.tables.set(field, table)
    }
    this.last = table
    return table
  }
}

interface Entry extends LinkedObject {
  readonly id: string
}

/**
 * From both ends of an id. Most ids are random, and some are counted. Ids that differ only in the middle have equal hashes: there are at
 * most `maxKept`, and they are compared.
 */
function hashOf(id: string): number {
  const { length } = id
  const ends = Math.min(4, length)
  let hash = length
  for (let index = 0; index < ends; index++) {
    hash = (Math.imul(hash, 31) + id.charCodeAt(index)) | 0
    hash = (Math.imul(hash, 31) + id.charCodeAt(length - 1 - index)) | 0
  }
  return hash ^ (hash >>> 15)
}

/**
 * A hash table of the objects to which a field leads. Not a Map: V8 interns each string that is a key of a look-up, which takes several
 * times as long as to compare it with one other.
 */
class LinkTable {
  readonly field: SelectedField
  private entries: (Entry | undefined)[] = new Array(16).fill(undefined)
  private size = 0

  constructor(field: SelectedField) {
    this.field = field
  }

  /** Adds the object if it is new. Undefined if there is no room. */
  find(id: string): Entry | undefined {
    const { entries } = this
    const mask = entries.length - 1
    let place = hashOf(id) & mask
    for (let entry = entries[place]; entry !== undefined; entry = entries[place]) {
      if (entry.id === id) return entry
      place = (place + 1) & mask
    }
    if (this.size === maxKept) return undefined
    this.size += 1
    const entry: Entry = { id, data: undefined, size: 0, waiting: undefined }
    entries[place] = entry
    if (this.size * 2 > entries.length) this.grow()
    return entry
  }

  private grow(): void {
    const { entries } = this
    const mask = entries.length * 4 - 1
    this.entries = new Array(mask + 1).fill(undefined)
    for (const entry of entries) {
      if (entry === undefined) continue
      let place = hashOf(entry.id) & mask
      while (this.entries[place] !== undefined) place = (place + 1) & mask
      this.entries[place] = entry
    }
  }
}
