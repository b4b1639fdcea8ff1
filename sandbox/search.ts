import { createHash } from "node:crypto"
import { type Answer, isObject, ok, Refusal, refuse } from "./route.ts"

/** A text to search in, lower case; `spaced` is kept from the first phrase that was looked for in it. */
export interface Text {
  plain: string
  spaced?: string
}

/** One object as the search sees it; `filterable` holds values as they were set. */
export interface Entry<Item> {
  item: Item
  id: string
  /** The texts that free text searches, the most important first; earlier ones weigh more. */
  texts: Text[]
  /** Ids by which free text finds the object, such as those of attached data assets. */
  relatedIds: string[]
  /** Values of the query language's fields. */
  fields: Record<string, Text[]>
  /** The values that filters compare, by key. */
  filterable: Record<string, string | number | string[] | undefined>
  sort: Record<string, string | number>
}

/** How one kind of object is searched. */
export interface SearchRules {
  /** The query language's fields: those that match a whole value, and those that match within a text. */
  wholeFields: readonly string[]
  textFields: readonly string[]
  sortFields: readonly string[]
  /** Body fields with a closed set of values. */
  enums: Record<string, readonly string[]>
}

export interface SearchRequest {
  offset: number
  limit: number
  query: string
  filters: Filter[]
  sortField?: string
  descending: boolean
  ownership?: string
  favorite: boolean
  archived: boolean
  /** The values of the kind's own closed sets, such as `status`. */
  enums: Record<string, string>
  fingerprint: string
}

interface Filter {
  key: string
  values?: (string | number)[]
  range?: { min?: number; max?: number }
  exclude: boolean
}

interface Term {
  field?: string
  value: string
  quoted: boolean
  /** The value's words, for comparing phrases. */
  phrase: string
}

const defaultLimit = 100
const maximumLimit = 1000
/** A bare name term longer than this finds nothing: names are indexed in pieces of at most this many characters. */
const longestBareName = 20

/** A text prepared for the search. */
export function text(plain: string): Text {
  return { plain: plain.toLowerCase() }
}

