import { globSync } from "node:fs"
import { readFile, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { isEnumType, parse, validate } from "graphql"
import { describe, expect, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { settingGroups, settings } from "../src/config/settings.ts"
import { schema } from "../src/graph/schema.ts"
import { fixedLimits } from "../src/operation/limits.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFile(join(root, path), "utf8")

const paths = globSync(["*.md", "{docs,bench,src,sandbox,test,tools}/**/*.md", "{explorer,examples/*}/*.md"], {
  cwd: root,
  exclude: (path) => path.includes("node_modules"),
}).sort()
const documents = await Promise.all(paths.map(async (path) => ({ path, text: await read(path) })))
const table = documents.map(({ path, text }) => [path, text] as const)
const page = (path: string) => documents.find((document) => document.path === path)?.text ?? ""

/** The document without its fenced blocks and code spans, where brackets and hashes mean something else. */
const prose = (text: string) =>
  text.replace(/```.*?```/gs, "").replace(/`[^`\n]*`/g, (span) => span.replace(/[[\]#<>]/g, ""))

/** The anchors of a document's headings, as GitHub makes them. */
const anchorsOf = (text: string) =>
  [...text.replace(/```.*?```/gs, "").matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  )

/** The fenced blocks of a document in one language. */
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map(([, block]) => block as string)

test("the usual documents of a project exist", () => {
  expect(paths).toEqual(
    expect.arrayContaining([
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "README.md",
      "SECURITY.md",
      ...["architecture", "authentication", "errors", "limits", "operations", "pagination", "troubleshooting"].map(
        (name) => `docs/${name}.md`,
      ),
    ]),
  )
  expect(page("README.md").split("\n").length).toBeLessThanOrEqual(150)
})

/** Whether the document belongs to a package with its own files, scripts and settings. */
const isOwnPackage = (path: string) => /^(?:explorer|examples)\//.test(path)

describe.each(table)("%s", (path, text) => {
  test(`${path} has links that lead to files and headings`, async () => {
    for (const [, target = ""] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = "", anchor] = target.split("#")
      const linked = file === "" ? path : join(dirname(path), file)
      await expect(stat(join(root, linked)), target).resolves.toBeDefined()
      if (anchor !== undefined) expect(anchorsOf(await read(linked)), target).toContain(anchor)
    }
  })

  test(`${path} names files and folders that exist`, async () => {
    const named = text.matchAll(/`((?:src|sandbox|test|tools|docs|bench|examples)\/[\w./-]*)`/g)
    const folder = isOwnPackage(path) ? dirname(path) : "."
    for (const [, file = ""] of named) {
      // Generated files that are not in the repository.
      if (/node_modules|generated\//.test(file)) continue
      const exists = await Promise.any([stat(join(root, folder, file)), stat(join(root, file))]).catch(() => undefined)
      expect(exists, file).toBeDefined()
    }
  })

  test(`${path} names npm scripts that exist`, async () => {
    const scripts = new Set(Object.keys(packageJson.scripts))
    if (isOwnPackage(path)) {
      const own = JSON.parse(await read(join(dirname(path), "package.json")))
      for (const script of Object.keys(own.scripts)) scripts.add(script)
    }
    for (const [, script] of text.matchAll(/\bnpm run (?:-s |--silent )?([a-z:-]+)/g)) expect(scripts).toContain(script)
    if (/\bnpm start\b/.test(text)) expect(scripts).toContain("start")
  })

  test(`${path} has GraphQL that is valid for the graph`, () => {
    // The query of the federated example also asks another subgraph.
    if (path === "examples/federation/README.md") return
    const inCurl = [...text.matchAll(/-d '(\{"query":.*\})'/g)].map(([, body]) => JSON.parse(body as string).query)
    const inPython = blocks(text, "python").flatMap((block) =>
      [...block.matchAll(/"""(\s*(?:query|mutation)\b.*?)"""/gs)].map(([, query]) => query as string),
    )
    for (const query of [...blocks(text, "graphql"), ...inCurl, ...inPython]) {
      expect(validate(schema, parse(query)), query).toEqual([])
    }
  })

  test(`${path} names settings, error codes and enum values that exist`, async () => {
    const known = new Set([
      ...settings.map(({ name }) => name),
      ...(await errorCodes()),
      ...Object.values(schema.getTypeMap()).flatMap((type) =>
        isEnumType(type) ? type.getValues().map(({ name }) => name) : [],
      ),
      "GRAPHQL_PARSE_FAILED",
      "GRAPHQL_VALIDATION_FAILED",
      "NODE_OPTIONS",
      "NODE_EXTRA_CA_CERTS",
      "NODE_COMPILE_CACHE",
      "CHROMIUM_PATH",
      "HELM_PATH",
      // A misspelt setting, which the chart rejects.
      "CODEOCEAN_URI",
      "MALLOC_ARENA_MAX",
      "OTEL_SERVICE_NAME",
      "OTEL_RESOURCE_ATTRIBUTES",
      "OTEL_EXPORTER_OTLP_HEADERS",
      "OTEL_EXPORTER_OTLP_TIMEOUT",
      ...(await read("deploy/test-image.sh")).matchAll(/\b[A-Z]+(?:_[A-Z]+)+\b/g).map(([name]) => name),
      ...(await read("sandbox/options.ts")).matchAll(/SANDBOX_\w+/g).map(([name]) => name),
      ...(await read("test/sandbox.test.ts")).matchAll(/CODEOCEAN_CONTRACT_\w+/g).map(([name]) => name),
      ...(await read("test/support/gateway.ts")).matchAll(/process\.env\.(\w+)/g).map(([, name]) => name),
      ...(await read("test/support/properties.ts")).matchAll(/process\.env\.(\w+)/g).map(([, name]) => name),
    ])
    // The examples and the changelog have names of their own.
    if (isOwnPackage(path) || path === "CHANGELOG.md") return
    for (const [name] of text.matchAll(/\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b/g)) expect(known).toContain(name)
  })
})

test("the examples in docs/frontend.md are lines of the explorer", async () => {
  const examples = [...page("docs/frontend.md").matchAll(/^```(?:ts|graphql)\n(?:\/\/|#) (\S+)\n(.*?)^```/gms)]
  expect(examples.length).toBeGreaterThan(5)
  for (const [, file = "", lines] of examples) expect(await read(file), file).toContain(lines)
})

/** The codes of the gateway's errors, in the order of their list. */
async function errorCodes(): Promise<string[]> {
  const [, list = ""] = /const errorCodes = \[(.*?)\] as const/s.exec(await read("src/errors.ts")) ?? []
  return [...list.matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code as string)
}

test("docs/errors.md has a row for each error code, and no other", async () => {
  const rows = [...page("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code)
  expect(rows.length).toBeGreaterThan(10)
  expect(rows).toEqual(await errorCodes())
})

const settingRows = (text: string) =>
  [...text.matchAll(/^\| `([A-Z_]+)` \| (?:`(.*?)`)? ?\|/gm)].map(([, name, value = ""]) => ({ name, value }))

test("the README's settings are the first group of the table, with their defaults", () => {
  const rows = settingRows(page("README.md"))
  expect(rows).toHaveLength(6)
  expect(rows).toEqual(settingGroups[0]?.settings.map(({ name, default: value }) => ({ name, value })))
})

test("docs/limits.md names each setting that is a limit with its default, and no other", () => {
  const rows = [...page("docs/limits.md").matchAll(/^\| .* \| (.*) \| `([A-Z_]+)` \|$/gm)].map(([, limit, name]) => ({
    limit: limit as string,
    name: name as string,
  }))
  for (const { limit, name } of rows) {
    const value = Number(settings.find((setting) => setting.name === name)?.default)
    const told = name.endsWith("_MS")
      ? `${value / 1000} s`
      : name.endsWith("_BYTES")
        ? `${value / 2 ** 20} MiB`
        : value.toLocaleString("en-US")
    expect(limit, name).toContain(told)
  }
  const limits = settings.filter(
    ({ name, default: value }) => Number(value) > 0 && !["PORT", "OTEL_TRACES_SAMPLER_ARG"].includes(name),
  )
  const told = new Set(rows.map(({ name }) => name))
  expect(limits.filter(({ name }) => !told.has(name))).toEqual([])
})

test("docs/limits.md lists the fixed limits on operations, in the order of the code", () => {
  const [, rows = ""] = /^These bounds on a document.*?--- \|\n(.*?)\n\n/ms.exec(page("docs/limits.md")) ?? []
  const told = [...rows.matchAll(/^\| .* \| ([\d,]+)/gm)].map(([, limit]) => limit)
  expect(told).toEqual(Object.values(fixedLimits).map((limit) => limit.toLocaleString("en-US")))
})

test("messages that the documents quote are in the code", async () => {
  const sources = await Promise.all(globSync("src/**/*.ts", { cwd: root }).map(read))
  const source = [
    ...sources,
    await read("node_modules/graphql/validation/rules/custom/NoSchemaIntrospectionCustomRule.js"),
  ].join("\n")
  const [log = ""] = /^\| `msg`.*?\n\n/ms.exec(page("docs/operations.md")) ?? []
  const inLog = [...log.matchAll(/^\| `([^`]+)` \| (?!level)[a-z ]+ \|/gm)].map(([, message]) => message as string)
  expect(inLog.length).toBeGreaterThan(5)
  const symptoms = page("docs/troubleshooting.md").matchAll(/^\| ([^|]*) \|/gm)
  const quoted = [...symptoms].flatMap(([, symptom]) =>
    [...(symptom as string).replace(/`[^`]*`/g, "").matchAll(/"([^"]+)"/g)].map(([, message]) => message as string),
  )
  expect(quoted.length).toBeGreaterThan(5)
  for (const message of [...inLog, ...quoted]) expect(source.includes(message), message).toBe(true)
})
