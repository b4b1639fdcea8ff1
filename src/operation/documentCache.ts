import { type DocumentNode, visit } from "graphql"
import { LRUCache } from "lru-cache"

/** The memory for parsed documents, in bytes, roughly. */
const maxBytes = 64 * 1024 * 1024
/** The memory that a token needs at most with the nodes that are made of it. Measured: 500 bytes in a list of bare names. */
const bytesPerToken = 500

/**
 * Creates the cache for parsed documents, by their text. Yoga's own cache bounds the number of documents: a thousand of the
 * largest would need five gigabytes.
 */
export function createDocumentCache(): LRUCache<string, DocumentNode> {
  return new LRUCache({
    maxSize: maxBytes,
    sizeCalculation: (document, text) => text.length + (tokensIn(document) || nodesIn(document)) * bytesPerToken,
  })
}

/** Creates the cache for the errors of documents that cannot be parsed or are rejected, by their text. */
export function createErrorCache(): LRUCache<string, Error> {
  return new LRUCache({ maxSize: maxBytes / 4, sizeCalculation: (_error, text) => text.length + bytesPerToken })
}

/** Returns 0 for a document that was parsed without locations, because its tokens are not kept. */
function tokensIn({ loc }: DocumentNode): number {
  let tokens = 0
  for (let token = loc?.startToken ?? null; token !== null; token = token.next) tokens += 1
  return tokens
}

function nodesIn(document: DocumentNode): number {
  let nodes = 0
  visit(document, {
    enter() {
      nodes += 1
    },
  })
  return nodes
}
