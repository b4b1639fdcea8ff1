import { useCallback, useEffect, useRef } from "react"
import { type OperationResult, type RequestPolicy, type TypedDocumentNode, useClient } from "urql"

/** Reads once. Resolves with undefined if the visitor has left meanwhile, which ends the request. */
export type Read = <Data, Variables extends Record<string, unknown>>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  requestPolicy: RequestPolicy,
) => Promise<OperationResult<Data, Variables> | undefined>

/** For what is read after a click, in addition to the request of the page. Leaving the page ends these requests. */
export function useRead(): Read {
  const client = useClient()
  const leaving = useRef(new Set<() => void>())
  useEffect(
    () => () => {
      for (const leave of [...leaving.current]) leave()
    },
    [],
  )
  return useCallback<Read>(
    async (query, variables, requestPolicy) => {
      const { promise, resolve } = Promise.withResolvers<OperationResult<never, never> | undefined>()
      const leave = () => resolve(undefined)
      leaving.current.add(leave)
      const { unsubscribe } = client.query(query, variables, { requestPolicy }).subscribe((result) => {
        if (!result.stale && !result.hasNext) resolve(result as OperationResult<never, never>)
      })
      const result = await promise
      leaving.current.delete(leave)
      unsubscribe()
      return result
    },
    [client],
  )
}
