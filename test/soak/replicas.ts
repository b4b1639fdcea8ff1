import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "undici"
import { seed, tokens } from "../../sandbox/seed.ts"
import { startSandbox } from "../../sandbox/server.ts"
import { startRedis } from "../support/redis.ts"
import { killedHeader, startBalancer } from "./balancer.ts"
import { type Expectation, expectationsOf, type Result, wrongIn } from "./expected.ts"
import type { Look } from "./gateway.ts"
import { type GatewayProcess, startGateway } from "./gatewayProcess.ts"
import { hasToken, type Outage, ReplicaOutput } from "./replicaOutput.ts"
import { renamedRuns, type Send, Writes } from "./writes.ts"

/** Of 64 connections in all. */
const readers = 52
const captureGroups = ["one", "two"]
const clientsOfCapture = 4

/** The limit of one caller, in requests per second, and how many are sent by a caller who does nothing else. */
const rate = 150
const floodRate = 2 * rate
const mostRateError = 0.1

const cacheSecret = "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a"
const gatewayIsDownMs = 2_000
const deadlineMs = 5_000

export interface ReplicasReport {
  seconds: number
  answers: number
  withFaults: number
  /** Rejected by the gateway because of the limits of one caller. */
  refused: number
  /** Broken because their replica was killed. */
  broken: number
  wrong: string[]
  p50Ms: number
  p99Ms: number
  upstreamCalls: number
  /** Calls that were answered from the cache. */
  cachedCalls: number
  /** Reads of a caller who waits for an own change. Those that saw what was before it are wrong answers. */
  own: Writes["own"]
  renames: Writes["renames"] & { received: number }
  /** Captures by several clients while all replicas shared Redis, captures by one client, and the others. */
  captures: Record<"shared" | "single" | "alone", { rounds: number; doubled: number }>
  /** The rate of one caller, in relation to the limit, in the seconds in which all replicas shared Redis, and in the others. */
  rate: Record<"shared" | "alone", { seconds: number; ratio: number }>
  /** How often a replica said that it works without Redis. */
  outages: number
  logBytes: number
  logsWithToken: number
  dumps: number
  mostKeys: number
  dumpsWithToken: number
  last: Look[]
  problems: string[]
}

/**
 * Clients send requests to replicas with one Redis, through a load balancer, while calls to Code Ocean fail as in `soak`. The
 * replicas are killed and started again one after the other, and Redis is in the middle. Compares each response with the expected
 * one, and each change with what Code Ocean has afterwards.
 */
