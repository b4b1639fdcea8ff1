import { readFileSync } from "node:fs"
import { type GraphQLSchema, KnownDirectivesRule, parse, specifiedRules, validate } from "graphql"

/** Documents by their ids: most often their SHA-256, in hexadecimal digits and without the prefix `sha256:`. */
export type Manifest = ReadonlyMap<string, string>

/** Ids with and without the name of their hash's algorithm mean the same. */
export function bareId(id: string): string {
  return id.replace(/^sha256:/, "")
}

/**
 * Reads a file of persisted operations: one JSON object of documents by their ids, as GraphQL Code Generator's client preset
 * writes `persisted-documents.json` and Relay's compiler its `persistConfig.file`.
 * Throws an Error whose message names the file and what is wrong with it, to follow the name of a setting.
 */
export function readManifest(path: string): Manifest {
  const entries = Object.entries(objectIn(path))
  if (entries.length === 0) throw problem(path, "holds no operation")
  const manifest = new Map<string, string>()
  for (const [id, document] of entries) {
    if (typeof document !== "string") throw problem(path, `has no text under ${JSON.stringify(id)}`)
    try {
      parse(document, { noLocation: true })
    } catch (error) {
      throw problem(path, `has no GraphQL under ${JSON.stringify(id)}: ${(error as Error).message}`)
    }
    manifest.set(bareId(id), document)
  }
  return manifest
}

/** Directives are left to the request: which there are depends on the settings. */
const rules = specifiedRules.filter((rule) => rule !== KnownDirectivesRule)

/** One sentence for each document that this graph can't answer: most likely an older or newer one could. */
export function invalidDocuments(manifest: Manifest, schema: GraphQLSchema): string[] {
  return [...manifest].flatMap(([id, document]) => {
    const [error] = validate(schema, parse(document), rules)
    return error === undefined ? [] : [`${id}: ${error.message}`]
  })
}

function objectIn(path: string): object {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, "utf8"))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw problem(path, code === undefined ? `holds no JSON: ${message}` : `can't be read (${code})`)
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw problem(path, "must hold one JSON object, of documents by their ids")
  }
  return content
}

function problem(path: string, what: string): Error {
  return new Error(`names ${path}, which ${what}`)
}
