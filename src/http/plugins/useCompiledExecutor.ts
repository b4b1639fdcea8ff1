import type { ExecutionArgs } from "graphql"
import type { Plugin } from "graphql-yoga"
import { executeCompiled } from "../../operation/executor/executeCompiled.ts"

/**
 * Executes operations with the gateway's own executor. Subscriptions, and operations that `executeCompiled` does not take, go
 * to the server's executor. If the request's signal is aborted, the result rejects at once with the signal's reason.
 * @param maxBytes the largest response
 */
export function useCompiledExecutor(maxBytes: number): Plugin {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args: ExecutionArgs & { signal?: AbortSignal }) => {
        const { signal } = args
        signal?.throwIfAborted()
        const cancellation = { cancelled: false }
        const result = executeCompiled(args, cancellation, maxBytes)
        if (result === undefined) return executeFn(args)
        return signal !== undefined && "then" in result ? rejectOnAbort(signal, cancellation, result) : result
      })
    },
  }
}

function rejectOnAbort<T>(signal: AbortSignal, cancellation: { cancelled: boolean }, result: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => {
      cancellation.cancelled = true
      reject(signal.reason)
    }
    signal.addEventListener("abort", cancel, { once: true })
    // An execution never rejects.
    result.then((value) => {
      signal.removeEventListener("abort", cancel)
      resolve(value)
    })
  })
}
