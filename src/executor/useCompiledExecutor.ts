import { type ExecutionArgs, type ExecutionResult, getVariableValues } from "graphql"
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
      setExecuteFn((args: ExecutionArgs & { signal?: AbortSignal }) => {
        args.signal?.throwIfAborted()
        return executeUsual(args, args) ?? executeFn(args)
      })
    },
  }
}

/**
 * The answer, or a promise of it; undefined where the operation isn't for this executor: nothing has happened then.
 * @param request its signal is looked at only where something has to be waited for
 */
export function executeUsual(
  args: ExecutionArgs,
  request: { readonly signal?: AbortSignal },
): ExecutionResult | Promise<ExecutionResult> | undefined {
  const { schema, document, operationName, variableValues } = args
  const operation = operationOf(schema, document, operationName)
  if (operation === undefined) return undefined
  const definitions = operation.definition.variableDefinitions ?? []
  const variables = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 50 })
  return variables.coerced && execute(operation, variables.coerced, args, request)
}
