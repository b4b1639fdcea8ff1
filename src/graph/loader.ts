import DataLoader from "dataloader"
import type { GraphQLError, GraphQLObjectType, GraphQLResolveInfo } from "graphql"
import { badUserInput, nullIfNotFound } from "../errors.ts"
import { DecodeError } from "../upstream/decoders.ts"
import { isUsableId, problemOfId } from "../upstream/route.ts"
import { type Context, oncePerRequest } from "./context.ts"
import { id as idOf, invalidField } from "./fields.ts"
import { clearlyNeedsObject, ownCallsOf } from "./ownCall.ts"
import { selectionSetsOf, selectsOnlyId } from "./selection.ts"
import { type BulkFetch, bulkWave, type FetchWave, type Group, keyByKey, type Miss } from "./wave.ts"

/**
 * Creates a loader for each request. A key is fetched once, however often a query reaches it, and a key that fails does not fail
 * others. Keys that are missing at the same moment are gathered into one wave, whose calls are sent side by side.
 */
export function loaderByKey<T>(fetch: (context: Context, key: string) => Promise<T>): (context: Context) => Loader<T> {
  return loaderByWave((context, keys) => keys.map((key) => fetch(context, key)))
}

/** Same as `loaderByKey` for keys that are fetched together. */
export function loaderByWave<T>(
  fetchKeys: (context: Context, keys: readonly string[]) => Promise<T>[],
): (context: Context) => Loader<T> {
  return oncePerRequest((context) => new Loader(keyByKey((keys) => fetchKeys(context, keys))))
}

/** Code Ocean's alternative ids, and ids in another form than its own: only the object says which id it has. */
export const otherIdForm = /^\d+$|[A-Z]/

/** The values of several keys, in order, each the value or a promise of it. Null for an object that does not exist. */
type Items<T> = (T | Promise<T | null>)[]

/** The state of one key, in the forms in which it was requested. */
interface Load<T> {
  value?: T
  /** The fetch, from which the two promises for others are derived. */
  loading?: Promise<T>
  promise?: Promise<T>
  /** The group as part of which it is loaded, and its place there. */
  group?: Promise<Group<T>>
  index?: number
  /** The same promise, with null for an object that does not exist. */
  orNull?: Promise<T | null>
}

/**
 * The values of one request, loaded or loading. Many edges of a large response lead to the same object. They share one promise,
 * and need none for a value that is loaded. Only misses go through DataLoader, which gathers them into waves.
 */
class Loader<T> {
  readonly #fetchWave: FetchWave<T>
  readonly #finish: ((object: T, key: string) => T) | undefined
  readonly #indexed = new Map<string, Load<T>>()
  /** Primed values that are not indexed yet: most of a large page are never looked up. */
  #primed: (T & { id: string })[] = []
  /** Created with the first miss: many loaders of a request are only primed. */
  #misses: DataLoader<Miss, T | Group<T>> | undefined

  /** @param finish returns what is stored for an object that was fetched. Without it the object itself. Takes no further promise */
  constructor(fetchWave: FetchWave<T>, finish?: (object: T, key: string) => T) {
    this.#fetchWave = fetchWave
    this.#finish = finish
  }

  load(key: string): Promise<T> {
    return this.#promiseOf(this.#loadOf(key), key)
  }

  /** Same as `load`, with null for an object that does not exist. */
  loadOrNull(key: string): Promise<T | null> {
    return this.#orNull(this.#loadOf(key), key)
  }

