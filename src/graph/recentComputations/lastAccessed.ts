import { badUserInput, hasCode } from "../../errors.ts"
import { DecodeError, isReadable } from "../../upstream/decoders.ts"
import type { Kind, Runnable } from "../capsule/rest.ts"
import { readableFloat } from "../fields.ts"

/** How many capsules and pipelines are read by default, and at most. */
export const defaultRunnables = 20
export const maxRunnables = 50

/** A search takes one value of `ownership`. Without it, it finds everything that is public, too. */
export interface RunnableSearch {
  kind: Kind
  ownership: "created" | "shared"
}

export const runnableSearches: readonly RunnableSearch[] = [
  { kind: "pipelines", ownership: "created" },
  { kind: "pipelines", ownership: "shared" },
  { kind: "capsules", ownership: "created" },
  { kind: "capsules", ownership: "shared" },
]

/** The argument that says how many capsules and pipelines are read. */
export const runnablesArgument = {
  defaultValue: defaultRunnables,
  description: `How many capsules and pipelines to look at, together, from 1 to ${maxRunnables}. Null means ${defaultRunnables}.`,
}

/** Throws BAD_USER_INPUT for a number that is out of bounds. */
export function runnablesFrom(runnables: number | null | undefined): number {
  const count = runnables ?? defaultRunnables
  if (count < 1 || count > maxRunnables) throw badUserInput(`\`runnables\` must be from 1 to ${maxRunnables}.`)
  return count
}

/** The calls of the searches and of the lists of runs. */
export const recentCost = {
  calls: 1,
  per: { argument: "runnables", assumed: defaultRunnables, max: maxRunnables },
  fixedCalls: runnableSearches.length,
} as const

/** The body of such a search for the last accessed ones, without its limit. */
export function searchParams({ ownership }: RunnableSearch): Record<string, unknown> {
  return { ownership, sort_field: "last_accessed", sort_order: "desc" }
}

/** What a search has found, the last accessed first. */
export interface FoundPage<R extends Runnable> {
  kind: Kind
  items: readonly (R | DecodeError)[]
  hasMore: boolean
}

export interface FoundRunnable<R extends Runnable = Runnable> {
  kind: Kind
  runnable: R
}

export interface LastAccessed<R extends Runnable> {
  /** The last accessed first. */
  found: FoundRunnable<R>[]
  /** Items of the searches that could not be decoded. */
  unreadable: DecodeError[]
  /** Whether the searches found nothing else. */
  isAll: boolean
  /** All others were last accessed at this time or before, in epoch seconds. Undefined if it is unknown. */
  othersBefore: number | undefined
}

const lastAccessedOf = readableFloat("last_accessed")

/** When it was last accessed, in epoch seconds. 0 if it is unknown: it comes last. */
const accessedAt = ({ runnable }: FoundRunnable) => lastAccessedOf(runnable) ?? 0

/**
 * Merges the pages that the searches have found, each of them once. A pipeline is one even if a search for capsules has found it, so
 * the pages of pipelines must come first.
 * @param count how many to return
 */
export function mergeByLastAccess<R extends Runnable>(pages: readonly FoundPage<R>[], count: number): LastAccessed<R> {
  const byId = new Map<string, FoundRunnable<R>>()
  const unreadable: DecodeError[] = []
  /** For each part of those that are not returned: when the last accessed of them was accessed, at the latest. */
  const bounds: number[] = []
  let isAll = true
  for (const { kind, items, hasMore } of pages) {
    const readable = items.filter(isReadable)
    for (const item of items) if (item instanceof DecodeError) unreadable.push(item)
    for (const runnable of readable) if (!byId.has(runnable.id)) byId.set(runnable.id, { kind, runnable })
    if (!hasMore) continue
    isAll = false
    bounds.push(lastOf(readable.map((runnable) => accessedAt({ kind, runnable }))))
  }
  const sorted = [...byId.values()].sort(
    (a, b) => accessedAt(b) - accessedAt(a) || (a.runnable.id < b.runnable.id ? -1 : 1),
  )
  bounds.push(...sorted.slice(count, count + 1).map(accessedAt))
  return {
    found: sorted.slice(0, count),
    unreadable,
    isAll: isAll && sorted.length <= count,
    othersBefore: bounds.length === 0 || bounds.includes(0) ? undefined : Math.max(...bounds),
  }
}

/** The last of these times, after which a search continues. 0 if they are not in order, so that it says nothing about the rest. */
function lastOf(times: readonly number[]): number {
  const isInOrder = times.every((time, index) => index === 0 || time <= (times[index - 1] as number))
  return isInOrder ? (times.at(-1) ?? 0) : 0
}

/** Whether the error means that the caller may find the capsule or pipeline, but not open it, or that it was deleted a moment ago. */
export function isClosedTo(error: unknown): boolean {
  return hasCode(error, "FORBIDDEN", "NOT_FOUND")
}
