import { createContextCache } from "@pothos/core"
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
import type { Context } from "./context.ts"
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
): (context: Context) => DataLoader<string, T> {
  return createContextCache(
    (context: Context) =>
      new DataLoader<string, T>(async (keys) => {
        // Nothing is waited for that isn't there: callers take turns in the order in which their calls come.
        const finding = keys.length > 1 ? find?.(context, keys) : undefined
        const found = finding && (await finding)
        return Promise.all(keys.map((key) => found?.get(key) ?? fetch(context, key).catch((error: Error) => error)))
      }),
  )
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
      const loaded = loader(context)
      return objects.map((object) => {
        const primed = known(context, object)
        loaded.prime(object.id, primed)
        return primed
      })
    },
    /** The object, or only its id and type where the query asks for nothing more: that costs no call. */
    link(context: Context, id: string, info: GraphQLResolveInfo): Promise<T> | Typed<T> {
      return asksOnlyForId(info, typename) ? typed(typename, { id } as T) : loader(context).load(id)
    },
  })
}

/** A copy: what upstream answered may be another request's too, and is never written to. */
function typed<T extends object>(typename: string, object: T): Typed<T> {
  return { ...object, __typename: typename }
}

/** Whether a field's selections on this type, through all their fragments, hold nothing but `id` and `__typename`. */
function asksOnlyForId(info: GraphQLResolveInfo, typename: string): boolean {
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
  return (parent: object, _args: object, context: Context, info: GraphQLResolveInfo): Promise<T | null> | null => {
    const id = idAt(parent)
    return id === null ? null : nullIfMissing(loader.link(context, id, info) as Promise<T>)
  }
}
