import type { CombinedError, Exchange } from "@urql/core"
import { map, pipe, tap } from "wonka"
import { passes, problemsOf } from "./problem.ts"

/**
 * Two exchanges, to be placed above and below the cache. The cache takes a field that failed for one that it lacks, and would send
 * the whole request of a page again with each change to what the page shows. So it gets such fields as null. The errors of the last
 * answer go past it: they count until there is another answer, also when an event changes what the page shows.
 */
export function partialErrors(): [above: Exchange, below: Exchange] {
  const errors = new Map<number, CombinedError>()
  const above: Exchange =
    ({ forward }) =>
    (operations) =>
      pipe(
        operations,
        tap(({ kind, key }) => {
          if (kind === "teardown") errors.delete(key)
        }),
        forward,
        map((result) => {
          const error = errors.get(result.operation.key)
          return error === undefined || result.error ? result : { ...result, error }
        }),
      )
  const below: Exchange =
    ({ forward }) =>
    (operations) =>
      pipe(
        forward(operations),
        map((result) => {
          const { operation, data, error } = result
          if (operation.kind !== "query") return result
          errors.delete(operation.key)
          if (error === undefined) return result
          errors.set(operation.key, error)
          // After an error that passes, the cache keeps what it has, and the request is worth sending again.
          if (!data || problemsOf(error).some(passes)) return result
          const { error: _, ...rest } = result
          return rest
        }),
      )
  return [above, below]
}
