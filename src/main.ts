import { enableCompileCache } from "node:module"
import { setTimeout as sleep } from "node:timers/promises"
import { isatty } from "node:tty"
import packageJson from "../package.json" with { type: "json" }
import { type Config, ConfigError, readConfig, warningsOf } from "./config/config.ts"
import { createErrorLog, createLog, loadPrettify } from "./log/log.ts"
import { LogOutput } from "./log/logOutput.ts"
import { readManifest } from "./operation/persisted/manifest.ts"
import type { Gateway } from "./server.ts"
import { loadTelemetry } from "./telemetry/telemetry.ts"

/** How long a stopping gateway waits beyond the deadline of requests, and for its log to be written. */
const closeGraceMs = 7_000
const flushTimeoutMs = 2_000

const config = configOrExit()
const output = new LogOutput(1)
const prettify = (config.logPretty ?? (isatty(1) && config.nodeEnv !== "production")) ? await loadPrettify() : undefined
output.format = prettify
const log = createLog(config.logLevel, output)
let gateway: Gateway | undefined
let isListening = false
let stoppingSince: number | undefined

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal))

// An uncaught error in one request must not end the others.
const logError = createErrorLog(log)
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    logError("error", error, isListening ? "uncaught error: the gateway goes on" : "the gateway can't start")
    if (!isListening) void exit(1)
  })
}
// Node writes warnings to standard error synchronously, which blocks if nothing reads it.
process.removeAllListeners("warning")
const logWarning = createErrorLog(log)
process.on("warning", (warning) => logWarning("warn", warning, "Node.js warning"))

log.info({ version: packageJson.version, node: process.version }, "starting")
for (const warning of warningsOf(config, process.env)) log.warn({}, warning)
if (config.logPretty && !prettify) log.warn({}, "LOG_PRETTY needs the package pino-pretty, a development dependency")

// Caches the compiled code of everything that is loaded from here on. If the folder is not writable, Node does without.
enableCompileCache(new URL("../node_modules/.cache/compiled", import.meta.url).pathname)
// Loaded after the signal handlers are set, because loading the graph takes most of the start.
const { createGateway } = await import("./server.ts")
const { releaseMemoryWhenIdle } = await import("./http/idleMemory.ts")
const telemetry = await loadTelemetry(config, log)
gateway = createGateway(config, log, { telemetry, logFailure: () => output.failure })
try {
  const url = await gateway.listen()
  isListening = true
  releaseMemoryWhenIdle()
  log.info({ url: `${url}/graphql`, upstream: config.codeoceanUrl.origin, graphiql: config.graphiql }, "listening")
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  log.fatal({ code }, message)
  await gateway.close()
  await exit(1)
}

/** The first signal lets the requests in flight finish. A second one exits at once. */
async function stop(signal: string): Promise<void> {
  if (stoppingSince === undefined) {
    stoppingSince = performance.now()
    log.info({ signal }, "stopping")
    const finished = await closeGateway()
    log.info({ finished }, finished ? "stopped" : "stopped with requests unfinished")
    await exit(0)
  }
  // On Ctrl+C the terminal signals npm too, which passes the signal on. That is not a second signal.
  if (performance.now() - stoppingSince < 1_000) return
  log.warn({ signal }, "stopped at once")
  await exit(1)
}

/** Closes the gateway within a bounded time. Resolves with whether all requests were finished. */
async function closeGateway(): Promise<boolean> {
  try {
    const timeout = sleep(config.requestDeadlineMs + closeGraceMs, false)
    return await Promise.race([gateway?.close() ?? true, timeout])
  } catch (error) {
    logError("error", error, "the gateway could not be closed")
    return false
  }
}

/** Ends the process once its log is written, or cannot be. */
async function exit(code: number): Promise<never> {
  await output.flush(flushTimeoutMs)
  // process.exit waits for a pending write, even for one that hangs.
  if (output.isWriting) process.kill(process.pid, "SIGKILL")
  process.exit(code)
}

function configOrExit(): Config {
  try {
    return readConfig(process.env, readManifest)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}
