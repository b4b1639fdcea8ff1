import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { startGateway } from "./support/gateway.ts"

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

test("every npm script that the README names exists", () => {
  const named = [...readme.matchAll(/npm (?:run )?(demo|sandbox|soak|start|test|check|schema)\b/g)].map(
    ([, script]) => script,
  )
  expect(new Set(named).size).toBeGreaterThan(3)
  for (const script of named) expect(Object.keys(packageJson.scripts)).toContain(script)
})

test("every file that the README names exists", async () => {
  const paths = [...readme.matchAll(/`((?:src|test)\/[\w./]+\.ts)`/g)].map(([, path]) => path as string)
  expect(paths.length).toBeGreaterThan(5)
  for (const path of paths) await readFile(new URL(`../${path}`, import.meta.url))
})
