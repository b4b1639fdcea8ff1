import { readFileSync } from "node:fs"
import { type GraphQLSchema, KnownDirectivesRule, parse, specifiedRules, validate } from "graphql"

/** Documents by their ids. An id is usually the document's SHA-256 in hexadecimal, without the prefix `sha256:`. */
export type Manifest = ReadonlyMap<string, string>

/** Removes the prefix `sha256:`. Ids with and without it are equal. */
export function bareId(id: string): string {
  return id.replace(/^sha256:/, "")
}

/**
 * Reads a file of persisted operations: one JSON object of documents by their ids, as GraphQL Code Generator's client preset
 * writes `persisted-documents.json` and Relay's compiler its `persistConfig.file`.
 * Throws an Error whose message is a predicate for the name of a setting: "names <path>, which …".
 */
export function readManifest(path: string): Manifest {
  const entries = Object.entries(readObject(path))
  if (entries.length === 0) throw problem(path, "contains no operation")
  const manifest = new Map<string, string>()
  for (const [id, document] of entries) {
    if (typeof document !== "string") throw problem(path, `has a value that is not a string at ${JSON.stringify(id)}`)
    try {
      parse(document, { noLocation: true })
    } catch (error) {
      throw problem(path, `has an invalid document at ${JSON.stringify(id)}: ${(error as Error).message}`)
    }
    manifest.set(bareId(id), document)
  }
  return manifest
}

/** Unknown directives are checked when a request comes, because which directives exist depends on the settings. */
const rules = specifiedRules.filter((rule) => rule !== KnownDirectivesRule)

/** Returns one sentence for each document that is invalid for this schema, usually because it is for another version. */
export function invalidDocuments(manifest: Manifest, schema: GraphQLSchema): string[] {
  return [...manifest].flatMap(([id, document]) => {
    const [error] = validate(schema, parse(document), rules)
    return error === undefined ? [] : [`${id}: ${error.message}`]
  })
}

function readObject(path: string): object {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, "utf8"))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw problem(path, code === undefined ? `is not JSON: ${message}` : `cannot be read (${code})`)
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw problem(path, "must contain one JSON object of documents by their ids")
  }
  return content
}

function problem(path: string, what: string): Error {
  return new Error(`names ${path}, which ${what}`)
}