  /** Same as `loadOrNull` for several keys. There is one promise for all that are missing, instead of one for each. */
  loadAllOrNull(keys: readonly string[]): Items<T> | Promise<Items<T>> {
    const missing: string[] = []
    const loads = keys.map((key) => {
      const load = this.#loadOf(key)
      if (load.value === undefined && load.loading === undefined) load.index ??= missing.push(key) - 1
      return load
    })
    const items = () => loads.map((load, index) => load.value ?? this.#orNull(load, keys[index] as string))
    if (missing.length < 2) return items()
    const group = this.#fetch(missing) as Promise<Group<T>>
    // One that is loading by itself is not in the group, although it has an index if it was the only missing key of a field.
    for (const load of loads) if (load.index !== undefined && load.loading === undefined) load.group ??= group
    return group.then((values) => {
      for (const [index, load] of loads.entries()) {
        const value = load.group === group ? values[load.index as number] : undefined
        if (value !== undefined && !(value instanceof Error || value instanceof Promise)) {
          this.#store(load, keys[index] as string, value)
        }
      }
      return items()
    }, items)
  }

  /** The value if it is loaded, or the promise of `loadOrNull` if it is loading. One look-up: a large response has hundreds of links. */
  known(key: string): T | Promise<T | null> | undefined {
    const load = this.#loads.get(key)
    return load && (load.value ?? this.#orNull(load, key))
  }

  /** The value, if it is already loaded. */
  value(key: string): T | undefined {
    return this.#loads.get(key)?.value
  }

  /** Stores a value that another call returned by its id, unless this is already loaded or loading. */
  prime(value: T & { id: string }): void {
    this.#primed.push(value)
  }

  /** Drops the value, so that the next load fetches it again. Drops all for an id in another form: links have the object's own id. */
  clear(id: string): this {
    if (otherIdForm.test(id)) this.clearAll()
    else this.#loads.delete(id)
    return this
  }

  clearAll(): void {
    this.#loads.clear()
  }

  get #loads(): Map<string, Load<T>> {
    if (this.#primed.length > 0) {
      for (const value of this.#primed) if (!this.#indexed.has(value.id)) this.#indexed.set(value.id, { value })
      this.#primed = []
    }
    return this.#indexed
  }

  #loadOf(key: string): Load<T> {
    let load = this.#loads.get(key)
    if (load === undefined) {
      load = {}
      this.#loads.set(key, load)
    }
    return load
  }

  #orNull(load: Load<T>, key: string): Promise<T | null> {
    load.orNull ??= load.value === undefined ? this.#loadedOrNull(load, key) : Promise.resolve(load.value)
    return load.orNull
  }

  #promiseOf(load: Load<T>, key: string): Promise<T> {
    load.promise ??= load.value === undefined ? this.#loaded(load, key) : Promise.resolve(load.value)
    return load.promise
  }

  // These are methods of their own, because a function that makes a closure allocates its context whenever it is called.

  #loadedOrNull(load: Load<T>, key: string): Promise<T | null> {
    return this.#loading(load, key).then((value) => this.#store(load, key, value), nullIfNotFound)
  }

  #loaded(load: Load<T>, key: string): Promise<T> {
    return this.#loading(load, key).then((value) => this.#store(load, key, value))
  }

  #store(load: Load<T>, key: string, fetched: T): T {
    load.value ??= this.#finish === undefined ? fetched : this.#finish(fetched, key)
    return load.value
  }

  #loading(load: Load<T>, key: string): Promise<T> {
    load.loading ??=
      load.group === undefined ? (this.#fetch(key) as Promise<T>) : load.group.then((values) => placed(values, load))
    return load.loading
  }

  #fetch(miss: Miss): Promise<T | Group<T>> {
    this.#misses ??= new DataLoader(
      // DataLoader resolves the promise of each key with its element of this array, so the elements may be promises.
      (misses) => Promise.resolve(this.#fetchWave(misses) as unknown as ArrayLike<T>),
      { cache: false },
    )
    return this.#misses.load(miss)
  }
}

/** The value of a load in its group. */
function placed<T>(values: Group<T>, { index }: Load<T>): T | Promise<T> {
  const value = values[index as number] as T | Error | Promise<T>
  if (value instanceof Error) throw value
  return value
}

/** A REST object with the name of its GraphQL type, by which interfaces and unions are resolved. */
export type Typed<T> = T & { __typename?: string }

/**
 * Creates a loader for objects of one GraphQL type by their id. The objects get a `__typename`, and the type of their ids is
 * recorded in `context.typeById`.
 * @param options.fetchesOthers true if the fetch also returns objects of another type, so that types are not recorded
 * @param options.bulk fetches several of them by one call
 */
