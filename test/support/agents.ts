import { onTestFinished } from "vitest"
import type { Agent } from "../../examples/agents/agent.ts"
import { seed, tokens } from "../../sandbox/seed.ts"
import type { Gateway } from "../../src/server.ts"

export type { Agent, ToolResult } from "../../examples/agents/agent.ts"

export const generations = ["SDK 2", "SDK 1"] as const
export type Generation = (typeof generations)[number]

/** Connects an official client of this generation, from the packages in examples/agents, as Ada. */
export async function connectAgent(
  gateway: Pick<Gateway, "listen">,
  generation: Generation = "SDK 2",
  options: { headers?: Record<string, string>; elicit?: (message: string) => boolean } = {},
): Promise<Agent> {
  const { connect, connectOlder } = await import(new URL("../../examples/agents/clients.ts", import.meta.url).href)
  const url = `${await gateway.listen()}/mcp`
  const headers = { authorization: `Bearer ${tokens.ada}`, ...options.headers }
  const agent: Agent = await (generation === "SDK 2" ? connect(url, headers, options) : connectOlder(url, headers))
  onTestFinished(() => agent.close())
  return agent
}

/** The tools of the gateway that read: arguments for the sandbox, a part of the answer, and the calls that it costs. */
export const readingTools: Record<string, { args?: Record<string, unknown>; has: string; calls: number }> = {
  failed_runs: { args: { id: seed.ecephysPipeline, pipeline: true }, has: seed.failedPipelineRun, calls: 2 },
  find_capsules: { args: { query: "cell" }, has: seed.cellCounter, calls: 1 },
  find_data: { args: { filters: [{ key: "tags", value: "derived" }] }, has: '"RESULT"', calls: 1 },
  inventory: { has: seed.cellCounter, calls: 3 },
  lineage: { args: { id: seed.mouseRecording }, has: '"PRODUCED"', calls: 6 },
  list_files: { args: { id: seed.countedCells }, has: "counts.csv", calls: 1 },
  metadata_fields: { has: "subject id", calls: 1 },
  read_file: { args: { id: seed.countedCells, path: "counts.csv" }, has: '"text"', calls: 1 },
  read_files: {
    args: { path: "processing.json", filters: [{ key: "tags", value: "imaging" }] },
    has: "processing",
    calls: 3,
  },
  run_query: { args: { query: "{ customMetadata { categories } }" }, has: "Acquisition", calls: 1 },
  search_file: { args: { id: seed.countedCells, path: "counts.csv", text: "1,812" }, has: '"offset":14', calls: 1 },
  search_schema: { args: { words: "exit code" }, has: "exitCode: Int", calls: 0 },
  show_capsule: { args: { id: seed.cellCounter }, has: "paramName", calls: 3 },
  show_run: { args: { id: seed.hollowSuccess }, has: "MemoryError", calls: 2 },
  unused_data: { has: "old recording", calls: 3 },
  used_by: { args: { id: seed.mouseRecording }, has: seed.sortedRun, calls: 6 },
  wait_for_run: { args: { id: seed.hollowSuccess }, has: '"SUSPECT"', calls: 1 },
  what_failed: { has: seed.failedSorting, calls: 23 },
}

/** The same for the tools that change something, in an order in which none disturbs the others. */
export const changingTools: typeof readingTools = {
  edit_data: {
    args: { search: { filters: [{ key: "subject id", value: "640118" }] }, addTags: ["checked"] },
    has: '"WOULD_CHANGE"',
    calls: 1,
  },
  attach_data: {
    args: { capsuleId: seed.ecephysQuality, search: { query: "name:sorted", type: "RESULT" } },
    has: "ecephys_730945_sorted",
    calls: 2,
  },
  share_data: {
    args: { id: seed.mouseRecording, addUsers: [{ email: "grace@example.org", role: "VIEWER" }] },
    has: "grace@example.org",
    calls: 3,
  },
  archive_data: { args: { id: seed.mouseRecording }, has: seed.mouseRecording, calls: 1 },
  run: {
    args: { id: seed.cellCounter, values: [{ paramName: "stain", value: "NeuN" }] },
    has: '"INITIALIZING"',
    calls: 2,
  },
  capture_result: {
    args: { id: seed.countedCells, name: "Counts", mount: "counts", seconds: 1 },
    has: '"CREATE"',
    calls: 3,
  },
  delete_run: { args: { id: seed.failedCount, confirm: true }, has: seed.failedCount, calls: 1 },
  delete_data: { args: { id: seed.mouseRecording, confirm: true }, has: seed.mouseRecording, calls: 1 },
}

/**
 * Calls a tool without the SDK, with a message of an older revision, which needs no handshake. The caller is the token `cop_<id>`, or
 * that of the headers.
 */
export async function callTool(
  url: string,
  id: string,
  name: string,
  args: object,
  headers: Record<string, string> = { authorization: `Bearer cop_${id}` },
): Promise<{ errors?: { code: string; message: string; path?: string; do: string }[]; left: unknown }> {
  const response = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      connection: "close",
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args } }),
  })
  const [, data = ""] = /^data: (.*)$/m.exec(await response.text()) ?? []
  const { isError, content } = JSON.parse(data).result
  const answer = JSON.parse(content[0].text)
  return isError ? { errors: answer.errors, left: answer.data } : { left: answer }
}

/** As answers of tools are. */
export function withoutNulls(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, inner) => (inner === null ? undefined : inner)))
}
