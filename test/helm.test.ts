import { globSync, readFileSync } from "node:fs"
import { safeParse } from "valibot"
import { describe, expect, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { readConfig } from "../src/config/config.ts"
import type { Row } from "../src/config/row.ts"
import { groups } from "../src/config/settings.ts"
import { readByPackages, setByChart } from "../tools/chartSettings.ts"
import { helm, requireInDeploy } from "./support/deploy.ts"
import { type KubernetesObject, problemsOf } from "./support/kubernetes.ts"

const { parse, parseAllDocuments } = requireInDeploy("yaml")
const chart = "deploy/helm"
const root = new URL("..", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")
const valueSets = globSync(`${chart}/ci/*.yaml`, { cwd: root }).toSorted()
const rows = groups.flatMap(([, group]): Row[] => Object.values(group))
const variables = [...rows, ...readByPackages].map(({ name }) => name)

/** The objects that the chart renders, with `--set` for each of the values. */
function render(file: string, values: Record<string, string> = {}): KubernetesObject[] {
  const sets = Object.entries(values).flatMap(([name, value]) => ["--set", `${name}=${value}`])
  const { status, stdout, stderr } = helm([
    "template",
    "release",
    chart,
    "--namespace",
    "research",
    "-f",
    file,
    ...sets,
  ])
  expect(stderr).toBe("")
  expect(status).toBe(0)
  return parseAllDocuments(stdout)
    .map((document: { toJS(): KubernetesObject | null }) => document.toJS())
    .filter((object: KubernetesObject | null) => object !== null)
}

const kinds = (objects: KubernetesObject[]) => objects.map(({ kind }) => kind).toSorted()
const ofKind = (objects: KubernetesObject[], kind: string) => objects.find((object) => object.kind === kind)!
const podOf = (objects: KubernetesObject[]) => ofKind(objects, "Deployment").spec.template.spec
const environmentOf = (objects: KubernetesObject[]): { name: string; value?: string; valueFrom?: unknown }[] =>
  podOf(objects).containers[0].env

test.each(valueSets)(
  "helm lint has nothing to say about the chart with %s, and all its objects are valid: no field is unknown",
  async (file) => {
    const { status, stdout } = helm(["lint", "--strict", "--quiet", chart, "-f", file])
    expect(stdout).toBe("")
    expect(status).toBe(0)
    for (const object of render(file)) {
      expect(await problemsOf(object), `${object.kind} ${object.metadata.name}`).toEqual([])
      expect(object.metadata.namespace).toBe("research")
    }
  },
)

test("the chart renders each kind of object that its values name", () => {
  const least = ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
  expect(kinds(render(`${chart}/ci/minimal.yaml`))).toEqual(least)
  expect(kinds(render(`${chart}/ci/one-replica.yaml`))).toEqual(["Deployment", "Service", "ServiceAccount"])
  expect(kinds(render(`${chart}/ci/full.yaml`))).toEqual(
    [...least, "HorizontalPodAutoscaler", "Ingress", "PrometheusRule", "Service", "ServiceMonitor"].toSorted(),
  )
})

test("a misspelt field of a rendered object is found, wherever it is", async () => {
  // The keys of these objects are not fields.
  const maps = /\/(labels|annotations|matchLabels|nodeSelector|selector|requests|limits)$/
  let tried = 0
  for (const object of render(`${chart}/ci/full.yaml`)) {
    const visit = async (value: unknown, path: string): Promise<void> => {
      if (typeof value !== "object" || value === null) return
      const isMap = maps.test(path) && Object.values(value).every((entry) => typeof entry !== "object")
      if (!Array.isArray(value) && !isMap) {
        Object.assign(value, { misspelt: 1 })
        expect(await problemsOf(object)).toContain(`${path}/misspelt is unknown`)
        delete (value as { misspelt?: number }).misspelt
        tried += 1
      }
      for (const [key, child] of Object.entries(value)) await visit(child, `${path}/${key}`)
    }
    await visit(object, "")
  }
  expect(tried).toBeGreaterThan(90)
})

describe("wrong values", () => {
  /** Found by the schema, which names all that is wrong at once. */
  const bySchema: [set: string, message: RegExp][] = [
    [
      "settings.CODEOCEAN_URL=codeocean.example.org",
      /at '\/settings\/CODEOCEAN_URL': 'codeocean.example.org' does not match pattern/,
    ],
    ["settings.CODEOCEAN_URI=x", /at '\/settings': additional properties .*'CODEOCEAN_URI'.* not allowed/],
    ["settings.codeoceanUrl=x", /at '\/settings': additional properties .*'codeoceanUrl'.* not allowed/],
    ["settings.PORT=80", /at '\/settings': additional properties .*'PORT'.* not allowed/],
    ["settings.CODEOCEAN_TOKEN=secret", /at '\/settings': additional properties .*'CODEOCEAN_TOKEN'.* not allowed/],
    ["settings.GRAPHIQL=yes", /at '\/settings\/GRAPHIQL': got string, want boolean/],
    ["settings.TRUSTED_PROXIES=11", /at '\/settings\/TRUSTED_PROXIES': maximum: got 11, want 10/],
    ["settings.LOG_LEVEL=verbose", /at '\/settings\/LOG_LEVEL': value must be one of 'fatal', 'error'/],
    [
      "settings.HTTPS_PROXY=http://user:secret@proxy",
      /at '\/settings\/HTTPS_PROXY': 'http:\/\/user:secret@proxy' does not match pattern/,
    ],
    ["secretSettings.LOG_LEVEL.name=x", /at '\/secretSettings': additional properties 'LOG_LEVEL' not allowed/],
    ["secretSettings.CODEOCEAN_TOKEN.name=x", /at '\/secretSettings\/CODEOCEAN_TOKEN': missing property 'key'/],
    ["replicas=-1", /at '\/replicas': minimum: got -1, want 0/],
    ["replica=3", /at '': additional properties 'replica' not allowed/],
    ["resources.limits.mem=1Gi", /at '\/resources\/limits': additional properties 'mem' not allowed/],
    ["image.digest=sha256:0123", /at '\/image\/digest': 'sha256:0123' does not match pattern/],
    ["topologySpread.zones=Always", /at '\/topologySpread\/zones': value must be one of 'DoNotSchedule'/],
    ["metrics.enabled=true,metrics.port=4000", /at '\/metrics\/port': 'not' failed/],
    ["podDisruptionBudget.maxUnavailable=0", /at '\/podDisruptionBudget\/maxUnavailable'/],
  ]
  const rejected = (sets: string[]) => {
    const set = sets.flatMap((one) => ["--set", one])
    const { status, stderr, stdout } = helm(["template", chart, "-f", `${chart}/ci/minimal.yaml`, ...set])
    expect(status).toBe(1)
    expect(stdout).toBe("")
    return stderr
  }

  test.each(bySchema)("wrong values are rejected with their place, together with others: %s", (_set, message) => {
    expect(rejected(bySchema.map(([set]) => set))).toMatch(message)
  })

  test.each([
    ["replicas=two", "at '/replicas': got string, want integer"],
    [
      "secretSettings.HTTP_PROXY.name=x,secretSettings.HTTP_PROXY.key=y,settings.HTTP_PROXY=http://p",
      "HTTP_PROXY is in settings and in secretSettings: remove one of them",
    ],
    ["ingress.enabled=true", "ingress.host is required"],
    ["metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.enabled needs metrics.enabled"],
    [
      "autoscaling.enabled=true,autoscaling.minReplicas=11",
      "autoscaling.minReplicas is more than autoscaling.maxReplicas",
    ],
  ])("wrong values are rejected with their place: %s", (set, message) => {
    expect(rejected([set])).toContain(message)
  })

  test("an installation without the address of Code Ocean is rejected", () => {
    const { status, stderr } = helm(["template", chart])
    expect(stderr).toContain("at '/settings': missing property 'CODEOCEAN_URL'")
    expect(status).toBe(1)
  })

  test("a value that values.yaml does not show is unknown, and each that it shows is in the schema", () => {
    const compare = (shown: object, schema: { properties?: Record<string, object>; $ref?: string }, path: string) => {
      const { definitions } = JSON.parse(read(`${chart}/values.schema.json`))
      const { properties, additionalProperties } = schema.$ref
        ? definitions[schema.$ref.split("/").at(-1)!]
        : (schema as never)
      if (properties === undefined) return
      expect(additionalProperties, path).toBe(false)
      for (const [key, value] of Object.entries(shown)) {
        expect(Object.keys(properties), path).toContain(key)
        if (value !== null && typeof value === "object" && !Array.isArray(value))
          compare(value, properties[key], `${path}.${key}`)
      }
    }
    const schema = JSON.parse(read(`${chart}/values.schema.json`))
    const shown = parse(read(`${chart}/values.yaml`))
    compare(shown, schema, "values")
    expect(Object.keys(schema.properties).filter((key) => !(key in shown))).toEqual(["global"])
  })
})

test("a setting that is secret or accepts a password says so in its row, so that the chart reads it from a Secret", () => {
  const accepts = ({ kind }: Row, value: string) => safeParse(kind, value).success
  const isAddress = (row: Row) => !accepts(row, "no address")
  const addresses = ["http://user:secret@example.org", "redis://user:secret@example.org"]
  const mayHavePassword = rows.filter((row) => isAddress(row) && addresses.some((address) => accepts(row, address)))
  expect(mayHavePassword.map(({ name }) => name)).toContain("HTTPS_PROXY")
  expect(mayHavePassword.filter(({ secret }) => secret === undefined)).toEqual([])
  const areSecret = rows.filter(({ name }) => /(TOKEN|SECRET|PASSWORD|KEY)S?$/.test(name))
  expect(areSecret.map(({ name }) => name)).toContain("CODEOCEAN_TOKEN")
  expect(areSecret.filter(({ secret }) => secret !== "value")).toEqual([])
})

test("every setting is a value of the chart, or set by the chart", () => {
  const { settings, secretSettings } = JSON.parse(read(`${chart}/values.schema.json`)).properties
  const values = new Set([...Object.keys(settings.properties), ...Object.keys(secretSettings.properties)])
  expect([...values, ...setByChart].toSorted()).toEqual(variables.toSorted())
})

test.each(valueSets)(
  "the gateway starts with the environment of %s: each variable is a setting, or read by Node or OpenTelemetry",
  (file) => {
    const rendered = environmentOf(render(file, { "metrics.enabled": "true" }))
    const names = rendered.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => name !== "NODE_EXTRA_CA_CERTS" && !variables.includes(name))).toEqual([])
    const environment = Object.fromEntries(
      rendered.map(({ name, value }) => [
        name,
        value ?? (name.endsWith("PROXY") ? "http://user:secret@proxy:3128" : "4pZ1hWq8vT0yLxR6nBs3KdGmJcUeQf7a"),
      ]),
    )
    expect(() => readConfig({ NODE_ENV: "production", ...environment }, () => new Map())).not.toThrow()
  },
)

