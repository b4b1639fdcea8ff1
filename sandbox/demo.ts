import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { ConfigError, readConfig } from "../src/config/config.ts"
import { createLog } from "../src/log/log.ts"
import { LogOutput } from "../src/log/logOutput.ts"
import { readManifest } from "../src/operation/persisted/manifest.ts"
import { createGateway } from "../src/server.ts"
import { buildExplorer } from "../tools/explorer.ts"
import { SandboxOptionsError, sandboxOptions } from "./options.ts"
import { seed, tokens } from "./seed.ts"
import { startSandbox } from "./server.ts"

// The sandbox takes a free port by default, because another sandbox may be running beside the demo.
const sandbox = await orExit(() =>
  startSandbox({ ...sandboxOptions(process.env), ...(process.env.SANDBOX_PORT ? {} : { port: 0 }) }),
)
const hasExplorer = await explorerIsBuilt()
const config = await orExit(() =>
  readConfig(
    {
      LOG_LEVEL: "warn",
      EXPLORER: String(hasExplorer),
      SESSION_SECRETS: randomBytes(33).toString("base64"),
      ...process.env,
      NODE_ENV: undefined,
      CODEOCEAN_URL: sandbox.url,
      CODEOCEAN_TOKEN: undefined,
      // The sandbox is on this machine.
      NO_PROXY: "*",
      no_proxy: undefined,
    },
    readManifest,
  ),
)
const output = new LogOutput(1)
const gateway = createGateway(config, createLog(config.logLevel, output), {
  graphiqlToken: tokens.ada,
  graphiqlIds: {
    capsuleId: seed.cellCounter,
    activeComputationId: seed.runningAlignment,
    computationId: seed.countedCells,
    dataAssetId: seed.sortedSpikes,
  },
  explorerToken: tokens.ada,
})

const url = await orExit(() => gateway.listen())
console.log(`
The gateway is up, on a Code Ocean in memory (${sandbox.url}).

${config.explorer ? `  Explorer   ${url}/explorer/   (signed in as Ada)\n` : ""}  GraphiQL   ${url}/graphql   (open it and press the run button)

  Tokens     ${Object.entries(tokens)
    .map(([name, token]) => `${name.padEnd(12)}${token}`)
    .join("\n             ")}

  curl -s ${url}/graphql -H 'Authorization: Bearer ${tokens.ada}' -H 'Content-Type: application/json' \\
    -d '{"query":"{ searchCapsules(query: \\"tag:ecephys\\") { nodes { name status } } }"}'

Ctrl+C stops both.
`)
if (process.stdout.isTTY) openInBrowser(config.explorer ? `${url}/explorer/` : `${url}/graphql`)

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    await gateway.close()
    await sandbox.close()
    await output.flush(1_000)
    process.exit(0)
  })
}

/** Builds the explorer at the first start, and after a change of its sources. If that fails, the demo goes without it. */
async function explorerIsBuilt(): Promise<boolean> {
  if (process.env.EXPLORER === "false") return false
  try {
    await buildExplorer(console.log)
    return true
  } catch (error) {
    console.error(`The explorer can't be built, so the demo starts without it. ${(error as Error).message}`)
    return false
  }
}

/** Runs a step of the start. Errors that a user can correct are printed without a stack. */
async function orExit<T>(step: () => T | Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const mendable = error instanceof ConfigError || error instanceof SandboxOptionsError || code !== undefined
    if (!mendable) throw error
    console.error((error as Error).message)
    process.exit(1)
  }
}

/** Opens the page in a browser. Without a browser, the printed address is enough. */
function openInBrowser(address: string): void {
  const opener = { darwin: "open", win32: "explorer" }[process.platform as string] ?? "xdg-open"
  spawn(opener, [address], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref()
}
