import DataLoader from "dataloader"
import type { GraphQLObjectType, GraphQLResolveInfo } from "graphql"
import { nullIfMissing } from "../errors.ts"
import { type Context, oncePerRequest } from "./context.ts"
import { text } from "./fields.ts"
import { selectionSetsOf, selectsOnlyId } from "./selection.ts"

/** What can be had of several keys together, by fewer calls than one each; not all need to be among it. */
type Find<T> = (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>

/**
 * One loader for each request: a key is fetched once, however often a query reaches it, and a key that fails, fails alone.
 * Upstream has no bulk reads, so each key is a call of its own, made as soon as it is asked for.
 * @param finderFor what finds several keys together, before the others are fetched; undefined: nothing does
 */
export function loaderByKey<T>(
  fetch: (context: Context, key: string) => Promise<T>,
  finderFor?: (context: Context) => Find<T> | undefined,
): (context: Context) => Loader<T> {
  return oncePerRequest((context) => {
    const fetchOne = (key: string) => fetch(context, key)
    const find = finderFor?.(context)
    return new Loader(find === undefined ? fetchOne : together(fetchOne, find))
  })
}

/** Gathers the keys of a wave, to find several together. */
function together<T>(fetch: (key: string) => Promise<T>, find: Find<T>): (key: string) => Promise<T> {
  const loader = new DataLoader<string, T>(
    async (keys) => {
      const found = keys.length > 1 ? await find(keys) : undefined
      return Promise.all(keys.map((key) => found?.get(key) ?? fetch(key).catch((error: Error) => error)))
    },
    { cache: false },
  )
  return (key) => loader.load(key)
}

/** What has come of a key, in the forms in which it was wanted. */
interface Load<T> {
  value?: T
  promise?: Promise<T>
  /** The same, with null for an object that doesn't exist. */
  orNull?: Promise<T | null>
}

/**
 * What one request has, or waits for. The edges of a large answer lead to the same objects again and again: they share one
 * promise, and need none for what is there.
 */
class Loader<T> {
  readonly #fetch: (key: string) => Promise<T>
  readonly #loads = new Map<string, Load<T>>()

  constructor(fetch: (key: string) => Promise<T>) {
    this.#fetch = fetch
  }

  load(key: string): Promise<T> {
    return this.#promiseOf(this.#loadOf(key), key)
  }

  /** The same, with null for an object that doesn't exist. */
  loadOrNull(key: string): Promise<T | null> {
    const load = this.#loadOf(key)
    load.orNull ??= nullIfMissing(this.#promiseOf(load, key))
    return load.orNull
  }

  /** The value, if it is there. */
  value(key: string): T | undefined {
    return this.#loads.get(key)?.value
  }

  /** Takes a value that another call brought, unless there is one, or one is under way. */
  prime(key: string, value: T): void {
    if (!this.#loads.has(key)) this.#loads.set(key, { value })
  }

  /** Forgets it: the next one who asks fetches it anew. */
  clear(key: string): this {
    this.#loads.delete(key)
    return this
  }

  clearAll(): void {
    this.#loads.clear()
  }

  #loadOf(key: string): Load<T> {
    let load = this.#loads.get(key)
    if (load === undefined) {
      load = {}
      this.#loads.set(key, load)
    }
    return load
  }

  #promiseOf(load: Load<T>, key: string): Promise<T> {
    load.promise ??= load.value === undefined ? this.#begin(load, key) : Promise.resolve(load.value)
    return load.promise
  }

  #begin(load: Load<T>, key: string): Promise<T> {
    return this.#fetch(key).then((value) => {
      load.value = value
      return value
    })
  }
}

/** A wire object that says which GraphQL type it is, so that it can stand where an interface is asked for. */
export type Typed<T> = T & { __typename?: string }

/**
 * A loader for objects of one GraphQL type by their id. What it fetched, or was primed with, knows its `__typename`, and the
 * gateway remembers it as that type.
 * @param options.fetchesOthers the fetch answers objects of another type too: what it brings is not remembered
 * @param options.finderFor what finds several of them together; undefined: nothing does
 */
export function loaderById<T extends { id: string }>(
  typename: string,
  fetch: (context: Context, id: string) => Promise<T>,
  {
    fetchesOthers = false,
    finderFor,
  }: {
    fetchesOthers?: boolean
    finderFor?: (context: Context) => ((ids: readonly string[]) => Promise<readonly T[]>) | undefined
  } = {},
) {
  const known = (context: Context, object: T) => {
    context.types.set(context.state.key, object.id, typename)
    return typed(typename, object)
  }
  const loader = loaderByKey<Typed<T>>(
    (context, id) =>
      fetch(context, id).then((object) => (fetchesOthers ? typed(typename, object) : known(context, object))),
    (context) => {
      const find = finderFor?.(context)
      return find && (async (ids) => new Map((await find(ids)).map((object) => [object.id, known(context, object)])))
    },
  )
  return Object.assign(loader, {
    /** Takes objects that another call brought, so that they aren't fetched again. Answers them with their `__typename`. */
    prime(context: Context, objects: readonly T[]): Typed<T>[] {
      const loaded = loader(context)
      return objects.map((object) => {
        const primed = known(context, object)
        loaded.prime(object.id, primed)
        return primed
      })
    },
    /** The object, or only its id and type where the query asks for nothing more: that costs no call. */
    link(context: Context, id: string, info: GraphQLResolveInfo): Promise<T> | Typed<T> {
      if (needsOnlyId(context, info, typename)) return typed(typename, { id } as T)
      const objects = loader(context)
      return objects.value(id) ?? objects.load(id)
    },
    /** The same, with null for an object that doesn't exist. */
    linkOrNull(context: Context, id: string, info: GraphQLResolveInfo): Promise<T | null> | Typed<T> {
      const linked = this.link(context, id, info)
      return linked instanceof Promise ? loader(context).loadOrNull(id) : linked
    },
  })
}

/** A copy: what upstream answered may be another request's too, and is never written to. */
function typed<T extends object>(typename: string, object: T): Typed<T> {
  return { ...object, __typename: typename }
}

/** The look-ahead of a request by the nodes of a field, which are the same for all items of a list. */
const onlyIdByField = oncePerRequest(() => new Map<GraphQLResolveInfo["fieldNodes"], Map<string, boolean>>())

/** Whether a field selects nothing but `id` and `__typename` from objects of this type. */
function needsOnlyId(context: Context, info: GraphQLResolveInfo, typename: string): boolean {
  const byNodes = onlyIdByField(context)
  let byType = byNodes.get(info.fieldNodes)
  if (byType === undefined) {
    byType = new Map()
    byNodes.set(info.fieldNodes, byType)
  }
  let onlyId = byType.get(typename)
  if (onlyId === undefined) {
    const type = info.schema.getType(typename) as GraphQLObjectType
    onlyId = selectsOnlyId(info, type, selectionSetsOf(info.fieldNodes))
    byType.set(typename, onlyId)
  }
  return onlyId
}

/** A resolver for the object whose id stands under this key, or under an older name of it; null where there is none. */
export function linkAt<T extends { id: string }>(
  loader: ReturnType<typeof loaderById<T>>,
  ...keys: [string, ...string[]]
) {
  const idAt = text(...keys)
  return (parent: object, _args: object, context: Context, info: GraphQLResolveInfo): Promise<T | null> | T | null => {
    const id = idAt(parent)
    return id === null ? null : loader.linkOrNull(context, id, info)
  }
}
