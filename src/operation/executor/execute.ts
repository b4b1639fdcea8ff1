import {
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLResolveInfo,
  getArgumentValues,
} from "graphql"
import { omittedErrors } from "../responseSize.ts"
import {
  type Cancellation,
  checkSize,
  type Data,
  type Execution,
  FieldErrors,
  nullForError,
  type Operation,
  type Path,
  pathOf,
  type SelectedField,
  type Variables,
} from "./execution.ts"
import { ResponseLinks } from "./links.ts"
import { isPending, isThenable, PendingResult } from "./pendingResult.ts"

/** An operation and the values of its variables. */
export interface PreparedExecution {
  operation: Operation
  variables: Variables
}

/**
 * Executes a prepared operation. The result is graphql-js' result, to the byte: the same data, errors and order of calls. It is
 * faster because what depends on the operation alone is prepared, and because values that are available are never awaited. Two
 * differences remain: if a field that cannot be null nulls a parent with other pending fields, its error can come earlier in the
 * list of errors; and the fields of an object that several links lead to are executed once.
 * After cancellation no resolver is called; the result is undefined and must be discarded.
 * @param maxBytes a response that becomes larger than roughly this is stopped at once: it is null, with one error
 * @returns the result, or a promise of it that never rejects
 */
export function execute(
  { operation, variables }: PreparedExecution,
  args: ExecutionArgs,
  cancellation: Cancellation,
  maxBytes: number,
): ExecutionResult | Promise<ExecutionResult> {
  const { rootValue, contextValue: context } = args
  const execution: Execution = {
    operation,
    rootValue,
    context,
    variables,
    errors: new FieldErrors(),
    args: undefined,
    links: new ResponseLinks(),
    cancellation,
    size: 0,
    maxBytes,
    stopped: undefined,
    started: 0,
  }
  try {
    const data = executeRoot(execution)
    if (!isThenable(data)) return resultOf(execution, data)
    return new Promise((resolve) => {
      data.then(
        (value) => resolve(resultOf(execution, value)),
        (error) => resolve(failedResult(execution, error)),
      )
    })
  } catch (error) {
    return failedResult(execution, error)
  }
}

function resultOf({ errors: { all: errors, omitted }, stopped }: Execution, data: unknown): ExecutionResult {
  if (stopped !== undefined) return { errors: [stopped], data: null }
  if (errors.length === 0) return { data } as ExecutionResult
  return { errors: omitted === 0 ? errors : [...errors, omittedErrors(omitted)], data } as ExecutionResult
}

function failedResult(execution: Execution, error: unknown): ExecutionResult {
  execution.errors.add(error as GraphQLError, undefined)
  return resultOf(execution, null)
}

function executeRoot(execution: Execution): Data | PendingResult | Promise<Data> {
  const { definition, rootType } = execution.operation
  const fields = execution.operation.selectionFor(execution.variables).fieldsOf(rootType)
  return definition.operation === "mutation"
    ? executeSerially(execution, fields, execution.rootValue)
    : executeFields(execution, fields, execution.rootValue, undefined)
}

/** Executes a mutation's fields: each starts when the one before has settled. */
async function executeSerially(execution: Execution, fields: readonly SelectedField[], source: unknown): Promise<Data> {
  const data: Data = {}
  for (const field of fields) {
    checkSize(execution)
    if (execution.stopped !== undefined) break
    execution.started += 1
    Object.assign(data, await executeFields(execution, [field], source, undefined))
  }
  return data
}

/** Executes the fields that are selected from an object. */
export function executeFields(
  execution: Execution,
  fields: readonly SelectedField[],
  source: unknown,
  parentPath: Path | undefined,
): Data | PendingResult {
  const data: Data = {}
  let pending: PendingResult | undefined
  for (const field of fields) {
    const { key, definition } = field
    execution.size += field.bytes
    if (execution.cancellation.cancelled || execution.stopped !== undefined) {
      data[key] = null
      continue
    }
    // Leaf fields need a path only for error reporting, so it is built lazily.
    const path = field.isLeaf ? undefined : pathOf(field, parentPath)
    let completed: unknown
    try {
      const info = field.needsInfo ? new ResolveInfo(execution, field, parentPath, path) : noInfo
      const value = field.resolve(source, argumentsOf(execution, field), execution.context, info)
      if (isThenable(value)) {
        pending ??= new PendingResult(data)
        const place = { key, execution, field, type: definition.type, path: path ?? pathOf(field, parentPath) }
        pending.await(value, place, info, field.complete)
        continue
      }
      completed = field.complete(execution, field, info, path as Path, value)
    } catch (error) {
      try {
        completed = nullForError(execution, field, definition.type, path ?? pathOf(field, parentPath), error)
      } catch (located) {
        // Fields that have started settle first, so that their errors are reported too.
        if (pending !== undefined) return pending.failWhenSettled(located)
        throw located
      }
    }
    if (isPending(completed)) {
      pending ??= new PendingResult(data)
      pending.awaitCompleted(completed, { key, execution, field, type: definition.type, path: path as Path })
    } else data[key] = completed
  }
  checkSize(execution)
  return pending ?? data
}

/** Shared by all fields without arguments, which most are. */
const noArguments = Object.freeze({})

function argumentsOf(execution: Execution, field: SelectedField): Record<string, unknown> {
  const { args } = field.definition
  if (args.length === 0) return noArguments
  execution.args ??= new Map()
  const known = execution.args.get(field)
  if (known !== undefined) return known
  const values = getArgumentValues(field.definition, field.nodes[0]!, execution.variables)
  execution.args.set(field, values)
  return values
}

/** Passed to resolvers that do not use `info`. */
const noInfo = undefined as unknown as GraphQLResolveInfo

/**
 * The `info` of a field. There is one for each field of each object, and nearly everything in it is the same for all objects
 * of a list, so it holds only the field's position and looks up the rest when it is read.
 */
class ResolveInfo implements GraphQLResolveInfo {
  private readonly execution: Execution
  private readonly field: SelectedField
  private readonly parentPath: Path | undefined
  private ownPath: Path | undefined

  constructor(execution: Execution, field: SelectedField, parentPath: Path | undefined, path: Path | undefined) {
    this.execution = execution
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
    return this.execution.operation.schema
  }
  get fragments() {
    return this.execution.operation.fragments
  }
  get rootValue() {
    return this.execution.rootValue
  }
  get operation() {
    return this.execution.operation.definition
  }
  get variableValues() {
    return this.execution.variables
  }
}
