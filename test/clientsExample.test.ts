import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { parse, validate } from "graphql"
import { beforeAll, expect, test } from "vitest"
import { tokens } from "../sandbox/seed.ts"
import { schema } from "../src/graph/schema.ts"
import { readManifest } from "../src/operation/persisted/manifest.ts"
import { compiled } from "./support/compiled.ts"
import { startGateway } from "./support/gateway.ts"

const folder = fileURLToPath(new URL("../examples/clients", import.meta.url))
const manifestPath = `${folder}/src/generated/persisted-documents.json`

/** Runs a script of the example and resolves with its output. Rejects with the output if it fails. Node starts it faster than npm. */
function runScript(script: string, env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--run", script], {
      cwd: folder,
      env: { ...process.env, ...compiled, ...env },
    })
    let output = ""
    const note = (chunk: Buffer) => {
      output += chunk
    }
    child.stdout.on("data", note)
    child.stderr.on("data", note)
    child.once("error", reject)
    child.once("close", (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`the script ${script} ended with ${code}:\n${output}`))
    })
  })
}

/** Runs a script of the example's tests against a gateway on the sandbox, and resolves with how many passed. */
async function runTests(script: string, options: Parameters<typeof startGateway>[0] = {}): Promise<number> {
  const { gateway } = await startGateway(options)
  const env = { GATEWAY_URL: `${await gateway.listen()}/graphql`, GATEWAY_TOKEN: tokens.ada }
  return Number(/\bpass (\d+)/.exec(await runScript(script, env))?.[1])
}

// Compilers and clients are processes of their own, and may take minutes on a busy machine.
const timeout = 300_000

beforeAll(async () => {
  await runScript("schema")
  await runScript("generate")
}, timeout)

test("graphql-codegen takes the graph and the operations of the twelve jobs", async () => {
  const jobs = await readFile(new URL("../docs/jobs.md", import.meta.url), "utf8")
  const names = [...jobs.matchAll(/^(?:query|mutation|subscription) (\w+)/gm)].map(([, name]) => name as string)
  expect(names).toHaveLength(13)
  const documents = [...readManifest(manifestPath).values()]
  for (const name of names) expect(documents.some((text) => new RegExp(`^\\w+ ${name}\\b`).test(text))).toBe(true)
  for (const text of documents) expect(validate(schema, parse(text)), text).toEqual([])
})

test("the code that graphql-codegen and relay-compiler generate is strict TypeScript", { timeout }, async () => {
  expect(await runScript("check")).toBe("")
})

test("Apollo Client, urql and Relay fetch, paginate, refetch, follow, and update their caches", {
  timeout,
}, async () => {
  expect(await runTests("test")).toBeGreaterThan(0)
})

test("Apollo Client and urql send the hashes of a manifest's operations", { timeout }, async () => {
  const config = { persistedOperations: readManifest(manifestPath), persistedOperationsOnly: true }
  expect(await runTests("test:manifest", { config })).toBeGreaterThan(0)
})

test("Apollo Client and urql show what is there before what is deferred", { timeout }, async () => {
  const options = { config: { incrementalDelivery: true }, sandbox: { latencyMs: 100 } }
  expect(await runTests("test:incremental", options)).toBeGreaterThan(0)
})