export function loaderById<T extends { id: string }>(
  typename: string,
  fetch: (context: Context, id: string) => Promise<T>,
  { fetchesOthers = false, bulk }: { fetchesOthers?: boolean; bulk?: BulkFetch<T> } = {},
) {
  const record = (context: Context, object: T) => {
    context.typeById.set(context.state.key, object.id, typename)
    return object
  }
  /** Records the type of the ids of a list. */
  const recordTypes = (context: Context, ids: readonly string[]) =>
    context.typeById.setAll(context.state.key, ids, typename)
  const recordType = (context: Context, object: T) => typed(typename, record(context, object))
  const loader = oncePerRequest((context) => {
    const fetchOne = (id: string) => fetch(context, id)
    const finish = (object: T, key: string) => {
      const finished = fetchesOthers ? typed(typename, object) : recordType(context, object)
      // Links have the object's own id, whichever form of it a client has sent.
      if (object.id !== key) objects.prime(finished)
      return finished
    }
    const onFound = (object: T) => record(context, object)
    const objects = new Loader<Typed<T>>(
      bulk === undefined
        ? keyByKey((ids) => ids.map(fetchOne))
        : (misses) => {
            const [first] = misses
            if (misses.length === 1 && typeof first === "string") return [fetchOne(first)]
            return bulkWave(context, bulk, misses, fetchOne, onFound)
          },
      finish,
    )
    return objects
  })
  return Object.assign(loader, {
    /** The maximum number of ids that one call fetches, or undefined if each id takes a call. */
    maxBulkIds: bulk?.maxIds,
    typename,
    /** A copy of an object that another call returned, with its `__typename`. It is not stored, and its type is not recorded. */
    own: (object: T) => typed(typename, object),
    recordTypes,
    /** Stores an object that another call returned, so that it is not fetched again. Returns it with its `__typename`. */
    prime(context: Context, object: T): Typed<T> {
      const primed = recordType(context, object)
      loader(context).prime(primed)
      return primed
    },
    /** Same as `prime` for a list. An item that could not be decoded stays in its place. */
    primeItems(context: Context, items: readonly (T | DecodeError)[]): (Typed<T> | DecodeError)[] {
      const loaded = loader(context)
      const ids: string[] = []
      const primed = items.map((item) => {
        if (item instanceof DecodeError) return item
        const own = typed(typename, item)
        loaded.prime(own)
        ids.push(own.id)
        return own
      })
      recordTypes(context, ids)
      return primed
    },
    /** The object. Without a call, only its id and type, if the field selects nothing else. */
    link(context: Context, id: string, info: GraphQLResolveInfo): Promise<T> | Typed<T> {
      if (needsOnlyId(context, info, typename)) return typed(typename, { id } as T)
      const objects = loader(context)
      return objects.value(id) ?? objects.load(id)
    },
    /**
     * Same as `link` for an id that Code Ocean sent, with null for an object that does not exist. Throws DecodeError for a text that is
     * no id: the caller has not sent it.
     * @param key where Code Ocean sent it
     */
    linkOrNull(context: Context, id: string, info: GraphQLResolveInfo, key: string): Promise<T | null> | Typed<T> {
      if (needsOnlyId(context, info, typename)) {
        checkId(id, key)
        return typed(typename, { id } as T)
      }
      const objects = loader(context)
      const known = objects.known(id)
      if (known !== undefined) return known
      checkId(id, key)
      return objects.loadOrNull(id)
    },
  })
}

/** A copy, because requests may share a response, which is never modified. */
function typed<T extends object>(typename: string, object: T): Typed<T> {
  return { ...object, __typename: typename }
}

/** The look-aheads of a request: which fields select nothing but `id` and `__typename`. */
class LookAheads {
  readonly #byNodes = new Map<GraphQLResolveInfo["fieldNodes"], Map<string, boolean>>()
  /** The last one. A list asks for the same one for each of its items. */
  #nodes: GraphQLResolveInfo["fieldNodes"] | undefined
  #typename = ""
  #onlyId = false

  needsOnlyId(info: GraphQLResolveInfo, typename: string): boolean {
    const nodes = info.fieldNodes
    if (nodes !== this.#nodes || typename !== this.#typename) {
      this.#onlyId = this.#lookUp(info, typename)
      this.#nodes = nodes
      this.#typename = typename
    }
    return this.#onlyId
  }

