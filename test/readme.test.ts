import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { startGateway } from "./support/gateway.ts"

// The tests of all documents are in documents.test.ts.

const readme = await readFile(new URL("../README.md", import.meta.url), "utf8")

/** The README's first block in this language. */
function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(readme)?.[1] ?? ""
}

test("the README's query gets the README's answer, for as many calls as it says", async () => {
  const { ask, sandbox } = await startGateway()
  expect(await ask(block("graphql"))).toEqual(JSON.parse(block("json")))
  expect(
    sandbox.requests.map(({ method, path }) => `${method} ${path.replace(/[0-9a-f-]{36}/, "{id}")}`).sort(),
  ).toEqual([
    "GET /capsules/{id}/app_panel",
    "GET /capsules/{id}/computations",
    "GET /data_assets/{id}",
    "POST /capsules/search",
  ])
})

test("the README's commands to run the demo and the tests stand in blocks of their own", () => {
  expect(readme).toContain("\n```sh\nnpm ci && npm run demo\n```\n")
  expect(readme).toContain("\n```sh\nnpm ci && npm test\n```\n")
})

test("the README's curl request gets capsules", async () => {
  const { ask } = await startGateway()
  const [, body = ""] = /-d '(\{"query":.*\})'/.exec(readme) ?? []
  const { data, errors } = await ask(JSON.parse(body).query)
  expect(errors).toBeUndefined()
  expect(data.searchCapsules.nodes).toHaveLength(3)
})

test("the README's query in Python finds failed runs with the end of their logs", async () => {
  const { ask } = await startGateway()
  const [, query = "", tag = ""] = /"""(.*?)""", tag="(.*?)"\)/s.exec(block("python")) ?? []
  const { data, errors } = await ask(query, { tag })
  expect(errors).toBeUndefined()
  const runs = data.searchCapsules.nodes.flatMap(
    ({ computations }: { computations: { nodes: object[] } }) => computations.nodes,
  )
  expect(runs.length).toBeGreaterThan(0)
  for (const run of runs) expect(run).toMatchObject({ exitCode: expect.any(Number) })
})
