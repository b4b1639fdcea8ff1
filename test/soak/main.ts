import { spawnSync } from "node:child_process"
import { parseArgs } from "node:util"

const usage = `Usage: npm run soak -- [SECONDS] [--replicas 2 --redis]

  SECONDS       60 by default, and 120 with --replicas, which takes at least 60
  --replicas 2  this number of gateways behind a load balancer. Requires --redis
  --redis       starts a Redis of its own, which needs redis-server`

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      options: { replicas: { type: "string" }, redis: { type: "boolean" } },
      allowPositionals: true,
    })
    const isReplicated = values.replicas !== undefined
    const seconds = Number(positionals[0] ?? (isReplicated ? 120 : 60))
    const replicas = Number(values.replicas ?? 1)
    if (!(seconds > 0) || positionals.length > 1) return undefined
    if (isReplicated !== (values.redis === true)) return undefined
    if (isReplicated && !(Number.isInteger(replicas) && replicas >= 2 && seconds >= 60)) return undefined
    return { seconds, replicas }
  } catch {
    return undefined
  }
}

function end(problems: string[]): never {
  for (const problem of problems) console.error(`  - ${problem}`)
  console.log(problems.length === 0 ? "passed" : "failed")
  process.exit(problems.length === 0 ? 0 : 1)
}

const options = readOptions()
if (options === undefined) {
  console.error(usage)
  process.exit(1)
}
const { seconds, replicas } = options

if (replicas > 1) {
  if (spawnSync("redis-server", ["--version"]).status !== 0) {
    console.error("redis-server is not installed, and --redis needs it. On Debian: apt-get install redis-server")
    process.exit(1)
  }
  const { soakReplicas } = await import("./replicas.ts")
  const report = await soakReplicas(seconds, replicas)
  const { renames, captures, rate } = report
  const percent = (ratio: number) => `${(ratio * 100).toFixed(1)} %`
  console.log(`
  answers                  ${report.answers} in ${report.seconds} s, ${report.withFaults} of them with fields lost to Code Ocean's faults
  broken by a kill         ${report.broken}
  refused by limits        ${report.refused}
  wrong answers            ${report.wrong.length}
  calls to Code Ocean      ${report.upstreamCalls}, and ${report.cachedCalls} answered from the cache
  own changes, reads       ${report.own.changes}, ${report.own.reads}
  p50, p99                 ${report.p50Ms} ms, ${report.p99Ms} ms
  renames                  ${renames.sent}, of which Code Ocean got ${renames.received}, ${renames.doubled} twice; outcome unknown of ${renames.unknown}, ${renames.unknownButDone} of them done
  captures, doubled        ${captures.shared.rounds}, ${captures.shared.doubled} by four clients with Redis
                           ${captures.single.rounds}, ${captures.single.doubled} by one client, while Redis was away
                           ${captures.alone.rounds}, ${captures.alone.doubled} by four clients when Redis went away (can be doubled)
  rate of one caller       ${percent(rate.shared.ratio)} of the limit in ${rate.shared.seconds} s with Redis
                           ${percent(rate.alone.ratio)} in ${rate.alone.seconds} s with replicas alone
  lost Redis               ${report.outages} times, all replicas together
  logs, with a token       ${(report.logBytes / 2 ** 20).toFixed(0)} MiB, ${report.logsWithToken}
  dumps of Redis, a token  ${report.dumps} of up to ${report.mostKeys} keys, ${report.dumpsWithToken}
`)
  end(report.problems)
}

const { soak } = await import("./soak.ts")
const report = await soak(seconds)
const megabytes = ({ beforeBytes, afterBytes }: { beforeBytes: number; afterBytes: number }) =>
  `${(beforeBytes / 2 ** 20).toFixed(1)} MiB, then ${(afterBytes / 2 ** 20).toFixed(1)} MiB`

console.log(`
  answers                  ${report.answers} in ${report.seconds} s, ${report.withFaults} of them with fields lost to Code Ocean's faults
  refused as overloaded    ${report.refused}
  wrong answers            ${report.wrongCount}
  calls to Code Ocean      ${report.upstreamCalls}
  mutations, writes sent   ${report.mutations}, ${report.writes}
  p50, p99, slowest        ${report.p50Ms} ms, ${report.p99Ms} ms, ${report.slowestMs} ms (deadline ${report.deadlineMs} ms)
  heap after warm-up       ${megabytes(report.heap)}
  resident memory          ${megabytes(report.rss)}
  unhandled rejections     ${report.last.unhandledRejections}
  log lines, with a token  ${report.last.logLines}, ${report.last.linesWithToken}
  left open                ${JSON.stringify(report.last.stats)}
`)
end(report.problems)
