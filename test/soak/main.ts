import { soak } from "./soak.ts"

const seconds = Number(process.argv[2] ?? 60)
if (!(seconds > 0)) {
  console.error("How many seconds? For example: npm run soak -- 60")
  process.exit(1)
}

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
for (const problem of report.problems) console.error(`  - ${problem}`)
console.log(report.problems.length === 0 ? "passed" : "failed")
process.exit(report.problems.length === 0 ? 0 : 1)
