import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const command = fileURLToPath(
  new URL("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", import.meta.url),
)

/** Runs the official inspector in a process of its own, and resolves with what it prints. Rejects if it fails. */
export async function inspect(url: string, headers: Record<string, string>, args: readonly string[]): Promise<unknown> {
  const header = Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`])
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [command, "--cli", url, "--transport", "http", ...header, ...args],
    { maxBuffer: 10_000_000 },
  )
  return JSON.parse(stdout)
}

/** Calls a tool with the inspector. */
export function inspectTool(
  url: string,
  headers: Record<string, string>,
  name: string,
  args: Record<string, unknown> = {},
): Promise<unknown> {
  const pairs = Object.entries(args).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  )
  return inspect(url, headers, [
    "--method",
    "tools/call",
    "--tool-name",
    name,
    ...(pairs.length > 0 ? ["--tool-arg", ...pairs] : []),
  ])
}
