import { type ExecutionArgs, type ExecutionResult, getVariableValues } from "graphql"
import type { Plugin } from "graphql-yoga"
import { type Asker, execute } from "./execute.ts"
import { operationOf } from "./operation.ts"

/**
 * Executes operations that are prepared once for each document. What is unusual, and what graphql-js would refuse to begin,
 * is left to the executor that the server has anyway; so are subscriptions. When the request's signal is aborted the answer
 * rejects with its reason, at once.
 * @param mostBytes how large an answer may become
 */
export function useCompiledExecutor(mostBytes: number): Plugin {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args: ExecutionArgs & { signal?: AbortSignal }) => {
        const { signal } = args
        signal?.throwIfAborted()
        const asker = { hasLeft: false }
        const result = executeUsual(args, asker, mostBytes)
        if (result === undefined) return executeFn(args)
        return signal !== undefined && "then" in result ? unlessAborted(signal, asker, result) : result
      })
    },
  }
}

function unlessAborted<T>(signal: AbortSignal, asker: { hasLeft: boolean }, answered: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      asker.hasLeft = true
      reject(signal.reason)
    }
    signal.addEventListener("abort", leave, { once: true })
    answered.then((answer) => {
      signal.removeEventListener("abort", leave)
      resolve(answer)
    })
  })
}

/** The answer, or a promise of it; undefined where the operation isn't for this executor: nothing has happened then. */
export function executeUsual(
  args: ExecutionArgs,
  asker: Asker,
  mostBytes: number,
): ExecutionResult | Promise<ExecutionResult> | undefined {
  const { schema, document, operationName, variableValues } = args
  const operation = operationOf(schema, document, operationName)
  if (operation === undefined) return undefined
  const definitions = operation.definition.variableDefinitions ?? []
  const variables = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 50 })
  return variables.coerced && execute(operation, variables.coerced, args, asker, mostBytes)
}
