import DataLoader from "dataloader"
import {
  type FieldNode,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getDirectiveValues,
  isAbstractType,
  isObjectType,
  type NamedTypeNode,
  type SelectionSetNode,
} from "graphql"
import { type Context, oncePerRequest } from "./context.ts"
import { nullIfMissing } from "./errors.ts"
import { text } from "./wire.ts"

/**
 * One loader for each request: a key is fetched once, however often a query reaches it, and a key that fails, fails alone.
 * Upstream has no bulk reads, so each key is a call of its own and all keys of a wave are called side by side.
 * @param find what can be had of several keys together, before the others are fetched; undefined: nothing
 */
export function loaderByKey<T>(
  fetch: (context: Context, key: string) => Promise<T>,
  find?: (context: Context, keys: readonly string[]) => Promise<ReadonlyMap<string, T>> | undefined,
): (context: Context) => Loader<T> {
  return oncePerRequest((context: Context) => {
    const loaded = new Loaded<T>()
    const loader = new DataLoader<string, T>(
      async (keys) => {
        // Nothing is waited for that isn't there: callers take turns in the order in which their calls come.
        const finding = keys.length > 1 ? find?.(context, keys) : undefined
        const found = finding && (await finding)
        return Promise.all(keys.map((key) => found?.get(key) ?? fetch(context, key).catch((error: Error) => error)))
      },
      { cacheMap: loaded },
    )
    return Object.assign(loader, { loaded })
  })
}

type Loader<T> = DataLoader<string, T> & { loaded: Loaded<T> }

/** What has come of a key, in the forms in which it was wanted. */
interface Load<T> {
  value?: T
  promise?: Promise<T>
  /** The same, with null for an object that doesn't exist. */
  orNull?: Promise<T | null>
}

/**
 * What one request's loader has, or waits for. The edges of a large answer lead to the same objects again and again: they
 * share one promise, and need none for what is there.
 */
class Loaded<T> {
  readonly #loads = new Map<string, Load<T>>()

  /** The value, if it is there. */
  value(key: string): T | undefined {
    return this.#loads.get(key)?.value
  }

  /** @param promise what `get` gives for the key */
  orNull(key: string, promise: Promise<T>): Promise<T | null> {
    const load = this.#loads.get(key)
    if (load === undefined) return nullIfMissing(promise)
    load.orNull ??= nullIfMissing(promise)
    return load.orNull
  }

