import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { request } from "node:http"
import { expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { errorCodes } from "../src/errors.ts"
import { PrometheusMetrics } from "../src/telemetry/prometheus.ts"
import { freePort } from "../tools/freePort.ts"
import { callTool } from "./support/agents.ts"
import { startFaultyUpstream } from "./support/faultyUpstream.ts"
import { startGatewayOn } from "./support/gateway.ts"
import { follow } from "./support/live.ts"
import { samplesIn, startMeasuredGatewayOn } from "./support/metrics.ts"
import { connect, exchangeRaw } from "./support/socket.ts"

const nameOf = (id: string) => `{ capsule(id: "${id}") { name } }`

async function startMeasured(options: Parameters<typeof startMeasuredGatewayOn>[1] = {}) {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  return { sandbox, ...startMeasuredGatewayOn(sandbox.url, options) }
}

/** A gateway with a listener for metrics. */
async function startWithListener(options: Parameters<typeof startMeasuredGatewayOn>[1] = {}) {
  const metricsPort = await freePort()
  const world = await startMeasured({ ...options, config: { metricsPort, ...options.config } })
  const url = await world.gateway.listen()
  return { ...world, url, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` }
}

/** Sends any method and path, and resolves with the status. */
function send(url: string, method: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { method, path }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode))
    })
      .on("error", reject)
      .end()
  })
}

test("metrics count requests, operations, errors, and the calls to Code Ocean by template and status", async () => {
  const { ask, total, samples } = await startMeasured()
  await ask(`query Mine { ${nameOf(seed.cellCounter).slice(1, -1)} missing: capsule(id: "nope") { name } }`)
  await ask(nameOf(seed.cellCounter), undefined, { authorization: "Bearer cop_invented" })
  await ask(`mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: true }) { __typename } }`)
  await ask("{ nonsense }")
  await vi.waitFor(async () => expect(await total("http_server_request_duration_seconds_count")).toBe(4))
  expect(await samples("graphql_server_operation_duration_seconds_count")).toMatchObject([
    { labels: { operation_type: "query", operation_name: "", outcome: "ok" }, value: 1 },
    { labels: { operation_type: "query", outcome: "errors" }, value: 1 },
    { labels: { operation_type: "mutation", outcome: "ok" }, value: 1 },
    { labels: { operation_type: "", outcome: "errors" }, value: 1 },
  ])
  expect(await total("graphql_server_errors_total", { code: "UNAUTHENTICATED" })).toBe(1)
  expect(await total("graphql_server_errors_total", { code: "GRAPHQL_VALIDATION_FAILED" })).toBe(1)
  const capsule = { http_request_method: "GET", url_template: "/capsules/{id}" }
  const attempts = "http_client_request_duration_seconds_count"
  expect(await total(attempts, { ...capsule, http_response_status_code: "200" })).toBe(1)
  expect(await total(attempts, { ...capsule, http_response_status_code: "401" })).toBe(1)
  expect(await total(attempts, { url_template: "/capsules/{id}/archive", http_response_status_code: "204" })).toBe(1)
  expect(await total("http_server_request_duration_seconds_count", { http_route: "/graphql" })).toBe(4)
})

test("metrics count retries, queued calls, shared reads, an open circuit and calls that it refuses", async () => {
  let isDown = true
  const upstream = await startFaultyUpstream(({ path }) =>
    isDown || path === "/custom_metadata" ? { status: 503 } : { body: { id: "c1", name: "Back" } },
  )
  const { ask, total, gateway } = startMeasuredGatewayOn(upstream.url, {
    config: { upstreamBreakerCalls: 5, upstreamConnections: 1, upstreamRetryPercent: 100 },
  })
  isDown = false
  await Promise.all([ask(nameOf("c1")), ask(nameOf("c1")), ask(nameOf("c2"))])
  expect(await total("gateway_upstream_shared_reads_total")).toBe(1)
  expect(await total("gateway_upstream_queue_wait_seconds_count")).toBe(1)
  isDown = true
  const names = Array.from({ length: 6 }, (_, index) => `a${index}: computation(id: "r${index}") { name }`)
  await vi.waitFor(async () => {
    await ask(`{ ${names.join(" ")} }`)
    expect(await total("gateway_upstream_circuit_open")).toBe(1)
  })
  await ask(nameOf("c3"))
  expect(await total("gateway_upstream_circuit_openings_total")).toBe(1)
  expect(await total("gateway_upstream_refused_calls_total", { reason: "circuit_open" })).toBeGreaterThan(0)
  const retries = await total("gateway_upstream_retries_total", { url_template: "/computations/{id}" })
  expect(retries).toBeGreaterThan(0)
  expect(await total("http_client_request_duration_seconds_count")).toBe(
    upstream.requests.filter(({ path }) => path !== "/custom_metadata").length,
  )
  expect(gateway.stats.requests).toBe(0)
})

test("every series begins with zero, except those of routes and operations, whose labels are known with the first of them", async () => {
  const metrics = new PrometheusMetrics([])
  metrics.onCacheOpened("memory")
  const text = await metrics.render()
  const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name as string)
  const sampled = new Set(samplesIn(text).map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")))
  expect(names.filter((name) => !sampled.has(name))).toEqual([
    "http_server_request_duration_seconds",
    "graphql_server_operation_duration_seconds",
    "http_client_request_duration_seconds",
    "gateway_upstream_retries_total",
  ])
  const kinds = samplesIn(text).filter(({ name }) => name === "nodejs_gc_duration_seconds_count")
  expect(kinds.map(({ labels }) => labels.kind)).toEqual(["major", "minor", "incremental", "weakcb"])
})

test("a call without a response is counted by the kind of its error", async () => {
  const upstream = await startFaultyUpstream((_request, response) => void response.socket?.resetAndDestroy())
  const { ask, samples } = startMeasuredGatewayOn(upstream.url, {
    config: { upstreamRetryPercent: 0, upstreamBreakerCalls: 0 },
  })
  await ask(nameOf("c1"))
  expect(await samples("http_client_request_duration_seconds_count")).toMatchObject([
    { labels: { http_response_status_code: "", error_type: "connectionLost" }, value: 1 },
  ])
})

test("metrics count requests that are not admitted, by reason, and open subscriptions with their pollers", async () => {
  const { ask, gateway, total } = await startMeasured({
    config: { callerRequestsPerSecond: 1, callerSubscriptions: 1 },
  })
  const subscription = `subscription { computation(id: "${seed.runningAlignment}") { state } }`
  const url = await gateway.listen()
  const first = await follow(url, subscription)
  await first.next()
  const second = await follow(url, subscription)
  expect((await second.next())?.errors).toBeDefined()
  for (let sent = 0; sent < 12; sent++) await ask("{ __typename }")
  expect(await total("gateway_rejected_requests_total", { reason: "caller_subscriptions" })).toBe(1)
  expect(await total("gateway_rejected_requests_total", { reason: "caller_rate" })).toBeGreaterThan(0)
  expect(await total("gateway_subscriptions")).toBe(1)
  expect(await total("gateway_pollers")).toBe(1)
  expect(await total("gateway_poller_listeners")).toBe(1)
  first.leave()
  await vi.waitFor(async () =>
    expect(
      await total("graphql_server_operation_duration_seconds_count", {
        operation_type: "subscription",
        outcome: "cancelled",
      }),
    ).toBe(1),
  )
})

test("a request whose client left before the response has no status in metrics, and its operation and call are cancelled", async () => {
  const { sandbox, gateway, samples } = await startMeasured()
  const url = await gateway.listen()
  const hold = sandbox.hold()
  const leaving = new AbortController()
  const answer = fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
    body: JSON.stringify({ query: nameOf(seed.cellCounter) }),
    signal: leaving.signal,
  }).catch(() => "left")
  await hold.waitFor(1)
  leaving.abort()
  expect(await answer).toBe("left")
  await vi.waitFor(async () =>
    expect(await samples("http_server_request_duration_seconds_count")).toMatchObject([
      { labels: { http_route: "/graphql", http_response_status_code: "" }, value: 1 },
    ]),
  )
  expect(await samples("graphql_server_operation_duration_seconds_count")).toMatchObject([
    { labels: { operation_type: "query", outcome: "cancelled" }, value: 1 },
  ])
  expect(await samples("http_client_request_duration_seconds_count")).toMatchObject([
    { labels: { http_response_status_code: "", error_type: "cancelled" }, value: 1 },
  ])
  hold.end()
})

test("metrics count the steps of captures, each once however many clients wait for it", async () => {
  const { ask, total } = await startMeasured()
  const capture = (computationId: string) =>
    ask(
      `mutation { captureResult(input: { computationId: "${computationId}", name: "Counts", mount: "counts", tags: [], permissions: { everyone: VIEWER } }) { ... on CaptureResultPayload { complete } } }`,
    )
  await Promise.all([capture(seed.countedCells), capture(seed.countedCells)])
  await capture(seed.countedCells)
  await capture("00000000-0000-4000-8000-000000000000")
  const steps = (step: string, status: string) => total("gateway_capture_steps_total", { step, status })
  expect(await steps("create", "done")).toBe(1)
  expect(await steps("create", "already_done")).toBe(1)
  expect(await steps("create", "failed")).toBe(1)
})

test("no request, and no response of Code Ocean, can add series without limit", async () => {
  let status = 200
  const upstream = await startFaultyUpstream(() => ({
    status,
    body: { message: `message ${status}`, code: `CODE_${status}`, error: { code: status } },
  }))
  const { ask, gateway, render } = startMeasuredGatewayOn(upstream.url, {
    config: { upstreamRetryPercent: 0, upstreamBreakerCalls: 0 },
  })
  const url = await gateway.listen()
  const attack = async (at: number) => {
    await send(url, "GET", `/unknown-${at}`)
    await send(url, "GET", `/graphql/graphiql/x/a${at}.js`)
    await send(url, ["TRACE", "PROPFIND", "M-SEARCH", "QUERY", "PURGE"][at % 5] as string, "/graphql")
    await ask(`query Invented${at} { __typename }`)
    await ask(`query Invented${at} { capsule(id: "invented-${at}") { name } }`, undefined, {
      authorization: `Bearer token${at}`,
      "agent-id": `agent-${at}`,
    })
    await ask(`{ unknownField${at} }`)
  }
  for (status of [999, 600, 299, 418, 500, 404]) await attack(status)
  // Kinds of garbage collection appear when they happen.
  const own = async () => samplesIn(await render()).filter(({ name }) => !name.startsWith("nodejs_gc"))
  const before = await own()
  for (let at = 600; at < 650; at++) {
    status = at
    await attack(at)
  }
  const after = await own()
  expect(after.length).toBe(before.length)
  const values = after.flatMap(({ labels }) => Object.values(labels)).join(" ")
  for (const invented of ["nvented", "unknown", "agent-", "token6", "CODE_", "/a6", "999", " 6"]) {
    expect(values).not.toContain(invented)
  }
  const label = (name: string) =>
    new Set(after.map(({ labels }) => labels[name]).filter((value) => value !== undefined))
  expect(label("http_route")).toEqual(new Set(["_OTHER", "/graphql", "/graphql/graphiql/{file}"]))
  expect(label("http_request_method")).toEqual(new Set(["_OTHER", "GET", "POST"]))
  expect(label("http_response_status_code")).toContain("_OTHER")
  for (const code of label("code")) expect([...errorCodes, "GRAPHQL_VALIDATION_FAILED"]).toContain(code)
})

test("only operations of the manifest have names in metrics", async () => {
  const persisted = `query Persisted($id: ID!) { capsule(id: $id) { name } }`
  const { ask, gateway, samples } = await startMeasured({
    config: { persistedOperations: new Map([["by-id", persisted]]) },
  })
  const post = async (body: object) =>
    fetch(`${await gateway.listen()}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify(body),
    }).then((response) => response.json())
  const automatic = "query Automatic { __typename }"
  const extensions = { persistedQuery: { version: 1, sha256Hash: hash("sha256", automatic) } }
  await post({ documentId: "by-id", variables: { id: seed.cellCounter } })
  await post({ query: automatic, extensions })
  await post({ extensions })
  // The name alone makes no persisted operation.
  await ask("query Persisted { __typename }")
  const get = `/graphql?documentId=by-id&variables=${encodeURIComponent(JSON.stringify({ id: seed.cellCounter }))}`
  await fetch(new URL(get, await gateway.listen()), { headers: { authorization: `Bearer ${tokens.ada}` } })
  const counts = await samples("graphql_server_operation_duration_seconds_count")
  expect(counts.map(({ labels, value }) => [labels.operation_name, value])).toEqual([
    ["Persisted", 2],
    ["", 3],
  ])
})

