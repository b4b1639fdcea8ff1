import { type DocumentNode, visit } from "graphql"
import { LRUCache } from "lru-cache"

/** About how much memory documents that were parsed may take together, in bytes; what was asked for longest ago goes first. */
const mostBytes = 64 * 1024 * 1024
/** The most that a token takes with what is made of it, as measured: half a kibibyte in a list of bare names. */
const bytesPerToken = 500

/**
 * Remembers parsed documents by their text. Yoga's own memory counts documents, and a thousand of the largest that are
 * allowed would take five gigabytes.
 */
export function createDocumentCache(): LRUCache<string, DocumentNode> {
  return new LRUCache({
    maxSize: mostBytes,
    sizeCalculation: (document, text) => text.length + (tokensIn(document) || nodesIn(document)) * bytesPerToken,
  })
}

/** Remembers why documents can't be parsed or are refused, by their text. */
export function createRefusalCache(): LRUCache<string, Error> {
  return new LRUCache({ maxSize: mostBytes / 4, sizeCalculation: (_error, text) => text.length + bytesPerToken })
}

/** 0 for a document that was parsed without locations: its tokens aren't kept. */
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