  /** Takes a value that another call brought, unless there is one, or one is under way. */
  prime(key: string, value: T): void {
    if (!this.#loads.has(key)) this.#loads.set(key, { value })
  }

  get(key: string): Promise<T> | undefined {
    const load = this.#loads.get(key)
    if (load?.value !== undefined) load.promise ??= Promise.resolve(load.value)
    return load?.promise
  }

  set(key: string, promise: Promise<T>): void {
    const load: Load<T> = { promise }
    this.#loads.set(key, load)
    const keep = (value: T) => {
      load.value = value
    }
    promise.then(keep, () => undefined)
  }

  delete(key: string): boolean {
    return this.#loads.delete(key)
  }

  clear(): void {
    this.#loads.clear()
  }
}

/** A wire object that says which GraphQL type it is, so that it can stand where an interface is asked for. */
export type Typed<T> = T & { __typename?: string }

/**
 * A loader for objects of one GraphQL type by their id. What it fetched, or was primed with, knows its `__typename`, and the
 * gateway remembers it as that type.
 * @param options.fetchesOthers the fetch answers objects of another type too: what it brings is not remembered
 * @param options.find objects of this type that can be had by fewer calls than one each; not all need to be among them
 */
export function loaderById<T extends { id: string }>(
  typename: string,
  fetch: (context: Context, id: string) => Promise<T>,
  {
    fetchesOthers = false,
    find,
  }: {
    fetchesOthers?: boolean
    find?: (context: Context, ids: readonly string[]) => Promise<readonly T[]> | undefined
  } = {},
) {
  const known = (context: Context, object: T) => {
    context.types.remember(object.id, typename)
    return typed(typename, object)
  }
  const loader = loaderByKey<Typed<T>>(
    async (context, id) => {
      const object = await fetch(context, id)
      return fetchesOthers ? typed(typename, object) : known(context, object)
    },
    (context, ids) =>
      find?.(context, ids)?.then((objects) => new Map(objects.map((object) => [object.id, known(context, object)]))),
  )
  return Object.assign(loader, {
    /** Takes objects that another call brought, so that they aren't fetched again. Answers them with their `__typename`. */
    prime(context: Context, objects: readonly T[]): Typed<T>[] {
      const { loaded } = loader(context)
      return objects.map((object) => {
        const primed = known(context, object)
        loaded.prime(object.id, primed)
        return primed
      })
    },
    /** The object, or only its id and type where the query asks for nothing more: that costs no call. */
    link(context: Context, id: string, info: GraphQLResolveInfo): Promise<T> | Typed<T> {
      if (asksOnlyForId(context, info, typename)) return typed(typename, { id } as T)
      const objects = loader(context)
      return objects.loaded.value(id) ?? objects.loaded.get(id) ?? objects.load(id)
    },
    /** The same, with null for an object that doesn't exist. */
    linkOrNull(context: Context, id: string, info: GraphQLResolveInfo): Promise<T | null> | Typed<T> {
      const linked = this.link(context, id, info)
      return linked instanceof Promise ? loader(context).loaded.orNull(id, linked) : linked
    },
  })
}

/** A copy: what upstream answered may be another request's too, and is never written to. */
function typed<T extends object>(typename: string, object: T): Typed<T> {
  return { ...object, __typename: typename }
}

/** What a request's selections ask for, by the nodes of the field: a list asks the same of all its items. */
const onlyForId = oncePerRequest(() => new Map<GraphQLResolveInfo["fieldNodes"], Map<string, boolean>>())

/** Whether a field's selections on this type, through all their fragments, hold nothing but `id` and `__typename`. */
function asksOnlyForId(context: Context, info: GraphQLResolveInfo, typename: string): boolean {
  const byNodes = onlyForId(context)
  const byType = byNodes.get(info.fieldNodes) ?? new Map<string, boolean>()
  const asks = byType.get(typename) ?? findsOnlyId(info, typename)
  byNodes.set(info.fieldNodes, byType.set(typename, asks))
  return asks
}

function findsOnlyId(info: GraphQLResolveInfo, typename: string): boolean {
  const cheap = (selections: SelectionSetNode | undefined): boolean =>
    (selections?.selections ?? []).every((selection) => {
      if (isLeftOut(selection, info)) return true
      if (selection.kind === "Field") return selection.name.value === "id" || selection.name.value === "__typename"
      const fragment = selection.kind === "InlineFragment" ? selection : info.fragments[selection.name.value]
      return !isOn(typename, fragment?.typeCondition, info) || cheap(fragment?.selectionSet)
    })
  return info.fieldNodes.every((node: FieldNode) => cheap(node.selectionSet))
}

/** Whether a fragment with this condition selects from objects of this type. */
function isOn(typename: string, condition: NamedTypeNode | undefined, { schema }: GraphQLResolveInfo): boolean {
  if (condition === undefined || condition.name.value === typename) return true
  const [type, object] = [schema.getType(condition.name.value), schema.getType(typename)]
  return isAbstractType(type) && isObjectType(object) && schema.isSubType(type, object)
}

function isLeftOut(node: Parameters<typeof getDirectiveValues>[1], info: GraphQLResolveInfo): boolean {
  return (
    getDirectiveValues(GraphQLSkipDirective, node, info.variableValues)?.if === true ||
    getDirectiveValues(GraphQLIncludeDirective, node, info.variableValues)?.if === false
  )
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
