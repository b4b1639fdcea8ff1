import { expect, test, vi } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { createLog, loadPrettify } from "../src/log/log.ts"
import { startGateway } from "./support/gateway.ts"

const named = `{ capsule(id: "${seed.cellCounter}") { name } }`

test("at the level debug each call has a line with its endpoint, status, duration and attempts", async () => {
  const { ask, sandbox, lines } = await startGateway()
  sandbox.failNext(`GET /capsules/${seed.cellCounter}`, { status: 503 })
  await ask(named)
  const calls = () => lines.filter(({ msg }) => msg === "upstream call")
  await vi.waitFor(() => expect(calls()).toHaveLength(1))
  expect(calls()).toEqual([
    {
      level: "debug",
      time: expect.any(String),
      msg: "upstream call",
      requestId: expect.any(String),
      endpoint: "GET /capsules/{id}",
      status: 200,
      durationMs: expect.any(Number),
      attempts: 2,
    },
  ])
})

test("at the level debug a call that two requests share has a line in each of them", async () => {
  const { ask, sandbox, lines } = await startGateway()
  const hold = sandbox.hold()
  const answers = [ask(named), ask(named)]
  await hold.waitFor(1)
  await vi.waitFor(() => expect(sandbox.requests).toHaveLength(1))
  hold.end()
  await Promise.all(answers)
  const calls = lines.filter(({ msg }) => msg === "upstream call")
  expect(calls).toHaveLength(sandbox.requests.length + calls.filter(({ shared }) => shared).length)
})

test("at the level debug the download of a file has a line without the file's address", async () => {
  const { ask, lines } = await startGateway()
  await ask(`{ computation(id: "${seed.countedCells}") { resultFile(path: "output") { text } } }`)
  const text = JSON.stringify(lines.filter(({ msg }) => msg === "upstream call"))
  expect(text).toContain("GET signed file URL")
  expect(text).not.toMatch(/https?:/)
})

test("at the level info there are no lines of calls", () => {
  const lines: string[] = []
  const log = createLog("info", { write: (line) => void lines.push(line) })
  log.debug({}, "upstream call")
  expect(lines).toEqual([])
})

test("with LOG_PRETTY=true control characters of texts are escaped", async () => {
  const prettify = await loadPrettify()
  const lines: string[] = []
  const log = createLog("info", { write: (line) => void lines.push(prettify?.(line) ?? "") })
  log.warn({ upstreamMessage: "a\u001b[2Jb\u009bc\\u001b" }, "hostile\u001b[31m")
  log.warn({ err: new Error("\u001b[2J") }, "hostile")
  expect(lines.join("")).toContain("\\u001b[2J")
  expect(lines.join("")).not.toMatch(/\u001b\[2J|\u009b/)
})
