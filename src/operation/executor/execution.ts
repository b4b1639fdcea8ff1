import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isNonNullType,
  locatedError,
  type OperationDefinitionNode,
} from "graphql"
import { bytesPerError, type MutationProgress, maxErrors, tooCostly, tooLarge } from "../responseSize.ts"

export type Data = Record<string, unknown>
export type Path = GraphQLResolveInfo["path"]
export type Variables = GraphQLResolveInfo["variableValues"]

/** One operation of a document, prepared to be executed many times. */
export interface Operation {
  readonly schema: GraphQLSchema
  readonly definition: OperationDefinitionNode
  readonly fragments: Record<string, FragmentDefinitionNode>
  readonly rootType: GraphQLObjectType
  /** The selection at the root, for the values that these variables give to `@skip` and `@include`. */
  selectionFor(variables: Variables): Selection
}

/** The selection of an object whose type is known only at run time. */
export interface Selection {
  /** The fields to execute, in order. Throws GraphQLError if the condition of a directive is missing or null. */
  fieldsOf(type: GraphQLObjectType): readonly SelectedField[]
}

/** What a value is completed to. */
export interface Target {
  readonly type: GraphQLOutputType
  readonly complete: Complete
}

/** A field that is selected from objects of one type, with everything about it that does not depend on values. */
export interface SelectedField extends Target {
  /** Its key in the response. */
  readonly key: string
  /** All nodes of the document that select it. */
  readonly nodes: readonly FieldNode[]
  readonly parentType: GraphQLObjectType
  readonly definition: GraphQLField<unknown, unknown>
  readonly resolve: GraphQLFieldResolver<unknown, unknown>
  /** The names of its arguments with the variables that are their values. Undefined if they have other values, too. */
  readonly variableArguments: readonly (readonly [argument: string, variable: string])[] | undefined
  /** Whether its value is a scalar or an enum's value. */
  readonly isLeaf: boolean
  /** The `typeof` of values that are in the response as they are. Undefined if there are none. */
  readonly asIs: "string" | "boolean" | undefined
  /** Whether null is in the response as it is. */
  readonly isNullable: boolean
  /** Whether its resolver or the completion of its value may use `info`. */
  readonly needsInfo: boolean
  /** Whether the completion of its value may use `info`. */
  readonly completionNeedsInfo: boolean
  /** The id of the object that it leads to. Others may lead to it, too. Undefined for a field that is no link. */
  readonly linkedId: ((source: object) => string | null) | undefined
  /** The selection of its value. */
  readonly selection: Selection
  /** What it adds to the size of the response, in bytes, without the text in its value. */
  readonly bytes: number
}

/**
 * Turns a resolver's value into the response's value. In it, and in its place, there may be values that are still pending
 * (pending.ts). Throws if the value does not fit its type.
 */
export type Complete = (
  execution: Execution,
  field: SelectedField,
  info: GraphQLResolveInfo,
  path: Path,
  value: unknown,
) => unknown

/**
 * The objects that the links of a response lead to. Many links of a large response lead to the same object: they wait for its
 * promise together, and its fields are executed once.
 */
export interface Links {
  /** The object that this field leads to from the source. Undefined if there is none, or it must be executed like that of other fields. */
  find(field: SelectedField, source: object): LinkedObject | undefined
}

/** An object that a field leads to. */
export interface LinkedObject {
  /** Its part of the response, which has no pending values and no errors, or undefined. */
  data: Data | null | undefined
  /** What this adds to the size of the response. */
  size: number
  /** The places that wait for it together. */
  waiting: WaitingPlaces | undefined
}

/** Places of the response that wait for the same object. */
export interface WaitingPlaces {
  readonly group: PendingValues
  /** Adds the field's place in this object. Returns what lies there until the value arrives. */
  add(data: Data, parentPath: Path | undefined): unknown
}

/** The request that an execution belongs to. */
export interface Cancellation {
  /** If true, no further resolver is called. It is only read: nothing is called when it changes. */
  readonly cancelled: boolean
  /** Ends the calls in flight. Called when the execution stops, so that its pending values settle at once. */
  endCalls(): void
}

