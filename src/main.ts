import { enableCompileCache } from "node:module"
import packageJson from "../package.json" with { type: "json" }
import { type Config, ConfigError, readConfig } from "./config.ts"
import { createLog } from "./log.ts"
import type { Gateway } from "./server.ts"

const config = configOrExit()
const log = createLog(config.logLevel)
let gateway: Gateway | undefined
let stoppingSince: number | undefined

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal))
log.info({ version: packageJson.version, node: process.version }, "starting")

// What is loaded from here on is kept compiled for the next start. Where that can't be written, Node goes on without a word.
enableCompileCache(new URL("../node_modules/.cache/compiled", import.meta.url).pathname)
// The graph takes longer to load than all else: by now a signal is heard.
const { createGateway } = await import("./server.ts")
gateway = createGateway(config, log)
try {
  const url = await gateway.listen()
  log.info({ url: `${url}/graphql`, upstream: config.codeoceanUrl.origin, graphiql: config.graphiql }, "listening")
} catch (error) {
  log.fatal(
    { cause: (error as Error).message },
    `can't listen on ${config.host}:${config.port}: is the port taken? Set PORT or HOST.`,
  )
  await gateway.close()
  process.exit(1)
}

/** The first signal stops the gateway without losing a request, a second one at once. */
async function stop(signal: string): Promise<void> {
  if (stoppingSince === undefined) {
    stoppingSince = performance.now()
    log.info({ signal }, "stopping")
    const finished = (await gateway?.close()) ?? true
    log.info({ finished }, finished ? "stopped" : "stopped with requests unfinished")
    process.exit(0)
  }
  // A terminal sends Ctrl+C to npm too, which hands it on: that is no second one.
  if (performance.now() - stoppingSince < 1_000) return
  log.warn({ signal }, "stopped at once")
  process.exit(1)
}

function configOrExit(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}
