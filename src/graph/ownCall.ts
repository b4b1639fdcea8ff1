import {
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  Kind,
} from "graphql"
import type { Context } from "./context.ts"
import type { Page } from "./pagination/page.ts"
import { everyField, selectionSetsOf } from "./selection.ts"

/**
 * How a field gets its value without the object that it belongs to:
 * - `call`: by a call of its own, with the object's id. A value other than null proves that the object exists
 * - `search`: by a search for the object's id. A page with items proves that the object exists
 * - `place`: the value is an object such as a folder, which makes no call before its own fields do
 * - `none`: the value proves nothing
 */
type OwnCall = "call" | "search" | "place" | "none"

/** For the `extensions` of a field that needs nothing but the id of its object. */
export function ownCall(kind: OwnCall): { ownCall: OwnCall } {
  return { ownCall: kind }
}

/**
 * Calls the resolver of a selected field, whose loaders keep the result for the field itself. Resolves with true if the result
 * proves that the object exists.
 */
type FieldCall = () => Promise<boolean>

/**
 * The calls of the fields that a resolver's field selects from the object. Empty if one of the fields needs the object, or if
 * none of them makes a call.
 */
export function ownCallsOf(object: object, context: Context, info: GraphQLResolveInfo): FieldCall[] {
  const calls: FieldCall[] = []
  const collect = (type: GraphQLObjectType, parent: object, nodes: readonly FieldNode[]): boolean =>
    everyField(info, type, selectionSetsOf(nodes), (node) => {
      if (node.name.value === "id" || node.name.value === "__typename") return true
      const field = type.getFields()[node.name.value]
      const kind = field?.extensions.ownCall as OwnCall | undefined
      if (field === undefined || kind === undefined) return false
      const resolve = () => field.resolve?.(parent, getArgumentValues(field, node, info.variableValues), context, info)
      if (kind === "call") calls.push(async () => (await resolve()) != null)
      if (kind === "search") calls.push(async () => ((await resolve()) as Page<unknown>).nodes.length > 0)
      if (kind !== "place") return true
      try {
        return collect(getNamedType(field.type) as GraphQLObjectType, resolve() as object, [node])
      } catch {
        // An invalid argument, which the field itself reports.
        return false
      }
    })
  return collect(getNamedType(info.returnType) as GraphQLObjectType, object, info.fieldNodes) ? calls : []
}

/**
 * Whether a resolver's field selects a field that needs the object, as far as that is seen without fragments and directives. Answers
 * the usual question faster than `ownCallsOf`.
 */
export function clearlyNeedsObject({ fieldNodes, returnType }: GraphQLResolveInfo): boolean {
  const fields = (getNamedType(returnType) as GraphQLObjectType).getFields()
  for (const { selectionSet } of fieldNodes) {
    for (const selection of selectionSet?.selections ?? []) {
      if (selection.kind !== Kind.FIELD || selection.directives?.length) continue
      const name = selection.name.value
      if (name === "id" || name === "__typename") continue
      if (fields[name]?.extensions.ownCall === undefined) return true
    }
  }
  return false
}

/** Whether a resolver's field selects only the id of the object and fields that need nothing but this id. */
export function needsOnlyTheId(type: GraphQLObjectType, info: GraphQLResolveInfo): boolean {
  return everyField(info, type, selectionSetsOf(info.fieldNodes), ({ name }) => {
    if (name.value === "id" || name.value === "__typename") return true
    return type.getFields()[name.value]?.extensions.ownCall !== undefined
  })
}
