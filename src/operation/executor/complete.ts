import {
  defaultTypeResolver,
  type GraphQLAbstractType,
  GraphQLBoolean,
  GraphQLError,
  GraphQLID,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
  getNullableType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql"
import { inspect } from "graphql/jsutils/inspect.js"
import { minBytesPerValue, roughSize } from "../responseSize.ts"
import { executeFields } from "./execute.ts"
import {
  type Complete,
  checkSize,
  type Execution,
  nullForError,
  type Path,
  type SelectedField,
  type Target,
} from "./execution.ts"
import { isThenable, LaterValue, PendingValue } from "./pending.ts"

const completers = new WeakMap<GraphQLOutputType, Complete>()

/** The function that completes values of this type. */
export function completerFor(type: GraphQLOutputType): Complete {
  const complete = completers.get(type) ?? createCompleter(type)
  completers.set(type, complete)
  return complete
}

function createCompleter(type: GraphQLOutputType): Complete {
  if (isNonNullType(type)) return completeNonNull(completerFor(type.ofType))
  if (isLeafType(type)) return completeLeaf(type)
  const complete = isListType(type)
    ? completeList(type.ofType)
    : isObjectType(type)
      ? completeObject(type)
      : completeAbstract(type)
  return (execution, field, info, path, value) => {
    if (value === null || value === undefined) return null
    if (value instanceof Error) throw value
    return complete(execution, field, info, path, value)
  }
}

function completeNonNull(complete: Complete): Complete {
  return (execution, field, info, path, value) => {
    const completed = complete(execution, field, info, path, value)
    if (completed === null) {
      throw new Error(`Cannot return null for non-nullable field ${nameOf(field)}.`)
    }
    return completed
  }
}

function completeList(itemType: GraphQLOutputType): Complete {
  const complete = completerFor(itemType)
  const target: Target = { type: itemType, complete }
  const hasLeaves = isLeafType(getNullableType(itemType))
  return (execution, field, info, path, value) => {
    if (!isIterable(value)) {
      throw new GraphQLError(`Expected Iterable, but did not find one for field "${nameOf(field)}".`)
    }
    const list = Array.isArray(value) ? value : Array.from(value)
    execution.size += list.length * minBytesPerValue
    checkSize(execution)
    if (execution.stopped !== undefined) return []
    const { group } = execution
    const pendingBefore = group.count
    const items = new Array<unknown>(list.length)
    for (let index = 0; index < items.length; index++) {
      const item: unknown = list[index]
      // A scalar or an enum's value needs its path only if it fails.
      const itemPath = hasLeaves ? undefined : pathOfItem(path, index)
      try {
        if (isThenable(item)) {
          const place = itemPath ?? pathOfItem(path, index)
          items[index] = new PendingValue(group, items, field, target, place).await(item)
          continue
        }
        const completed = complete(execution, field, info, itemPath as Path, item)
        items[index] =
          completed instanceof LaterValue ? completed.at(group, items, field, target, itemPath as Path) : completed
      } catch (error) {
        try {
          items[index] = nullForError(execution, field, itemType, itemPath ?? pathOfItem(path, index), error)
        } catch (located) {
          // Nothing waits for the items before this one.
          if (group.count > pendingBefore) group.abandon(items, path)
          throw located
        }
      }
    }
    return items
  }
}

/** The `typeof` of values that the `serialize` of this type returns unchanged. */
export function unchanged(type: GraphQLOutputType): "string" | "boolean" | undefined {
  return type === GraphQLString || type === GraphQLID ? "string" : type === GraphQLBoolean ? "boolean" : undefined
}

function completeLeaf(type: GraphQLLeafType): Complete {
  const asIs = unchanged(type)
  return (execution, _field, _info, _path, value) => {
    if (typeof value === "string") execution.size += value.length
    if (typeof value === asIs) return value
    if (value === null || value === undefined) return null
    if (value instanceof Error) throw value
    const serialized = type.serialize(value)
    if (typeof serialized === "object" && serialized !== null) {
      execution.size += roughSize(serialized, Math.max(0, execution.maxBytes - execution.size))
    }
    if (serialized === null || serialized === undefined) {
      throw new Error(
        `Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(serialized)}`,
      )
    }
    return serialized
  }
}

function completeObject(type: GraphQLObjectType): Complete {
  const { isTypeOf } = type
  if (!isTypeOf) {
    return (execution, field, _info, path, value) =>
      executeFields(execution, field.selection.fieldsOf(type), value, path)
  }
  return (execution, field, info, path, value) => {
    const fields = field.selection.fieldsOf(type)
    const completed = (is: boolean) => {
      if (is) return executeFields(execution, fields, value, path)
      throw new GraphQLError(`Expected value of type "${type.name}" but got: ${inspect(value)}.`, {
        nodes: field.nodes,
      })
    }
    const is = isTypeOf(value, execution.context, info)
    return isThenable(is) ? new LaterValue(is, (settled) => completed(settled as boolean)) : completed(is)
  }
}

function completeAbstract(type: GraphQLAbstractType): Complete {
  const resolveType = type.resolveType ?? defaultTypeResolver
  const byType = new Map<GraphQLObjectType, Complete>()
  return (execution, field, info, path, value) => {
    const completed = (name: unknown) => {
      const objectType = possibleType(execution, field, type, name, value)
      const complete = byType.get(objectType) ?? completeObject(objectType)
      byType.set(objectType, complete)
      return complete(execution, field, info, path, value)
    }
    const name = resolveType(value, execution.context, info, type)
    return isThenable(name) ? new LaterValue(name, completed) : completed(name)
  }
}

/** The object type with this name. Throws graphql-js' errors if it is not a possible type of the abstract type. */
function possibleType(
  { operation: { schema } }: Execution,
  field: SelectedField,
  type: GraphQLAbstractType,
  name: unknown,
  value: unknown,
): GraphQLObjectType {
  const found = typeof name === "string" ? schema.getType(name) : undefined
  if (isObjectType(found) && schema.isSubType(type, found)) return found
  const { nodes } = field
  if (name === null || name === undefined) {
    throw new GraphQLError(
      `Abstract type "${type.name}" must resolve to an Object type at runtime for field "${nameOf(field)}". Either the "${type.name}" type should provide a "resolveType" function or each possible type should provide an "isTypeOf" function.`,
      { nodes },
    )
  }
  if (isObjectType(name)) {
    throw new GraphQLError(
      "Support for returning GraphQLObjectType from resolveType was removed in graphql-js@16.0.0 please return type name instead.",
    )
  }
  if (typeof name !== "string") {
    throw new GraphQLError(
      `Abstract type "${type.name}" must resolve to an Object type at runtime for field "${nameOf(field)}" with value ${inspect(value)}, received "${inspect(name)}".`,
    )
  }
  throw new GraphQLError(
    found === undefined
      ? `Abstract type "${type.name}" was resolved to a type "${name}" that does not exist inside the schema.`
      : isObjectType(found)
        ? `Runtime Object type "${name}" is not a possible type for "${type.name}".`
        : `Abstract type "${type.name}" was resolved to a non-object type "${name}".`,
    { nodes },
  )
}

function nameOf({ parentType, definition }: SelectedField): string {
  return `${parentType.name}.${definition.name}`
}

function pathOfItem(list: Path, index: number): Path {
  return { prev: list, key: index, typename: undefined }
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function"
}
