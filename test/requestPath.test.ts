import { expect, test } from "vitest"
import { run } from "./support/process.ts"

const rooms = ["http", "operation", "graph", "polling", "upstream"]

test("a request passes at most ten files from the socket to undici, none of them in a higher room than the one before", async () => {
  const { exited, output } = run(process.execPath, ["tools/requestPath.ts"], {})
  await exited
  const spine = [...output().matchAll(/^ *\d+ {2}(src\/\S+)$/gm)].map(([, file]) => file as string)
  expect(spine[0]).toBe("src/http/requestHandler.ts")
  expect(spine.at(-1)).toBe("src/upstream/transport.ts")
  expect(spine.length, spine.join("\n")).toBeLessThanOrEqual(10)
  const floors = spine.map((file) => rooms.indexOf(file.split("/")[1] as string))
  expect(floors).toEqual(floors.toSorted((a, b) => a - b))
})