export async function soakReplicas(seconds: number, replicas: number): Promise<ReplicasReport> {
  const ends: (() => void)[] = []
  process.once("exit", () => {
    for (const end of ends) end()
  })
  const redis = await startRedis({ cleanUp: (end) => ends.push(end) })
  const sandbox = await startSandbox({ faultRate: 0.05, slowRate: 0.05, generate: 200 })
  const callers = await Promise.all([callerOf(tokens.ada, seed.countedCells), callerOf(tokens.grace, seed.graceRun)])
  async function callerOf(token: string, run: string) {
    const expectations = await expectationsOf(sandbox.url, token, run)
    return { token, expectations: expectations.filter(({ writes }) => !writes) }
  }
  const balancer = await startBalancer()
  const outputs: ReplicaOutput[] = []
  async function start(place: number) {
    const output = new ReplicaOutput()
    outputs.push(output)
    const env = {
      CODEOCEAN_URL: sandbox.url,
      REDIS_URL: redis.url,
      REQUEST_DEADLINE_MS: String(deadlineMs),
      UPSTREAM_TIMEOUT_MS: "3000",
      CALLER_REQUESTS_PER_SECOND: String(rate),
      CACHE_TTL_SECONDS: "60",
      CACHE_SECRET: cacheSecret,
    }
    const gateway = await startGateway(env, (chunk) => output.read(chunk))
    balancer.set(place, gateway.url)
    return { gateway, output }
  }
  const running = await Promise.all(Array.from({ length: replicas }, (_, place) => start(place)))

  const pool = new Pool(balancer.url, { connections: 64, headersTimeout: 60_000 })
  const wrong: string[] = []
  const times: number[] = []
  const count = { withFaults: 0, refused: 0, broken: 0, calls: 0, cachedCalls: 0 }
  const post = (from: Pool, token: string, query: string, variables?: object) =>
    from.request({
      method: "POST",
      path: "/graphql",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, "x-upstream-cost": "1" },
      body: JSON.stringify({ query, variables }),
    })

  const send: Send = async (token, query, variables) => {
    const startedAt = performance.now()
    const { statusCode, headers, body } = await post(pool, token, query, variables)
    const text = await body.text()
    if (statusCode === 502 && headers[killedHeader] !== undefined) {
      count.broken += 1
      return "broken"
    }
    if (statusCode === 429 || statusCode === 503) {
      count.refused += 1
      return "refused"
    }
    times.push(performance.now() - startedAt)
    if (statusCode === 200) {
      const result = JSON.parse(text) as Result & { extensions?: { cost?: { cachedCalls?: number } } }
      count.cachedCalls += result.extensions?.cost?.cachedCalls ?? 0
      return result
    }
    wrong.push(`status ${statusCode}: ${text.slice(0, 200)}`)
    return "refused"
  }

  const began = performance.now()
  const end = began + seconds * 1000
  const goesOn = () => performance.now() < end

  async function read(reader: number) {
    for (let turn = reader; goesOn(); turn++) {
      const { token, expectations } = callers[turn % 2] as (typeof callers)[number]
      const expected = expectations[Math.floor(turn / 2) % expectations.length] as Expectation
      const answer = await send(token, expected.query, expected.variables ?? {})
      if (answer === "refused") await sleep(200)
      if (typeof answer === "string") continue
      if ((answer.errors?.length ?? 0) > expected.forbidden.length) count.withFaults += 1
      const problem = wrongIn(answer, expected)
      if (problem !== undefined) wrong.push(`${expected.name}, ${token}: ${problem}`)
    }
  }

  /** Requests of one caller that were admitted, by the second of their response. */
  const admitted: number[] = []
  let firstRefusal: number | undefined
  async function flood() {
    const ownPool = new Pool(balancer.url, { connections: 128 })
    const open = new Set<Promise<void>>()
    const ask = async () => {
      const { statusCode, body } = await post(ownPool, tokens.readOnly, "{ __typename }")
      await body.dump()
      const second = Math.floor((performance.now() - began) / 1000)
      if (statusCode === 429) firstRefusal ??= second
      if (statusCode === 200) admitted[second] = (admitted[second] ?? 0) + 1
    }
    for (let sent = 0; goesOn(); await sleep(20)) {
      for (; sent < ((performance.now() - began) / 1000) * floodRate; sent++) {
        const asked: Promise<void> = ask().finally(() => open.delete(asked))
        open.add(asked)
      }
    }
    await Promise.all(open)
    await ownPool.close()
  }

  async function killAndRestart(place: number, at: number) {
    await sleep(at - performance.now())
    const { gateway, output } = running[place] as (typeof running)[number]
    balancer.killing(place)
    await gateway.kill()
    output.end()
    await sleep(gatewayIsDownMs)
    running[place] = await start(place)
  }

  const redisDies = began + seconds * 500
  const redisReturns = redisDies + Math.max(5_000, (seconds * 1000) / 12)
  async function killRedis() {
    await sleep(redisDies - performance.now())
    await dump()
    await redis.kill()
    await sleep(redisReturns - performance.now())
    await redis.start()
  }

  const dumps = { count: 0, mostKeys: 0, withToken: 0 }
  async function dump() {
    const text = await redis.dump().catch(() => undefined)
    if (text === undefined) return
    dumps.count += 1
    dumps.mostKeys = Math.max(dumps.mostKeys, (JSON.parse(text) as unknown[]).length)
    if (hasToken(text)) dumps.withToken += 1
  }

  const writes = new Writes(send, sandbox.url)
  function countCalls() {
    for (const request of sandbox.requests.splice(0)) {
      count.calls += 1
      writes.count(request)
    }
  }
  async function watch() {
    for (; goesOn(); await sleep(500)) {
      countCalls()
      // The sandbox's own faults never carry out a write.
      for (const call of ["PATCH /computations/*", "POST /data_assets"]) sandbox.failNext(call, { afterwards: "reset" })
      const isDown = performance.now() > redisDies - 500 && performance.now() < redisReturns
      if (!isDown) await dump()
    }
  }

  /** One client at a time when Redis is away: without it, replicas do not know of each other. */
  const mayBeAlone = () => wasAlone(performance.now() - 1, performance.now())
  const planned: Outage = { from: redisDies, to: redisReturns }
  const wasAlone = (from: number, to: number) =>
    [planned, ...outputs.flatMap(({ outages }) => outages)].some((outage) => from < outage.to && to > outage.from)

  sandbox.requests.length = 0
  await Promise.all([
    ...Array.from({ length: readers }, (_, reader) => read(reader)),
    ...renamedRuns.map((run) => writes.rename(run, goesOn)),
    writes.readOwn(goesOn),
    ...captureGroups.map((group) => writes.capture(group, () => (mayBeAlone() ? 1 : clientsOfCapture), goesOn)),
    ...running.map((_, place) => killAndRestart(place, began + (seconds * 1000 * (place + 0.5)) / replicas)),
    flood(),
    killRedis(),
    watch(),
  ])
  await writes.countCaptured()
  countCalls()
  await dump()
  await pool.close()
  await balancer.close()
  const last = await Promise.all(running.map(({ gateway }) => atRest(gateway)))
  const finished = await Promise.all(running.map(({ gateway }) => gateway.stop()))
  for (const { output } of running) output.end()
  await sandbox.close()
  await redis.kill()

  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  const captures = Object.groupBy(writes.captures, ({ clients, from, to }) =>
    clients === 1 ? "single" : wasAlone(from, to) ? "alone" : "shared",
  )
  const doubles = (rounds: Writes["captures"] = []) => ({
    rounds: rounds.length,
    doubled: rounds.filter(({ created, ids }) => created > 1 || ids.size > 1).length,
  })
  // The first second after the first refusal is not a whole one, nor is the last.
  const measured = Array.from({ length: seconds }, (_, second) => ({ requests: admitted[second] ?? 0, second })).slice(
    (firstRefusal ?? seconds) + 1,
    seconds - 1,
  )
  const bySecond = Object.groupBy(measured, ({ second }) =>
    // The replicas count together again after a second.
    wasAlone(began + (second - 1) * 1000, began + (second + 1) * 1000) ? "alone" : "shared",
  )
  const ratio = (all: typeof measured = []) => ({
    seconds: all.length,
    ratio: all.reduce((sum, { requests }) => sum + requests, 0) / (rate * all.length),
  })
  const report = {
    seconds,
    answers: times.length,
    ...count,
    upstreamCalls: count.calls,
    wrong: [...wrong, ...writes.wrong],
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    renames: { ...writes.renames, received: writes.renamesReceived },
    own: writes.own,
    captures: { shared: doubles(captures.shared), single: doubles(captures.single), alone: doubles(captures.alone) },
    rate: { shared: ratio(bySecond.shared), alone: ratio(bySecond.alone) },
    outages: outputs.reduce((sum, { outages }) => sum + outages.length, 0),
    logBytes: outputs.reduce((sum, { bytes }) => sum + bytes, 0),
    logsWithToken: outputs.filter((output) => output.hasToken).length,
    dumps: dumps.count,
    mostKeys: dumps.mostKeys,
    dumpsWithToken: dumps.withToken,
    last,
  }
  return { ...report, problems: problemsOf(report, finished) }
}

