import { readFile, writeFile } from "node:fs/promises"
import { setImmediate } from "node:timers/promises"
import { parseArgs } from "node:util"
import { tokens } from "../sandbox/seed.ts"
import { type Sandbox, startSandbox } from "../sandbox/server.ts"
import { readConfig } from "../src/config/config.ts"
import { createLog } from "../src/log/log.ts"
import type { Clock } from "../src/polling/clock.ts"
import { createGateway } from "../src/server.ts"
import { agentJobs, type Job, type ToolCall } from "./agentJobs.ts"
import { withSection } from "./generated.ts"
import { copyTheirServer, startTheirServer, type TheirServer, type Wire } from "./theirServer.ts"

/*
 * Measures the table of docs/agents.md: what a careful agent that makes no mistake spends on each job with our tools, and with those of
 * Code Ocean's own MCP server, on the sandbox. Needs the packages of examples/agents, which has the tokenizer.
 *
 * `--server "<command>"` runs the jobs with the real server, and writes the figures to tools/theirServer.json. Without it they are read
 * from there.
 */

export interface Spent {
  toolCalls: number
  restCalls: number
  tokens: number
}

/** The figures of the other server. */
export interface TheirFigures {
  /** What was measured. Written by hand: the server does not name them all. */
  versions: string
  /** The tokens of its list of tools: names, descriptions and schemas of the input. */
  toolList: number
  jobs: Record<string, Spent>
}

export interface Measured {
  jobs: { job: Job; spent: Spent }[]
  /** The tokens of our list of tools, counted in the same way. */
  toolList: number
}

const root = new URL("..", import.meta.url)
const theirFile = new URL("tools/theirServer.json", root)

export const readTheirFigures = async (): Promise<TheirFigures> => JSON.parse(await readFile(theirFile, "utf8"))

type CountTokens = (text: string) => number

async function loadTokenizer(): Promise<CountTokens> {
  const path = "../examples/agents/node_modules/gpt-tokenizer/esm/encoding/o200k_base.js"
  const { encode } = await import(new URL(path, import.meta.url).href)
  return (text) => encode(text).length
}

/** Their client fails as a whole for values that are not documented, which the sandbox has otherwise. */
const startComparedSandbox = (job?: Job) => startSandbox({ documentedOnly: true, generate: job?.many ? 1 : 0 })

/** Time that passes while polls wait, at once, and the sandbox's clock with it. The waits of tools never end by themselves. */
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
      const until = now + ms
      await setImmediate()
      // Several can wait for the same time.
      sandbox.clock.advance(Math.max(0, until - now) / 1000)
      now = Math.max(now, until)
    },
  }
}

async function spendOurs(job: Job, count: CountTokens): Promise<Spent> {
  const sandbox = await startComparedSandbox(job)
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
    if (name === "run") sandbox.clock.advance(runSeconds)
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

/** How long the agent does something else while a run goes on. */
const runSeconds = 600

/** Does a job with the other server, or with a copy of its calls, whose tokens are not counted. */
export async function spendTheirs(
  job: Job,
  start: (sandbox: Sandbox) => TheirServer | Promise<TheirServer> = copyTheirServer,
  count: CountTokens = () => 0,
): Promise<Spent> {
  const sandbox = await startComparedSandbox(job)
  const server = await start(sandbox)
  const spent: Spent = { toolCalls: 0, restCalls: 0, tokens: 0 }
  await job.theirs(async (tool, args) => {
    const result = await server.call(tool, args)
    spent.toolCalls += 1
    spent.tokens += tokensOf([tool, args], server.text() ?? "", count)
    if (tool === "run_capsule") sandbox.clock.advance(runSeconds)
    return result
  })
  spent.restCalls = server.restCalls()
  await server.close()
  await sandbox.close()
  return spent
}

/** What a model writes for a call, and reads as its result. */
function tokensOf([name, args]: ToolCall, result: string, count: CountTokens): number {
  return count(JSON.stringify({ name, arguments: args })) + count(result)
}

export async function measureAgents(): Promise<Measured> {
  const count = await loadTokenizer()
  const jobs: Measured["jobs"] = []
  for (const job of agentJobs) jobs.push({ job, spent: await spendOurs(job, count) })
  return { jobs, toolList: await countToolList(count) }
}

async function measureTheirs(command: string): Promise<TheirFigures> {
  const count = await loadTokenizer()
  const jobs: TheirFigures["jobs"] = {}
  let list: Wire[] = []
  for (const job of agentJobs) {
    const start = async (sandbox: Sandbox) => {
      const server = await startTheirServer(command, sandbox)
      list = server.tools
      return server
    }
    jobs[job.name] = await spendTheirs(job, start, count)
  }
  const { versions } = await readTheirFigures()
  return { versions, toolList: tokensOfList(list, count), jobs }
}

async function countToolList(count: CountTokens): Promise<number> {
  const sandbox = await startComparedSandbox()
  const config = { ...readConfig({ CODEOCEAN_URL: sandbox.url, PORT: "0" }), mcp: true, mcpMutations: true }
  const gateway = createGateway(config, createLog("silent", { write() {} }))
  const { tools } = await send(await gateway.listen(), "tools/list", {})
  await gateway.close()
  await sandbox.close()
  return tokensOfList(tools, count)
}

/** What models read of it: no output schemas and annotations. */
function tokensOfList(tools: readonly Wire[], count: CountTokens): number {
  return count(JSON.stringify(tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))))
}

/** The section of docs/agents.md. */
export function comparisonTable({ jobs, toolList }: Measured, theirs: TheirFigures): string {
  const row = (name: string, cells: readonly (string | number)[]) => `| ${[name, ...cells].join(" | ")} |`
  const both = (ours: Spent, theirs: Spent) => [
    ours.toolCalls,
    theirs.toolCalls,
    ours.restCalls,
    theirs.restCalls,
    rounded(ours.tokens),
    rounded(theirs.tokens),
  ]
  const theirsOf = ({ name }: Job) => theirs.jobs[name] as Spent
  return [
    "| job | tool calls | theirs | REST calls | theirs | tokens | theirs |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...jobs.map(({ job, spent }) => row(job.note ? `${job.name} (${job.note})` : job.name, both(spent, theirsOf(job)))),
    row("**all**", both(sumOf(jobs.map(({ spent }) => spent)), sumOf(jobs.map(({ job }) => theirsOf(job))))),
    row("the list of tools, once in each conversation", ["", "", "", "", rounded(toolList), rounded(theirs.toolList)]),
  ].join("\n")
}

export function sumOf(all: readonly Spent[]): Spent {
  const sum = (of: keyof Spent) => all.reduce((total, spent) => total + spent[of], 0)
  return { toolCalls: sum("toolCalls"), restCalls: sum("restCalls"), tokens: sum("tokens") }
}

/** Ids and times differ between measurements, and with them the last digits. */
function rounded(tokens: number): number {
  const unit = tokens < 1_000 ? 10 : 100
  return Math.round(tokens / unit) * unit
}

if (import.meta.main) {
  const { server } = parseArgs({ options: { server: { type: "string" } } }).values
  if (server !== undefined) await writeFile(theirFile, `${JSON.stringify(await measureTheirs(server), undefined, 2)}\n`)
  const page = "docs/agents.md"
  const table = comparisonTable(await measureAgents(), await readTheirFigures())
  await writeFile(new URL(page, root), await withSection(root, page, "comparison", table, "npm run agents"))
}
