import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { generatedFiles } from "../tools/generated.ts"

const root = new URL("..", import.meta.url)

test.each([
  "schema.graphql",
  ".env.example",
  "docs/settings.md",
  "docs/agents.md",
  "deploy/helm/values.schema.json",
  "deploy/compose.yml",
])("%s is up to date (else: npm run schema)", async (path) => {
  const generated = await generatedFiles(root)
  expect(await readFile(new URL(path, root), "utf8")).toBe(generated[path])
})
