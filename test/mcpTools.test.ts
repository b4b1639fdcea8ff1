import { expect, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { readAllTools } from "../src/mcp/mcp.ts"
import { changingTools, connectAgent, generations, readingTools } from "./support/agents.ts"
import { startGateway } from "./support/gateway.ts"
import { pushedTime } from "./support/live.ts"

const settings = { mcp: true, mcpMutations: true }
const answerOf = ({ content }: { content: { text: string }[] }) => JSON.parse(content[0]!.text)

test.each(generations)(
  "every tool works with a client of the %s, and costs the calls of the table",
  async (generation) => {
    const time = pushedTime()
    const { gateway, sandbox } = await startGateway({ config: settings, clock: time })
    const agent = await connectAgent(gateway, generation)
    const table = { ...readingTools, ...changingTools }
    expect((await agent.listTools()).map(({ name }) => name).toSorted()).toEqual(Object.keys(table).toSorted())
    for (const [name, { args, has, calls }] of Object.entries(table)) {
      sandbox.requests.length = 0
      const progress: string[] = []
      const called = agent.call(name, args, { onprogress: ({ message = "" }) => void progress.push(message) })
      if (name === "capture_result") {
        // The new data asset is a draft, so the tool would wait.
        await vi.waitUntil(() => progress.some((message) => message.includes(has)))
        time.push(args?.seconds as number)
      }
      const { content, isError, structuredContent } = await called
      const text = content[0]!.text
      expect(isError, `${name}: ${text}`).not.toBe(true)
      expect(text, name).toContain(has)
      // The content of a file is left as it is.
      if (name !== "read_files") expect(text, name).not.toMatch(/[:,[]null\b/)
      // The client has checked it against the output schema.
      if (name !== "search_schema" && name !== "run_query") expect(structuredContent, name).toEqual(JSON.parse(text))
      expect(sandbox.requests.length, name).toBe(calls)
    }
  },
)

test("the two generations of clients speak different revisions of the protocol", async () => {
  const { gateway } = await startGateway({ config: settings })
  expect((await connectAgent(gateway, "SDK 2")).version).toBe("2026-07-28")
  expect((await connectAgent(gateway, "SDK 1")).version).toBe("2025-11-25")
})

test("without MCP_MUTATIONS no tool changes anything", async () => {
  const { gateway, sandbox } = await startGateway({ config: { mcp: true } })
  const agent = await connectAgent(gateway)
  const tools = await agent.listTools()
  expect(tools.map(({ name }) => name).toSorted()).toEqual(Object.keys(readingTools).toSorted())
  expect(tools.every(({ annotations }) => annotations?.readOnlyHint)).toBe(true)
  for (const [name, { args }] of Object.entries(changingTools)) {
    await expect(agent.call(name, args), name).rejects.toThrow("There is no tool")
  }
  expect(sandbox.requests).toEqual([])
})

test("the hints of tools say what they change", async () => {
  const { gateway } = await startGateway({ config: settings })
  const tools = new Map((await (await connectAgent(gateway)).listTools()).map((tool) => [tool.name, tool.annotations]))
  expect(tools.get("lineage")).toMatchObject({ readOnlyHint: true })
  expect(tools.get("run")).toMatchObject({ readOnlyHint: false, destructiveHint: false, idempotentHint: false })
  // A subscription, and yet it creates a data asset.
  expect(tools.get("capture_result")).toMatchObject({
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
  })
  for (const name of ["delete_data", "delete_run"])
    expect(tools.get(name)).toMatchObject({ readOnlyHint: false, destructiveHint: true })
})

test("a change that removes something has a dry run, or asks the user", () => {
  for (const { name, destructive, deletes, inputSchema } of readAllTools(schema, undefined)) {
    if (destructive)
      expect(deletes || inputSchema.properties?.dryRun?.default === true || name === "share_data").toBe(true)
  }
})

test("a client that can ask its user is asked before a delete, whatever the arguments say", async () => {
  const { gateway, sandbox } = await startGateway({ config: settings })
  const questions: string[] = []
  let agrees = false
  const agent = await connectAgent(gateway, "SDK 2", {
    elicit(message) {
      questions.push(message)
      return agrees
    },
  })
  const args = { id: seed.failedCount, confirm: true }
  expect(answerOf(await agent.call("delete_run", args)).errors[0].code).toBe("DECLINED")
  expect(sandbox.requests.map(({ method }) => method)).toEqual(["GET"])
  agrees = true
  expect(answerOf(await agent.call("delete_run", args))).toEqual({ deletedComputationId: seed.failedCount })
  expect(questions).toHaveLength(2)
  expect(questions[0]).toContain('"name":"Run 1"')
})

test("an agreement is valid for the arguments that were shown, and for no others", async () => {
  const { gateway, sandbox } = await startGateway({ config: settings })
  const url = `${await gateway.listen()}/mcp`
  const call = async (args: object, inputResponses?: object) => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${tokens.ada}`,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "delete_run",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: {
          name: "delete_run",
          arguments: args,
          inputResponses,
          _meta: {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
            "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } },
          },
        },
      }),
    })
    return ((await response.json()) as { result: { inputRequests?: object; content?: [{ text: string }] } }).result
  }
  const asked = await call({ id: seed.failedCount })
  const [key = ""] = Object.keys(asked.inputRequests ?? {})
  const agreed = { [key]: { action: "accept", content: { agree: true } } }
  expect((await call({ id: seed.stoppedCount }, agreed)).inputRequests).toBeDefined()
  expect(sandbox.requests.filter(({ method }) => method === "DELETE")).toEqual([])
  expect((await call({ id: seed.failedCount }, agreed)).content?.[0].text).toContain(seed.failedCount)
})

test.each(generations)(
  "a client of the %s that cannot ask its user gets a preview, and nothing is deleted",
  async (generation) => {
    const { gateway, sandbox } = await startGateway({ config: settings })
    const agent = await connectAgent(gateway, generation)
    const result = await agent.call("delete_data", { id: seed.mouseRecording })
    expect(result.isError).toBe(true)
    expect(answerOf(result).errors[0]).toMatchObject({
      code: "CONFIRMATION_REQUIRED",
      message: expect.stringContaining("ecephys_730945_2024-06-13"),
    })
    expect(sandbox.requests.map(({ method }) => method)).toEqual(["GET"])
  },
)

test("search_schema, the schema and run_query are there only if the settings allow them", async () => {
  const { gateway } = await startGateway({ config: { mcp: true, introspection: false, persistedOperationsOnly: true } })
  const agent = await connectAgent(gateway)
  const names = (await agent.listTools()).map(({ name }) => name)
  expect(names).not.toContain("search_schema")
  expect(names).not.toContain("run_query")
  expect(names).toContain("find_data")
  expect((await agent.listResources()).map(({ uri }) => uri)).toEqual(["codeocean://jobs"])
  await expect(agent.call("run_query", { query: "{ __typename }" })).rejects.toThrow("There is no tool")
  await expect(agent.readResource("codeocean://schema")).rejects.toThrow()
})

test.each(generations)("resources and prompts are readable by a client of the %s", async (generation) => {
  const { gateway, sandbox } = await startGateway({ config: { mcp: true } })
  const agent = await connectAgent(gateway, generation)
  const texts = await Promise.all((await agent.listResources()).map(({ uri }) => agent.readResource(uri)))
  expect(texts[0]).toContain("type Capsule implements")
  expect(texts[1]).toContain("query FindData(")
  const prompts = await agent.listPrompts()
  expect(prompts.map(({ name }) => name)).toEqual(["why_did_runs_fail", "run_and_capture", "where_did_this_come_from"])
  for (const { name, arguments: args = [] } of prompts) {
    const values = Object.fromEntries(args.map(({ name }) => [name, 'x"y']))
    expect(await agent.getPrompt(name, values), name).toContain(String.raw`"x\"y"`)
    await expect(agent.getPrompt(name, {}), name).rejects.toThrow("is required")
  }
  expect(sandbox.requests).toEqual([])
})

test.each(generations)(
  "a client of the %s gets progress while a run goes on, and an answer that says that it has not ended",
  async (generation) => {
    const time = pushedTime()
    const { gateway } = await startGateway({ config: { mcp: true }, clock: time })
    const agent = await connectAgent(gateway, generation)
    const progress: { progress: number; message?: string }[] = []
    const args = { id: seed.runningAlignment, seconds: 30 }
    const called = agent.call("wait_for_run", args, { onprogress: (step) => progress.push(step) })
    await vi.waitUntil(() => progress.length > 0)
    for (let passed = 0; passed < args.seconds; passed += 10) {
      await time.waits(2)
      time.push(10)
    }
    const result = await called
    expect(result.isError).not.toBe(true)
    expect(answerOf(result)).toMatchObject({ waiting: expect.stringContaining("Call again"), state: "RUNNING" })
    expect(progress.map(({ progress }) => progress)).toEqual([1, 2, 3])
    expect(progress[0]!.message).toContain('"RUNNING"')
    expect(progress[2]!.message).toBe("Waiting.")
  },
)

test("run_query refuses a query that costs too much with its cost and a cheaper form, and everything but queries", async () => {
  const { gateway, sandbox } = await startGateway({ config: settings })
  const agent = await connectAgent(gateway)
  const costly = "{ searchCapsules(first: 1000) { nodes { computations(first: 1000) { nodes { log(tail: 1) } } } } }"
  const refused = await agent.call("run_query", { query: costly })
  expect(refused.isError).toBe(true)
  expect(answerOf(refused).errors[0]).toMatchObject({
    code: "OPERATION_TOO_COSTLY",
    message: expect.stringMatching(/may need \d+ calls.*would be allowed/),
  })
  for (const query of [
    `mutation { archiveDataAsset(input: { id: "x", archived: true }) { __typename } }`,
    `subscription { computation(id: "x") { id } }`,
    "query A { __typename } mutation B { __typename }",
    "{ nothing }",
    "{",
    "",
  ]) {
    const result = await agent.call("run_query", { query })
    expect(result.isError, query).toBe(true)
    expect(answerOf(result).errors[0].do, query).toEqual(expect.any(String))
  }
  expect(sandbox.requests).toEqual([])
})