/** The last look at a gateway, when its clients have left. */
async function atRest(gateway: GatewayProcess): Promise<Look> {
  let look = await gateway.look()
  for (let times = 0; look.stats.connections > 0 && times < 50; times++) look = await gateway.look()
  return look
}

function problemsOf(report: Omit<ReplicasReport, "problems">, finished: boolean[]): string[] {
  const { renames, captures, rate, last, wrong } = report
  const open = last.map(({ stats }) => stats.requests + stats.subscriptions + stats.connections + stats.openResponses)
  const sum = (of: (look: Look) => number) => last.reduce((sum, look) => sum + of(look), 0)
  return [
    wrong.length > 0 && `${wrong.length} wrong answers, such as ${wrong.slice(0, 10).join("; ")}`,
    report.withFaults === 0 && "no fault of Code Ocean reached any answer: nothing was tried",
    report.broken === 0 && "no request broke when a replica was killed: nothing was tried",
    report.outages === 0 && "no replica noticed that Redis was killed: nothing was tried",
    report.p99Ms > deadlineMs && `p99 is ${report.p99Ms} ms, the deadline ${deadlineMs} ms`,
    report.cachedCalls === 0 && "no call was answered from the cache: nothing was tried",
    report.own.reads === 0 && "no own change was read: nothing was tried",
    renames.received === 0 && "Code Ocean got no rename: nothing was tried",
    renames.received > renames.sent && `Code Ocean got ${renames.received} renames, and ${renames.sent} were sent`,
    renames.doubled > 0 && `${renames.doubled} doubled writes`,
    (captures.shared.rounds === 0 || captures.single.rounds === 0) && "no captures: nothing was tried",
    captures.shared.doubled > 0 && `${captures.shared.doubled} doubled captures with Redis`,
    captures.single.doubled > 0 && `${captures.single.doubled} doubled captures of a single client`,
    !(Math.abs(rate.shared.ratio - 1) <= mostRateError) &&
      `the rate of one caller is ${rate.shared.ratio} of the limit`,
    report.logsWithToken > 0 && `${report.logsWithToken} logs with a token`,
    report.dumpsWithToken > 0 && `${report.dumpsWithToken} dumps of Redis with a token`,
    report.mostKeys === 0 && "Redis was empty: nothing was tried",
    sum((look) => look.unhandledRejections) > 0 && "unhandled rejections",
    sum((look) => look.warnings.length) > 0 && last.flatMap(({ warnings }) => warnings).join("; "),
    sum((look) => look.linesWithStack) > 0 && "lines of the log with a stack",
    open.some((count) => count > 0) && `left open: ${JSON.stringify(last.map(({ stats }) => stats))}`,
    finished.includes(false) && "a gateway did not finish when it was told to stop",
  ].filter((problem) => problem !== false)
}