test("numbers reach the gateway with all their digits", () => {
  const numbers = rows.flatMap(({ name, default: value }) =>
    typeof value === "number" && !setByChart.has(name) ? [[name, `${value}`]] : [],
  )
  expect(numbers.length).toBeGreaterThan(15)
  const rendered = environmentOf(
    render(
      `${chart}/ci/minimal.yaml`,
      Object.fromEntries(numbers.map(([name, value]) => [`settings.${name}`, value!])),
    ),
  )
  for (const [name, value] of numbers) expect(rendered).toContainEqual({ name, value })
  expect(environmentOf(render(`${chart}/ci/full.yaml`))).toContainEqual({
    name: "OTEL_TRACES_SAMPLER_ARG",
    value: "0.01",
  })
})

test("the pod may stop for as long as the gateway may need, after the pause for the load balancers", () => {
  const deadline = rows.find(({ name }) => name === "REQUEST_DEADLINE_MS")!.default as number
  const seconds = (values: Record<string, string>) =>
    podOf(render(`${chart}/ci/minimal.yaml`, values)).terminationGracePeriodSeconds
  // main.ts: 7 s beyond the deadline, and 2 s for the log.
  const needed = (deadlineMs: number) => Math.ceil(deadlineMs / 1000) + 9
  expect(seconds({})).toBe(10 + needed(deadline) + 1)
  expect(seconds({ preStopSeconds: "25", "settings.REQUEST_DEADLINE_MS": "60500" })).toBe(25 + needed(60_500) + 1)
})

