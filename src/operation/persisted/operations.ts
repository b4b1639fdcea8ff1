import { hash } from "node:crypto"
import { GraphQLError } from "graphql"
import { LRUCache } from "lru-cache"
import type { ErrorCode } from "../../errors.ts"
import { bareId, type Manifest } from "./manifest.ts"

/** What a client sent, of which nothing is certain yet. */
export interface Asked {
  query?: unknown
  /** The document's id, as GraphQL over HTTP's draft on persisted documents has it. */
  documentId?: unknown
  /** `persistedQuery {version, sha256Hash}`, as Apollo's protocol has it. */
  extensions?: unknown
}

export interface PersistedOperations {
  /**
   * The document that a client means, by its text, its id or its hash; whatever it sent as `query` where it names none.
   * A text that comes with its hash is remembered for those who send the hash alone.
   * Throws a GraphQLError, with the status to answer, where there is no such document or it isn't to be answered.
   */
  resolveDocument(asked: Asked): unknown
}

/** How much text is remembered, in UTF-16 units; what was asked for longest ago goes first. */
const mostRemembered = 8 * 1024 * 1024

/**
 * Looks up documents that clients don't send in full.
 * @param options.manifest what is known from the start
 * @param options.only whether nothing but the manifest's operations is answered
 */
export function createPersistedOperations(options: {
  manifest: Manifest | undefined
  only: boolean
}): PersistedOperations {
  const { manifest, only } = options
  const remembered = new LRUCache<string, string>({
    maxSize: mostRemembered,
    sizeCalculation: (text, id) => text.length + id.length,
  })

  function known(id: string): string {
    const document = manifest?.get(id) ?? remembered.get(id)
    if (document !== undefined) return document
    throw only ? notInManifest(`names ${JSON.stringify(id.slice(0, 100))}`) : notFound()
  }

  function remember(sha256: string, text: string): void {
    if (hash("sha256", text) !== sha256) {
      throw refused("`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`, in hexadecimal digits.")
    }
    remembered.set(sha256, text)
  }

  return {
    resolveDocument({ query, documentId, extensions }) {
      if (only && query != null) throw notInManifest("brings a document of its own")
      const id = idIn(documentId)
      const sha256 = hashIn(extensions)
      if (query == null) {
        const named = id ?? sha256
        return named === undefined ? query : known(named)
      }
      if (id !== undefined) throw refused("Send either `query` or `documentId`, not both.")
      if (sha256 !== undefined && typeof query === "string") remember(sha256, query)
      return query
    },
  }
}

function idIn(documentId: unknown): string | undefined {
  if (documentId == null) return undefined
  if (typeof documentId !== "string" || documentId === "") throw refused("`documentId` must be a document's id.")
  return bareId(documentId)
}

function hashIn(extensions: unknown): string | undefined {
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { version?: unknown; sha256Hash?: unknown } }
  if (persistedQuery == null) return undefined
  const { version, sha256Hash } = persistedQuery
  if (version !== 1 || typeof sha256Hash !== "string" || sha256Hash === "") {
    throw refused("`extensions.persistedQuery` must be {version: 1, sha256Hash: …}.")
  }
  return bareId(sha256Hash)
}

function refused(message: string): GraphQLError {
  return refusal("BAD_USER_INPUT", 400, message)
}

/** Clients know this message, send the text along the next time, and tell nobody of it. */
function notFound(): GraphQLError {
  return refusal("PERSISTED_QUERY_NOT_FOUND", 404, "PersistedQueryNotFound")
}

function notInManifest(what: string): GraphQLError {
  return refusal(
    "PERSISTED_QUERY_REQUIRED",
    403,
    `Only the operations of the gateway's manifest are answered, and the request ${what}. Send the \`documentId\` of one, or its hash as \`extensions.persistedQuery.sha256Hash\`; whoever runs the gateway can add operations.`,
  )
}

/** @param status for clients that take `application/graphql-response+json`; the others expect 200 */
function refusal(code: ErrorCode, status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { spec: true, status } } })
}
