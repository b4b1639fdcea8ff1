import { readFile } from "node:fs/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import { architectureFile } from "../tools/generated.ts"
import { run } from "./support/process.ts"

const root = new URL("..", import.meta.url)
const rooms = ["http", "operation", "graph", "polling", "upstream"]
let spine: string[]

beforeAll(async () => {
  const { exited, output } = run(process.execPath, ["tools/requestPath.ts"], {}, { cleanUp: afterAll })
  await exited
  spine = [...output().matchAll(/^ *\d+ {2}(src\/\S+)$/gm)].map(([, file]) => file as string)
})

test("a request passes at most nine files from the socket to undici, none of them in a higher layer than the one before", () => {
  expect(spine[0]).toBe("src/http/requestHandler.ts")
  expect(spine.at(-1)).toBe("src/upstream/transport.ts")
  expect(spine.length, spine.join("\n")).toBeLessThanOrEqual(9)
  const floors = spine.map((file) => rooms.indexOf(file.split("/")[1] as string))
  expect(floors).toEqual(floors.toSorted((a, b) => a - b))
})

test("the diagram of docs/architecture.md has the files that a request passes (else: npm run schema)", async () => {
  for (const [path, content] of Object.entries(await architectureFile(root, spine))) {
    expect(await readFile(new URL(path, root), "utf8")).toBe(content)
  }
})
