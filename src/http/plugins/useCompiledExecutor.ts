import type { ExecutionArgs } from "graphql"
import type { Plugin } from "graphql-yoga"
import { execute } from "../../operation/executor/execute.ts"
import { prepareExecution } from "../../operation/executor/operation.ts"
import type { ServerContext } from "../requestState.ts"

/**
 * Executes operations with the compiled executor on Yoga's path. Subscriptions, and operations that it does not support,
 * keep Yoga's executor. When the request is cancelled, the result rejects at once.
 * @param maxResponseBytes the maximum size of a response
 */
export function useCompiledExecutor(maxResponseBytes: number): Plugin<ServerContext> {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args: ExecutionArgs) => {
        const { state } = args.contextValue as ServerContext
        state.signal.throwIfAborted()
        const prepared = prepareExecution(args)
        if (prepared === undefined) return executeFn(args)
        const result = execute(prepared, args, state, maxResponseBytes)
        return "then" in result ? rejectOnAbort(state.signal, result) : result
      })
    },
  }
}

function rejectOnAbort<T>(signal: AbortSignal, result: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    // An execution never rejects.
    result.then((value) => {
      signal.removeEventListener("abort", onAbort)
      resolve(value)
    })
  })
}
