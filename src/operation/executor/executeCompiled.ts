import { type ExecutionArgs, type ExecutionResult, getVariableValues } from "graphql"
import { type Cancellation, execute } from "./execute.ts"
import { operationOf } from "./operation.ts"

/**
 * Executes an operation that is prepared once for each document. Returns undefined, without having called any resolver, if
 * the operation needs graphql-js: incremental delivery, variables that do not fit, or an operation that does not exist.
 * @returns the result, or a promise of it that never rejects
 */
export function executeCompiled(
  args: ExecutionArgs,
  cancellation: Cancellation,
  maxBytes: number,
): ExecutionResult | Promise<ExecutionResult> | undefined {
  const { schema, document, operationName, variableValues } = args
  const operation = operationOf(schema, document, operationName)
  if (operation === undefined) return undefined
  const definitions = operation.definition.variableDefinitions ?? []
  const variables = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 50 })
  return variables.coerced && execute(operation, variables.coerced, args, cancellation, maxBytes)
}
