import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getVariableValues } from "graphql"
import { omittedErrors } from "../responseSize.ts"
import { executeFields } from "./executeFields.ts"
import {
  type Cancellation,
  checkSize,
  type Data,
  type Execution,
  FieldErrors,
  type Operation,
  type SelectedField,
  type Variables,
} from "./execution.ts"
import { findOperation } from "./operation.ts"
import { isThenable, type PendingResult } from "./pendingResult.ts"

/**
 * Executes an operation that is prepared once for each document. Returns undefined, without having called any resolver, if
 * the operation needs graphql-js: incremental delivery, variables that do not fit, or an operation that does not exist.
 * After cancellation no resolver is called; the result is undefined and must be discarded.
 * @param maxBytes a response that becomes larger than roughly this is stopped at once: it is null, with one error
 * @returns the result, or a promise of it that never rejects
 */
export function executeCompiled(
  args: ExecutionArgs,
  cancellation: Cancellation,
  maxBytes: number,
): ExecutionResult | Promise<ExecutionResult> | undefined {
  const { schema, document, operationName, variableValues } = args
  const operation = findOperation(schema, document, operationName)
  if (operation === undefined) return undefined
  const definitions = operation.definition.variableDefinitions ?? []
  const variables = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 50 })
  return variables.coerced && execute(operation, variables.coerced, args, cancellation, maxBytes)
}

/**
 * Gives graphql-js' result, to the byte: the same data, errors and order of calls. It is faster because what depends on the
 * operation alone is prepared, and because values that are available are never awaited. One difference remains: if a field
 * that cannot be null nulls a parent with other pending fields, its error can come earlier in the list of errors.
 */
function execute(
  operation: Operation,
  variables: Variables,
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
