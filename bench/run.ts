import { type ChildProcess, execFileSync, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath, pathToFileURL } from "node:url"
import { freePort } from "../tools/freePort.ts"
import { check, post, supportedBy } from "./check.ts"
import { documents } from "./documents.ts"
import type { Load, Loaded, Prepared } from "./load.ts"
import { OptionError, type Options, readOptions } from "./options.ts"
import type { Query } from "./queries.ts"
import { type Cell, comparison, memoryReport, report } from "./report.ts"
import { type Checkout, checkOut, checkoutAt } from "./revision.ts"

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The gateway as `npm start` runs it in production, with its limits. Two of them are too high to be reached. */
const gateway = {
  CALLER_REQUESTS_PER_SECOND: "1000000",
  EVENT_LOOP_LAG_MS: "60000",
  NODE_COMPILE_CACHE: here("../node_modules/.cache/compiled"),
}

const tokens = Array.from({ length: 64 }, (_, n) => `cop_bench_${n}`)
const [token] = tokens as [string]
const atOnce = 32

/** The gateway's own flags for the garbage collector. The other servers get them, too. */
const peerFlags = ["--max-semi-space-size=128", "--no-allocation-site-pretenuring"]

/** In a comparison: how often the load alternates there and back (A B B A). */
const alternations = 2
/** In a comparison: the number of requests for warming up, as a multiple of the measured ones. */
const warmUp = 2

/** A server to measure. */
interface Server {
  name: string
  url: string
  process: ChildProcess
  /** The time from its start to its first response, in milliseconds. */
  startMs: number
}

/** What a server's process has used since its start. */
interface Probed {
  cpuMs: number
  allocatedKb: number
  rssMb: number
  peakRssMb: number
}

interface Bench {
  options: Options
  /** The checkouts of the gateways to measure, by server. */
  gateways: ReadonlyMap<string, Checkout>
  upstream: ChildProcess
  upstreamUrl: string
  client: ChildProcess
  /** The requests of each query for each server. */
  prepared: Map<Query, Map<string, Prepared[]>>
}

/** Whether the server needs only the gateway's packages. */
const needsNoPeers = (name: string, gateways: Bench["gateways"]) =>
  name === "limit" || name === "sockets" || gateways.has(name)

/** The other servers have their own package, so that they are not dependencies of the gateway. */
function installPeers(): void {
  const modifiedMs = (path: string) => statSync(here(path), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (modifiedMs("node_modules/.package-lock.json") >= modifiedMs("package-lock.json")) return
  console.error("Installing the servers to compare with into bench/node_modules.")
  const options = ["--ignore-scripts", "--no-audit", "--no-fund"]
  execFileSync("npm", ["ci", ...options], { cwd: here("."), stdio: ["ignore", 2, 2] })
}

const children = new Set<ChildProcess>()

function start(path: string, env: Record<string, string>, execArgv: string[] = []): ChildProcess {
  const child = fork(path, {
    env: { ...process.env, NO_PROXY: "*", no_proxy: "*", NODE_ENV: "production", ...env },
    execArgv,
    stdio: ["ignore", "ignore", 2, "ipc"],
  })
  children.add(child)
  child.once("exit", () => {
    if (!children.has(child)) return
    console.error(`${path} ended by itself`)
    process.exit(2)
  })
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  children.delete(child)
  child.kill()
  // After much load Hive Gateway does not end on this signal.
  const deadline = setTimeout(() => child.kill("SIGKILL"), 2_000)
  await once(child, "exit")
  clearTimeout(deadline)
}

/** Whether a server listens on the port. A start has to ask hundreds of times, and a request would take many times as much CPU. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => socket.end(() => resolve(true))).once("error", () => resolve(false))
  })
}

async function ask<T>(child: ChildProcess, question: unknown = "how are you"): Promise<T> {
  child.send(question as string)
  const [answer] = await once(child, "message")
  return answer as T
}

const compiledFolders = new Map<string, string>()

/**
 * In a comparison: a folder of the server's own for compiled code, which is empty at first. In a common one, a revision could find its
 * code compiled by earlier runs, and the other not.
 */
function compiledIn(name: string): string {
  const known = compiledFolders.get(name)
  if (known !== undefined) return known
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-compiled-"))
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
  compiledFolders.set(name, folder)
  return folder
}

async function startServer(name: string, { gateways, upstreamUrl, options }: Bench): Promise<Server> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const begun = performance.now()
  const checkout = gateways.get(name)
  const env = {
    PORT: String(port),
    UPSTREAM_URL: upstreamUrl,
    ...(checkout && { CODEOCEAN_URL: upstreamUrl, ...gateway }),
    ...(options.compare !== undefined && { NODE_COMPILE_CACHE: compiledIn(name) }),
  }
  const probe = ["--import", pathToFileURL(here("probe.ts")).href]
  const child = checkout
    ? start(checkout.main, env, [...probe, ...checkout.flags])
    : start(here(`servers/${name}.ts`), env, [...probe, ...peerFlags])
  for (;;) {
    const isUp = await isListening(port)
    const response = isUp && (await post(url, JSON.stringify({ query: documents.typename }), token).catch(() => false))
    if (response instanceof Response && response.ok) break
    if (performance.now() - begun > 30_000)
      throw new Error(`${name} did not respond to \`${documents.typename}\` within 30 seconds`)
    await sleep(5)
  }
  return { name, url, process: child, startMs: performance.now() - begun }
}

