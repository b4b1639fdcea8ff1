import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }

/*
 * What can be checked without building the image. deploy/test-image.sh builds and runs it.
 */

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
const dockerfile = read("Dockerfile")
const commands = [...dockerfile.matchAll(/^CMD (\[.*\])$/gm)].map(([, command]): string[] => JSON.parse(command!))

test("the image starts the gateway with the flags of npm start, and compiles into the same folder", () => {
  const flags = packageJson.scripts.start.match(/--max-\S+/g) ?? []
  expect(flags).toHaveLength(1)
  expect(commands.at(-1)).toEqual(["node", ...flags, "src/main.ts"])
  const [, cache] = /^NODE_COMPILE_CACHE=(\S+) /.exec(packageJson.scripts.start) ?? []
  expect(dockerfile.match(/NODE_COMPILE_CACHE=\S+/g)).toEqual(Array(2).fill(`NODE_COMPILE_CACHE=/app/${cache}`))
})

test("the image keeps every file of GraphiQL's page, though it leaves out the packages that they were made from", () => {
  const files = [...read("src/http/graphiql/assets.ts").matchAll(/inPackage\("([^"]+)", "([^"]+)"\)/g)].map(
    ([, name, file]) => `node_modules/${name}/${file}`,
  )
  expect(files.length).toBeGreaterThan(3)
  for (const file of files) {
    expect(dockerfile).toContain(` ${file} `)
    expect(dockerfile).toContain(` ${file.split("/").slice(0, 2).join("/")}/package.json `)
  }
})
