import { type Config, ConfigError, readConfig } from "./config.ts"
import { createLog } from "./log.ts"
import { createGateway } from "./server.ts"

const config = configOrExit()
const log = createLog(config.logLevel)
const gateway = createGateway(config, log)

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    log.info({ signal }, "stopping")
    const finished = await gateway.close()
    log.info({ finished }, finished ? "stopped" : "stopped with requests unfinished")
    process.exit(0)
  })
}

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

function configOrExit(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}
