import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import { setImmediate as turn } from "node:timers/promises"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { parseTraceparent } from "../src/telemetry/tracer.ts"
import { type CollectedSpan, startCollector, startTracedGatewayOn } from "./support/collector.ts"
import { startFaultyUpstream, unusedAddress } from "./support/faultyUpstream.ts"
import type { Result } from "./support/gateway.ts"
import { follow } from "./support/live.ts"
import { stopTime } from "./support/time.ts"

const digest = (text: string, length: number) => createHash("sha256").update(text).digest("hex").slice(0, length)

/** A client's trace, with another id for each number. */
const clientTrace = (at: number) => ({ traceId: digest(`trace ${at}`, 32), spanId: digest(`span ${at}`, 16) })
const headersOf = (at: number, flags = "01", token: string = tokens.ada) => ({
  authorization: `Bearer ${token}`,
  traceparent: `00-${clientTrace(at).traceId}-${clientTrace(at).spanId}-${flags}`,
})

const isServer = ({ kind }: CollectedSpan) => kind === 2
const isCall = ({ kind }: CollectedSpan) => kind === 3

/** An upstream that holds all requests, and responds to them in an order of its own. */
async function startShuffled() {
  const held: (() => void)[] = []
  let random = 1
  const upstream = await startFaultyUpstream(({ path }, response) => {
    const [, kind, id = ""] = path.split("/")
    const data_assets = [{ id: id.replace("run", "asset"), mount: "mount" }]
    const body = kind === "computations" ? { id, name: id, data_assets } : { id, name: id }
    held.push(() => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)))
    return undefined
  })
  let isOpen = true
  const release = () => {
    random = (random * 48_271) % 2_147_483_647
    held.splice(random % Math.max(1, held.length), 1)[0]?.()
    if (isOpen) setImmediate(release)
  }
  onTestFinished(() => {
    isOpen = false
  })
  return { ...upstream, release }
}

