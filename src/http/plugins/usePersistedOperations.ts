import type { Plugin } from "graphql-yoga"
import type { PersistedOperations } from "../../operation/persisted/operations.ts"

/** Puts the document in the place of its id or hash, before anything looks at it. */
export function usePersistedOperations(operations: PersistedOperations): Plugin {
  return {
    onParams({ request, params, setParams }) {
      if (typeof params !== "object" || params === null) return
      const { documentId = inUrl(request), ...others } = params as typeof params & { documentId?: unknown }
      const query = operations.resolveDocument({ ...others, documentId }) as string
      if (query !== params.query || "documentId" in params) setParams({ ...others, query })
    },
  }
}

/** Yoga takes only the parameters that it knows from a GET's URL. */
function inUrl({ method, url }: Request): string | undefined {
  if (method !== "GET") return undefined
  return new URL(url).searchParams.get("documentId") ?? undefined
}
