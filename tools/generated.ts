import { readFile } from "node:fs/promises"
import { type Setting, settingGroups, settings } from "../src/config/settings.ts"
import { subgraphSdl } from "../src/graph/federation/sdl.ts"
import { schema } from "../src/graph/schema.ts"
import { readAllTools } from "../src/mcp/mcp.ts"
import type { Tool } from "../src/mcp/toolFile.ts"
import { chartSettings, readByPackages, setByChart } from "./chartSettings.ts"

const settingsPage = "docs/settings.md"
const chartSchema = "deploy/helm/values.schema.json"
const composeFile = "deploy/compose.yml"
const agentsPage = "docs/agents.md"
const architecturePage = "docs/architecture.md"

/** The expected content of each file that is generated from the code, by its path from the project's root. */
export async function generatedFiles(root: URL): Promise<Record<string, string>> {
  return {
    "schema.graphql": subgraphSdl(schema),
    ".env.example": envExample(),
    [settingsPage]: await withSection(root, settingsPage, "settings", settingsTables()),
    [agentsPage]: await withSection(root, agentsPage, "tools", toolsTable()),
    [chartSchema]: await withChartSettings(root),
    [composeFile]: await withComposeSettings(root),
  }
}

/** The expected content of the page with the files that a request passes, by its path. They are measured: tools/requestPath.ts. */
export async function architectureFile(root: URL, spine: readonly string[]): Promise<Record<string, string>> {
  return { [architecturePage]: await withSection(root, architecturePage, "request path", requestDiagram(spine)) }
}

/** The page with this content between its two marks of this name. */
export async function withSection(
  root: URL,
  path: string,
  name: string,
  content: string,
  command = "npm run schema",
): Promise<string> {
  const start = `<!-- ${name}: written by ${command} -->`
  const end = `<!-- ${name} end -->`
  const page = await readFile(new URL(path, root), "utf8")
  const [before, rest] = page.split(start)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`${path} lacks the lines "${start}" and "${end}".`)
  return `${before}${start}\n${content}\n${end}${after}`
}

/** The schema of the chart's values, with the settings of the table. The rest of the file is written by hand. */
async function withChartSettings(root: URL): Promise<string> {
  const schema = JSON.parse(await readFile(new URL(chartSchema, root), "utf8"))
  Object.assign(schema.properties, chartSettings())
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

/** The compose file, with the names of all settings that it does not set itself. Those without a value are passed on. */
async function withComposeSettings(root: URL): Promise<string> {
  const file = await readFile(new URL(composeFile, root), "utf8")
  const [, before, indent, after] =
    /^(.*?\n( *)# settings: written by npm run schema\n).*?( *# settings end\n.*)$/s.exec(file) ?? []
  if (before === undefined || after === undefined) throw new Error(`${composeFile} lacks the marks of the settings.`)
  const isSet = (name: string) => setByChart.has(name) || new RegExp(`^ *${name}: .`, "m").test(before + after)
  const names = [...settings, ...readByPackages].map(({ name }) => name).filter((name) => !isSet(name))
  return before + names.map((name) => `${indent}${name}:\n`).join("") + after
}

/** A diagram of the files in order, each in its folder below `src`. */
function requestDiagram(spine: readonly string[]): string {
  const byFolder = Map.groupBy(spine.entries(), ([, file]) => file.split("/")[1])
  const node = ([index, file]: [number, string]) =>
    `    f${index + 1}["${index + 1}. ${file.split("/").slice(2).join("/")}"]`
  const folders = [...byFolder].map(([folder, files]) =>
    [`  subgraph ${folder}_["src/${folder}"]`, ...files.map(node), "  end"].join("\n"),
  )
  const path = ["client([client])", ...spine.keys().map((index) => `f${index + 1}`), "codeocean([Code Ocean])"]
  return ["```mermaid", "flowchart TD", ...folders, `  ${path.join(" --> ")}`, "```"].join("\n")
}

/** The tools for agents, with their arguments. */
function toolsTable(): string {
  const row = ({ name, writes, description, inputSchema: { properties = {}, required = [] } }: Tool) => {
    const args = Object.keys(properties).map((key) => (required.includes(key) ? `**${key}**` : key))
    return `| \`${name}\`${writes ? " (changes)" : ""} | ${args.join(", ")} | ${description} |`
  }
  const tools = readAllTools(schema, undefined).toSorted((a, b) => Number(a.writes) - Number(b.writes))
  return [
    "| tool | arguments (**required**) | description for the model |",
    "| --- | --- | --- |",
    ...tools.map(row),
  ].join("\n")
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
