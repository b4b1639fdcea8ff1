import { SandboxOptionsError, sandboxOptions } from "./options.ts"
import { tokens } from "./seed.ts"
import { startSandbox } from "./server.ts"

const sandbox = await startOrExit()

console.log(`Code Ocean sandbox on ${sandbox.url}/api/v1`)
console.log("Tokens (user name of HTTP Basic, empty password):")
for (const [name, token] of Object.entries(tokens)) console.log(`  ${name.padEnd(12)} ${token}`)

let closing = false
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => {
    if (closing) return
    closing = true
    sandbox.close().then(() => process.exit(0))
  })

async function startOrExit() {
  try {
    return await startSandbox(sandboxOptions(process.env))
  } catch (error) {
    if (!(error instanceof SandboxOptionsError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}
