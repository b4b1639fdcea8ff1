import {
  defaultTypeResolver,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLAbstractType,
  GraphQLBoolean,
  GraphQLError,
  GraphQLID,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  GraphQLString,
  getArgumentValues,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  locatedError,
} from "graphql"
import { inspect } from "graphql/jsutils/inspect.js"
import {
  bytesOfError,
  type Changes,
  leastBytesOfValue,
  mostErrors,
  othersLeftOut,
  roughSize,
  tooCostly,
  tooLarge,
} from "../responseSize.ts"
import type { Operation, SelectedField } from "./operation.ts"
import { type Course, isThenable, type Thenable, Unfinished } from "./unfinished.ts"

type Data = Record<string, unknown>
type Path = GraphQLResolveInfo["path"]
type Variables = GraphQLResolveInfo["variableValues"]

/** One execution of an operation. */
interface Run {
  operation: Operation
  rootValue: unknown
  context: unknown
  variables: Variables
  errors: Errors
  /** The arguments of the fields that have any: the same for all objects of a list. */
  args: Map<SelectedField, Record<string, unknown>> | undefined
  readonly cancellation: Cancellation
  /** About how many bytes the answer has so far, and how many it may have. */
  size: number
  readonly mostBytes: number
  /** Why the answer is given up; no further resolver is called then. */
  stopped: GraphQLError | undefined
  /** Called once when the answer is given up while it is waited for. */
  onStopped: (() => void) | undefined
  /** The mutation's fields that were begun. */
  begun: number
}

/** Whether an execution was cancelled. It is only read: nothing is called when it changes. */
export interface Cancellation {
  /** If true, no further resolver is called. */
  readonly cancelled: boolean
}

/** An operation with more failing fields than this is given up. */
const mostFailures = 50_000

/** The errors of one execution. What goes wrong below a place that has become null is no news. */
class Errors {
  readonly all: GraphQLError[] = []
  leftOut = 0
  #places: Set<Path | undefined> | undefined

  get isFull(): boolean {
    return this.all.length >= mostErrors
  }

