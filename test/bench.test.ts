import { execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, onTestFinished, test } from "vitest"
import { check, supportedBy } from "../bench/check.ts"
import { readOptions } from "../bench/options.ts"
import { type Query, queries } from "../bench/queries.ts"
import { type Cell, comparison } from "../bench/report.ts"
import { estimate, tQuantile } from "../bench/statistics.ts"
import { compiled } from "./support/compiled.ts"

/** Runs the benchmark with its own folder for temporary files. */
function bench(...options: string[]) {
  const temporary = mkdtempSync(join(tmpdir(), "bench-test-"))
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }))
  const child = spawn(process.execPath, ["bench/run.ts", ...options], {
    env: { ...process.env, ...compiled, TMPDIR: temporary },
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
  const ended = once(child, "close").then(([code]) => code as number)
  return { child, temporary, ended, output: () => output }
}

/** Runs the benchmark until its end, and resolves with what it prints. Rejects if it fails. */
const benched = (...options: string[]) =>
  promisify(execFile)(process.execPath, ["bench/run.ts", ...options], { env: { ...process.env, ...compiled } })

const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })

function isRepository(): boolean {
  try {
    return git("rev-parse", "--verify", "HEAD") !== ""
  } catch {
    return false
  }
}

if (!isRepository()) console.warn("Skipped: comparisons of revisions need a Git repository with a commit.")

/** Results of rounds: CPU milliseconds an operation of this checkout and of another revision. */
function rounds(pairs: readonly (readonly [number, number])[]): Cell[][] {
  const cell = (server: string, cpuMs: number): Cell => ({
    server,
    query: "Q4",
    operations: 100,
    seconds: 1,
    p50: 1,
    p99: 1,
    cpuMs,
    allocatedKb: 1,
    rssMb: 100,
    peakRssMb: 100,
    calls: 0,
    busy: 0,
  })
  return pairs.map(([now, then]) => [cell("gateway", now), cell("gateway@main", then)])
}

const q4 = queries.filter(({ name }) => name === "Q4")

const compared = (pairs: readonly (readonly [number, number])[]) =>
  comparison(rounds(pairs), ["gateway", "gateway@main"], q4)

test("the benchmark still runs: its queries, hand-written server and checks fit the gateway", async () => {
  const { stderr } = await benched("--servers", "limit,sockets,gateway", "--rounds", "0", "--seconds", "0")
  expect(stderr).toContain("All servers return the same data")
})

