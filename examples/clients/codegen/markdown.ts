import { readFile } from "node:fs/promises"
import { type DocumentNode, parse } from "graphql"

/** Loads the operations in a page's graphql blocks. */
export default async function load(path: string): Promise<DocumentNode> {
  const page = await readFile(path, "utf8")
  return parse([...page.matchAll(/^```graphql\n(.*?)^```/gms)].map(([, source]) => source).join("\n"))
}
