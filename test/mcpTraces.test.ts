import { expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { callTool } from "./support/agents.ts"
import { type CollectedSpan, startCollector, startTracedGatewayOn } from "./support/collector.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"

const isServer = ({ kind }: CollectedSpan) => kind === 2
const isCall = ({ kind }: CollectedSpan) => kind === 3
const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]

/** The spans of tool calls, one after another, and what the collector has received as text. */
async function spansOf(upstreamUrl: string, calls: (url: string, headers: Record<string, string>) => Promise<unknown>) {
  const collector = await startCollector()
  const { gateway } = startTracedGatewayOn(upstreamUrl, collector.url, { config: { mcp: true, mcpMutations: true } })
  const traceparent = `00-${traceId}-${spanId}-01`
  await calls(await gateway.listen(), { authorization: `Bearer ${tokens.ada}`, traceparent })
  await gateway.close()
  return { spans: collector.spans, text: collector.text() }
}

test("a tool call is a span with its operation, below the client's, and its calls are its children", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const { spans } = await spansOf(sandbox.url, (url, headers) =>
    callTool(url, "1", "show_capsule", { id: seed.cellCounter }, headers),
  )
  expect(spans.filter(isServer)).toMatchObject([
    {
      traceId,
      parentSpanId: spanId,
      name: "query ShowCapsule",
      attributes: {
        "http.request.method": "POST",
        "http.route": "/mcp",
        "http.response.status_code": 200,
        "graphql.operation.type": "query",
        "graphql.operation.name": "ShowCapsule",
        "gateway.outcome": "ok",
        "gateway.upstream_calls": 3,
      },
    },
  ])
  const [root] = spans.filter(isServer)
  const names = spans.filter(isCall).map((span) => [span.name, span.traceId, span.parentSpanId] as const)
  expect(names.toSorted()).toEqual(
    ["GET /capsules/{id}", "GET /capsules/{id}/app_panel", "GET /capsules/{id}/computations"].map((name) => [
      name,
      traceId,
      root?.spanId,
    ]),
  )
  for (const { headers } of sandbox.requests) expect(headers.traceparent).toContain(traceId)
})

test("messages without an operation, failing tools and waiting tools have spans of their own kind", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const { spans } = await spansOf(sandbox.url, async (url, headers) => {
    await callTool(url, "1", "search_schema", { words: "lineage" }, headers).catch(() => "its answer is no JSON")
    await callTool(url, "2", "show_run", { id: "missing" }, headers)
    await callTool(url, "3", "run_query", { query: "{ nothing }" }, headers)
    await callTool(url, "4", "wait_for_run", { id: seed.countedCells }, headers)
  })
  expect(spans.filter(isServer).map(({ name, attributes }) => [name, attributes["gateway.outcome"]])).toEqual([
    ["/mcp", "ok"],
    ["query ShowRun", "ok"],
    [expect.any(String), "errors"],
    ["subscription WaitForRun", "ok"],
  ])
})

test("no span of a tool call has a token, an argument, an id or a content", async () => {
  const secret = "c0ffee-secret"
  const upstream = await startFaultyUpstream(() => ({ body: { id: secret, name: `name ${secret}`, results: [] } }))
  const { spans, text } = await spansOf(upstream.url, async (url, headers) => {
    await callTool(url, secret, "show_run", { id: secret }, headers)
    await callTool(url, "2", "find_data", { query: secret, filters: [{ key: secret, value: secret }] }, headers)
    await callTool(url, "3", "run", { id: secret, values: [{ paramName: secret, value: secret }] }, headers)
    await callTool(url, "4", secret, { [secret]: secret }, headers).catch(() => "no such tool")
    await callTool(url, "5", "run_query", { query: `{ computation(id: "${secret}") { name } }` }, headers)
  })
  await vi.waitFor(() => expect(spans.filter(isServer)).toHaveLength(5))
  expect(text).not.toContain(secret)
  expect(text).not.toContain(tokens.ada)
})