test("under 50 interleaved requests, every span has its own request's trace and parent, and shared calls are linked", async () => {
  const collector = await startCollector()
  const upstream = await startShuffled()
  const { ask, gateway, lines } = startTracedGatewayOn(upstream.url, collector.url, {
    config: { upstreamConnections: 7 },
  })
  const numbers = Array.from({ length: 50 }, (_, at) => at)
  const answers = numbers.map((at) =>
    ask(
      `query Number${at} { a: computation(id: "run-${at}-a") { name dataAssets { dataAsset { name } } } b: computation(id: "run-${at}-b") { name } shared: computation(id: "run-shared") { name } }`,
      undefined,
      { ...headersOf(at), "x-upstream-cost": "1" },
    ),
  )
  await vi.waitFor(() => expect(gateway.stats.requests).toBe(50))
  upstream.release()
  const results = await Promise.all(answers)
  await gateway.close()

  const byTrace = Map.groupBy(collector.spans, ({ traceId }) => traceId)
  expect(byTrace.size).toBe(50)
  const sentBy = Map.groupBy(upstream.requests, ({ headers }) => parseTraceparent(headers.traceparent)?.spanId)
  const all = new Map(collector.spans.map((span) => [span.spanId, span]))
  expect(all.size).toBe(collector.spans.length)
  let shared = 0
  for (const [at, { data, extensions, errors }] of results.entries()) {
    expect(errors).toBeUndefined()
    expect(data.a).toEqual({ name: `run-${at}-a`, dataAssets: [{ dataAsset: { name: `asset-${at}-a` } }] })
    const { traceId, spanId } = clientTrace(at)
    const spans = byTrace.get(traceId) ?? []
    const [root, ...others] = spans.filter(isServer)
    expect(others).toEqual([])
    expect(root).toMatchObject({ parentSpanId: spanId, name: `query Number${at}`, status: {} })
    expect(root?.attributes).toMatchObject({
      "http.request.method": "POST",
      "http.route": "/graphql",
      "http.response.status_code": 200,
      "graphql.operation.type": "query",
      "graphql.operation.name": `Number${at}`,
      "gateway.outcome": "ok",
      "gateway.upstream_calls": extensions.cost.upstreamCalls,
      "gateway.shared_calls": extensions.cost.sharedCalls,
    })
    const calls = spans.filter(isCall)
    expect(calls.length + 1).toBe(spans.length)
    expect(calls.length).toBe(extensions.cost.upstreamCalls + extensions.cost.sharedCalls)
    expect(calls.map(({ name }) => name).toSorted()).toEqual([
      "GET /computations/{id}",
      "GET /computations/{id}",
      "GET /computations/{id}",
      "GET /data_assets/{id}",
    ])
    for (const call of calls) {
      expect(call.parentSpanId).toBe(root?.spanId)
      expect(call.attributes).toMatchObject({ "http.request.method": "GET", "http.response.status_code": 200 })
      expect(call.attributes["url.template"]).toBe(call.name.replace("GET ", ""))
      const sent = sentBy.get(call.spanId) ?? []
      if (call.attributes["gateway.shared"]) {
        shared += 1
        expect(sent).toEqual([])
        const [link, ...more] = call.links
        expect(more).toEqual([])
        const owner = all.get(link?.spanId ?? "")
        expect(owner).toMatchObject({ traceId: link?.traceId, name: call.name })
        expect(owner?.attributes["gateway.shared"]).toBe(false)
      } else {
        // What it sent was for this request.
        expect(call.links).toEqual([])
        expect(sent.map(({ path }) => path.replace(/^\/\w+\//, ""))).toEqual([
          expect.stringMatching(new RegExp(`^((run|asset)-${at}-[ab]|run-shared)$`)),
        ])
        expect(parseTraceparent(sent[0]?.headers.traceparent)).toMatchObject({ traceId, isSampled: true })
      }
    }
  }
  expect(shared).toBeGreaterThan(0)
  expect(collector.spans.some(({ attributes }) => Number(attributes["gateway.queued_ms"]) > 0)).toBe(true)
  for (const line of lines.filter(({ msg }) => msg === "request")) {
    const at = Number(String(line.operation).replace("Number", ""))
    expect(line.trace_id).toBe(clientTrace(at).traceId)
  }
})

test("the span of a call has its status, retries and the kind of its failure, and the span of a request its error codes", async () => {
  const collector = await startCollector()
  let busy = 2
  const upstream = await startFaultyUpstream(({ path }, response) => {
    if (path.endsWith("busy") && busy-- > 0) return { status: 503 }
    if (path.endsWith("reset")) return void response.socket?.resetAndDestroy()
    if (path.endsWith("missing")) return { status: 404, body: { message: "no such run" } }
    if (path.endsWith("garbage")) return { body: "no JSON" }
    return { body: { id: "busy", name: "Busy" } }
  })
  const { ask, gateway } = startTracedGatewayOn(upstream.url, collector.url, {
    config: { upstreamBreakerCalls: 0, upstreamRetryPercent: 100 },
  })
  await ask('{ computation(id: "busy") { name } }')
  for (const id of ["reset", "missing", "garbage"]) await ask(`{ computation(id: "${id}") { name } }`)
  await ask("{ nonsense }")
  await gateway.close()
  const calls = collector.spans.filter(isCall).map(({ attributes, status }) => ({
    status: attributes["http.response.status_code"],
    retries: attributes["http.request.resend_count"],
    error: attributes["error.type"],
    code: status.code || undefined,
  }))
  expect(calls).toEqual([
    { status: 200, retries: 2 },
    { retries: 3, error: "connectionLost", code: 2 },
    { status: 404, error: "status", code: 2 },
    { status: 200, error: "invalid", code: 2 },
  ])
  const requests = collector.spans.filter(isServer)
  expect(requests.map(({ attributes }) => attributes["gateway.error_codes"])).toEqual([
    undefined,
    ["UPSTREAM_UNAVAILABLE"],
    undefined,
    ["UPSTREAM_INVALID_RESPONSE"],
    ["GRAPHQL_VALIDATION_FAILED"],
  ])
  expect(requests.every(({ parentSpanId }) => !parentSpanId)).toBe(true)
  expect(new Set(requests.map(({ traceId }) => traceId)).size).toBe(5)
})

describe("traceparent", () => {
  test.each([
    ["upper case", `00-${"A".repeat(32)}-${"b".repeat(16)}-01`],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${"b".repeat(16)}-01`],
    ["a span id of zeros", `00-${"a".repeat(32)}-${"0".repeat(16)}-01`],
    ["the version ff", `ff-${"a".repeat(32)}-${"b".repeat(16)}-01`],
    ["more parts than version 00 has", `00-${"a".repeat(32)}-${"b".repeat(16)}-01-more`],
    ["a short trace id", `00-${"a".repeat(31)}-${"b".repeat(16)}-01`],
    ["text", "anything else"],
    ["several values", `00-${"a".repeat(32)}-${"b".repeat(16)}-01, 00-${"c".repeat(32)}-${"d".repeat(16)}-01`],
    ["thousands of characters", `01-${"a".repeat(32)}-${"b".repeat(16)}-01-${"x".repeat(5_000)}`],
  ])("a traceparent with %s is ignored, and the request gets a trace of its own", async (_what, traceparent) => {
    const collector = await startCollector()
    const upstream = await startFaultyUpstream(() => ({ body: { id: "r1", name: "Run" } }))
    const { ask, gateway } = startTracedGatewayOn(upstream.url, collector.url)
    const headers = { authorization: `Bearer ${tokens.ada}`, traceparent }
    expect(await ask('{ computation(id: "r1") { name } }', undefined, headers)).toEqual({
      data: { computation: { name: "Run" } },
    })
    await gateway.close()
    const [call, request] = collector.spans
    expect(request?.parentSpanId || undefined).toBeUndefined()
    expect(call?.parentSpanId).toBe(request?.spanId)
    expect(traceparent).not.toContain(request?.traceId)
    expect(upstream.requests[0]?.headers.traceparent).toBe(`00-${call?.traceId}-${call?.spanId}-01`)
  })

  test("a traceparent of a later version is read as far as it is known", () => {
    const [traceId, spanId] = ["a".repeat(32), "b".repeat(16)]
    expect(parseTraceparent(`01-${traceId}-${spanId}-03-more`)).toEqual({ traceId, spanId, isSampled: true })
    expect(parseTraceparent(`00-${traceId}-${spanId}-02`)).toEqual({ traceId, spanId, isSampled: false })
  })
})

describe("the sampler", () => {
  /** The numbers of the requests that were recorded, of twenty with a trace of their own. */
  async function recorded(env: Record<string, string>, flags: string) {
    const collector = await startCollector()
    const upstream = await startFaultyUpstream(() => ({ body: { id: "r1", name: "Run" } }))
    const { ask, gateway, lines } = startTracedGatewayOn(upstream.url, collector.url, { env })
    const numbers = Array.from({ length: 20 }, (_, at) => at)
    for (const at of numbers) await ask('{ computation(id: "r1") { name } }', undefined, headersOf(at, flags))
    await gateway.close()
    // Recorded or not, calls continue the client's trace, and the log names it.
    const forwarded = upstream.requests.map(({ headers }) => parseTraceparent(headers.traceparent))
    expect(forwarded.map((parent) => parent?.traceId)).toEqual(numbers.map((at) => clientTrace(at).traceId))
    const traced = lines.filter(({ msg }) => msg === "request").map(({ trace_id }) => trace_id)
    expect(traced).toEqual(numbers.map((at) => clientTrace(at).traceId))
    const roots = new Set(collector.spans.filter(isServer).map(({ traceId }) => traceId))
    expect(collector.spans.length).toBe(2 * roots.size)
    const sampled = numbers.filter((at) => roots.has(clientTrace(at).traceId))
    expect(forwarded.map((parent) => parent?.isSampled)).toEqual(numbers.map((at) => sampled.includes(at)))
    return sampled
  }

  test.each([
    ["by default, a client's decision is followed", {}, "01", 20],
    ["by default, a client's decision against it is followed", {}, "00", 0],
    ["always_on records what a client did not", { OTEL_TRACES_SAMPLER: "always_on" }, "00", 20],
    ["always_off records nothing", { OTEL_TRACES_SAMPLER: "always_off" }, "01", 0],
    ["parentbased_always_off follows a client's decision", { OTEL_TRACES_SAMPLER: "parentbased_always_off" }, "01", 20],
  ])("%s", async (_title, env, flags, expected) => {
    expect(await recorded(env as Record<string, string>, flags)).toHaveLength(expected)
  })

  test("traceidratio records the same share of the same traces in every gateway", async () => {
    const env = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.5" }
    const sampled = await recorded(env, "01")
    expect(sampled.length).toBeGreaterThan(4)
    expect(sampled.length).toBeLessThan(16)
    expect(await recorded(env, "00")).toEqual(sampled)
  })
})

test("no span has a token, an id, a signed address or a text of Code Ocean", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const collector = await startCollector()
  const { ask, gateway } = startTracedGatewayOn(sandbox.url, collector.url)
  const wide = await ask(
    `query Wide($id: ID!) { capsule(id: $id) { name slug appPanel { general { title } } computations { nodes { id name log resultFile(path: "output.txt") { text downloadUrl } } } } }`,
    { id: seed.cellCounter },
  )
  expect(wide.data.capsule.computations.nodes.length).toBeGreaterThan(2)
  await ask(
    `mutation { renameComputation(input: { id: "${seed.countedCells}", name: "Renamed secretly" }) { __typename } }`,
  )
  await ask(`{ capsule(id: "${seed.cellCounter}") { name } }`, undefined, {
    authorization: "Bearer cop_invented_token",
  })
  await ask('{ capsule(id: "no/such id") { name } }')
  await gateway.close()
  expect(collector.spans.filter(isCall).length).toBeGreaterThan(5)
  const text = collector.text()
  for (const secret of [
    ...Object.values(tokens),
    ...Object.values(tokens).map((token) => btoa(`${token}:`)),
    ...Object.values(seed),
    "cop_invented_token",
    "signed/",
    "Cell Counter",
    "secretly",
    "no/such id",
    new URL(sandbox.url).host,
  ]) {
    expect(text).not.toContain(secret)
  }
})

test("the span of a subscription ends with it, and the polls are its children; a capture's calls belong to its request", async () => {
  const sandbox = await startSandbox()
  onTestFinished(() => sandbox.close())
  const collector = await startCollector()
  const { ask, gateway } = startTracedGatewayOn(sandbox.url, collector.url)
  const url = await gateway.listen()
  const run = await follow(
    url,
    `subscription Run { computation(id: "${seed.runningAlignment}") { state } }`,
    headersOf(1),
  )
  await run.next()
  run.leave()
  await vi.waitFor(() => expect(gateway.stats.subscriptions).toBe(0))
  await ask(
    `mutation Capture { captureResult(input: { computationId: "${seed.countedCells}", name: "Counts", mount: "counts", tags: [] }) { __typename } }`,
    undefined,
    headersOf(2),
  )
  await gateway.close()
  const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId)
  const subscription = traces.get(clientTrace(1).traceId) ?? []
  const capture = traces.get(clientTrace(2).traceId) ?? []
  expect(subscription.length + capture.length).toBe(collector.spans.length)
  for (const [spans, name, outcome] of [
    [subscription, "subscription Run", "cancelled"],
    [capture, "mutation Capture", "ok"],
  ] as const) {
    const [root] = spans.filter(isServer)
    expect(root).toMatchObject({ name })
    expect(root?.attributes["gateway.outcome"]).toBe(outcome)
    expect(spans.filter(isCall).length).toBeGreaterThan(0)
    for (const call of spans.filter(isCall)) expect(call.parentSpanId).toBe(root?.spanId)
  }
  expect(capture.filter(isCall).map(({ name }) => name)).toEqual(["POST /data_assets/search", "POST /data_assets"])
})

describe("a collector that does not work", () => {
  const query = '{ computation(id: "r1") { name } }'
  const named: Result = { data: { computation: { name: "Run" } } }

  /** Sends so many requests in groups, and resolves when all have the right answer. */
  async function load(collectorUrl: string, requests: number) {
    const upstream = await startFaultyUpstream(() => ({ body: { id: "r1", name: "Run" } }))
    const world = startTracedGatewayOn(upstream.url, collectorUrl)
    for (let group = 0; group < requests / 100; group++) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => world.ask(query)))
      for (const answer of answers) expect(answer).toEqual(named)
    }
    return world
  }

  test("while the collector hangs, requests are answered, and at most 2,048 spans wait", async () => {
    const held: ServerResponse[] = []
    let isHanging = true
    const collector = await startCollector((response) => {
      if (isHanging) held.push(response)
      else response.writeHead(200).end("{}")
    })
    const { gateway } = await load(collector.url, 3_000)
    // 6,000 spans have ended. Of these, the collector has the batches whose response is or was awaited.
    const received = collector.spans.length
    expect(received).toBeGreaterThan(0)
    isHanging = false
    for (const response of held) response.writeHead(200).end("{}")
    await gateway.close()
    expect(collector.spans.length).toBeLessThanOrEqual(received + 2_048)
  })

  test("if the collector hangs, a gateway that stops does not wait for it", async () => {
    const time = stopTime()
    const collector = await startCollector(() => {})
    const upstream = await startFaultyUpstream(() => ({ body: { id: "r1", name: "Run" } }))
    const { ask, gateway } = startTracedGatewayOn(upstream.url, collector.url)
    expect(await ask(query)).toEqual(named)
    const stoppedAt = performance.now()
    expect(await time.passDuring(gateway.close())).toBe(true)
    // A batch may take ten seconds.
    expect(performance.now() - stoppedAt).toBeLessThan(5_000)
  })

  test.each([
    ["is down", async () => unusedAddress()],
    ["refuses spans", async () => (await startCollector((response) => void response.writeHead(400).end("no"))).url],
    ["sends no HTTP", async () => (await startCollector((response) => void response.socket?.end("garbage"))).url],
  ])("if the collector %s, requests are answered, and the log has one line about it", async (_how, startIt) => {
    // Between its attempts the exporter waits for seconds.
    const time = stopTime()
    // Four batches of spans.
    const { gateway, tracerLines } = await load(await startIt(), 1_000)
    await time.passDuring(gateway.close())
    await time.passUntil(() => tracerLines.length > 0)
    // The other batches fail as well.
    time.pass(30_000)
    await turn()
    expect(tracerLines).toHaveLength(1)
    expect(tracerLines[0]).toMatchObject({ level: "warn", msg: "spans can't be sent and are dropped" })
  })
})