/** Checks that all servers return the same data for these queries, and stores the requests for each server. */
async function prepare(
  servers: readonly Server[],
  asked: readonly Query[],
  { upstream, prepared }: Bench,
): Promise<void> {
  const countCalls = async () => (await ask<{ calls: number }>(upstream)).calls
  for (const query of asked) prepared.set(query, await check(servers, query, token, countCalls))
}

/** Lets the client send one query to the server for this time, and at least this number of times. */
async function measure(
  server: Server,
  query: Query,
  { seconds, least }: Pick<Load, "seconds" | "least">,
  { options, upstream, client, prepared }: Bench,
): Promise<Cell | undefined> {
  const requests = prepared.get(query)?.get(server.name)
  if (requests === undefined) return undefined
  const { url } = server
  const { burst } = query
  const load: Load = { url, requests, tokens, atOnce, burst, seconds, least, acceptEncoding: options.acceptEncoding }
  await ask(upstream)
  const before = await ask<Probed>(server.process)
  const loaded = await ask<Loaded>(client, load)
  const { cpuMs, allocatedKb, rssMb, peakRssMb } = await ask<Probed>(server.process)
  const { calls, busy } = await ask<{ calls: number; busy: number }>(upstream)
  const { operations, wrong } = loaded
  if (wrong > 0) throw new Error(`${server.name} sent ${wrong} wrong responses of ${operations} to ${query.name}`)
  return {
    ...loaded,
    server: server.name,
    query: query.name,
    cpuMs: (cpuMs - before.cpuMs) / operations,
    allocatedKb: (allocatedKb - before.allocatedKb) / operations,
    rssMb,
    peakRssMb,
    calls: calls / operations,
    busy,
  }
}

/** The minimum of operations in a measurement. */
const leastOf = ({ burst }: Query) => (burst === undefined ? atOnce : 1)

const rotated = <T>(list: readonly T[], by: number): T[] => list.map((_, n) => list[(n + by) % list.length] as T)

/** Measures every query on every server in rounds, so that a slow phase of the machine affects all of them. */
async function measureRounds(names: readonly string[], bench: Bench): Promise<void> {
  const { rounds: count, seconds, queries: asked } = bench.options
  const servers: Server[] = []
  for (const name of names) servers.push(await startServer(name, bench))
  await prepare(servers, asked, bench)
  console.error("All servers return the same data.")
  if (count === 0) return
  const rounds: Cell[][] = []
  // The first round is for warming up, and is not counted.
  for (let round = 0; round <= count; round++) {
    const cells: Cell[] = []
    for (const query of asked) {
      for (const server of rotated(servers, round)) {
        const cell = await measure(server, query, { seconds, least: leastOf(query) }, bench)
        if (cell !== undefined) cells.push(cell)
      }
    }
    if (round > 0) rounds.push(cells)
    console.error(round === 0 ? "All servers are warmed up." : `Round ${round} of ${count}.`)
  }
  console.log(report(rounds, servers, asked))
}

/** The queries that the revision supports. Prints a line for each of the others. */
async function queriesFor(revision: string, names: readonly string[], bench: Bench): Promise<Query[]> {
  const servers: Server[] = []
  for (const name of names) servers.push(await startServer(name, bench))
  const prepareOne = (query: Query) => prepare(servers, [query], bench)
  const { supported, unsupported } = await supportedBy(revision, bench.options.queries, prepareOne)
  for (const { query, error } of unsupported)
    console.log(`${query.name} is left out, because ${revision} responds with an error: ${error}\n`)
  await Promise.all(servers.map((server) => stop(server.process)))
  if (supported.length === 0) throw new OptionError(`--compare: ${revision} supports none of these queries`)
  return supported
}

/**
 * Measures every query on every server in rounds, with new processes each time. Two processes with the same code can differ in speed
 * for their whole lifetime, more so if they run several queries. The load alternates between them in short slices. Both get equally
 * many requests before and during the measurement, because the speed of code depends on how often it has run. The bench's README has
 * the figures.
 */