  #lookUp(info: GraphQLResolveInfo, typename: string): boolean {
    let byType = this.#byNodes.get(info.fieldNodes)
    if (byType === undefined) {
      byType = new Map()
      this.#byNodes.set(info.fieldNodes, byType)
    }
    let onlyId = byType.get(typename)
    if (onlyId === undefined) {
      const type = info.schema.getType(typename) as GraphQLObjectType
      onlyId = selectsOnlyId(info, type, selectionSetsOf(info.fieldNodes))
      byType.set(typename, onlyId)
    }
    return onlyId
  }
}

/** By the nodes of a field, which are the same for all items of a list. */
const lookAheads = oncePerRequest(() => new LookAheads())

/** Whether a field selects nothing but `id` and `__typename` from objects of this type. */
function needsOnlyId(context: Context, info: GraphQLResolveInfo, typename: string): boolean {
  return lookAheads(context).needsOnlyId(info, typename)
}

const links = new WeakMap<object, (parent: object) => string | null>()

/**
 * The id of the object that a resolver of `linkAt` leads to. Undefined for other resolvers. It gets the same object, or the same promise
 * of it, wherever a request meets the same id, until a mutation changes the object.
 */
export function linkedIdOf(resolve: object): ((parent: object) => string | null) | undefined {
  return links.get(resolve)
}

/** A resolver for the object whose id is at this key, or at the name of the key on older platforms. Null if there is none. */
export function linkAt<T extends { id: string }>(
  loader: ReturnType<typeof loaderById<T>>,
  ...keys: [string, ...string[]]
) {
  const idAt = idOf(...keys)
  const resolve = (
    parent: object,
    _args: object,
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<T | null> | T | null => {
    const id = idAt(parent)
    return id === null ? null : loader.linkOrNull(context, id, info, keys[0])
  }
  links.set(resolve, idAt)
  return resolve
}

/**
 * A resolver for the object whose id is the argument `id`. Null if it does not exist. If only fields are selected that make calls
 * of their own, the object is not read: the first of these calls that finds something proves that it exists. If none does, the
 * object is read, so that a missing one is null.
 */
export function byIdArgument<T extends { id: string }>(loader: ReturnType<typeof loaderById<T>>) {
  return (_root: unknown, { id }: { id: string }, context: Context, info: GraphQLResolveInfo): Promise<T | null> => {
    const objects = loader(context)
    if (clearlyNeedsObject(info) || otherIdForm.test(id) || objects.value(id) !== undefined)
      return objects.loadOrNull(id)
    const object = typed(loader.typename, { id } as T)
    const calls = ownCallsOf(object, context, info)
    if (calls.length === 0) return objects.loadOrNull(id)
    return Promise.any(calls.map(rejectUnlessProven)).then(
      () => object,
      () => objects.loadOrNull(id),
    )
  }
}

async function rejectUnlessProven(call: () => Promise<boolean>): Promise<void> {
  if (!(await call())) throw new Error("the call found nothing")
}

/** A resolver for the objects whose ids are the argument `ids`, in the same order. Null for each that does not exist. */
export function byIdsArgument<T extends { id: string }>(loader: ReturnType<typeof loaderById<T>>) {
  return (_root: unknown, { ids }: { ids: readonly string[] }, context: Context) => {
    const objects = loader(context)
    // Each of the others takes a call of its own.
    if (loader.maxBulkIds !== undefined && ids.every(isUsableId))
      return objects.loadAllOrNull(ids) as Promise<T | null>[]
    return ids.map((id, index) => idError(id, index) ?? objects.loadOrNull(id)) as Promise<T | null>[]
  }
}

/** The error to return in the place of an item of the argument `ids` that is not an id. Undefined if it is one. */
export function idError(id: string, index: number): GraphQLError | undefined {
  const problem = problemOfId(id)
  return problem === undefined ? undefined : badUserInput(`\`ids[${index}]\` ${problem}`)
}

function checkId(id: string, key: string): void {
  if (!isUsableId(id)) throw invalidField(key, "not an id")
}
