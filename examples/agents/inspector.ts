import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const clients = new URL("node_modules/@modelcontextprotocol/inspector/clients/", import.meta.url)
const launcher = new URL("launcher/build/index.js", clients)
const commandLine = new URL("cli/build/index.js", clients)

const parameters = (url: string, headers: Record<string, string>) => [
  url,
  "--transport",
  "http",
  ...Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]),
]

/** Runs the official inspector in a process of its own, and resolves with what it prints. Rejects if it fails. */
export async function inspect(url: string, headers: Record<string, string>, args: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [fileURLToPath(launcher), "--cli", ...parameters(url, headers), ...args],
    { maxBuffer: 10_000_000 },
  )
  return JSON.parse(stdout)
}

/** Runs the inspector's command line in this process: a process for each call takes half a second of CPU time. */
export async function inspectHere(
  url: string,
  headers: Record<string, string>,
  args: readonly string[],
): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), "inspector-"))
  const output = join(folder, "result.json")
  try {
    const { runCli } = await import(commandLine.href)
    await runCli(["node", "inspector", ...parameters(url, headers), ...args, "--quiet", "--output", output])
    return JSON.parse(await readFile(output, "utf8"))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Calls a tool as `inspectHere` does. */
export function inspectTool(
  url: string,
  headers: Record<string, string>,
  name: string,
  args: Record<string, unknown> = {},
): Promise<unknown> {
  const pairs = Object.entries(args).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  )
  const call = ["--method", "tools/call", "--tool-name", name, ...(pairs.length > 0 ? ["--tool-arg", ...pairs] : [])]
  return inspectHere(url, headers, call)
}