async function compare(names: readonly string[], bench: Bench): Promise<boolean> {
  const { rounds: count, seconds } = bench.options
  const asked = await queriesFor(names[1] as string, names, bench)
  const rounds: Cell[][] = []
  let servers: Server[] = []
  for (let round = 1; round <= count; round++) {
    const cells: Cell[] = []
    for (const query of asked) {
      servers = []
      for (const name of rotated(names, round)) servers.push(await startServer(name, bench))
      await prepare(servers, [query], bench)
      const operations = (share: number) => ({
        seconds: 0,
        least: Math.max(leastOf(query), Math.ceil(share * seconds * query.perSecond)),
      })
      for (const server of servers) await measure(server, query, operations(warmUp), bench)
      const thereAndBack = [...servers, ...servers.toReversed()]
      for (let n = 0; n < alternations; n++) {
        for (const server of thereAndBack) {
          const cell = await measure(server, query, operations(1 / alternations / 2), bench)
          if (cell !== undefined) cells.push(cell)
        }
      }
      await Promise.all(servers.map((server) => stop(server.process)))
    }
    rounds.push(cells)
    console.error(`Round ${round} of ${count}.`)
  }
  const compared = comparison(rounds, names, asked)
  console.log(compared.text)
  if (names.length > 2) console.log(`\n${report(rounds, servers, asked)}`)
  return compared.slower.length > 0
}

/** Measures the gateway with variants of Node's flags, with a new process for each query, so that each has its own peak of memory. */
async function compareFlags(variants: readonly string[], bench: Bench): Promise<void> {
  const { rounds: count, seconds, queries: asked } = bench.options
  const rounds: Cell[][] = []
  const idle: { server: string; rssMb: number }[] = []
  for (let round = 1; round <= count; round++) {
    const cells: Cell[] = []
    for (const query of asked) {
      for (const name of rotated(variants, round)) {
        const server = await startServer(name, bench)
        idle.push({ server: name, rssMb: (await ask<Probed>(server.process)).rssMb })
        await prepare([server], [query], bench)
        await measure(server, query, { seconds, least: leastOf(query) }, bench)
        const cell = await measure(server, query, { seconds, least: leastOf(query) }, bench)
        if (cell !== undefined) cells.push(cell)
        await stop(server.process)
      }
    }
    rounds.push(cells)
    console.error(`Round ${round} of ${count}.`)
  }
  console.log(memoryReport(rounds, variants, asked, idle))
}

/** Sends all queries, one after the other, for this number of minutes. Prints the memory each minute. */
async function soak(minutes: number, bench: Bench): Promise<void> {
  const { queries: asked, seconds } = bench.options
  const server = await startServer("gateway", bench)
  await prepare([server], asked, bench)
  console.log("| minute | operations | RSS MB |\n| ---: | ---: | ---: |")
  for (let minute = 1; minute <= minutes; minute++) {
    const end = performance.now() + 60_000
    const cells: Cell[] = []
    while (performance.now() < end) {
      for (const query of asked)
        cells.push((await measure(server, query, { seconds, least: leastOf(query) }, bench)) as Cell)
    }
    const operations = cells.reduce((sum, cell) => sum + cell.operations, 0)
    console.log(`| ${minute} | ${operations} | ${cells.at(-1)?.rssMb.toFixed(0)} |`)
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const { compare: revision } = options
  const repository = here("..")
  const names = [...options.servers]
  const gateways = new Map([["gateway", checkoutAt(repository)]])
  if (revision !== undefined) {
    const other = checkOut(revision, repository)
    console.log(`gateway@${revision} is commit ${other.commit}.\n`)
    gateways.set(`gateway@${revision}`, other)
    names.unshift(...gateways.keys())
  }
  const { flags } = options
  for (const variant of flags ?? []) {
    const own = checkoutAt(repository)
    gateways.set(variant, { ...own, flags: variant.split(/\s+/).filter((flag) => flag !== "") })
  }
  if (flags === undefined && names.some((name) => !needsNoPeers(name, gateways))) installPeers()
  const upstreamPort = await freePort()
  const upstream = start(here("upstream.ts"), { PORT: String(upstreamPort) })
  await once(upstream, "message")
  const upstreamUrl = `http://127.0.0.1:${upstreamPort}`
  const bench = { options, gateways, upstream, upstreamUrl, client: start(here("load.ts"), {}), prepared: new Map() }
  if (flags !== undefined) await compareFlags(flags, bench)
  else if (options.soak !== undefined) await soak(options.soak, bench)
  else if (revision !== undefined) process.exitCode = (await compare([...new Set(names)], bench)) ? 1 : 0
  else await measureRounds(names, bench)
}

// Cleaning up happens on exit. Without these listeners a signal would end the process without it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    children.clear()
    process.exit(2)
  })
}
try {
  await main()
} catch (error) {
  console.error(error instanceof OptionError ? error.message : error)
  process.exitCode = 2
} finally {
  await Promise.all([...children].map(stop))
}
