import { getVariableValues } from "graphql"
import type { Plugin } from "graphql-yoga"
import { execute } from "./execute.ts"
import { operationOf } from "./operation.ts"

/**
 * Executes operations that are prepared once for each document. What is unusual, and what graphql-js would refuse to begin,
 * is left to the executor that the server has anyway; so are subscriptions.
 */
export function useCompiledExecutor(): Plugin {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args) => {
        const { schema, document, operationName, variableValues, signal } = args as typeof args & {
          signal?: AbortSignal
        }
        const operation = operationOf(schema, document, operationName)
        if (operation === undefined) return executeFn(args)
        const definitions = operation.definition.variableDefinitions ?? []
        const variables = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 50 })
        if (variables.coerced === undefined) return executeFn(args)
        return execute(operation, variables.coerced, args, signal)
      })
    },
  }
}