/** A server that returns a list in pages of two items. Its cursors contain its name, and skip this many items. */
async function listServer(name: string, { skips = 0, error }: { skips?: number; error?: string } = {}) {
  const server = createServer(async (request, response) => {
    const { variables } = JSON.parse(Buffer.concat(await request.toArray()).toString())
    const after = Number((variables?.after ?? `${name}0`).slice(name.length))
    const edges = [1, 2].map((n) => ({ cursor: `${name}${after + n + skips}`, node: { id: after + n } }))
    const data = { searchCapsules: { edges, pageInfo: { endCursor: edges[1]?.cursor } } }
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(error === undefined ? { data } : { errors: [{ message: error }] }))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  return { name, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const listQuery: Query = {
  name: "L",
  what: "a list",
  requests: [{ query: "{ list }" }],
  calls: 0,
  perSecond: 1,
  afterCursors: ({ searchCapsules }) => [
    { query: "{ list }", variables: { after: searchCapsules.pageInfo.endCursor } },
  ],
}
const noCalls = async () => 0

test("servers with different cursors pass the check of the benchmark if the same items follow", async () => {
  const servers = [await listServer("a"), await listServer("bbb")]
  const prepared = await check(servers, listQuery, "token", noCalls)
  expect([...prepared.keys()]).toEqual(["a", "bbb"])
})

test("a server with other items after its cursors fails the check of the benchmark", async () => {
  const servers = [await listServer("a"), await listServer("b", { skips: 1 })]
  await expect(check(servers, listQuery, "token", noCalls)).rejects.toThrow(
    "b returns other items after the cursors of L than a",
  )
})

test("the benchmark requests each page with the cursor that the same server returned for the page before", async () => {
  const query: Query = { ...listQuery, pages: { from: 2, to: 3 } }
  const prepared = await check([await listServer("a"), await listServer("b")], query, "token", noCalls)
  const sent = (server: string) => prepared.get(server)?.map(({ body }) => JSON.parse(body).variables.after)
  expect(sent("a")).toEqual(["a2", "a4"])
  expect(sent("b")).toEqual(["b2", "b4"])
})

test("a comparison leaves out the queries to which the other revision responds with an error", async () => {
  const servers = [await listServer("new"), await listServer("old", { error: "no such field" })]
  const prepare = async (query: Query) => void (await check(servers, query, "token", noCalls))
  const { supported, unsupported } = await supportedBy("old", [listQuery], prepare)
  expect(supported).toEqual([])
  expect(unsupported).toEqual([{ query: listQuery, error: expect.stringContaining("no such field") }])
  await expect(supportedBy("new", [listQuery], prepare)).rejects.toThrow("no such field")
})

test.runIf(isRepository())(
  "a comparison with HEAD measures both, says so in its exit code, and leaves no worktree behind",
  async () => {
    const options = ["--rounds", "2", "--seconds", "0", "--queries", "Q4"]
    const { temporary, ended, output } = bench("--compare", "HEAD", ...options)
    // Two rounds that short may differ by chance. The exit code must agree with the text.
    const code = await ended
    expect(output()).toContain("| Q4 |")
    expect(code).toBe(/\| SLOWER \|/.test(output()) ? 1 : 0)
    expect(readdirSync(temporary)).toEqual([])
    expect(git("worktree", "list")).not.toContain(temporary)
  },
)

test.runIf(isRepository())("a comparison that is interrupted leaves no worktree behind", async () => {
  const { child, temporary, ended, output } = bench("--compare", "HEAD", "--queries", "Q4")
  while (!output().includes("is commit")) await once(child.stdout, "data")
  expect(readdirSync(temporary)).not.toEqual([])
  child.kill("SIGINT")
  expect(await ended).toBe(2)
  expect(readdirSync(temporary)).toEqual([])
  expect(git("worktree", "list")).not.toContain(temporary)
})

test.runIf(isRepository())("a comparison with an unknown revision names it and exits with 2", async () => {
  const { ended, output } = bench("--compare", "no-such-revision")
  expect(await ended).toBe(2)
  expect(output()).toContain('--compare: no revision "no-such-revision"')
  expect(output()).not.toContain("    at ")
})

test("the quantiles of Student's t are those of the printed tables", () => {
  const known = { 1: 12.706, 2: 4.303, 8: 2.306, 30: 2.042, 40: 2.021, 60: 2.0, 120: 1.98, 1000: 1.962 }
  for (const [degrees, quantile] of Object.entries(known)) expect(tQuantile(Number(degrees))).toBeCloseTo(quantile, 3)
})

test("a confidence interval is the one computed by hand", () => {
  // The logarithms are -0.1, 0 and 0.1: their mean is 0, their standard deviation 0.1, and t is 4.3027.
  const { ratio, low, high, least, most } = estimate([Math.exp(-0.1), 1, Math.exp(0.1)])
  expect(ratio).toBeCloseTo(1, 10)
  expect(Math.log(high)).toBeCloseTo((4.3027 * 0.1) / Math.sqrt(3), 10)
  expect(Math.log(low)).toBeCloseTo((-4.3027 * 0.1) / Math.sqrt(3), 10)
  expect(least).toBe(Math.exp(-0.1))
  expect(most).toBe(Math.exp(0.1))
})

test("a single round has no confidence interval", () => {
  expect(() => estimate([1])).toThrow("at least 2")
})

test("a server that takes 8 % more in every round is called slower, however much the rounds differ", () => {
  const { slower, text } = compared([1, 1.5, 0.7, 2, 1.1].map((cpuMs, n) => [cpuMs * (1.08 + n / 500), cpuMs]))
  expect(slower).toEqual(["Q4"])
  expect(text).toMatch(/\| Q4 \|.* SLOWER \|/)
})

test("a server that takes the same, now a little more and now a little less, isn't called slower", () => {
  const { slower, text } = compared([1.02, 0.97, 1.04, 0.99, 1.01].map((ratio) => [ratio, 1]))
  expect(slower).toEqual([])
  expect(text).toMatch(/\| Q4 \|.* not slower \|/)
})

test("a server that takes 8 % more on average isn't called slower while that may be chance", () => {
  expect(compared([1.3, 0.9, 1.2, 0.95, 1.1].map((ratio) => [ratio, 1])).slower).toEqual([])
})

test("a difference within the tolerance isn't called slower, however certain it is", () => {
  expect(compared([1.02, 1.021, 1.02, 1.019].map((ratio) => [ratio, 1])).slower).toEqual([])
})

test("measurements of one round count by their operations", () => {
  const [first = [], second = []] = rounds([
    [2, 1],
    [2, 1],
  ])
  const more = first.map((cell) => ({ ...cell, operations: 300, cpuMs: 1 }))
  const { text } = comparison([[...first, ...more], second], ["gateway", "gateway@main"], q4)
  expect(text).toContain("1.250 to 2.000")
})

test("variants of Node's flags are measured with a new process for each query", async () => {
  const variants = ["--max-semi-space-size=16", "--max-semi-space-size=64 --no-opt"]
  const options = ["--rounds", "1", "--seconds", "0", "--queries", "Q1,Q4"]
  const { stdout } = await benched(...options, ...variants.map((flags) => `--flags=${flags}`))
  expect(stdout).toContain("| flags | MB after start | Q1 CPU ms | Q1 peak MB | Q4 CPU ms | Q4 peak MB |")
  for (const variant of variants) expect(stdout).toMatch(new RegExp(`^\\| \`${variant}\`( \\| [\\d.]+){5} \\|$`, "m"))
})

test("a comparison has its own defaults", () => {
  const options = readOptions(["--compare", "main"])
  expect(options).toMatchObject({ compare: "main", servers: ["gateway"], rounds: 9, seconds: 1 })
  expect(options.queries.map(({ name }) => name)).toEqual(["Q1", "Q2", "Q3", "Q4"])
})

test.each([
  [["--compare", "main", "--rounds", "1"], /--rounds .* at least 2 .*"1"/],
  [["--rounds", "many"], /--rounds .*"many"/],
  [["--rounds", "1.5"], /--rounds .*"1.5"/],
  [["--seconds=-1"], /--seconds .*"-1"/],
  [["--seconds", ""], /--seconds .*""/],
  [["--soak", "long"], /--soak .*"long"/],
  [["--servers", "limit,gatewy"], /--servers: no server "gatewy". There are limit, sockets, gateway/],
  [["--servers", ","], /--servers is empty/],
  [["--queries", "Q1,Q99"], /--queries: no query "Q99". There are Q1, /],
  [["--compare", ""], /--compare is empty/],
  [["--compare", "main", "--soak", "1"], /--compare and --soak/],
  [["--flags=--no-opt", "--soak", "1"], /--flags can't be combined/],
  [["--flags=--no-opt", "--rounds", "0"], /--rounds .* at least 1, not "0"/],
  [["--compair", "main"], /--compair/],
])("the options %j are refused by name", (args, message) => {
  expect(() => readOptions(args)).toThrow(message)
})
