import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Pool } from "undici"
import { seed, tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { ownToolsFolder } from "../src/mcp/mcp.ts"
import { readTools } from "../src/mcp/toolFile.ts"
import { median } from "./statistics.ts"

/*
 * Compares tools of agents at /mcp with the same operations at /graphql: requests per second, and CPU time of the gateway. Both are sent
 * in turns, to one process, by as many agents at once, with a sandbox in a process of its own.
 */

const agents = 32
const rounds = 5
const secondsEach = 1

const tools: Readonly<Record<string, Record<string, unknown>>> = {
  metadata_fields: {},
  show_run: { id: seed.hollowSuccess },
  find_data: { filters: [{ key: "tags", value: "derived" }], provenance: true },
  show_capsule: { id: seed.cellCounter },
  inventory: {},
  what_failed: {},
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const children: ChildProcess[] = []

function start(path: string, env: Record<string, string>, execArgv: string[]): ChildProcess {
  const child = fork(here(path), {
    env: { ...process.env, NODE_ENV: "production", ...env },
    execArgv,
    stdio: ["ignore", "pipe", 2, "ipc"],
  })
  children.push(child)
  return child
}

/** The first match of a pattern in what a process prints. */
function printed({ stdout }: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let text = ""
    stdout?.on("data", (chunk) => {
      if (text.length < 10_000) text += chunk
      const match = pattern.exec(text)?.[1]
      if (match !== undefined) resolve(match)
    })
  })
}

async function cpuMsOf(child: ChildProcess): Promise<number> {
  child.send("cpu")
  const [{ cpuMs }] = await once(child, "message")
  return cpuMs
}

interface Measured {
  perSecond: number
  /** CPU time of the gateway for each request, in milliseconds. */
  cpuMs: number
}

async function measure(pool: Pool, gateway: ChildProcess, path: string, body: string): Promise<Measured> {
  const headers = {
    "content-type": "application/json",
    accept: path === "/mcp" ? "application/json, text/event-stream" : "application/json",
    authorization: `Bearer ${tokens.ada}`,
  }
  const begun = performance.now()
  const cpuBefore = await cpuMsOf(gateway)
  let requests = 0
  const agent = async () => {
    while (performance.now() - begun < secondsEach * 1000) {
      const response = await pool.request({ method: "POST", path, headers, body })
      const text = await response.body.text()
      if (response.statusCode !== 200 || /"isError":true|"errors":/.test(text)) throw new Error(text.slice(0, 500))
      requests += 1
    }
  }
  await Promise.all(Array.from({ length: agents }, agent))
  const seconds = (performance.now() - begun) / 1000
  return { perSecond: requests / seconds, cpuMs: ((await cpuMsOf(gateway)) - cpuBefore) / requests }
}

try {
  const sandbox = start("../sandbox/main.ts", { SANDBOX_PORT: "0" }, [])
  const upstream = await printed(sandbox, /on (http:\/\/\S+)\/api/)
  const gateway = start(
    "../src/main.ts",
    {
      PORT: "0",
      CODEOCEAN_URL: upstream,
      MCP: "true",
      CALLER_REQUESTS_PER_SECOND: "1000000",
      EVENT_LOOP_LAG_MS: "60000",
    },
    ["--import", pathToFileURL(here("probe.ts")).href],
  )
  const url = await printed(gateway, /"url":"(http:[^"]+)"/)
  const pool = new Pool(new URL(url).origin, { connections: agents })
  const documents = new Map(readTools(ownToolsFolder, schema).map((tool) => [tool.name, tool]))
  console.log(
    `| tool | per second | at /graphql | CPU ms | at /graphql | CPU ratio |\n| --- | ---: | ---: | ---: | ---: | ---: |`,
  )
  for (const [name, args] of Object.entries(tools)) {
    const { text, operationName } = documents.get(name) as { text: string; operationName: string }
    const bodies = {
      "/mcp": JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name, arguments: args },
      }),
      "/graphql": JSON.stringify({ query: text, operationName, variables: args }),
    }
    const results = { "/mcp": [] as Measured[], "/graphql": [] as Measured[] }
    for (let round = 0; round <= rounds; round++) {
      for (const path of ["/mcp", "/graphql"] as const) {
        const measured = await measure(pool, gateway, path, bodies[path])
        // The first round is for warming up.
        if (round > 0) results[path].push(measured)
      }
    }
    const of = (path: keyof typeof results, key: keyof Measured) => median(results[path].map((one) => one[key]))
    const ratio = median(results["/mcp"].map(({ cpuMs }, at) => cpuMs / (results["/graphql"][at] as Measured).cpuMs))
    const cells = [of("/mcp", "perSecond"), of("/graphql", "perSecond")].map((value) => String(Math.round(value)))
    const cpu = [of("/mcp", "cpuMs"), of("/graphql", "cpuMs"), ratio].map((value) => value.toFixed(2))
    console.log(`| ${[`\`${name}\``, ...cells, ...cpu].join(" | ")} |`)
  }
  await pool.close()
} finally {
  for (const child of children) child.kill()
}
