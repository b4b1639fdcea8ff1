import { hash } from "node:crypto"
import type { GraphQLError } from "graphql"
import { LRUCache } from "lru-cache"
import { invalidRequest, requestError } from "../requestError.ts"
import { bareId, type Manifest } from "./manifest.ts"

/** The parameters of a request that name its document, not validated yet. */
export interface DocumentParams {
  query?: unknown
  /** The document's id, by the draft on persisted documents of GraphQL over HTTP. */
  documentId?: unknown
  /** `persistedQuery {version, sha256Hash}`, by Apollo's protocol. */
  extensions?: unknown
}

export interface PersistedOperations {
  /**
   * Returns the text of a request's document, which the request gives in full, by id or by hash. Returns `query` unchanged if
   * the request gives none of them. A text that comes with its hash is kept for requests with the hash alone.
   * Throws a GraphQLError with an HTTP status if the document is unknown or not allowed.
   */
  resolveDocument(params: DocumentParams): unknown
}

/** The size of the cache for automatic persisted queries, in UTF-16 units. */
const maxCachedLength = 8 * 1024 * 1024
/** How much of an id an error quotes. */
const maxQuoted = 100

/**
 * Creates the look-up of documents that requests do not contain in full.
 * @param options.only whether requests may use no other documents than the manifest's
 */
export function createPersistedOperations(options: {
  manifest: Manifest | undefined
  only: boolean
}): PersistedOperations {
  const { manifest, only } = options
  const cache = new LRUCache<string, string>({
    maxSize: maxCachedLength,
    sizeCalculation: (text, id) => text.length + id.length,
  })

  function find(id: string): string {
    const document = manifest?.get(id) ?? cache.get(id)
    if (document !== undefined) return document
    throw only ? notInManifest(`names ${JSON.stringify(id.slice(0, maxQuoted))}`) : notFound()
  }

  function store(sha256: string, text: string): void {
    if (hash("sha256", text) !== sha256) {
      throw invalidRequest("`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query` in hexadecimal.")
    }
    cache.set(sha256, text)
  }

  return {
    resolveDocument({ query, documentId, extensions }) {
      if (only && query != null) throw notInManifest("contains a document")
      const id = readDocumentId(documentId)
      const sha256 = readHash(extensions)
      if (query == null) {
        const key = id ?? sha256
        return key === undefined ? query : find(key)
      }
      if (id !== undefined) throw invalidRequest("Send either `query` or `documentId`, not both.")
      if (sha256 !== undefined && typeof query === "string") store(sha256, query)
      return query
    },
  }
}

function readDocumentId(documentId: unknown): string | undefined {
  if (documentId == null) return undefined
  if (typeof documentId !== "string" || documentId === "") {
    throw invalidRequest("`documentId` must be a non-empty string.")
  }
  return bareId(documentId)
}

function readHash(extensions: unknown): string | undefined {
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { version?: unknown; sha256Hash?: unknown } }
  if (persistedQuery == null) return undefined
  const { version, sha256Hash } = persistedQuery
  if (version !== 1 || typeof sha256Hash !== "string" || sha256Hash === "") {
    throw invalidRequest("`extensions.persistedQuery` must be {version: 1, sha256Hash: …}.")
  }
  return bareId(sha256Hash)
}

/** Clients recognize this message, and repeat the request with the document's text. */
function notFound(): GraphQLError {
  return requestError("PERSISTED_QUERY_NOT_FOUND", 404, "PersistedQueryNotFound")
}

function notInManifest(what: string): GraphQLError {
  return requestError(
    "PERSISTED_QUERY_REQUIRED",
    403,
    `Only operations of the gateway's manifest are allowed, and the request ${what}. Send an operation's \`documentId\`, or its hash as \`extensions.persistedQuery.sha256Hash\`. The operator of the gateway can add operations.`,
  )
}
