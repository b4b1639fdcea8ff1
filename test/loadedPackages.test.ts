import { afterAll, expect, test } from "vitest"
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

/**
 * Starts a gateway with each of these variables in turn, all in one process, and prints which packages had a module that was loaded for
 * it, and had not been loaded before.
 */
const script = (variables: Record<string, string>[]) => `
  import { registerHooks } from "node:module"
  const urls = []
  registerHooks({ load(url, context, next) { urls.push(url); return next(url, context) } })
  const isLoaded = (name) => urls.some((url) => url.includes("/node_modules/" + name + "/"))
  const loaded = []
  for (const [n, variables] of ${JSON.stringify(variables)}.entries()) {
    const { env } = process
    process.env = { ...env, ...variables }
    await import("./src/main.ts?" + n)
    process.env = env
    loaded.push(${JSON.stringify(packages)}.filter(isLoaded))
    urls.length = 0
  }
  console.log("loaded: " + JSON.stringify(loaded) + ".")`

/** The packages that gateways with these settings load, if they are started one after another. */
async function loadedWith(variables: Record<string, string>[]): Promise<string[][]> {
  const { child, said } = run(
    process.execPath,
    ["--input-type=module", "--eval", script(variables)],
    {
      CODEOCEAN_URL: "http://127.0.0.1:9",
      PORT: "0",
    },
    { cleanUp: afterAll },
  )
  const loaded = JSON.parse(await said(/loaded: (.*)\./))
  // Each gateway writes its log a little later.
  await said(new RegExp(`(?:"msg":"listening"[^]*){${variables.length}}`))
  child.kill("SIGKILL")
  return loaded
}

const empty = Object.fromEntries(
  settings.flatMap(([, setting]) => Object.keys(setting).map((name) => [name, ""] as const)),
)

// What one of them loads is not seen if an earlier one has loaded it, so they start in the opposite order, too.
const inOrder = loadedWith([empty, ...settings.map(([, setting]) => setting)])
const inReverse = loadedWith([empty, ...settings.map(([, setting]) => setting).toReversed()])

test("a gateway loads none of the packages whose settings are empty", async () => {
  expect((await inOrder)[0]).toEqual([])
  expect((await inReverse)[0]).toEqual([])
})

test.each(settings.map((row, at) => [...row, at] as const))(
  "a gateway loads %s only with its setting %j, and starts without the server that it names",
  async (_name, _setting, loaded, at) => {
    const seen = new Set([...((await inOrder)[at + 1] ?? []), ...((await inReverse).at(-1 - at) ?? [])])
    expect(packages.filter((name) => seen.has(name))).toEqual(packages.filter((name) => loaded.includes(name)))
  },
)