test("tools for agents have the names of their operations in metrics, and other messages have none", async () => {
  const { gateway, samples } = await startMeasured({ config: { mcp: true } })
  const url = await gateway.listen()
  const headers = { authorization: `Bearer ${tokens.ada}` }
  await callTool(url, "1", "metadata_fields", {}, headers)
  await callTool(url, "2", "run_query", { query: "query MetadataFields { __typename }" }, headers)
  await callTool(url, "3", "search_schema", { words: "lineage" }, headers).catch(() => "its answer is no JSON")
  const counts = () => samples("graphql_server_operation_duration_seconds_count")
  await vi.waitFor(async () =>
    expect((await counts()).map(({ labels, value }) => [labels.operation_type, labels.operation_name, value])).toEqual([
      ["query", "MetadataFields", 1],
      ["query", "", 1],
      ["", "", 1],
    ]),
  )
  await vi.waitFor(async () =>
    expect(
      (await samples("http_server_request_duration_seconds_count")).map(({ labels }) => labels.http_route),
    ).toEqual(["/mcp"]),
  )
})

test("a manifest with thousands of operations has at most 500 names in metrics", async () => {
  const documents = Array.from({ length: 2_000 }, (_, at) => `query Name${at} { __typename }`)
  const persistedOperations = new Map(documents.map((document, at) => [`id-${at}`, document]))
  const { ask, samples } = await startMeasured({ config: { persistedOperations } })
  for (const at of [0, 499, 500, 1_999]) await ask(documents[at] as string)
  const counts = await samples("graphql_server_operation_duration_seconds_count")
  expect(counts.map(({ labels, value }) => [labels.operation_name, value])).toEqual([
    ["Name0", 1],
    ["Name499", 1],
    ["", 2],
  ])
})

