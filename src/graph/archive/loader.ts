import { DecodeError, isReadable } from "../../upstream/decoders.ts"
import * as capsuleRest from "../capsule/rest.ts"
import { type Context, oncePerRequest } from "../context.ts"
import * as dataAssetRest from "../dataAsset/rest.ts"
import { readableString } from "../fields.ts"
import { loaderByWave } from "../loader.ts"

type Kind = capsuleRest.Kind | "data_assets"

/** A capsule, pipeline or data asset. */
interface Archivable {
  id: string
  name: string
}

/** The largest number of data assets that one search looks for by their names. */
const maxDataAssets = 50

/** The maximum number of results of a search. */
const searchLimit = 1000

/** What the searches of a request have found. */
class FoundObjects {
  readonly #archived = new Map<string, boolean>()
  /** Not looked at yet: most requests never ask. */
  #pages: { items: readonly (Archivable | DecodeError)[]; archived: boolean }[] = []

  note(items: readonly (Archivable | DecodeError)[], archived: boolean): void {
    this.#pages.push({ items, archived })
  }

  isArchived(id: string): boolean | undefined {
    for (const { items, archived } of this.#pages) {
      for (const item of items) if (!(item instanceof DecodeError)) this.#archived.set(item.id, archived)
    }
    this.#pages = []
    return this.#archived.get(id)
  }
}

const foundObjects = oncePerRequest(() => new FoundObjects())

/**
 * Notes the objects that a search has found, so that no call is made to find out whether they are archived.
 * @param archived the search's own condition. A search without it finds no archived ones
 */
export function noteFound(
  context: Context,
  items: readonly (Archivable | DecodeError)[],
  archived: boolean | null | undefined,
): void {
  foundObjects(context).note(items, archived === true)
}

const nameOf = readableString("name")

/**
 * Whether an object is archived. Null if Code Ocean does not say. For a minute, what the caller has changed counts, because searches lag
 * behind changes.
 */
export function isArchived(context: Context, kind: Kind, object: Archivable): boolean | null | Promise<boolean | null> {
  const known =
    context.recentChanges.isArchived(context.state, object.id) ?? foundObjects(context).isArchived(object.id)
  if (known !== undefined) return known
  const searched = kind === "data_assets" ? nameOf(object)?.trim() : capsuleRest.isSearchableId(object.id) && object.id
  return searched ? archivedByKey(context).load(keyOf(kind, object.id, searched)) : null
}

/** An object to look for, by a text with which a search finds it. */
interface Sought {
  id: string
  text: string
}

interface Waiting extends Sought {
  resolve(isArchived: boolean | null): void
  reject(error: unknown): void
}

/**
 * The searches for one kind of objects. The objects of a page often arrive one by one. While a search is in flight, they wait for the
 * next one, unless they are enough for one.
 */
class Searches {
  readonly #search: (part: Sought[]) => Promise<IsFound>
  readonly #maxObjects: number
  #waiting: Waiting[] = []
  #inFlight = 0

  constructor(search: (part: Sought[]) => Promise<IsFound>, maxObjects: number) {
    this.#search = search
    this.#maxObjects = maxObjects
  }

  add(sought: Sought): Promise<boolean | null> {
    return new Promise((resolve, reject) => this.#waiting.push({ ...sought, resolve, reject }))
  }

  send(): void {
    while (this.#waiting.length >= this.#maxObjects || (this.#waiting.length > 0 && this.#inFlight === 0)) {
      const part = this.#waiting.splice(0, this.#maxObjects)
      this.#inFlight += 1
      this.#search(part)
        .then(
          (isFound) => {
            for (const { id, resolve } of part) resolve(isFound(id))
          },
          (error: unknown) => {
            for (const { reject } of part) reject(error)
          },
        )
        .finally(() => {
          this.#inFlight -= 1
          this.send()
        })
    }
  }
}

const searches = oncePerRequest((context): Record<Kind, Searches> => {
  const ofRunnables = (kind: capsuleRest.Kind) =>
    new Searches((part) => archivedRunnables(context, kind, part), capsuleRest.maxSearchIds)
  return {
    capsules: ofRunnables("capsules"),
    pipelines: ofRunnables("pipelines"),
    data_assets: new Searches((part) => archivedDataAssets(context, part), maxDataAssets),
  }
})

const keyOf = (kind: Kind, id: string, text: string) => JSON.stringify([kind, id, text])

const archivedByKey = loaderByWave((context, keys) => {
  const used = new Set<Searches>()
  const answers = keys.map((key) => {
    const [kind, id, text]: [Kind, string, string] = JSON.parse(key)
    const ofKind = searches(context)[kind]
    used.add(ofKind)
    return ofKind.add({ id, text })
  })
  for (const ofKind of used) ofKind.send()
  return answers
})

/** Whether a search has found an object. Null if it has found more than can be read. */
type IsFound = (id: string) => boolean | null

async function archivedRunnables(context: Context, kind: capsuleRest.Kind, sought: Sought[]): Promise<IsFound> {
  const query = sought.map(({ id }) => `id:${id}`).join(" ")
  const body = { query, archived: true, limit: searchLimit }
  const isFound = foundBy(await capsuleRest.searchRunnables(context.upstream, kind, body))
  if (kind === "pipelines") return isFound
  // A pipeline can be read as a capsule, but only the search for pipelines finds it.
  const isCapsule = (id: string) => context.typeById.get(context.state.key, id) === "Capsule"
  const others = sought.filter(({ id }) => isFound(id) !== true && !isCapsule(id))
  const answers = await Promise.all(others.map(({ id }) => archivedByKey(context).load(keyOf("pipelines", id, id))))
  const isPipeline = new Map(others.map(({ id }, index) => [id, answers[index] as boolean | null]))
  return (id) => {
    const answer = isPipeline.get(id) ?? null
    return answer === false || !isPipeline.has(id) ? isFound(id) : answer
  }
}

async function archivedDataAssets(context: Context, sought: Sought[]): Promise<IsFound> {
  const names = [...new Set(sought.map(({ text }) => text))]
  const filter = names.length === 1 ? { key: "name", value: names[0] } : { key: "name", values: names }
  return foundBy(
    await dataAssetRest.searchDataAssets(context.upstream, { filters: [filter], archived: true, limit: searchLimit }),
  )
}

function foundBy({ results, has_more }: { results: (Archivable | DecodeError)[]; has_more: boolean }): IsFound {
  const ids = new Set(results.filter(isReadable).map(({ id }) => id))
  const others = has_more || !results.every(isReadable) ? null : false
  return (id) => ids.has(id) || others
}