  /** @param place the path of what has become null; undefined for the whole answer */
  add(error: GraphQLError, place: Path | undefined): void {
    this.#places ??= new Set()
    for (let path = place; path !== undefined; path = path.prev) if (this.#places.has(path)) return
    if (this.#places.has(undefined)) return
    this.#places.add(place)
    this.all.push(error)
  }
}

/**
 * Executes an operation as graphql-js does, to the byte: the same data, errors and order of calls. It is faster because what
 * depends on the operation alone stands ready, and because values that are there are never waited for: where a field that
 * can't be null takes along a parent that still waits for others, its error can stand earlier among the errors.
 * After cancellation no resolver is called; the result is undefined and must be discarded.
 * @param mostBytes an answer that becomes larger than about this is given up, at once: it is null with one error
 */
export function execute(
  operation: Operation,
  variables: Variables,
  args: ExecutionArgs,
  cancellation: Cancellation,
  mostBytes: number,
): ExecutionResult | Promise<ExecutionResult> {
  const { rootValue, contextValue: context } = args
  const run: Run = {
    operation,
    rootValue,
    context,
    variables,
    errors: new Errors(),
    args: undefined,
    cancellation,
    size: 0,
    mostBytes,
    stopped: undefined,
    onStopped: undefined,
    begun: 0,
  }
  try {
    const data = executeRoot(run)
    if (!isThenable(data)) return answerOf(run, data)
    return new Promise((resolve) => {
      run.onStopped = () => resolve(answerOf(run, null))
      data.then(
        (there) => resolve(answerOf(run, there)),
        (error) => resolve(failureOf(run, error)),
      )
      if (run.stopped !== undefined) run.onStopped()
    })
  } catch (error) {
    return failureOf(run, error)
  }
}

function answerOf({ errors: { all: errors, leftOut }, stopped }: Run, data: unknown): ExecutionResult {
  if (stopped !== undefined) return { errors: [stopped], data: null }
  if (errors.length === 0) return { data } as ExecutionResult
  return { errors: leftOut === 0 ? errors : [...errors, othersLeftOut(leftOut)], data } as ExecutionResult
}

function failureOf(run: Run, error: unknown): ExecutionResult {
  run.errors.add(error as GraphQLError, undefined)
  return answerOf(run, null)
}

/** Gives the answer up when it has become too large. */
function checkSize(run: Run): void {
  if (run.size > run.mostBytes && run.stopped === undefined) stop(run, tooLarge(run.mostBytes, changesOf(run)))
}

function stop(run: Run, error: GraphQLError): void {
  run.stopped = error
  run.onStopped?.()
}

function changesOf({ operation, variables, begun }: Run): Changes | undefined {
  if (operation.definition.operation !== "mutation") return undefined
  const keys = operation
    .selectionFor(variables)
    .fieldsOf(operation.rootType)
    .map(({ key }) => key)
  return { begun: keys.slice(0, begun), notBegun: keys.slice(begun) }
}

function executeRoot(run: Run): Data | Unfinished | Promise<Data> {
  const { definition, rootType } = run.operation
  const fields = run.operation.selectionFor(run.variables).fieldsOf(rootType)
  return definition.operation === "mutation"
    ? executeOneByOne(run, fields, run.rootValue)
    : executeFields(run, fields, run.rootValue, undefined)
}

/** A mutation's fields: each begins when the one before has wholly ended. */
async function executeOneByOne(run: Run, fields: readonly SelectedField[], source: unknown): Promise<Data> {
  const data: Data = {}
  for (const field of fields) {
    checkSize(run)
    if (run.stopped !== undefined) break
    run.begun += 1
    Object.assign(data, await executeFields(run, [field], source, undefined))
  }
  return data
}

function executeFields(
  run: Run,
  fields: readonly SelectedField[],
  source: unknown,
  parentPath: Path | undefined,
): Data | Unfinished {
  const data: Data = {}
  let unfinished: Unfinished | undefined
  for (const field of fields) {
    run.size += field.bytes
    // What can have nothing below it needs no place of its own, unless it fails.
    const path = field.isLeaf ? undefined : pathOf(field, parentPath)
    try {
      const value = executeField(run, field, source, parentPath, path)
      if (value instanceof Coming) {
        unfinished ??= new Unfinished(data)
        unfinished.await(field.key, value.promise, new FieldCourse(run, field, value.info, parentPath, path))
      } else if (isThenable(value)) {
        unfinished ??= new Unfinished(data)
        unfinished.awaitCompleted(field.key, value, new FieldCourse(run, field, noInfo, parentPath, path))
      } else data[field.key] = value
    } catch (error) {
      // What has begun beside it is waited for, so that its errors come too.
      if (unfinished !== undefined) return unfinished.failAtLast(error)
      throw error
    }
  }
  checkSize(run)
  return unfinished ?? data
}

/** What a resolver has promised. */
class Coming {
  readonly promise: Thenable
  readonly info: GraphQLResolveInfo

  constructor(promise: Thenable, info: GraphQLResolveInfo) {
    this.promise = promise
    this.info = info
  }
}

/** Most fields have no arguments: they share these. */
const noArguments = Object.freeze({})

/** The field's completed value, a promise of it, or what is still to be completed. */
function executeField(
  run: Run,
  field: SelectedField,
  source: unknown,
  parentPath: Path | undefined,
  path: Path | undefined,
): unknown {
  if (run.cancellation.cancelled || run.stopped !== undefined) return null
  const { definition } = field
  try {
    const info = field.wantsInfo ? new Info(run, field, parentPath, path) : noInfo
    const value = field.resolve(source, argumentsOf(run, field), run.context, info)
    return isThenable(value) ? new Coming(value, info) : field.complete(run, field, info, path as Path, value)
  } catch (error) {
    return failed(run, field, definition.type, path ?? pathOf(field, parentPath), error)
  }
}

function argumentsOf(run: Run, field: SelectedField): Record<string, unknown> {
  const { args } = field.definition
  if (args.length === 0) return noArguments
  run.args ??= new Map()
  const known = run.args.get(field)
  if (known !== undefined) return known
  const given = getArgumentValues(field.definition, field.nodes[0]!, run.variables)
  run.args.set(field, given)
  return given
}

function pathOf(field: SelectedField, prev: Path | undefined): Path {
  return { prev, key: field.key, typename: field.parentType.name }
}

/** What becomes of a field whose value is still to come. */
class FieldCourse implements Course {
  private readonly run: Run
  private readonly field: SelectedField
  private readonly info: GraphQLResolveInfo
  private readonly parentPath: Path | undefined
  private readonly path: Path | undefined

  constructor(
    run: Run,
    field: SelectedField,
    info: GraphQLResolveInfo,
    parentPath: Path | undefined,
    path: Path | undefined,
  ) {
    this.run = run
    this.field = field
    this.info = info
    this.parentPath = parentPath
    this.path = path
  }

  complete(value: unknown): unknown {
    return completePromised(this.field.complete, this.run, this.field, this.info, this.path as Path, value)
  }

  recover(error: unknown): null {
    const { run, field } = this
    return failed(run, field, field.definition.type, this.path ?? pathOf(field, this.parentPath), error)
  }
}

/** What becomes of a list's item that is still to come. */
class ItemCourse implements Course {
  private readonly run: Run
  private readonly field: SelectedField
  private readonly info: GraphQLResolveInfo
  private readonly path: Path
  private readonly type: GraphQLOutputType

  constructor(run: Run, field: SelectedField, info: GraphQLResolveInfo, path: Path, type: GraphQLOutputType) {
    this.run = run
    this.field = field
    this.info = info
    this.path = path
    this.type = type
  }

  complete(value: unknown): unknown {
    return completePromised(completeAs(this.type), this.run, this.field, this.info, this.path, value)
  }

  recover(error: unknown): null {
    return failed(this.run, this.field, this.type, this.path, error)
  }
}

/** Completes what was promised, unless the answer has been given up meanwhile, and gives it up where this made it too large. */
function completePromised(
  complete: Complete,
  run: Run,
  field: SelectedField,
  info: GraphQLResolveInfo,
  path: Path,
  value: unknown,
): unknown {
  if (run.stopped !== undefined) return null
  const completed = complete(run, field, info, path, value)
  checkSize(run)
  return completed
}

/** For resolvers that don't look at it. */
const noInfo = undefined as unknown as GraphQLResolveInfo

/**
 * What a resolver is told of its field. Nearly all of it is the same for all objects of a list, so there is one of these for
 * each field of each object that holds no more than where it is; the rest is looked up when somebody wants it.
 */
class Info implements GraphQLResolveInfo {
  private readonly run: Run
  private readonly field: SelectedField
  private readonly parentPath: Path | undefined
  private ownPath: Path | undefined

  constructor(run: Run, field: SelectedField, parentPath: Path | undefined, path: Path | undefined) {
    this.run = run
    this.field = field
    this.parentPath = parentPath
    this.ownPath = path
  }

  get fieldName() {
    return this.field.definition.name
  }
  get fieldNodes() {
    return this.field.nodes
  }
  get returnType() {
    return this.field.definition.type
  }
  get parentType() {
    return this.field.parentType
  }
  get path() {
    this.ownPath ??= pathOf(this.field, this.parentPath)
    return this.ownPath
  }
  get schema() {
    return this.run.operation.schema
  }
  get fragments() {
    return this.run.operation.fragments
  }
  get rootValue() {
    return this.run.rootValue
  }
  get operation() {
    return this.run.operation.definition
  }
  get variableValues() {
    return this.run.variables
  }
}

/** Where the type allows null, the error is noted; where not, it is the parent's. */
function failed(run: Run, field: SelectedField, type: GraphQLOutputType, path: Path, cause: unknown): null {
  if (run.errors.isFull) return leftOut(run, type)
  run.size += bytesOfError
  const error = locatedError(cause, field.nodes, pathArray(path))
  if (isNonNullType(type)) throw error
  run.errors.add(error, path)
  return null
}

/** An error costs many times what its field does, so of those that won't be shown none is made. */
function leftOut(run: Run, type: GraphQLOutputType): null {
  if (isNonNullType(type)) throw notShown
  run.errors.leftOut += 1
  if (run.errors.leftOut > mostFailures && run.stopped === undefined) {
    stop(run, tooCostly(`More than ${mostFailures} fields of this operation fail.`, changesOf(run)))
  }
  return null
}

const notShown = new GraphQLError("More fields failed than an answer shows.")

function pathArray(path: Path): (string | number)[] {
  const keys: (string | number)[] = []
  for (let at: Path | undefined = path; at !== undefined; at = at.prev) keys.push(at.key)
  return keys.reverse()
}

/** Makes of what a resolver returned what the answer has of it, or a promise of that; throws where that can't be. */
export type Complete = (run: Run, field: SelectedField, info: GraphQLResolveInfo, path: Path, value: unknown) => unknown

const completers = new WeakMap<GraphQLOutputType, Complete>()

/** How values of this type are completed. */
export function completeAs(type: GraphQLOutputType): Complete {
  const complete = completers.get(type) ?? completerOf(type)
  completers.set(type, complete)
  return complete
}

function completerOf(type: GraphQLOutputType): Complete {
  if (isNonNullType(type)) return completeNonNull(completeAs(type.ofType))
  if (isLeafType(type)) return completeLeaf(type)
  const complete = isListType(type)
    ? completeList(type.ofType)
    : isObjectType(type)
      ? completeObject(type)
      : completeAbstract(type)
  return (run, field, info, path, value) => {
    if (value === null || value === undefined) return null
    if (value instanceof Error) throw value
    return complete(run, field, info, path, value)
  }
}

function completeNonNull(complete: Complete): Complete {
  return (run, field, info, path, value) => {
    const completed = complete(run, field, info, path, value)
    if (completed === null) {
      throw new Error(`Cannot return null for non-nullable field ${nameOf(field)}.`)
    }
    return completed
  }
}

function completeList(itemType: GraphQLOutputType): Complete {
  const complete = completeAs(itemType)
  return (run, field, info, path, value) => {
    if (!isIterable(value)) {
      throw new GraphQLError(`Expected Iterable, but did not find one for field "${nameOf(field)}".`)
    }
    const list = Array.isArray(value) ? value : Array.from(value)
    run.size += list.length * leastBytesOfValue
    checkSize(run)
    if (run.stopped !== undefined) return []
    const items = new Array<unknown>(list.length)
    let unfinished: Unfinished | undefined
    for (let index = 0; index < items.length; index++) {
      const itemPath: Path = { prev: path, key: index, typename: undefined }
      const item: unknown = list[index]
      try {
        if (isThenable(item)) {
          unfinished ??= new Unfinished(items)
          unfinished.await(index, item, new ItemCourse(run, field, info, itemPath, itemType))
          continue
        }
        const completed = complete(run, field, info, itemPath, item)
        if (isThenable(completed)) {
          unfinished ??= new Unfinished(items)
          unfinished.awaitCompleted(index, completed, new ItemCourse(run, field, info, itemPath, itemType))
        } else items[index] = completed
      } catch (error) {
        items[index] = failed(run, field, itemType, itemPath, error)
      }
    }
    return unfinished ?? items
  }
}

function completeLeaf(type: GraphQLLeafType): Complete {
  const asIs = type === GraphQLString || type === GraphQLID ? "string" : type === GraphQLBoolean ? "boolean" : undefined
  return (run, _field, _info, _path, value) => {
    if (typeof value === "string") run.size += value.length
    // What these types would return unchanged, which most values are.
    if (typeof value === asIs) return value
    if (value === null || value === undefined) return null
    if (value instanceof Error) throw value
    const serialized = type.serialize(value)
    if (typeof serialized === "object" && serialized !== null) {
      run.size += roughSize(serialized, Math.max(0, run.mostBytes - run.size))
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
    return (run, field, _info, path, value) => executeFields(run, field.selection.fieldsOf(type), value, path)
  }
  return (run, field, info, path, value) => {
    const fields = field.selection.fieldsOf(type)
    const completed = (is: boolean) => {
      if (is) return executeFields(run, fields, value, path)
      throw new GraphQLError(`Expected value of type "${type.name}" but got: ${inspect(value)}.`, {
        nodes: field.nodes,
      })
    }
    const is = isTypeOf(value, run.context, info)
    return isThenable(is) ? is.then(completed) : completed(is)
  }
}

function completeAbstract(type: GraphQLAbstractType): Complete {
  const resolveType = type.resolveType ?? defaultTypeResolver
  const byType = new Map<GraphQLObjectType, Complete>()
  return (run, field, info, path, value) => {
    const completed = (name: unknown) => {
      const objectType = possibleType(run, field, type, name, value)
      const complete = byType.get(objectType) ?? completeObject(objectType)
      byType.set(objectType, complete)
      return complete(run, field, info, path, value)
    }
    const name = resolveType(value, run.context, info, type)
    return isThenable(name) ? name.then(completed) : completed(name)
  }
}

/** The object type with this name. Throws, in graphql-js's words, where it can't be one of the abstract type. */
function possibleType(
  { operation: { schema } }: Run,
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

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function"
}
