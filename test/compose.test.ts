import { existsSync, readFileSync } from "node:fs"
import { parseEnv } from "node:util"
import { expect, test } from "vitest"
import { readConfig } from "../src/config/config.ts"
import { settings } from "../src/config/settings.ts"
import { readByPackages, setByChart } from "../tools/chartSettings.ts"
import { inDeploy, requireInDeploy } from "./support/deploy.ts"

/*
 * The compose file is compared with the schema of the Compose specification. It is not started: there may be no Docker, and the
 * images of Prometheus and Grafana would be fetched.
 */

interface Service {
  profiles?: string[]
  build?: { target?: string }
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  environment?: Record<string, string | null>
  ports?: string[]
  volumes?: string[]
  configs?: { source: string }[]
  stop_grace_period?: string
}

interface Compose {
  services: Record<string, Service>
  configs: Record<string, { content: string }>
}

const { parse } = requireInDeploy("yaml")
const deploy = new URL("../deploy/", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, deploy), "utf8")
const compose: Compose = parse(read("compose.yml"))
const { gateway, sandbox, prometheus, grafana } = compose.services as Record<string, Service>

const { default: Ajv } = requireInDeploy("ajv")
// The schema names its own language by an address that ajv does not know.
const { $schema: _, ...schema } = JSON.parse(readFileSync(inDeploy("dclint/schemas/compose.schema.json"), "utf8"))
const isValid = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema)

test("the compose file follows the Compose specification", () => {
  isValid(compose)
  expect(isValid.errors).toBe(null)
})

test("a misspelt key of the compose file is found, wherever it is", () => {
  // The keys of these objects are names.
  const isMap = (path: string) => /^\/(services|volumes|configs)$|\/(environment|depends_on)$/.test(path)
  let tried = 0
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return
    if (!Array.isArray(value) && !isMap(path)) {
      Object.assign(value, { misspelt: 1 })
      expect(isValid(copy), path).toBe(false)
      delete (value as { misspelt?: number }).misspelt
      tried += 1
    }
    for (const [key, child] of Object.entries(value)) visit(child, `${path}/${key}`)
  }
  const copy = structuredClone(compose)
  visit(copy, "")
  expect(tried).toBeGreaterThan(10)
})

test("every setting can be given to the gateway of the compose file, and it has no other variables", () => {
  const names = [...settings, ...readByPackages]
    .map(({ name }) => name)
    .filter((name) => !setByChart.has(name) || name === "METRICS_PORT")
  expect(Object.keys(gateway!.environment!).toSorted()).toEqual(names.toSorted())
})

test("the gateway starts with the settings of the demo, and asks the sandbox", () => {
  const demo = parseEnv(read("demo.env"))
  const passedOn = Object.entries(gateway!.environment!).map(([name, value]) => [
    name,
    value === null || value.startsWith("$") ? demo[name] : value,
  ])
  const { COMPOSE_PROFILES, ...variables } = demo
  expect(Object.keys(variables).filter((name) => !(name in gateway!.environment!))).toEqual([])
  expect(sandbox!.profiles).toEqual([COMPOSE_PROFILES])
  const config = readConfig(Object.fromEntries(passedOn))
  expect(config.codeoceanUrl.hostname).toBe("sandbox")
  expect(config.fileOrigins).toEqual([config.codeoceanUrl.origin])
})

test("without the address of Code Ocean the compose file is rejected, with the way to the demo", () => {
  expect(gateway!.environment!.CODEOCEAN_URL).toMatch(/^\$\{CODEOCEAN_URL:\?.*demo\.env\}$/)
})

test("the containers of the compose file have no rights that they do not need, and only this machine reaches their ports", () => {
  for (const service of [gateway, sandbox]) {
    expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"], security_opt: ["no-new-privileges:true"] })
  }
  const ports = Object.values(compose.services).flatMap((service) => service.ports ?? [])
  expect(ports).toHaveLength(3)
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{\w+:-\d+\}:\d+$/)
})

test("the gateway of the compose file has as much time to stop as it may need", () => {
  const { requestDeadlineMs } = readConfig({ CODEOCEAN_URL: "http://localhost" })
  expect(gateway!.stop_grace_period).toBe(`${requestDeadlineMs / 1000 + 15}s`)
})

test("the compose file mounts files that exist, and builds stages that exist", () => {
  const files = [prometheus, grafana].flatMap((service) => service!.volumes ?? []).filter((volume) => volume[0] === ".")
  expect(files.length).toBeGreaterThan(2)
  for (const file of files) {
    expect(existsSync(new URL(file.split(":")[0]!, deploy)), file).toBe(true)
    expect(file).toMatch(/:ro$/)
  }
  for (const { source } of grafana!.configs!)
    expect(parse(compose.configs[source]!.content)).toHaveProperty("apiVersion")
  expect(read("../Dockerfile")).toContain(` AS ${sandbox!.build!.target}\n`)
})

test("Prometheus scrapes the gateway of the compose file, under the name that the alerts expect", () => {
  const { scrape_configs, rule_files } = parse(read("prometheus.yml"))
  expect(scrape_configs).toEqual([
    { job_name: "codeocean-gateway", static_configs: [{ targets: [`gateway:${gateway!.environment!.METRICS_PORT}`] }] },
  ])
  for (const file of rule_files) expect(read(file)).toContain(`job="${scrape_configs[0].job_name}"`)
})
