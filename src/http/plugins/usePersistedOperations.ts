import type { Plugin } from "graphql-yoga"
import type { PersistedOperations } from "../../operation/persisted/operations.ts"

/** Replaces the id or hash of a persisted operation with its document, before Yoga reads the parameters. */
export function usePersistedOperations(operations: PersistedOperations): Plugin {
  return {
    onParams({ request, params, setParams }) {
      if (typeof params !== "object" || params === null) return
      const { documentId = documentIdFromUrl(request), ...others } = params as typeof params & { documentId?: unknown }
      const query = operations.resolveDocument({ ...others, documentId }) as string
      if (query !== params.query || "documentId" in params) setParams({ ...others, query })
    },
  }
}

/** Yoga reads only the parameters that it knows from the URL of a GET. */
function documentIdFromUrl({ method, url }: Request): string | undefined {
  if (method !== "GET") return undefined
  return new URL(url).searchParams.get("documentId") ?? undefined
}
