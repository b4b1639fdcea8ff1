import { tokens } from "../../sandbox/seed.ts"
import { readConfig } from "../../src/config/config.ts"
import { createLog } from "../../src/log/log.ts"
import { createGateway, type Gateway } from "../../src/server.ts"

/** What the gateway's process reports of itself; bytes after a garbage collection. */
export interface Look {
  heapBytes: number
  rssBytes: number
  stats: Gateway["stats"]
  unhandledRejections: number
  /** Node's own warnings, such as of leaked listeners. */
  warnings: string[]
  logLines: number
  /** Lines of the log with a token, and with a stack. None are expected. */
  linesWithToken: number
  linesWithStack: number
}

export type Question = "look" | "stop"
export type Reply = { url: string } | { look: Look } | { stopped: boolean }

// A gateway in its own process, so that its memory can be measured; started by fork with --expose-gc. With the argument `print`,
// it also writes its log to standard output.

const prints = process.argv[2] === "print"

let unhandledRejections = 0
const warnings: string[] = []
let logLines = 0
let linesWithToken = 0
let linesWithStack = 0

process.on("unhandledRejection", () => {
  unhandledRejections += 1
})
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`))

const log = createLog("debug", {
  write(line) {
    if (prints) process.stdout.write(line)
    logLines += 1
    if (Object.values(tokens).some((token) => line.includes(token) || line.includes(btoa(`${token}:`)))) {
      linesWithToken += 1
    }
    if (line.includes('"stack"')) linesWithStack += 1
  },
})
const gateway = createGateway(readConfig(process.env), log)
const reply = (message: Reply) => process.send?.(message)

process.on("message", async (question: Question) => {
  if (question === "stop") {
    reply({ stopped: await gateway.close() })
    process.disconnect?.()
    return
  }
  gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  const { stats } = gateway
  const memory = { heapBytes: heapUsed + external, rssBytes: rss }
  reply({ look: { ...memory, stats, unhandledRejections, warnings, logLines, linesWithToken, linesWithStack } })
})

reply({ url: await gateway.listen() })
