import { expect, test } from "vitest"
import { run } from "./support/process.ts"

/** A setting for each package that a gateway loads only with it, and all of these packages that it loads then. */
const settings: [name: string, setting: Record<string, string>, loaded: string[]][] = [
  // It loads the API of OpenTelemetry.
  ["prom-client", { METRICS_PORT: "0" }, ["prom-client", "@opentelemetry"]],
  ["ioredis", { REDIS_URL: "redis://127.0.0.1:9" }, ["ioredis"]],
  ["@modelcontextprotocol", { MCP: "true" }, ["@modelcontextprotocol"]],
  ["@opentelemetry", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }, ["@opentelemetry"]],
]
const packages = settings.map(([name]) => name)

/** Prints at the end of the process which of the packages had a module that was loaded. */
const print = `
  import { registerHooks } from "node:module"
  const urls = []
  registerHooks({ load(url, context, next) { urls.push(url); return next(url, context) } })
  const isLoaded = (name) => urls.some((url) => url.includes("/node_modules/" + name + "/"))
  process.on("exit", () => console.log("loaded:", JSON.stringify(${JSON.stringify(packages)}.filter(isLoaded)) + "."))`

/** The packages that a gateway with these settings has loaded by its end. */
async function loadedWith(env: Record<string, string>): Promise<unknown> {
  const { child, said, exited } = run(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(print)}`, "src/main.ts"],
    { CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "0", ...env },
  )
  await said(/"msg":"listening"/)
  child.kill("SIGTERM")
  const loaded = await said(/loaded: (.*)\./)
  expect(await exited).toBe(0)
  return JSON.parse(loaded)
}

test("a gateway loads none of the packages whose settings are empty", async () => {
  const empty = settings.flatMap(([, setting]) => Object.keys(setting).map((name) => [name, ""]))
  expect(await loadedWith(Object.fromEntries(empty))).toEqual([])
})

test.each(settings)(
  "a gateway loads %s only with its setting %j, and starts without the server that it names",
  async (_name, setting, loaded) => {
    expect(await loadedWith(setting)).toEqual(loaded)
  },
)
