import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { freePort } from "../tools/freePort.ts"
import { cacheFor } from "./support/cache.ts"
import { follow } from "./support/live.ts"
import { startMeasuredGatewayOn } from "./support/metrics.ts"
import { run } from "./support/process.ts"

const deploy = new URL("../deploy/", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, deploy), "utf8")

interface Panel {
  id: number
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets: { expr: string; legendFormat: string }[]
}

interface Dashboard {
  uid: string
  panels: Panel[]
  annotations: { list: { expr: string }[] }
}

const dashboards = readdirSync(new URL("dashboards/", deploy))
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({ file, ...(JSON.parse(read(`dashboards/${file}`)) as Dashboard) }))

/** Whether Prometheus is installed. Where CI is set it has to be. */
const hasPrometheus =
  spawnSync("promtool", ["--version"]).status === 0 && spawnSync("prometheus", ["--version"]).status === 0
const mustHavePrometheus = process.env.CI !== undefined && process.env.CI !== "false"
const withPrometheus = test.skipIf(!hasPrometheus && !mustHavePrometheus)
if (!hasPrometheus) {
  console.warn(
    "Prometheus is not installed, so dashboards and alerts are not run against it: apt-get install prometheus",
  )
}

/** An expression as it is evaluated, with Grafana's variables filled in. */
const filled = (expr: string) =>
  expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m")

/** What an alert compares: its expression without the threshold. */
const compared = (expr: string) => expr.replace(/ (>|<|==|>=|<=) -?[\d.e+]+$/, "")

const persisted = "query CapsuleName($id: ID!) { capsule(id: $id) { name } }"

/** A gateway whose calls queue, which serves metrics. Two of its first calls fail: one with a status, one without a response. */
async function startGateway() {
  const sandbox = await startSandbox({ latencyMs: 5 })
  onTestFinished(() => sandbox.close())
  sandbox.failNext("POST capsules/search", "reset")
  sandbox.failNext("GET capsules/*/app_panel", { status: 503 })
  const metricsPort = await freePort()
  const world = startMeasuredGatewayOn(sandbox.url, {
    config: {
      metricsPort,
      upstreamConnections: 2,
      upstreamBreakerCalls: 0,
      callerSubscriptions: 1,
      ...cacheFor("60"),
      limits: { bodyBytes: 10_000 },
      persistedOperations: new Map([["capsule-name", persisted]]),
    },
  })
  return { ...world, url: await world.gateway.listen(), metricsPort }
}

const attempt = async (work: Promise<unknown>) => void (await work.catch(() => undefined))

/** Requests of every kind: reads, mutations, captures, subscriptions, errors, rejections, and clients that leave. */
async function load({ url, ask }: Awaited<ReturnType<typeof startGateway>>, round: number) {
  const post = (body: object, init: RequestInit = {}) =>
    fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
      body: JSON.stringify(body),
      ...init,
    }).then((response) => response.text())
  const page = "{ searchCapsules { nodes { name appPanel { general { title } } computations { nodes { name } } } } }"
  await Promise.all(Array.from({ length: 12 }, () => ask(page)))
  await Promise.all([
    ask(`{ capsule(id: "${seed.cellCounter}") { name files { entries { nodes { name } } } } }`),
    ask(
      `mutation { archiveCapsule(input: { id: "${seed.cellCounter}", archived: ${round % 2 === 0} }) { __typename } }`,
    ),
    ask(
      `mutation { captureResult(input: { computationId: "${seed.countedCells}", name: "Counts ${round}", mount: "m", tags: [], permissions: { everyone: VIEWER } }) { __typename } }`,
    ),
    ask(`{ capsule(id: "${seed.cellCounter}") { name } }`, undefined, { authorization: "Bearer cop_invented" }),
    ask('mutation { captureResult(input: { computationId: "nope", name: "x", mount: "m", tags: [] }) { __typename } }'),
    ask("{ nonsense }"),
    ask(`{ __typename } #${"x".repeat(20_000)}`),
    ...Array.from({ length: 5 }, () => post({ documentId: "capsule-name", variables: { id: seed.cellCounter } })),
    attempt(post({ query: page }, { signal: AbortSignal.timeout(3) })),
    fetch(`${url}/health`),
    fetch(`${url}/nowhere`),
  ])
  const subscription = `subscription { computation(id: "${seed.runningAlignment}") { state } }`
  const first = await follow(url, subscription)
  await first.next()
  const second = await follow(url, subscription)
  await second.next()
  return first
}

