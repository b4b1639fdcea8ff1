import { type ExecutionArgs, type ExecutionResult, execute, type GraphQLError } from "graphql"
import { useCompiledExecutor } from "../../src/http/plugins/useCompiledExecutor.ts"

export type Execute = (args: ExecutionArgs) => ReturnType<typeof execute>

/** The gateway's executor, which leaves some operations to graphql-js. */
export const compiled: Execute = (args) => executorBefore(execute)(args)

export function executorBefore(executeFn: Execute, maxBytes = Number.POSITIVE_INFINITY): Execute {
  let chosen = executeFn
  const setExecuteFn = (fn: Execute) => {
    chosen = fn
  }
  useCompiledExecutor(maxBytes).onExecute?.({ executeFn, setExecuteFn } as never)
  return (args) => chosen(withCancellation(args))
}

/** The arguments with the parts of a request's state that the plugin reads. */
function withCancellation(args: ExecutionArgs & { signal?: AbortSignal }): ExecutionArgs {
  const { signal = new AbortController().signal } = args
  const contextValue = args.contextValue as { state?: object } | undefined
  const state = {
    ...contextValue?.state,
    signal,
    get cancelled() {
      return signal.aborted
    },
    endCalls() {},
  }
  return { ...args, contextValue: { ...contextValue, state } }
}

/** The result, and whether the gateway's executor left the operation to graphql-js. */
export async function executed(args: ExecutionArgs) {
  let byGraphqlJs = false
  const fallback: Execute = (sameArgs) => {
    byGraphqlJs = true
    return execute(sameArgs)
  }
  return { answer: await executorBefore(fallback)(args), byGraphqlJs }
}

/**
 * A result as text. If a field that cannot be null nulls a parent with other pending fields, the moment at which graphql-js
 * records its error depends on how many promises deep the field is. The errors of such a result are sorted.
 */
export function textOf(answer: ExecutionResult): string {
  const { data, errors = [] } = answer
  const isBelowNull = ({ path = [] }: GraphQLError) => {
    let value: unknown = data
    for (const key of path) {
      if (value === null) return true
      value = (value as Record<string | number, unknown>)[key]
    }
    return false
  }
  if (!errors.some(isBelowNull)) return JSON.stringify(answer)
  return JSON.stringify({ data, errors: errors.map((error) => JSON.stringify(error)).sort() })
}
