import { Session } from "node:inspector/promises"
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import DataLoader from "dataloader"
import { Pool } from "undici"
import { seed, tokens } from "../sandbox/seed.ts"
import { startSandbox } from "../sandbox/server.ts"
import { readConfig } from "../src/config/config.ts"
import { createLog } from "../src/log/log.ts"
import { createGateway } from "../src/server.ts"

/** The path of one request through the source. */
export interface RequestPath {
  /** The files that pass the request on, from the request handler to undici, in order. */
  spine: string[]
  /** All files of `src` in which functions ran for the request, the response included, with the number of calls. */
  files: { file: string; functions: number; calls: number }[]
}

/** Files that only call back the function that they were given: the bytes of the body, and the lengths of arguments. */
const wrappers = new Set(["src/http/body.ts", "src/graph/inputLimits.ts"])

const warmUps = 50
const root = fileURLToPath(new URL("../", import.meta.url))

/** Follows one warm `{ capsule(id) { name } }`, one REST call, through a gateway over a socket, with V8's precise coverage. */
export async function measureRequestPath(): Promise<RequestPath> {
  const sandbox = await startSandbox()
  const config = { ...readConfig({ CODEOCEAN_URL: sandbox.url, PORT: "0" }), graphiql: false }
  const gateway = createGateway(config, createLog("info", { write() {} }))
  const session = new Session()
  const { dispatch } = Pool.prototype
  const { load } = DataLoader.prototype
  try {
    const url = `${await gateway.listen()}/graphql`
    for (let times = 0; times < warmUps; times++) await ask(url)

    session.connect()
    await session.post("Profiler.enable")
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
    // The first coverage counts from the start, and each later one from the one before.
    await session.post("Profiler.takePreciseCoverage")
    await ask(url)
    const { result } = await session.post("Profiler.takePreciseCoverage")
    await session.post("Profiler.stopPreciseCoverage")

    // DataLoader calls its batch function in a later tick, whose stack begins with the loader.
    let loadStack = ""
    DataLoader.prototype.load = function (...args) {
      loadStack ||= stackHere()
      return load.apply(this, args)
    }
    let dispatchStack = ""
    Pool.prototype.dispatch = function (...args) {
      dispatchStack ||= stackHere()
      return dispatch.apply(this, args)
    }
    await ask(url)
    return { spine: spineOf(`${dispatchStack}\n${loadStack}`), files: filesOf(result) }
  } finally {
    Pool.prototype.dispatch = dispatch
    DataLoader.prototype.load = load
    session.disconnect()
    await gateway.close()
    await sandbox.close()
  }
}

async function ask(url: string): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${tokens.ada}` },
    body: JSON.stringify({ query: `{ capsule(id: "${seed.cellCounter}") { name } }` }),
  })
  const body = await response.text()
  if (body !== '{"data":{"capsule":{"name":"Cell Counter"}}}') throw new Error(`unexpected response: ${body}`)
}

function stackHere(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = Number.POSITIVE_INFINITY
  try {
    return new Error("stack").stack ?? ""
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The files of a stack, outermost first, each where the request entered it. */
function spineOf(stack: string): string[] {
  const files = stack
    .split("\n")
    .toReversed()
    .flatMap((line) => /(file:.*?\.ts):\d+:\d+/.exec(line)?.[1] ?? [])
    .map(ownPath)
  return [...new Set(files)].filter((file) => file?.startsWith("src/") && !wrappers.has(file)) as string[]
}

function filesOf(
  scripts: { url: string; functions: { functionName: string; ranges: { count: number }[] }[] }[],
): RequestPath["files"] {
  const files = []
  for (const { url, functions } of scripts) {
    const file = ownPath(url)
    if (!file?.startsWith("src/")) continue
    const counts = functions.map(({ ranges }) => ranges[0]?.count ?? 0).filter((count) => count > 0)
    const calls = counts.reduce((sum, count) => sum + count, 0)
    if (calls > 0) files.push({ file, functions: counts.length, calls })
  }
  return files.sort((a, b) => a.file.localeCompare(b.file))
}

function ownPath(url: string): string | undefined {
  return url.startsWith("file:") ? relative(root, fileURLToPath(url)) : undefined
}

if (import.meta.main) {
  const { spine, files } = await measureRequestPath()
  const sum = (of: (file: RequestPath["files"][number]) => number) => files.reduce((total, file) => total + of(file), 0)
  console.log(`The path of a request, { capsule(id) { name } }: ${spine.length} files\n`)
  for (const [index, file] of spine.entries()) console.log(`${String(index + 1).padStart(4)}  ${file}`)
  console.log(`\nAll files in which functions ran: ${files.length}`)
  console.log(`${sum(({ functions }) => functions)} functions, ${sum(({ calls }) => calls)} calls\n`)
  for (const { file, functions, calls } of files) {
    console.log(`${String(functions).padStart(4)} functions ${String(calls).padStart(5)} calls  ${file}`)
  }
}