test("the pod has no rights that the gateway does not need", () => {
  for (const file of valueSets) {
    const pod = podOf(render(file))
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      },
    })
    expect(pod.containers).toHaveLength(1)
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    })
    for (const mount of pod.containers[0].volumeMounts ?? []) expect(mount.readOnly).toBe(true)
  }
})

test("the network policy opens the ports of the addresses in the settings, and no others", () => {
  const ports = (values: Record<string, string>, file = "minimal") => {
    const [, { ports: opened }] = ofKind(render(`${chart}/ci/${file}.yaml`, values), "NetworkPolicy").spec.egress
    return opened.map(({ port }: { port: number }) => port)
  }
  expect(ports({})).toEqual([443])
  expect(ports({}, "full")).toEqual([443, 3128, 8443, 9000, 4318, 6379])
  expect(ports({ "settings.CODEOCEAN_URL": "http://codeocean:8080/path", "networkPolicy.egressPorts": "{9}" })).toEqual(
    [9, 8080],
  )
  expect(ports({ "settings.HTTPS_PROXY": "http://proxy.example.org" })).toEqual([443, 80])
})

test("the chart has the version of the package, and its Services select its pods", () => {
  const { version, appVersion } = parse(read(`${chart}/Chart.yaml`))
  expect([version, appVersion]).toEqual([packageJson.version, packageJson.version])
  for (const file of valueSets) {
    const objects = render(file)
    const { selector, template } = ofKind(objects, "Deployment").spec
    expect(template.metadata.labels).toMatchObject(selector.matchLabels)
    for (const service of objects.filter(({ kind }) => kind === "Service")) {
      expect(service.spec.selector).toEqual(selector.matchLabels)
      const names = template.spec.containers[0].ports.map(({ name }: { name: string }) => name)
      for (const { targetPort } of service.spec.ports) expect(names).toContain(targetPort)
    }
  }
})