test("labels are bounded even if a value that the source code should choose depended on data", async () => {
  const metrics = new PrometheusMetrics([])
  for (let at = 0; at < 1_000; at++) {
    metrics.onAttempt("GET", `capsules/${at}`, `error-${at}`, performance.now())
    metrics.onError(`CODE_${at}`)
    metrics.onCacheRead(`store-${at}`, `outcome-${at}`)
    metrics.onCaptureStep(`step-${at}`, `status-${at}`)
    metrics.onRetry(`METHOD${at}`, `capsules/${at}`)
  }
  expect(samplesIn(await metrics.render()).length).toBeLessThan(6_000)
  expect(await metrics.render()).toContain('url_template="_OTHER"')
})

test("the metrics' port answers GET /metrics alone, and the gateway's port has no metrics", async () => {
  const { url, metricsUrl } = await startWithListener()
  const response = await fetch(metricsUrl)
  expect(response.status).toBe(200)
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
  expect(samplesIn(await response.text()).map(({ name }) => name)).toContain("nodejs_heap_size_used_bytes")
  expect((await fetch(`${metricsUrl}?any=thing`)).status).toBe(200)
  for (const path of ["/", "/metrics/", "//metrics", "/graphql", "/health", "/Metrics"])
    expect(await send(metricsUrl, "GET", path), path).toBe(404)
  for (const method of ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
    expect(await send(metricsUrl, method, "/metrics"), method).toBe(405)
  expect((await fetch(new URL("/metrics", url))).status).toBe(404)
})

test("clients of the metrics' port that hang, flood or send bodies do not delay requests, and are dropped", async () => {
  const { url, metricsUrl, ask, render } = await startWithListener()
  const open = await Promise.all(Array.from({ length: 150 }, () => connect(metricsUrl)))
  await vi.waitFor(() => expect(open.filter((socket) => socket.closed).length).toBeGreaterThanOrEqual(50))
  for (const socket of open) socket.write("GET /metrics HT")
  expect(await ask("{ __typename }")).toEqual({ data: { __typename: "Query" } })
  for (const socket of open) socket.destroy()
  const rendered = vi.spyOn(PrometheusMetrics.prototype, "render")
  // A text is sent again for 200 ms of this clock.
  let now = performance.now() + 1_000
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now)
  onTestFinished(() => {
    rendered.mockRestore()
    clock.mockRestore()
  })
  await vi.waitFor(async () => expect((await fetch(metricsUrl)).status).toBe(200))
  const texts = await Promise.all(
    Array.from({ length: 50 }, () => fetch(metricsUrl).then((response) => response.text())),
  )
  expect(new Set(texts).size).toBe(1)
  expect(rendered).toHaveBeenCalledTimes(1)
  now += 201
  await (await fetch(metricsUrl)).text()
  expect(rendered).toHaveBeenCalledTimes(2)
  const posted = await exchangeRaw(
    metricsUrl,
    "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc",
  )
  expect(posted).toMatch(/^HTTP\/1.1 405 /)
  expect(await exchangeRaw(metricsUrl, "GARBAGE\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /)
  expect((await fetch(new URL("/health", url))).status).toBe(200)
  expect(await render()).toContain("gateway_info")
})

test("metrics are served until the last request in flight has ended", async () => {
  const { sandbox, gateway, ask, metricsUrl } = await startWithListener()
  const hold = sandbox.hold()
  const answer = ask(nameOf(seed.cellCounter))
  await hold.waitFor(1)
  const closed = gateway.close()
  expect(samplesIn(await (await fetch(metricsUrl)).text())).toContainEqual(
    expect.objectContaining({ name: "http_server_active_requests", value: 1 }),
  )
  hold.end()
  expect((await answer).errors).toBeUndefined()
  expect(await closed).toBe(true)
  await expect(fetch(metricsUrl)).rejects.toThrow()
})

test("a taken METRICS_PORT ends the start with a message that names it, before any request is accepted", async () => {
  const { metricsUrl } = await startWithListener()
  const { port } = new URL(metricsUrl)
  const own = await freePort()
  const config = { port: own, metricsPort: Number(port) }
  const { gateway } = startMeasuredGatewayOn("http://127.0.0.1:9", { config })
  await expect(gateway.listen()).rejects.toThrow(
    `can't listen on 127.0.0.1:${port}: the port is taken. Stop what listens there, or set METRICS_PORT.`,
  )
  await expect(connect(`http://127.0.0.1:${own}`)).rejects.toThrow("ECONNREFUSED")
})

test("the metrics say whether a replica works alone because Redis is not available", async () => {
  for (const [redisUrl, expected] of [
    [undefined, 0],
    ["redis://127.0.0.1:9", 1],
  ] as const) {
    const { gateway, total } = await startMeasured({ config: { redisUrl } })
    await gateway.listen()
    expect(await total("gateway_store_away")).toBe(expected)
  }
})

test("docs/operations.md lists every metric of the gateway's own, and no other", async () => {
  const { render } = await startMeasured()
  const documented = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8")
  const own = [...(await render()).matchAll(/^# TYPE ((?:http|graphql|gateway)_\w+)/gm)].map(
    ([, name]) => name as string,
  )
  const listed = [...documented.matchAll(/^\| `((?:http|graphql|gateway)_\w+)/gm)].map(([, name]) => name as string)
  expect(listed.toSorted()).toEqual(own.toSorted())
})

test("without metrics, the gateway listens on one port", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const { gateway, lines } = startGatewayOn(sandbox.url)
  await gateway.listen()
  expect(lines.filter(({ msg }) => msg === "serving metrics")).toEqual([])
})
