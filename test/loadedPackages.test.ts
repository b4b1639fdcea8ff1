import { expect, test } from "vitest"
import { run } from "./support/process.ts"

/** Prints at the end of the process whether a module with this part in its address was loaded. */
const print = (part: string) => `
  import { registerHooks } from "node:module"
  let isLoaded = false
  registerHooks({ load(url, context, next) { isLoaded ||= url.includes("/${part}/"); return next(url, context) } })
  process.on("exit", () => console.log("loaded:", isLoaded))`

test.each([
  ["prom-client", "METRICS_PORT", "0"],
  ["ioredis", "REDIS_URL", "redis://127.0.0.1:9"],
  ["@modelcontextprotocol", "MCP", "true"],
  ["@opentelemetry", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"],
])(
  "a gateway loads %s only if %s is set, and starts without the server that it names",
  async (name, setting, value) => {
    for (const set of ["", value]) {
      const { child, said, exited } = run(
        process.execPath,
        ["--import", `data:text/javascript,${encodeURIComponent(print(`node_modules/${name}`))}`, "src/main.ts"],
        { CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "0", [setting]: set },
      )
      await said(/"msg":"listening"/)
      child.kill("SIGTERM")
      expect(await said(/loaded: (\w+)/)).toBe(String(set !== ""))
      expect(await exited).toBe(0)
    }
  },
)
