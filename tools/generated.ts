import { readFile } from "node:fs/promises"
import { type Setting, settingGroups } from "../src/config/settings.ts"
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
    ".env.example": envExample(),
    [settingsPage]: `${before}${start}\n${settingsTables()}\n${end}${after}`,
  }
}

function envExample(): string {
  const row = ({ name, default: value, meaning }: Setting) => `# ${meaning.replaceAll("`", "")}\n${name}=${value}\n`
  return settingGroups.map(({ title, settings }) => `## ${title}\n\n${settings.map(row).join("\n")}`).join("\n\n")
}

function settingsTables(): string {
  const head = "| variable | default | meaning |\n| --- | --- | --- |"
  const row = ({ name, default: value, meaning }: Setting) =>
    `| \`${name}\` | ${value && `\`${value}\``} | ${meaning} |`
  return settingGroups
    .map(({ title, settings }) => `\n## ${title}\n\n${[head, ...settings.map(row)].join("\n")}\n`)
    .join("")
}
