import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import type { ToolResult } from "../examples/agents/agent.ts"
import { tokens } from "../sandbox/seed.ts"
import { changingTools, readingTools } from "./support/agents.ts"
import { startGateway } from "./support/gateway.ts"

const timeout = 300_000
const headers = { authorization: `Bearer ${tokens.ada}` }

async function load() {
  const { inspect, inspectHere, inspectTool } = await import(
    new URL("../examples/agents/inspector.ts", import.meta.url).href
  )
  return {
    inspect: (url: string, ...args: string[]): Promise<unknown> => inspect(url, headers, args),
    inspectHere: (url: string, ...args: string[]): Promise<unknown> => inspectHere(url, headers, args),
    callTool: (url: string, name: string, args?: object): Promise<ToolResult> => inspectTool(url, headers, name, args),
  }
}

test("every tool works in the official inspector", { timeout }, async () => {
  const { gateway } = await startGateway({ config: { mcp: true, mcpMutations: true } })
  const url = `${await gateway.listen()}/mcp`
  const { callTool } = await load()
  const call = async ([name, { args, has }]: [string, (typeof readingTools)[string]]) => {
    const { content, isError } = await callTool(url, name, args)
    expect(isError, `${name}: ${content[0]?.text}`).not.toBe(true)
    expect(content[0]!.text, name).toContain(has)
  }
  for (const tool of Object.entries({ ...readingTools, ...changingTools })) await call(tool)
})

test("the inspector accepts the lists of tools, resources and prompts", { timeout }, async () => {
  const { gateway } = await startGateway({ config: { mcp: true } })
  const url = `${await gateway.listen()}/mcp`
  const { inspect, inspectHere } = await load()
  const lists = [
    await inspect(url, "--method", "tools/list"),
    await inspectHere(url, "--method", "resources/list"),
    await inspectHere(url, "--method", "prompts/list"),
  ]
  expect(lists).toMatchObject([
    { tools: expect.any(Array) },
    { resources: [{ uri: "codeocean://schema" }, { uri: "codeocean://jobs" }] },
    { prompts: [{ name: "why_did_runs_fail" }, {}, {}] },
  ])
})

test("the example of agents has no type errors", { timeout }, async () => {
  const root = fileURLToPath(new URL("..", import.meta.url))
  const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url))
  await promisify(execFile)(process.execPath, [compiler, "-p", "examples/agents"], { cwd: root })
})
