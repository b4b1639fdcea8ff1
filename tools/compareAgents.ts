import { writeFile } from "node:fs/promises"
import { setImmediate } from "node:timers/promises"
import { tokens } from "../sandbox/seed.ts"
import { type Sandbox, startSandbox } from "../sandbox/server.ts"
import { readConfig } from "../src/config/config.ts"
import { createLog } from "../src/log/log.ts"
import type { Clock } from "../src/polling/clock.ts"
import { createGateway } from "../src/server.ts"
import { agentJobs, type Job, Theirs, type ToolCall } from "./agentJobs.ts"
import { withSection } from "./generated.ts"

/*
 * Measures the table of docs/agents.md: what a perfect agent spends on each job with our tools, and with those of Code Ocean's own
 * MCP server, on the sandbox. Needs the packages of examples/agents, which has the tokenizer.
 */

export interface Spent {
  toolCalls: number
  restCalls: number
  tokens: number
}

export interface Measured {
  jobs: { job: Job; ours: Spent; theirs: Spent }[]
  /** The tokens of our list of tools: names, descriptions and schemas of the input. */
  toolList: number
}

/**
 * The tokens of the other server's list of 26 tools, counted in the same way. It is made from the source of its version 0.11.0 and of
 * the Python client 0.16.0, by expanding the descriptions and the schemas of arguments. Their texts are not part of this project.
 */
export const theirToolList = 11_192

type CountTokens = (text: string) => number

async function loadTokenizer(): Promise<CountTokens> {
  const path = "../examples/agents/node_modules/gpt-tokenizer/esm/encoding/o200k_base.js"
  const { encode } = await import(new URL(path, import.meta.url).href)
  return (text) => encode(text).length
}

/** Time in which polls take none, and the sandbox's clock goes on with them. The waits of tools never end by themselves. */
function pollingTime(sandbox: Sandbox): Clock {
  const toolWaitMs = 10_000
  let now = 0
  return {
    now: () => now,
    wallTime: () => now,
    async sleep(ms, signal) {
      if (ms >= toolWaitMs) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }))
        return
      }
      now += ms / 10
      sandbox.clock.advance(ms / 1000)
      await setImmediate()
    },
  }
}

async function spendOurs(job: Job, count: CountTokens): Promise<Spent> {
  const sandbox = await startSandbox()
  const lines: Record<string, unknown>[] = []
  const log = createLog("info", { write: (line) => void lines.push(JSON.parse(line)) })
  const config = { ...readConfig({ CODEOCEAN_URL: sandbox.url, PORT: "0" }), mcp: true, mcpMutations: true }
  const gateway = createGateway(config, log, { clock: pollingTime(sandbox) })
  const url = await gateway.listen()
  const spent: Spent = { toolCalls: 0, restCalls: 0, tokens: 0 }
  await job.ours(async (name, args = {}) => {
    const call: ToolCall = [name, args]
    const { text, isError } = await callTool(url, call)
    if (isError) throw new Error(`${name}: ${text}`)
    spent.toolCalls += 1
    spent.tokens += tokensOf(call, text, count)
    if (name === "run") sandbox.clock.advance(600)
    return JSON.parse(text)
  })
  await gateway.close()
  await sandbox.close()
  for (const { upstreamCalls } of lines) spent.restCalls += Number(upstreamCalls ?? 0)
  return spent
}

async function callTool(url: string, [name, args]: ToolCall): Promise<{ text: string; isError?: boolean }> {
  const result = await send(url, "tools/call", { name, arguments: args })
  return { text: result.content[0].text, isError: result.isError }
}

async function send(url: string, method: string, params: object) {
  const response = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${tokens.ada}`,
      connection: "close",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  })
  const [, data = ""] = /^data: (.*)$/m.exec(await response.text()) ?? []
  return JSON.parse(data).result
}

async function spendTheirs(job: Job, count: CountTokens): Promise<Spent> {
  const sandbox = await startSandbox()
  const theirs = new Theirs(sandbox)
  await job.theirs(theirs)
  await sandbox.close()
  const tokens = theirs.calls.map(({ call, result }) =>
    tokensOf(call, typeof result === "string" ? result : JSON.stringify(result), count),
  )
  return {
    toolCalls: theirs.calls.length,
    restCalls: theirs.rest,
    tokens: tokens.reduce((sum, each) => sum + each, 0),
  }
}

/** What a model writes for a call, and reads as its result. */
function tokensOf([name, args]: ToolCall, result: string, count: CountTokens): number {
  return count(JSON.stringify({ name, arguments: args })) + count(result)
}

export async function measureAgents(): Promise<Measured> {
  const count = await loadTokenizer()
  const jobs: Measured["jobs"] = []
  for (const job of agentJobs) {
    jobs.push({ job, ours: await spendOurs(job, count), theirs: await spendTheirs(job, count) })
  }
  return { jobs, toolList: await countToolList(count) }
}

async function countToolList(count: CountTokens): Promise<number> {
  const config = readConfig({ CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "0", MCP: "true", MCP_MUTATIONS: "true" })
  const gateway = createGateway(config, createLog("silent", { write: () => undefined }))
  const { tools } = await send(await gateway.listen(), "tools/list", {})
  await gateway.close()
  const read = tools.map(({ name, description, inputSchema }: Record<string, unknown>) => ({
    name,
    description,
    inputSchema,
  }))
  return count(JSON.stringify(read))
}

/** The section of docs/agents.md. */
export function comparisonTable({ jobs, toolList }: Measured): string {
  const row = (name: string, cells: readonly (string | number)[]) => `| ${[name, ...cells].join(" | ")} |`
  const both = (ours: Spent, theirs: Spent) => [
    ours.toolCalls,
    theirs.toolCalls,
    ours.restCalls,
    theirs.restCalls,
    rounded(ours.tokens),
    rounded(theirs.tokens),
  ]
  const sum = (side: "ours" | "theirs") =>
    jobs.reduce(
      (all, job) => ({
        toolCalls: all.toolCalls + job[side].toolCalls,
        restCalls: all.restCalls + job[side].restCalls,
        tokens: all.tokens + job[side].tokens,
      }),
      { toolCalls: 0, restCalls: 0, tokens: 0 },
    )
  return [
    "| job | tool calls | theirs | REST calls | theirs | tokens | theirs |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...jobs.map(({ job, ours, theirs }) => row(job.note ? `${job.name} (${job.note})` : job.name, both(ours, theirs))),
    row("**all**", both(sum("ours"), sum("theirs"))),
    row("the list of tools, once in each conversation", ["", "", "", "", rounded(toolList), rounded(theirToolList)]),
  ].join("\n")
}

/** Ids and times differ between measurements, and with them the last digits. */
function rounded(tokens: number): number {
  const unit = tokens < 1_000 ? 10 : 100
  return Math.round(tokens / unit) * unit
}

if (import.meta.main) {
  const root = new URL("..", import.meta.url)
  const page = "docs/agents.md"
  const table = comparisonTable(await measureAgents())
  await writeFile(new URL(page, root), await withSection(root, page, "comparison", table, "npm run agents"))
}
