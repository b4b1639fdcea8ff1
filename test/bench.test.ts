import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect, test } from "vitest"

test("the benchmark still runs: its queries, hand-written server and checks fit the gateway", async () => {
  const options = ["--servers", "limit,gateway", "--rounds", "0", "--seconds", "0"]
  const { stderr } = await promisify(execFile)(process.execPath, ["bench/run.ts", ...options])
  expect(stderr).toContain("All give the same answers")
}, 60_000)
