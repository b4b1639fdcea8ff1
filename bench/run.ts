import { type ChildProcess, execFileSync, fork } from "node:child_process"
import { once } from "node:events"
import { statSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { isDeepStrictEqual, parseArgs } from "node:util"
import packageJson from "../package.json" with { type: "json" }
import type { Load, Loaded } from "./load.ts"
import { growth, type Query, queries } from "./queries.ts"
import { type Cell, report } from "./report.ts"
import { hiveQueries } from "./servers/hive.queries.ts"

const { values: options } = parseArgs({
  options: {
    servers: { type: "string", default: "limit,gateway,mercurius,apollo,yoga,hive" },
    queries: { type: "string", default: queries.map(({ name }) => name).join() },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    soak: { type: "string" },
  },
})

/** The gateway as `npm start` runs it in production, its limits on, but those on one caller's haste too high to be met. */
const gateway = { CALLER_REQUESTS_PER_SECOND: "1000000", EVENT_LOOP_LAG_MS: "60000" }

const gatewayFlags = packageJson.scripts.start.match(/--max-\S+/g) ?? []

/** The query as this server takes it; undefined where its graph can't answer such a one. */
function wordedFor(server: string, query: Query): (Query & { asOurs?: (answer: unknown) => unknown }) | undefined {
  if (server !== "hive") return query
  const own = hiveQueries[query.name]
  return own && { ...query, ...own }
}

const here = (path: string) => new URL(path, import.meta.url).pathname
const tokens = Array.from({ length: 64 }, (_, n) => `cop_bench_${n}`)
const atOnce = 32

/** A server under measurement. */
interface Server {
  name: string
  url: string
  process: ChildProcess
  /** From being started to its first answer, in milliseconds. */
  startMs: number
}

interface Bench {
  upstream: ChildProcess
  client: ChildProcess
  /** How long the right answer is, in bytes, by server and query. */
  sizes: Map<string, number>
}

/** The peers are in a package of their own, so that nothing of theirs is in the gateway's. */
function installPeers(): void {
  const modifiedMs = (path: string) => statSync(here(path), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (modifiedMs("node_modules/.package-lock.json") >= modifiedMs("package-lock.json")) return
  console.error("Installing the servers to compare with into bench/node_modules.")
  const options = ["--ignore-scripts", "--no-audit", "--no-fund"]
  execFileSync("npm", ["ci", ...options], { cwd: here("."), stdio: ["ignore", 2, 2] })
}

const children: ChildProcess[] = []
let ending = false

function start(path: string, env: Record<string, string>, execArgv: string[] = []): ChildProcess {
  const child = fork(here(path), {
    env: { ...process.env, NODE_ENV: "production", ...env },
    execArgv,
    stdio: ["ignore", "ignore", 2, "ipc"],
  })
  children.push(child)
  child.once("exit", () => {
    if (ending) return
    console.error(`${path} ended by itself`)
    process.exit(1)
  })
  return child
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  return String(port)
}

async function ask<T>(child: ChildProcess, question: unknown = "how are you"): Promise<T> {
  child.send(question as string)
  const [answer] = await once(child, "message")
  return answer as T
}

const post = (url: string, { query, variables }: Query) =>
  fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Basic ${btoa(`${tokens[0]}:`)}` },
    body: JSON.stringify({ query, variables }),
  })

const typename = queries.find(({ name }) => name === "Q4") as Query

async function startServer(name: string, upstreamUrl: string): Promise<Server> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const begun = performance.now()
  const env = {
    PORT: port,
    UPSTREAM_URL: upstreamUrl,
    ...(name === "gateway" && { CODEOCEAN_URL: upstreamUrl, ...gateway }),
  }
  const flags = ["--import", here("probe.ts")]
  const child =
    name === "gateway"
      ? start("../src/main.ts", env, [...flags, ...gatewayFlags])
      : start(`servers/${name}.ts`, env, flags)
  for (;;) {
    const response = await post(url, typename).catch(() => undefined)
    if (response?.ok) break
    await sleep(5)
  }
  return { name, url, process: child, startMs: performance.now() - begun }
}

/** The answer, with what each server may word its own way left out: a cursor needs only to be there. */
function comparable(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer), (key, value) => (key === "endCursor" ? typeof value : value))
}

/** Asks every server every query, and throws unless all give the same data for the fewest calls. */
async function check(
  servers: readonly Server[],
  asked: readonly Query[],
  upstream: ChildProcess,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for (const query of asked) {
    let expected: unknown
    for (const server of servers) {
      const worded = wordedFor(server.name, query)
      if (worded === undefined) continue
      // Servers that compile do so after a first answer: it is the second that is looked at.
      await (await post(server.url, worded)).text()
      await ask(upstream)
      const text = await (await post(server.url, worded)).text()
      const { calls } = await ask<{ calls: number }>(upstream)
      const { asOurs = (same) => same } = worded
      const answer = comparable(asOurs(JSON.parse(text)))
      expected ??= answer
      if (!isDeepStrictEqual(answer, expected)) {
        throw new Error(
          `${server.name} answers ${query.name} otherwise than ${servers[0]?.name}: ${text.slice(0, 500)}`,
        )
      }
      if (calls < query.calls)
        throw new Error(`${server.name} made ${calls} calls for ${query.name}, which needs ${query.calls}`)
      sizes.set(`${server.name} ${query.name}`, Buffer.byteLength(text))
    }
  }
  return sizes
}

/** Lets the client ask the server one query for a while. */
async function measure(server: Server, query: Query, { upstream, client, sizes }: Bench): Promise<Cell | undefined> {
  const worded = wordedFor(server.name, query)
  if (worded === undefined) return undefined
  const load: Load = {
    url: server.url,
    body: JSON.stringify({ query: worded.query, variables: worded.variables }),
    tokens: query.equal ? tokens.slice(0, 1) : tokens,
    atOnce,
    inWaves: query.equal ?? false,
    seconds: Number(options.seconds),
    least: atOnce,
    bytes: sizes.get(`${server.name} ${query.name}`) ?? 0,
  }
  await ask(upstream)
  const before = await ask<{ cpuMs: number }>(server.process)
  const loaded = await ask<Loaded>(client, load)
  const { cpuMs, rssMb } = await ask<{ cpuMs: number; rssMb: number }>(server.process)
  const { calls, busy } = await ask<{ calls: number; busy: number }>(upstream)
  const { operations, wrong } = loaded
  if (wrong > 0) throw new Error(`${server.name} gave ${wrong} wrong answers of ${operations} to ${query.name}`)
  return {
    ...loaded,
    server: server.name,
    query: query.name,
    cpuMs: (cpuMs - before.cpuMs) / operations,
    rssMb,
    calls: calls / operations,
    busy,
  }
}

/** Rounds of every query and server, so that what slows the machine down for a while slows all of them down. */
async function compare(servers: readonly Server[], asked: readonly Query[], bench: Bench): Promise<void> {
  const rounds: Cell[][] = []
  // The first round warms everything up, and counts for nothing.
  for (let round = 0; round <= Number(options.rounds); round++) {
    const cells: Cell[] = []
    for (const query of asked) {
      for (let n = 0; n < servers.length; n++) {
        const cell = await measure(servers[(n + round) % servers.length] as Server, query, bench)
        if (cell !== undefined) cells.push(cell)
      }
    }
    if (round > 0) rounds.push(cells)
    console.error(round === 0 ? "All give the same answers, and are warm." : `Round ${round} of ${options.rounds}.`)
  }
  if (rounds.length > 0) console.log(report(rounds, servers, asked))
}

/** Every query in turn, for so many minutes; the memory is noted each minute. */
async function soak(server: Server, asked: readonly Query[], bench: Bench, minutes: number): Promise<void> {
  console.log("| minute | operations | RSS MB |\n| ---: | ---: | ---: |")
  for (let minute = 1; minute <= minutes; minute++) {
    const end = performance.now() + 60_000
    const cells: Cell[] = []
    while (performance.now() < end) {
      for (const query of asked) cells.push((await measure(server, query, bench)) as Cell)
    }
    const operations = cells.reduce((sum, cell) => sum + cell.operations, 0)
    console.log(`| ${minute} | ${operations} | ${cells.at(-1)?.rssMb.toFixed(0)} |`)
  }
}

async function main(): Promise<void> {
  const names = options.soak === undefined ? options.servers.split(",") : ["gateway"]
  const known = [...queries, ...growth]
  const asked = options.queries.split(",").map((name) => {
    const query = known.find((one) => one.name === name)
    if (query === undefined) throw new Error(`no query ${name}: there are ${known.map((one) => one.name).join(", ")}`)
    return query
  })
  if (names.some((name) => name !== "limit" && name !== "gateway")) installPeers()
  const upstreamPort = await freePort()
  const upstream = start("upstream.ts", { PORT: upstreamPort })
  await once(upstream, "message")
  const servers: Server[] = []
  for (const name of names) servers.push(await startServer(name, `http://127.0.0.1:${upstreamPort}`))
  const bench = { upstream, client: start("load.ts", {}), sizes: await check(servers, asked, upstream) }
  if (options.soak === undefined) await compare(servers, asked, bench)
  else await soak(servers[0] as Server, asked, bench, Number(options.soak))
}

try {
  await main()
} finally {
  ending = true
  for (const child of children) child.kill()
  // After much load Hive Gateway doesn't end by that.
  setTimeout(() => children.forEach((child) => void child.kill("SIGKILL")), 2_000).unref()
}