/** A Prometheus that scrapes this port twice a second. */
async function startPrometheus(metricsPort: number) {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const config = {
    global: { scrape_interval: "500ms", scrape_timeout: "500ms", evaluation_interval: "1s" },
    rule_files: [new URL("alerts.yml", deploy).pathname],
    scrape_configs: [{ job_name: "codeocean-gateway", static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }],
  }
  const file = join(folder, "prometheus.yml")
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config))
  const { said } = run(
    "prometheus",
    [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`],
    {},
  )
  await said(/Server is ready to receive web requests/)
  const api = async (path: string, parameters: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const { status, data, error } = await response.json()
    if (status !== "success") throw new Error(`${error}: ${parameters.query}`)
    return data
  }
  /** The values of an expression that are numbers. */
  const query = async (expr: string): Promise<number[]> => {
    const { result } = await api("query", { query: expr })
    return result
      .map(({ value }: { value: [number, string] }) => Number(value[1]))
      .filter((value: number) => !Number.isNaN(value))
  }
  const scrapes = async () => (await query("sum(count_over_time(gateway_info[1h]))"))[0] ?? 0
  /** Resolves after so many further scrapes. */
  const scraped = async (further: number) => {
    const goal = (await scrapes()) + further
    await expect.poll(scrapes, { interval: 200 }).toBeGreaterThanOrEqual(goal)
  }
  return { api, query, scraped }
}

withPrometheus(
  "every expression of every dashboard and alert has values in a Prometheus that has scraped a gateway under load",
  async () => {
    expect(hasPrometheus, "Prometheus is installed").toBe(true)
    const gateway = await startGateway()
    const { api, query, scraped } = await startPrometheus(gateway.metricsPort)
    for (let round = 0; round < 4; round++) {
      const open = await load(gateway, round)
      await scraped(2)
      if (round < 3) open.leave()
    }
    const empty: string[] = []
    for (const { file, panels, annotations } of dashboards) {
      for (const { title, targets } of panels) {
        for (const { expr } of targets)
          if ((await query(filled(expr))).length === 0) empty.push(`${file}: ${title}: ${expr}`)
      }
      for (const { expr } of annotations.list) {
        if ((await query(compared(filled(expr)))).length === 0) empty.push(`${file}: ${expr}`)
      }
    }
    const { groups } = await api("rules")
    const rules = groups.flatMap((group: { rules: { name: string; query: string; health: string }[] }) => group.rules)
    expect(rules.length).toBeGreaterThan(10)
    for (const { name, query: expr } of rules) {
      expect(compared(expr), name).not.toBe(expr)
      if ((await query(compared(expr))).length === 0) empty.push(`alert ${name}: ${expr}`)
    }
    await expect.poll(async () => JSON.stringify(await api("rules"))).not.toContain('"health":"unknown"')
    expect(JSON.stringify(await api("rules"))).not.toContain('"health":"err"')
    expect(empty).toEqual([])

    // Not only series that begin with zero.
    for (const moved of [
      'gateway_rejected_requests_total{reason="caller_subscriptions"}',
      'gateway_rejected_requests_total{reason="large_body"}',
      "gateway_upstream_shared_reads_total",
      "sum(gateway_upstream_retries_total)",
      'sum(http_client_request_duration_seconds_count{error_type!=""})',
      'gateway_capture_steps_total{step="create", status="done"}',
      'gateway_capture_steps_total{step="create", status="failed"}',
      "gateway_subscriptions",
    ]) {
      expect(Math.max(...(await query(moved))), moved).toBeGreaterThan(0)
    }

    const text = await (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text()
    const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" })
    expect(checked.stdout + checked.stderr).toBe("")
    expect(checked.status).toBe(0)
  },
)

withPrometheus("every alert fires and stays silent as its tests say, and has a test of both", () => {
  const { status, stdout, stderr } = spawnSync("promtool", ["test", "rules", "alerts.test.yml"], {
    cwd: deploy,
    encoding: "utf8",
  })
  expect(stdout + stderr).toContain("SUCCESS")
  expect(status).toBe(0)
})

test("every alert has a test in which it fires, one in which it does not, and a row in the documents", () => {
  const alerts = [...read("alerts.yml").matchAll(/- alert: (\w+)/g)].map(([, name]) => name as string)
  const tests = read("alerts.test.yml")
  const documents = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8")
  expect(alerts.length).toBeGreaterThan(10)
  for (const alert of alerts) {
    expect(tests).toMatch(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n`))
    expect(documents).toContain(`| \`${alert}\` |`)
  }
  for (const [, tested] of tests.matchAll(/alertname: (\w+)/g)) expect(alerts).toContain(tested)
})

describe.each(dashboards)("$file", ({ panels, annotations }) => {
  const expressions = [...panels.flatMap(({ targets }) => targets), ...annotations.list].map(({ expr }) => expr)

  test("its panels do not overlap, and each has a title and an expression", () => {
    expect(panels.length).toBeGreaterThan(8)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const { title, targets, gridPos: a } of panels) {
      expect(title).not.toBe("")
      expect(targets.length).toBeGreaterThan(0)
      expect(a.x + a.w).toBeLessThanOrEqual(24)
      const over = panels.filter(
        ({ gridPos: b }) => b !== a && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
      )
      expect(over).toEqual([])
    }
  })

  test("its expressions use metrics that exist, only those of the chosen jobs and instances", async () => {
    const { render } = startMeasuredGatewayOn("http://127.0.0.1:9")
    const kinds = new Map([...(await render()).matchAll(/^# TYPE (\w+) (\w+)/gm)].map(([, name, kind]) => [name, kind]))
    for (const expr of expressions) {
      const used = [...expr.matchAll(/\b((?:http|graphql|gateway|process|nodejs)_\w+)\{([^}]*)\}/g)]
      expect(used.length, expr).toBeGreaterThan(0)
      for (const [, name = "", labels] of used) {
        const bare = name.replace(/_(bucket|sum|count)$/, "")
        expect(kinds.has(name) || kinds.get(bare) === "histogram", name).toBe(true)
        expect(labels).toContain('job=~"$job", instance=~"$instance"')
      }
    }
  })
})
