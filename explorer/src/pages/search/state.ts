import type { DataAssetType, Ownership, SearchFilterInput } from "../../data/schema.generated.ts"

/*
 * A search as its address has it: `search?type=data-assets&q=ecephys&owned=CREATED&sort=SIZE-DESC`. Whatever is not understood is
 * left out, because people edit addresses.
 */

export const kinds = ["capsules", "pipelines", "data-assets"] as const
export type Kind = (typeof kinds)[number]

export interface SearchState {
  kind: Kind
  query: string
  ownership: Ownership | undefined
  status: "RELEASE" | "NON_RELEASE" | undefined
  dataType: DataAssetType | undefined
  origin: "INTERNAL" | "EXTERNAL" | undefined
  favorite: boolean
  archived: boolean
  /** Whether only data assets are shown that are not attached to anything. The search itself cannot tell. */
  unused: boolean
  sort: string
  filters: SearchFilterInput[]
}

const runnableSorts = {
  "": "Best match",
  "LAST_ACCESSED-DESC": "Last opened",
  "CREATED-DESC": "Newest",
  "CREATED-ASC": "Oldest",
  "NAME-ASC": "Name, A to Z",
  "NAME-DESC": "Name, Z to A",
}

const dataAssetSorts = {
  "": "Best match",
  "CREATED-DESC": "Newest",
  "CREATED-ASC": "Oldest",
  "NAME-ASC": "Name, A to Z",
  "NAME-DESC": "Name, Z to A",
  "SIZE-DESC": "Largest",
  "SIZE-ASC": "Smallest",
  "TYPE-ASC": "Type",
}

/** The orders of a kind, by their value in the address. */
export const sortsOf = (kind: Kind): Readonly<Record<string, string>> =>
  kind === "data-assets" ? dataAssetSorts : runnableSorts

const oneOf = <Value extends string>(value: string | null, values: readonly Value[]): Value | undefined =>
  values.find((known) => known === value)

export function readState(address: URLSearchParams): SearchState {
  const kind = oneOf(address.get("type"), kinds) ?? "capsules"
  const sort = address.get("sort") ?? ""
  return {
    kind,
    query: address.get("q") ?? "",
    ownership: oneOf(address.get("owned"), ["CREATED", "SHARED", "PRIVATE"]),
    status: kind === "data-assets" ? undefined : oneOf(address.get("status"), ["RELEASE", "NON_RELEASE"]),
    dataType:
      kind === "data-assets" ? oneOf(address.get("data"), ["DATASET", "RESULT", "COMBINED", "MODEL"]) : undefined,
    origin: kind === "data-assets" ? oneOf(address.get("origin"), ["INTERNAL", "EXTERNAL"]) : undefined,
    favorite: address.get("favorite") === "true",
    archived: address.get("archived") === "true",
    unused: kind === "data-assets" && address.get("unused") === "true",
    sort: Object.hasOwn(sortsOf(kind), sort) ? sort : "",
    filters: readFilters(address.get("filters")),
  }
}

/** The search of a page that is about data assets alone. */
export function readDataAssetState(address: URLSearchParams): SearchState {
  const own = new URLSearchParams(address)
  own.set("type", "data-assets")
  return readState(own)
}

function readFilters(json: string | null): SearchFilterInput[] {
  try {
    const filters: unknown = JSON.parse(json ?? "[]")
    return Array.isArray(filters) ? filters.filter((filter) => filter !== null && isFilter(filter)) : []
  } catch {
    return []
  }
}

const isValue = (value: unknown) => typeof value === "string" || typeof value === "number"
const isBound = (value: unknown) => value === undefined || value === null || typeof value === "number"

function isFilter({ key, value, values, range, exclude }: Partial<SearchFilterInput>): boolean {
  if (typeof key !== "string" || !(exclude === undefined || typeof exclude === "boolean")) return false
  if (values !== undefined) return Array.isArray(values) && values.every(isValue)
  if (range !== undefined)
    return typeof range === "object" && range !== null && isBound(range.min) && isBound(range.max)
  return isValue(value)
}

export const writeFilters = (filters: readonly SearchFilterInput[]): string | null =>
  filters.length === 0 ? null : JSON.stringify(filters)

/** The variables that all three searches have. Undefined ones are not sent. */
export function variablesOf({ query, ownership, favorite, archived, filters }: SearchState) {
  return {
    first: 100,
    withFields: true,
    query: query.trim() || undefined,
    ownership,
    favorite: favorite || undefined,
    archived: archived || undefined,
    filters: filters.length > 0 ? filters : undefined,
  }
}

/** The order of a search, such as `SIZE-DESC`, as the graph has it. */
export function orderOf<Field extends string>(sort: string): { field: Field; direction: "ASC" | "DESC" } | undefined {
  const [field, direction] = sort.split("-")
  return direction === undefined ? undefined : { field: field as Field, direction: direction as "ASC" | "DESC" }
}

/** Whether anything but the kind and the order is chosen. */
export function isNarrowed(state: SearchState): boolean {
  const { query, ownership, status, dataType, origin, favorite, archived, unused, filters } = state
  const chosen = [query.trim(), ownership, status, dataType, origin, favorite, archived, unused, filters.length > 0]
  return chosen.some(Boolean)
}
