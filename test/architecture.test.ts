import { readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { parseSync } from "vite"
import { describe, expect, test } from "vitest"

const root = new URL("../", import.meta.url)

/** An import points to the same folder or to a later one in this list. The common files may be imported anywhere. */
const layers = [
  "main",
  "server",
  "mcp",
  "http",
  "operation",
  "graph",
  "polling",
  "upstream",
  "store",
  "telemetry",
  "collections",
]
const common = ["config", "log", "errors"]

const files = ["src", "sandbox"]
  .flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" }).map((path) => `${folder}/${path}`),
  )
  .filter((path) => path.endsWith(".ts"))
  .toSorted()

/** The files of the project that each file imports, types too. */
const imports = new Map(
  files.map((file) => {
    const { module } = parseSync(file, readFileSync(new URL(file, root), "utf8"))
    const targets = [
      ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
      ...module.staticExports.flatMap(({ entries }) =>
        entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
      ),
      ...module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
        readFileSync(new URL(file, root), "utf8").slice(start + 1, end - 1),
      ),
    ]
    const own = targets.filter((target) => target.startsWith(".") && target.endsWith(".ts"))
    return [file, own.map((target) => posix.join(posix.dirname(file), target))] as const
  }),
)

const arrows = [...imports].flatMap(([from, targets]) => targets.map((to) => ({ from, to })))
const layerOf = (file: string) => (file.split("/")[1] as string).replace(/\.ts$/, "")
const within = (folder: string) => (file: string) => file.startsWith(`${folder}/`)
const text = ({ from, to }: { from: string; to: string }) => `${from} -> ${to}`

test("the test of imports reads the imports of all files", () => {
  expect(files.length).toBeGreaterThan(120)
  expect(imports.get("src/main.ts")).toEqual(expect.arrayContaining(["src/config/config.ts", "src/server.ts"]))
  expect(arrows.length).toBeGreaterThan(500)
})

describe("imports", () => {
  test("every import in src points to the same layer or to one below", () => {
    const up = arrows.filter(({ from, to }) => {
      if (!within("src")(from) || common.includes(layerOf(to)) || common.includes(layerOf(from))) return false
      const [above, below] = [layers.indexOf(layerOf(from)), layers.indexOf(layerOf(to))]
      return above < 0 || below < above
    })
    expect(up.map(text)).toEqual([])
  })

  test("no imports form a circle, except those of types of resources, which refer to one another", () => {
    const isType = (file: string) => /^src\/graph\/\w+\/type\.ts$/.test(file)
    const circles = new Set<string>()
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      const start = path.indexOf(file)
      if (start >= 0) {
        const circle = path.slice(start)
        if (!circle.every(isType)) circles.add([...circle, file].join(" -> "))
        return
      }
      if (done.has(file)) return
      for (const target of imports.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect([...circles]).toEqual([])
  })

  test("src never imports the sandbox, and only the sandbox's demo imports src", () => {
    const across = arrows.filter(({ from, to }) => within("src")(from) !== within("src")(to))
    expect(across.map(({ from }) => from).filter((from) => from !== "sandbox/demo.ts")).toEqual([])
  })
})

test("the root of src has the layers, the common files and the README, and nothing else", () => {
  const entries = readdirSync(new URL("src", root)).map((entry) => entry.replace(/\.ts$/, ""))
  expect(entries.toSorted()).toEqual(["README.md", ...layers, ...common].toSorted())
})

test("every folder has a README of one to five sentences", () => {
  const folders = new Set(files.map((file) => posix.dirname(file)))
  for (const folder of folders) {
    const readme = readFileSync(new URL(`${folder}/README.md`, root), "utf8")
    const sentences = readme
      .split("\n")
      .slice(1)
      .join(" ")
      .trim()
      .split(/[.?](?:\s|$)/)
      .filter(Boolean)
    expect(sentences.length, folder).toBeGreaterThanOrEqual(1)
    expect(sentences.length, folder).toBeLessThanOrEqual(5)
  }
})

/** A page changes some time after an action. What must not be there is read once, after a wait for what comes at the same time. */
test("tests of pages in a browser wait for what they read", () => {
  const tests = readdirSync(new URL("test", root)).filter((file) => /^(explorer|graphiql).*\.test\.ts$/.test(file))
  const once = tests.flatMap((file) => {
    const text = readFileSync(new URL(`test/${file}`, root), "utf8")
    if (!/\b(useExplorer|sharedBrowser)\(/.test(text)) return []
    const reads = text.match(/\bexpect(\.soft)?\((\[?\s*await |[^)]*\bpage\.url\().*/g) ?? []
    const isFine = /^expect\(await (violationsOf\(.*|.*\.count\(\)\)\.toBe\(0\)$)/
    return reads.filter((read) => !isFine.test(read)).map((read) => `${file}: ${read}`)
  })
  expect(tests.length).toBeGreaterThan(9)
  expect(once).toEqual([])
})
