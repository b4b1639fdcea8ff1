import { globSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import lock from "../package-lock.json" with { type: "json" }
import { buildExplorer } from "../tools/explorer.ts"
import { run } from "./support/process.ts"
import { secret } from "./support/sessions.ts"

/*
 * What can be checked without building the image. deploy/test-image.sh builds and runs it.
 */

const root = fileURLToPath(new URL("../", import.meta.url))
const read = (path: string) => readFileSync(root + path, "utf8")
const dockerfile = read("Dockerfile").replaceAll("\\\n", " ")
const commands = [...dockerfile.matchAll(/^CMD (\[.*\])$/gm)].map(([, command]): string[] => JSON.parse(command!))

/** The commands of each stage, by its name. The last one has none. */
const stages = new Map(
  dockerfile.split(/^FROM /m).map((text) => {
    const [, name = ""] = /^\S+(?: AS (\S+))?/.exec(text) ?? []
    return [name, text.split("\n").slice(1)] as const
  }),
)

/** The arguments of all commands that begin so in a stage, without flags. */
function argumentsOf(stage: string, command: RegExp): string[][] {
  const found = (stages.get(stage) ?? []).flatMap((line) => line.split("&&")).filter((line) => command.test(line))
  return found.map((line) =>
    line
      .replace(command, "")
      .trim()
      .split(/\s+/)
      .filter((word) => !word.startsWith("-")),
  )
}

const copies = (stage: string) => argumentsOf(stage, /^COPY (?!--from)/).map((words) => words.slice(0, -1))

/** The files of packages that are kept although their packages are uninstalled. */
const keptFiles = argumentsOf("packages", /^.*cp --parents/).flatMap((words) => words.slice(0, -1))
const uninstalled = argumentsOf("packages", /^.*npm uninstall/).flat()

type Installed = Partial<Record<"dependencies" | "optionalDependencies", Record<string, string>>>
const installed = lock.packages as Record<string, Installed>

/** The folders of the packages that are left after `npm uninstall`. */
function packageFolders(): string[] {
  const left = new Set<string>()
  const add = (name: string, from: string): void => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("node_modules/") - 1))) {
      const path = posix.join(folder, "node_modules", name)
      if (installed[path] !== undefined) {
        if (left.has(path)) return
        left.add(path)
        const { dependencies, optionalDependencies } = installed[path]
        for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) add(next, path)
        return
      }
      if (folder === "") return
    }
  }
  for (const name of Object.keys(packageJson.dependencies)) if (!uninstalled.includes(name)) add(name, "")
  return [...left]
}

test("the image starts the gateway with the flags of npm start, and compiles into the same folder", () => {
  const [, flags = ""] = /exec node (--max-.+) --env-file/.exec(packageJson.scripts.start) ?? []
  expect(commands.at(-1)).toEqual(["node", ...flags.split(" "), "src/main.ts"])
  const [, cache] = /^NODE_COMPILE_CACHE=(\S+) /.exec(packageJson.scripts.start) ?? []
  expect(dockerfile.match(/NODE_COMPILE_CACHE=\S+/g)).toEqual(Array(2).fill(`NODE_COMPILE_CACHE=/app/${cache}`))
})

/** Starts the gateway with everything on that is optional. It can read these files and folders of the project, and no others. */
async function startWith(paths: readonly string[]) {
  const readable = [...paths.map((path) => root + path), "/proc", "/etc"]
  const flags = ["--permission", "--allow-net", ...readable.map((path) => `--allow-fs-read=${path}`)]
  const { said } = run(process.execPath, [...flags, "--no-warnings", `${root}src/main.ts`], {
    CODEOCEAN_URL: "http://127.0.0.1:9",
    PORT: "0",
    METRICS_PORT: "0",
    EXPLORER: "true",
    MCP: "true",
    SESSION_SECRETS: secret,
    REDIS_URL: "redis://127.0.0.1:9",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
  })
  return await said(/"url":"(http:[^"]+)".*"listening"/)
}

const navigation = { headers: { accept: "text/html" } }

/** The status of GraphiQL's page, and those of the files that it loads. */
async function graphiqlOf(url: string): Promise<number[]> {
  const page = await fetch(url, navigation)
  const files = [...(await page.text()).matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, path]) => path!)
  const answers = await Promise.all(files.map((path) => fetch(new URL(path, url))))
  return [page, ...answers].map(({ status }) => status)
}

const kept = [...copies("app").flat(), "explorer/dist", ...packageFolders(), ...keptFiles]

test("the gateway reads no file that is not in the image, with everything on that is optional", async () => {
  await buildExplorer()
  const url = await startWith(kept)
  expect(await graphiqlOf(url)).toEqual([200, 200, 200, 200, 200, 200])
  expect((await fetch(new URL("/explorer/", url))).status).toBe(200)
})

test("each dependency is imported by the gateway, or uninstalled in the image, which no override prevents", () => {
  const sources = globSync("src/**/*.ts", { cwd: root }).map((file) => read(file))
  const unused = Object.keys(packageJson.dependencies).filter(
    (name) =>
      !uninstalled.includes(name) &&
      !sources.some((text) => new RegExp(`(from |import |import\\()"${name}(/[^"]+)?"`).test(text)),
  )
  expect(unused).toEqual([])
  // npm uninstall fails if an override refers to the version of a dependency that is no longer there.
  const references = JSON.stringify(packageJson.overrides).match(/(?<="\$)[^"]+/g) ?? []
  expect(references.filter((name) => uninstalled.includes(name))).toEqual([])
})

test("the licence of every package of GraphiQL's page is in the image", () => {
  const packages = new Set(keptFiles.map((file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? file))
  expect(packages.size).toBeGreaterThan(3)
  const licences = [...packages].flatMap((folder) => globSync(`${folder}/**/LICEN[CS]E*`, { cwd: root }))
  expect(keptFiles).toEqual(expect.arrayContaining(licences))
})

test("what the Dockerfile copies is sent to the build, and has all that the explorer's build reads", () => {
  const sent = read(".dockerignore").match(/(?<=^!).+/gm)
  const copied = [...stages.keys()].flatMap(copies).flat()
  expect(copied.length).toBeGreaterThan(5)
  expect(sent).toEqual(expect.arrayContaining(copied.map((path) => path.split("/")[0])))
  const sources = globSync("explorer/{*.*,{build,src}/**/*.*}", { cwd: root })
  const outside = sources.flatMap((file) =>
    [...read(file).matchAll(/["'](\.\.?\/[^"'\s]+)["']/g)]
      .map(([, path = ""]) => posix.join(posix.dirname(file), path))
      .filter((path) => !`${path}/`.startsWith("explorer/")),
  )
  expect(outside).toContain("schema.graphql")
  expect(copies("explorer").flat()).toEqual(expect.arrayContaining(outside))
})
