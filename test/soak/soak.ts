import { Pool } from "undici"
import { seed, tokens } from "../../sandbox/seed.ts"
import { startSandbox } from "../../sandbox/server.ts"
import { type Expectation, expectationsOf, wrongIn } from "./expected.ts"
import type { Look } from "./gateway.ts"
import { startGateway } from "./gatewayProcess.ts"

export interface SoakReport {
  seconds: number
  answers: number
  /** Of these, how many an upstream fault has left without some of their fields. */
  withFaults: number
  /** Of these, how many the gateway has rejected because of overload. */
  refused: number
  /** Responses other than the expected ones: the first of them, and how many. */
  wrong: string[]
  wrongCount: number
  p50Ms: number
  p99Ms: number
  slowestMs: number
  deadlineMs: number
  upstreamCalls: number
  /** Mutations sent, and the calls that change something that Code Ocean got for them. */
  mutations: number
  writes: number
  /** Over the time after warm-up. */
  heap: { beforeBytes: number; afterBytes: number }
  rss: { beforeBytes: number; afterBytes: number }
  /** At the end, when all clients have left. */
  last: Look
  /** What went wrong. Empty if the soak has passed. */
  problems: string[]
}

const connections = 64
const deadlineMs = 5_000
const mostGrowth = 0.1
const leastGrowthBytes = 8 * 1024 * 1024

/**
 * Two callers with different rights send requests to a gateway, over 64 connections without a pause, while every twentieth
 * call to Code Ocean fails and every twentieth takes half a second longer. Compares each response with the expected one.
 */
export async function soak(seconds: number): Promise<SoakReport> {
  const sandbox = await startSandbox({ faultRate: 0.05, slowRate: 0.05, generate: 200 })
  const callers = await Promise.all([callerOf(tokens.ada, seed.countedCells), callerOf(tokens.grace, seed.graceRun)])
  async function callerOf(token: string, run: string) {
    return { token, expectations: await expectationsOf(sandbox.url, token, run) }
  }
  const gateway = await startGateway({
    CODEOCEAN_URL: sandbox.url,
    REQUEST_DEADLINE_MS: String(deadlineMs),
    // There are only two callers, so the limits of one caller are off.
    CALLER_REQUESTS_PER_SECOND: "1000000",
  })
  const pool = new Pool(gateway.url, { connections })

  const wrong: string[] = []
  const times: number[] = []
  const count = { wrong: 0, withFaults: 0, refused: 0, mutations: 0, writes: 0, calls: 0 }

  async function ask(token: string, expected: Expectation): Promise<void> {
    const { query, variables } = expected
    const started = performance.now()
    const { statusCode, body } = await pool.request({
      method: "POST",
      path: "/graphql",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    })
    const result = (await body.json()) as Parameters<typeof wrongIn>[0]
    times.push(performance.now() - started)
    if (statusCode === 503 && result.errors?.[0]?.extensions.code === "OVERLOADED") {
      count.refused += 1
      return
    }
    if (expected.writes) count.mutations += 1
    if (result.errors !== undefined && result.errors.length > expected.forbidden.length) count.withFaults += 1
    const problem = statusCode === 200 ? wrongIn(result, expected) : `status ${statusCode}`
    if (problem === undefined) return
    count.wrong += 1
    if (wrong.length < 10) wrong.push(`${expected.name}, ${token}: ${problem}`)
  }

  /** The sandbox keeps a limited number of requests. */
  function countCalls() {
    for (const { method } of sandbox.requests.splice(0)) {
      count.calls += 1
      if (method === "PATCH") count.writes += 1
    }
  }

  sandbox.requests.length = 0
  const began = performance.now()
  const end = began + seconds * 1000
  const workers = Array.from({ length: connections }, async (_, worker) => {
    for (let turn = worker; performance.now() < end; turn++) {
      const { token, expectations } = callers[turn % 2] as (typeof callers)[number]
      await ask(token, expectations[Math.floor(turn / 2) % expectations.length] as Expectation)
    }
  })
  const looks: Look[] = []
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    countCalls()
    if (performance.now() > began + (seconds * 1000) / 4) looks.push(await gateway.look())
  }
  await Promise.all(workers)
  await pool.close()
  let last = await gateway.look()
  for (let times = 0; last.stats.connections > 0 && times < 50; times++) last = await gateway.look()
  countCalls()
  const finished = await gateway.stop()
  await sandbox.close()

  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  const halves = (bytes: (look: Look) => number) => {
    const all = looks.map(bytes)
    const middle = Math.ceil(all.length / 2)
    return { beforeBytes: median(all.slice(0, middle)), afterBytes: median(all.slice(middle)) }
  }
  const report = {
    seconds,
    answers: times.length,
    withFaults: count.withFaults,
    refused: count.refused,
    wrong,
    wrongCount: count.wrong,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    slowestMs: at(1),
    deadlineMs,
    upstreamCalls: count.calls,
    mutations: count.mutations,
    writes: count.writes,
    heap: halves(({ heapBytes }) => heapBytes),
    rss: halves(({ rssBytes }) => rssBytes),
    last,
  }
  return { ...report, problems: problemsOf(report, finished) }
}

function problemsOf(report: Omit<SoakReport, "problems">, finished: boolean): string[] {
  const { last, heap } = report
  const grown = heap.afterBytes - heap.beforeBytes
  const { requests, subscriptions, connections, openResponses, pollers, listeners } = last.stats
  return [
    report.wrongCount > 0 && `${report.wrongCount} wrong answers, such as ${report.wrong.join("; ")}`,
    report.withFaults === 0 && "no fault of Code Ocean reached any answer: nothing was tried",
    report.p99Ms > report.deadlineMs && `p99 is ${report.p99Ms} ms, the deadline ${report.deadlineMs} ms`,
    report.writes > report.mutations && `${report.writes} writes for ${report.mutations} mutations`,
    grown > Math.max(leastGrowthBytes, heap.beforeBytes * mostGrowth) && `the heap has grown by ${grown} bytes`,
    last.unhandledRejections > 0 && `${last.unhandledRejections} unhandled rejections`,
    last.warnings.length > 0 && last.warnings.join("; "),
    last.linesWithToken > 0 && `${last.linesWithToken} lines of the log with a token`,
    last.linesWithStack > 0 && `${last.linesWithStack} lines of the log with a stack`,
    requests + subscriptions + connections + openResponses + pollers + listeners > 0 &&
      `left open: ${JSON.stringify(last.stats)}`,
    !finished && "the gateway did not finish when it was told to stop",
  ].filter((problem) => problem !== false)
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
