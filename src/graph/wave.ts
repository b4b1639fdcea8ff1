import type { Context } from "./context.ts"

/*
 * What a loader fetches at one moment is a wave: all keys that are missing then, whichever fields need them.
 */

/** Fetches several objects by one call. */
export interface BulkFetch<T> {
  /** The maximum number of ids in one call. */
  maxIds: number
  /** Whether the id may be part of such a call. */
  accepts(context: Context, id: string): boolean
  /** May return only some of them. The others are fetched one by one. */
  fetch(context: Context, ids: readonly string[]): Promise<readonly T[]>
}

/** What is loaded together: one key, or a group of keys. */
export type Miss = string | readonly string[]

/** The values of a group, in order: each the value, an error, or a promise of the value. */
export type Group<T> = (T | Error | Promise<T>)[]

/**
 * Starts the fetches of a wave. Returns a promise for each miss, in order, so that a slow key delays no other. That of a group is of
 * a `Group`.
 */
export type FetchWave<T> = (misses: readonly Miss[]) => Promise<T | Group<T>>[]

/** A wave in which each key of a group has a promise of its own. */
export function keyByKey<T>(fetchKeys: (keys: readonly string[]) => Promise<T>[]): FetchWave<T> {
  return (misses) => {
    const values = fetchKeys(misses.flat())
    let next = 0
    const nextValue = () => values[next++] as Promise<T>
    return misses.map((miss) => (typeof miss === "string" ? nextValue() : Promise.resolve(miss.map(nextValue))))
  }
}

/**
 * A wave in which two or more accepted ids are fetched by bulk calls. The others, and those that the bulk calls do not return, are
 * fetched one by one.
 * @param onFound called with each object that a bulk call returns. Returns the object to use in its place
 */
export function bulkWave<T extends { id: string }>(
  context: Context,
  bulk: BulkFetch<T>,
  misses: readonly Miss[],
  fetch: (id: string) => Promise<T>,
  onFound: (object: T) => T,
): Promise<T | Group<T>>[] {
  const ids = misses.flat()
  const accepted = ids.filter((id) => bulk.accepts(context, id))
  if (accepted.length < 2) return keyByKey((keys) => keys.map(fetch))(misses)
  const calls: BulkCall<T>[] = []
  const size = Math.ceil(accepted.length / Math.ceil(accepted.length / bulk.maxIds))
  for (let start = 0; start < accepted.length; start += size) {
    const part = accepted.slice(start, start + size)
    calls.push({ ids: part, found: bulk.fetch(context, part).then(byId) })
  }
  const pick = (found: ReadonlyMap<string, T>, id: string) => {
    const object = found.get(id)
    return object === undefined ? fetch(id) : onFound(object)
  }
  let callById: Map<string, BulkCall<T>> | undefined
  const fetchOne = (id: string) => {
    callById ??= new Map(calls.flatMap((call) => call.ids.map((id) => [id, call])))
    return callById.get(id)?.found.then((found) => pick(found, id)) ?? fetch(id)
  }
  const fetchGroup = (group: readonly string[]): Promise<Group<T>> => {
    const [call] = calls
    if (call === undefined || call.ids.length < ids.length) return Promise.resolve(group.map(fetchOne))
    // The usual case: one call fetches the whole wave.
    return call.found.then(
      (found) => group.map((id) => pick(found, id)),
      (error) => group.map(() => error),
    )
  }
  return misses.map((miss) => (typeof miss === "string" ? fetchOne(miss) : fetchGroup(miss)))
}

interface BulkCall<T> {
  ids: readonly string[]
  found: Promise<ReadonlyMap<string, T>>
}

function byId<T extends { id: string }>(objects: readonly T[]): ReadonlyMap<string, T> {
  const found = new Map<string, T>()
  for (const object of objects) found.set(object.id, object)
  return found
}
