import { type ExecutionArgs, getVariableValues } from "graphql"
import type { PreparedExecution } from "./execute.ts"
import { findOperation } from "./operation.ts"

/**
 * Finds the operation, which is prepared once for each document, and coerces its variables. Returns undefined if the operation
 * needs graphql-js: incremental delivery, variables that do not fit, or an operation that does not exist.
 */
export function prepareExecution(args: ExecutionArgs): PreparedExecution | undefined {
  const { schema, document, operationName, variableValues } = args
  const operation = findOperation(schema, document, operationName)
  if (operation === undefined) return undefined
  const definitions = operation.definition.variableDefinitions ?? []
  const { coerced } = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 50 })
  return coerced && { operation, variables: coerced }
}