/** Words of letters and digits between single spaces, a space at either end. */
function words(text: string): string {
  return ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()} `
}

function terms(query: string, fields: readonly string[]): Term[] {
  const found: Term[] = []
  for (const match of query.matchAll(/(?:([a-z_]+):)?(?:"([^"]*)"?|([^\s"]+))/giu)) {
    const [whole, prefix, phrase, bare] = match
    const field = prefix?.toLowerCase()
    const quoted = phrase !== undefined
    const value = (phrase ?? bare ?? "").toLowerCase()
    if (field !== undefined && !fields.includes(field))
      found.push({ value: whole.toLowerCase(), quoted: false, phrase: "" })
    else if (value !== "") {
      const term: Term = { value, quoted, phrase: words(value) }
      found.push(field === undefined ? term : { ...term, field })
    }
  }
  return found
}

function contains(text: Text, { value, quoted, phrase }: Term): boolean {
  if (!quoted) return text.plain.includes(value)
  text.spaced ??= words(text.plain)
  return text.spaced.includes(phrase)
}

function matchesField<Item>(entry: Entry<Item>, term: Term, rules: SearchRules): boolean {
  const values = entry.fields[term.field!] ?? []
  if (rules.wholeFields.includes(term.field!)) return values.some(({ plain }) => plain === term.value)
  if (term.field === "name" && !term.quoted && [...term.value].length > longestBareName) return false
  return values.some((value) => contains(value, term))
}

/** The score of the free words. Undefined if one of them does not occur. */
function relevance<Item>(entry: Entry<Item>, free: Term[]): number | undefined {
  let score = 0
  for (const term of free) {
    const before = score
    entry.texts.forEach((text, place) => {
      if (!contains(text, term)) return
      score += entry.texts.length - place
      if (place === 0 && text.plain === term.value) score += 10
    })
    if (score === before && entry.relatedIds.includes(term.value)) score += 1
    if (score === before) return undefined
  }
  return score
}

function passes<Item>(entry: Entry<Item>, filter: Filter): boolean {
  const value = Object.hasOwn(entry.filterable, filter.key) ? entry.filterable[filter.key] : undefined
  const hit = (value === undefined ? [] : [value].flat()).some((held) => {
    if (filter.range) {
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = filter.range
      return typeof held === "number" && held >= min && held <= max
    }
    return filter.values!.some((wanted) => {
      const [left, right] = [String(held).toLowerCase(), String(wanted).toLowerCase()]
      return filter.key === "name" || filter.key === "description" ? left.includes(right) : left === right
    })
  })
  return hit !== filter.exclude
}

/** Entries that fit the request's query and filters, in the request's order. */
export function select<Item>(
  entries: Iterable<Entry<Item>>,
  request: Pick<SearchRequest, "query" | "filters" | "sortField" | "descending">,
  rules: SearchRules,
): Entry<Item>[] {
  const all = terms(request.query, [...rules.wholeFields, ...rules.textFields])
  const free = all.filter((term) => term.field === undefined)
  const groups = Map.groupBy(
    all.filter((term) => term.field !== undefined),
    (term) => term.field!,
  )
  const { sortField } = request
  const direction = sortField !== undefined && request.descending ? -1 : 1
  const hits: { entry: Entry<Item>; score: number; key: string | number }[] = []
  for (const entry of entries) {
    const score = free.length === 0 ? 0 : relevance(entry, free)
    if (score === undefined) continue
    let fits = true
    for (const group of groups.values()) fits &&= group.some((term) => matchesField(entry, term, rules))
    fits &&= request.filters.every((filter) => passes(entry, filter))
    if (fits) hits.push({ entry, score, key: entry.sort[sortField ?? "name"]! })
  }
  hits.sort((a, b) => {
    if (sortField === undefined && a.score !== b.score) return b.score - a.score
    if (a.key !== b.key) return a.key < b.key ? -direction : direction
    return a.entry.id < b.entry.id ? -1 : 1
  })
  return hits.map(({ entry }) => entry)
}

/** Searches whose results are kept until something changes. */
const maximumKept = 50

/**
 * Caches search results by key until the state changes, so that the pages of a walk and equal searches scan the objects
 * only once.
 */
export function keptWhile<Item>() {
  let keptState = ""
  const kept = new Map<string, Entry<Item>[]>()
  return (state: string, key: string, find: () => Entry<Item>[]): Entry<Item>[] => {
    if (keptState !== state || kept.size > maximumKept) kept.clear()
    keptState = state
    const found = kept.get(key) ?? find()
    kept.set(key, found)
    return found
  }
}

/** One page of the results. The token for the next page contains its position. */
export function page<Item>(found: Entry<Item>[], request: SearchRequest, show: (item: Item) => unknown): Answer {
  const end = request.offset + request.limit
  const results = found.slice(request.offset, end).map(({ item }) => show(item))
  if (end >= found.length) return ok({ has_more: false, results })
  return ok({ has_more: true, next_token: placeToken(end, request.fingerprint), results })
}

/**
 * Reads a search body. Null counts as absent, since the official client writes every unset field as null; `next_token`
 * takes precedence over `offset`, and belongs to the search that returned it. The page size may change during a walk.
 */
export function readSearch(body: unknown, rules: SearchRules): SearchRequest {
  if (body !== undefined && !isObject(body)) return refuse(400, "invalid request body")
  const given = Object.fromEntries(Object.entries(body ?? {}).filter(([, value]) => value !== null))
  const { offset = 0, limit = defaultLimit, query = "", filters = [], sort_order } = given
  if (!isWhole(limit) || limit < 1 || limit > maximumLimit)
    return refuse(400, `limit must be between 1 and ${maximumLimit}`)
  if (!isWhole(offset) || offset < 0) return refuse(400, "offset must not be negative")
  if (typeof query !== "string") return refuse(400, "query must be a string")
  const closed: Record<string, readonly string[]> = {
    ...rules.enums,
    sort_field: rules.sortFields,
    sort_order: ["asc", "desc"],
    ownership: ["private", "created", "shared"],
  }
  for (const [name, allowed] of Object.entries(closed))
    if (given[name] !== undefined && !allowed.includes(given[name] as string))
      return refuse(400, `${name} must be one of ${allowed.join(", ")}`)
  for (const name of ["favorite", "archived"])
    if (given[name] !== undefined && typeof given[name] !== "boolean") return refuse(400, `${name} must be a boolean`)
  const request: SearchRequest = {
    offset,
    limit,
    query,
    filters: readFilters(filters),
    descending: sort_order === "desc",
    favorite: given.favorite === true,
    archived: given.archived === true,
    enums: {},
    fingerprint: "",
  }
  if (given.sort_field !== undefined) request.sortField = given.sort_field as string
  if (given.ownership !== undefined) request.ownership = given.ownership as string
  for (const name of Object.keys(rules.enums))
    if (given[name] !== undefined) request.enums[name] = given[name] as string
  const { offset: _offset, limit: _limit, ...search } = request
  request.fingerprint = createHash("sha256").update(JSON.stringify(search)).digest("base64url").slice(0, 12)
  if (given.next_token !== undefined && given.next_token !== "")
    request.offset = placeOf(given.next_token, request.fingerprint)
  return request
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** Bad filters are reported one by one, in a JSON array without any message around it. */
function readFilters(filters: unknown): Filter[] {
  if (!Array.isArray(filters)) return refuse(400, "filters must be a list")
  const problems: { key: unknown; error: string }[] = []
  const read = filters.map((filter: unknown): Filter => {
    const problem = (error: string): Filter => {
      problems.push({ key: isObject(filter) ? filter.key : null, error })
      return { key: "", exclude: false }
    }
    if (!isObject(filter) || typeof filter.key !== "string" || filter.key === "") return problem("key is required")
    const { key, value, values, range, exclude } = filter
    if (exclude != null && typeof exclude !== "boolean") return problem("exclude must be a boolean")
    const result: Filter = { key: key as string, exclude: exclude === true }
    if ([value, values, range].filter((given) => given != null).length !== 1)
      return problem("exactly one of value, values and range is required")
    if (range != null) {
      const { min, max } = isObject(range) ? range : {}
      const bounds = [min, max].filter((bound) => bound != null)
      if (bounds.length === 0 || bounds.some((bound) => typeof bound !== "number"))
        return problem("range needs a number as min or max")
      result.range = {}
      if (typeof min === "number") result.range.min = min
      if (typeof max === "number") result.range.max = max
      return result
    }
    const wanted: unknown[] = value != null ? [value] : Array.isArray(values) ? values : []
    if (wanted.length === 0 || wanted.some((one) => typeof one !== "string" && typeof one !== "number"))
      return problem("values must be strings or numbers")
    result.values = wanted as (string | number)[]
    return result
  })
  if (problems.length > 0) throw new Refusal(400, problems)
  return read
}

function placeToken(offset: number, fingerprint: string): string {
  return Buffer.from(`${fingerprint}.${offset}`).toString("base64url")
}

function placeOf(token: unknown, fingerprint: string): number {
  const [search, offset] = Buffer.from(String(token), "base64url").toString().split(".")
  if (search !== fingerprint || !/^\d+$/.test(offset ?? "")) return refuse(400, "invalid next_token")
  return Number(offset)
}