/** Counts values that are pending together. */
export interface PendingValues {
  readonly execution: Execution
  count: number
  /** The part of the response that contains the values, and its path. */
  readonly data: object | undefined
  readonly path: Path | undefined
  /** Called when one of the values has settled. */
  settle(): void
  /** Fails an object, of which values are pending, once these have settled. Returns what lies in its place until then. */
  defer(data: Data, error: unknown, path: Path | undefined): PendingValues
  /** Stops waiting for the values in a part of the response that is left out of it. */
  abandon(part: object, path: Path | undefined): void
  /** Fails the object that contains the values, or the whole operation. */
  fail(error: unknown): void
}

/** The state of one execution of an operation. */
export interface Execution {
  operation: Operation
  rootValue: unknown
  context: unknown
  variables: Variables
  errors: FieldErrors
  /** The first field that has arguments, and their values. They are the same for all objects of a list. */
  firstArgs: { field: SelectedField; values: Record<string, unknown> } | undefined
  /** The arguments of the other fields that have any. */
  args: Map<SelectedField, Record<string, unknown>> | undefined
  links: Links
  readonly cancellation: Cancellation
  /** The group of the values that are being executed. */
  group: PendingValues
  /** The size of the response so far, in bytes, roughly. */
  size: number
  readonly maxBytes: number
  /** The error that stopped the execution. No further resolver is called once it is set. */
  stopped: GraphQLError | undefined
  /** How many of a mutation's root fields have started. */
  started: number
}

/** The errors of one execution. */
export class FieldErrors {
  readonly all: GraphQLError[] = []
  /** How many errors are not among them, because a response has at most `maxErrors`. */
  omitted = 0
  #nulledPaths: Set<Path | undefined> | undefined

  get count(): number {
    return this.all.length + this.omitted
  }

  get isFull(): boolean {
    return this.all.length >= maxErrors
  }

  /**
   * Adds the error that made a value null. Errors below a path that was already nulled are dropped (spec 6.4.4).
   * @param nulledPath undefined for the whole data
   */
  add(error: GraphQLError, nulledPath: Path | undefined): void {
    this.#nulledPaths ??= new Set()
    for (let path = nulledPath; path !== undefined; path = path.prev) if (this.#nulledPaths.has(path)) return
    if (this.#nulledPaths.has(undefined)) return
    this.#nulledPaths.add(nulledPath)
    this.all.push(error)
  }
}

/** An operation with more failed fields than this is stopped. */
const maxFailures = 50_000

/** Stops the execution if the response has become too large. */
export function checkSize(execution: Execution): void {
  if (execution.size > execution.maxBytes && execution.stopped === undefined) {
    stop(execution, tooLarge(execution.maxBytes, progressOf(execution)))
  }
}

function stop(execution: Execution, error: GraphQLError): void {
  execution.stopped = error
  execution.cancellation.endCalls()
}

function progressOf({ operation, variables, started }: Execution): MutationProgress | undefined {
  if (operation.definition.operation !== "mutation") return undefined
  const keys = operation
    .selectionFor(variables)
    .fieldsOf(operation.rootType)
    .map(({ key }) => key)
  return { started: keys.slice(0, started), notStarted: keys.slice(started) }
}

/** Records the error of a value and returns null. If the type does not allow null, throws the error for the parent. */
export function nullForError(
  execution: Execution,
  field: SelectedField,
  type: GraphQLOutputType,
  path: Path,
  cause: unknown,
): null {
  if (execution.errors.isFull || execution.stopped !== undefined) return nullForOmittedError(execution, type)
  execution.size += bytesPerError
  const error = locatedError(cause, field.nodes, pathAsArray(path))
  if (isNonNullType(type)) throw error
  execution.errors.add(error, path)
  return null
}

/** Making an error costs many times what executing its field does, so errors that are not shown are only counted. */
function nullForOmittedError(execution: Execution, type: GraphQLOutputType): null {
  if (isNonNullType(type)) throw omittedError
  execution.errors.omitted += 1
  if (execution.errors.omitted > maxFailures && execution.stopped === undefined) {
    stop(execution, tooCostly(`More than ${maxFailures} fields of this operation failed.`, progressOf(execution)))
  }
  return null
}

const omittedError = new GraphQLError("More fields failed than a response shows.")

export function pathOf(field: SelectedField, prev: Path | undefined): Path {
  return { prev, key: field.key, typename: field.parentType.name }
}

function pathAsArray(path: Path): (string | number)[] {
  const keys: (string | number)[] = []
  for (let at: Path | undefined = path; at !== undefined; at = at.prev) keys.push(at.key)
  return keys.reverse()
}
