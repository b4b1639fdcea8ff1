import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getArgumentValues } from "graphql"
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
  type PendingValues,
  pathOf,
  type SelectedField,
  type Variables,
} from "./execution.ts"
import { ResponseLinks } from "./links.ts"
import { isThenable, LaterValue, PendingGroup, PendingLinks, PendingValue, whenSettled } from "./pending.ts"
import { infoFor } from "./resolveInfo.ts"

/** An operation and the values of its variables. */
export interface PreparedExecution {
  operation: Operation
  variables: Variables
}

/**
 * Executes a prepared operation. The result is graphql-js' result, to the byte: the same data, errors and order of calls. It is
 * faster because what depends on the operation alone is prepared, and because values that are available are never awaited. Two
 * differences remain: the order of errors in the cases that docs/decisions/executor.md names, and that the fields of an object that
 * several links lead to are executed once.
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
    firstArgs: undefined,
    args: undefined,
    links: new ResponseLinks(),
    cancellation,
    group: noGroup,
    size: 0,
    maxBytes,
    stopped: undefined,
    started: 0,
  }
  try {
    const data = executeRoot(execution)
    if (!(data instanceof Promise)) return resultOf(execution, data)
    return data.then(
      (value) => resultOf(execution, value),
      (error) => failedResult(execution, error),
    )
  } catch (error) {
    return failedResult(execution, error)
  }
}

/** Replaced before anything is executed. */
const noGroup = undefined as unknown as PendingValues

function resultOf({ errors: { all: errors, omitted }, stopped }: Execution, data: unknown): ExecutionResult {
  if (stopped !== undefined) return { errors: [stopped], data: null }
  if (errors.length === 0) return { data } as ExecutionResult
  return { errors: omitted === 0 ? errors : [...errors, omittedErrors(omitted)], data } as ExecutionResult
}

function failedResult(execution: Execution, error: unknown): ExecutionResult {
  execution.errors.add(error as GraphQLError, undefined)
  return resultOf(execution, null)
}

function executeRoot(execution: Execution): Data | Promise<Data> {
  const { definition, rootType } = execution.operation
  const fields = execution.operation.selectionFor(execution.variables).fieldsOf(rootType)
  return definition.operation === "mutation" ? executeSerially(execution, fields) : executeAtRoot(execution, fields)
}

/** Executes a mutation's fields: each starts when the one before has settled. */
async function executeSerially(execution: Execution, fields: readonly SelectedField[]): Promise<Data> {
  const data: Data = {}
  for (const field of fields) {
    checkSize(execution)
    if (execution.stopped !== undefined) break
    execution.started += 1
    execution.links = new ResponseLinks()
    Object.assign(data, await executeAtRoot(execution, [field]))
  }
  return data
}

/** Executes fields of the root type. Returns a promise if some of their values are pending. */
function executeAtRoot(execution: Execution, fields: readonly SelectedField[]): Data | Promise<Data> {
  const root = new PendingGroup(execution)
  execution.group = root
  root.data = executeFields(execution, fields, execution.rootValue, undefined)
  return root.count === 0 ? (root.data as Data) : root.promise()
}

/** Executes the fields that are selected from an object. */
export function executeFields(
  execution: Execution,
  fields: readonly SelectedField[],
  source: unknown,
  parentPath: Path | undefined,
): Data | PendingValues {
  const data: Data = {}
  const { group } = execution
  const pendingBefore = group.count
  for (const field of fields) {
    const { key } = field
    execution.size += field.bytes
    if (execution.cancellation.cancelled || execution.stopped !== undefined) {
      data[key] = null
      continue
    }
    let path: Path | undefined
    let completed: unknown
    try {
      if (field.linkedId !== undefined) completed = executeLink(execution, field, data, source, parentPath)
      else {
        // Leaf fields need a path only for error reporting, so it is built lazily.
        path = field.isLeaf ? undefined : pathOf(field, parentPath)
        const info = infoFor(field.needsInfo, execution, field, parentPath, path)
        const value = field.resolve(source, argumentsOf(execution, field), execution.context, info)
        if (typeof value === field.asIs) {
          if (typeof value === "string") execution.size += value.length
          data[key] = value
          continue
        }
        if (value === null && field.isNullable) {
          data[key] = null
          continue
        }
        if (isThenable(value)) {
          const pending = new PendingValue(group, data, field, field, path ?? pathOf(field, parentPath))
          // Reserves the key's position in the response.
          data[key] = pending
          pending.await(value)
          continue
        }
        completed = field.complete(execution, field, info, path as Path, value)
        if (completed instanceof LaterValue) completed = completed.at(group, data, field, field, path as Path)
      }
    } catch (error) {
      try {
        completed = nullForError(execution, field, field.type, path ?? pathOf(field, parentPath), error)
      } catch (located) {
        // Fields that have started settle first, so that their errors are reported too.
        if (group.count > pendingBefore) return group.defer(data, located, parentPath)
        throw located
      }
    }
    data[key] = completed
  }
  checkSize(execution)
  return data
}

/** Executes a link. What others have led to before takes neither a resolver nor a promise. */
function executeLink(
  execution: Execution,
  field: SelectedField,
  data: Data,
  source: unknown,
  parentPath: Path | undefined,
): unknown {
  const { group, errors } = execution
  const linked = execution.links.find(field, source as object)
  if (linked?.data !== undefined) {
    execution.size += linked.size
    return linked.data
  }
  if (linked?.waiting?.group === group) return linked.waiting.add(data, parentPath)
  const path = pathOf(field, parentPath)
  const info = infoFor(field.needsInfo, execution, field, parentPath, path)
  const value = field.resolve(source, argumentsOf(execution, field), execution.context, info)
  if (isThenable(value)) {
    if (linked === undefined) return new PendingValue(group, data, field, field, path).await(value)
    const waiting = new PendingLinks(group, field, linked)
    linked.waiting = waiting
    whenSettled(value, waiting)
    return waiting.add(data, parentPath)
  }
  const { size } = execution
  const pendingBefore = group.count
  const failures = errors.count
  const completed = field.complete(execution, field, info, path, value)
  if (completed instanceof LaterValue) return completed.at(group, data, field, field, path)
  if (linked !== undefined && group.count === pendingBefore && errors.count === failures) {
    linked.data = completed as Data | null
    linked.size = execution.size - size
  }
  return completed
}

/** Shared by all fields without arguments, which most are. */
const noArguments = Object.freeze({})

function argumentsOf(execution: Execution, field: SelectedField): Record<string, unknown> {
  if (field.definition.args.length === 0) return noArguments
  const { firstArgs } = execution
  if (firstArgs?.field === field) return firstArgs.values
  const known = execution.args?.get(field)
  if (known !== undefined) return known
  const values =
    valuesOfVariables(execution, field) ?? getArgumentValues(field.definition, field.nodes[0]!, execution.variables)
  if (firstArgs === undefined) execution.firstArgs = { field, values }
  else {
    execution.args ??= new Map()
    execution.args.set(field, values)
  }
  return values
}

/** The arguments if all of them are variables with values, which have been coerced already. */
function valuesOfVariables(
  { variables }: Execution,
  { variableArguments }: SelectedField,
): Record<string, unknown> | undefined {
  if (variableArguments === undefined) return undefined
  const values: Record<string, unknown> = {}
  for (const [argument, variable] of variableArguments) {
    const value = Object.hasOwn(variables, variable) ? variables[variable] : undefined
    if (value === undefined || value === null) return undefined
    values[argument] = value
  }
  return values
}
