import { readFile } from "node:fs/promises"
import { type Setting, settings } from "../src/config.ts"
import { subgraphSdl } from "../src/graph/federation/sdl.ts"
import { schema } from "../src/graph/schema.ts"

const start = "<!-- settings: written by npm run schema -->"
const end = "<!-- settings end -->"
const settingsPage = "docs/settings.md"

/** The expected content of each file that is generated from the code, by its path from the project's root. */
export async function generatedFiles(root: URL): Promise<Record<string, string>> {
  const page = await readFile(new URL(settingsPage, root), "utf8")
  const [before, rest] = page.split(start)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) {
    throw new Error(`${settingsPage} lacks the lines "${start}" and "${end}".`)
  }
  return {
    "schema.graphql": subgraphSdl(schema),
    ".env.example": envExample(settings),
    [settingsPage]: `${before}${start}\n${settingsTable(settings)}\n${end}${after}`,
  }
}

function envExample(rows: readonly Setting[]): string {
  return rows
    .map(({ name, default: value, meaning }) => `# ${meaning.replaceAll("`", "")}\n${name}=${value}\n`)
    .join("\n")
}

function settingsTable(rows: readonly Setting[]): string {
  const lines = rows.map(
    ({ name, default: value, meaning }) => `| \`${name}\` | ${value && `\`${value}\``} | ${meaning} |`,
  )
  return ["| variable | default | meaning |", "| --- | --- | --- |", ...lines].join("\n")
}