test("the chart's alerts are those of the file, and its metrics have the job that they expect", async () => {
  const { groups: expected } = parse(read("deploy/alerts.yml"))
  const { status, stdout } = helm([
    ...["template", "release", chart, "-f", `${chart}/ci/full.yaml`, "--set-file", "metrics.alerts=deploy/alerts.yml"],
  ])
  expect(status).toBe(0)
  const objects = parseAllDocuments(stdout).map((document: { toJS(): KubernetesObject }) => document.toJS())
  const rule = ofKind(objects, "PrometheusRule")
  expect(rule.spec.groups).toEqual(expected)
  expect(await problemsOf(rule)).toEqual([])
  const monitor = ofKind(objects, "ServiceMonitor")
  const job = objects.find(({ metadata }: KubernetesObject) => metadata.name.endsWith("-metrics")).metadata.labels[
    monitor.spec.jobLabel
  ]
  expect(read("deploy/alerts.yml")).toContain(`job="${job}"`)
  expect(parse(read("deploy/prometheus.yml")).scrape_configs[0].job_name).toBe(job)
})

test("persisted operations and certificates are read from the files that are mounted", () => {
  const objects = render(`${chart}/ci/full.yaml`)
  const { volumeMounts } = podOf(objects).containers[0]
  const { volumes } = podOf(objects)
  for (const [variable, configMap, key] of [
    ["PERSISTED_OPERATIONS", "portal-operations", "persisted-documents.json"],
    ["NODE_EXTRA_CA_CERTS", "certificate-authority", "ca.crt"],
    ["MCP_TOOLS", "agent-tools", undefined],
  ]) {
    const path = environmentOf(objects).find(({ name }) => name === variable)!.value!
    const mount = volumeMounts.find(
      ({ mountPath }: { mountPath: string }) => path === (key ? `${mountPath}/${key}` : mountPath),
    )
    expect(volumes).toContainEqual({ name: mount.name, configMap: { name: configMap } })
  }
})
