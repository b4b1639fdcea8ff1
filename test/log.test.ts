import { spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import type { Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { expect, onTestFinished, test } from "vitest"
import { createLog } from "../src/log/log.ts"
import { LogOutput } from "../src/log/logOutput.ts"

function written(line: object): Record<string, unknown> {
  const lines: string[] = []
  createLog("info", { write: (text) => void lines.push(text) }).info(line, "something happened")
  return JSON.parse(lines.join(""))
}

test("a credential in a line of the log or in its objects is redacted, and the object itself is unchanged", () => {
  const line = {
    token: "cop_1",
    headers: { authorization: "cop_2" },
    caller: { token: "cop_3", name: "Ada" },
    status: 200,
  }
  expect(written(line)).toMatchObject({
    token: "[redacted]",
    headers: "[redacted]",
    caller: { token: "[redacted]", name: "Ada" },
    status: 200,
    msg: "something happened",
  })
  expect(line.caller.token).toBe("cop_3")
})

test("a credential in the log is redacted at any depth, in lists, in errors' properties, and under any usual name", () => {
  const error = Object.assign(new Error("it failed"), {
    code: "E_FAILED",
    headers: { authorization: "cop_1" },
    response: { request: { Authorization: "cop_2" } },
  })
  const line = {
    err: error,
    again: { error },
    caller: { session: { accessToken: "cop_3", list: [{ CODEOCEAN_TOKEN: "cop_4" }, [{ cookie: "cop_5" }]] } },
    codeoceanToken: "cop_6",
    map: new Map([["token", "cop_7"]]),
    config: { apiKey: "cop_8", toJSON: () => ({ password: "cop_9" }) },
  }
  const text = JSON.stringify(written(line))
  expect(text).not.toContain("cop_")
  expect(text).toContain("E_FAILED")
})

test("no text breaks a line of the log, and no line is longer than 8 KiB", () => {
  const texts: unknown[] = [
    "first\nsecond\r\u2028third",
    "\u0000".repeat(100_000),
    "\ud800".repeat(100_000),
    "é".repeat(100_000),
    new Error("long ".repeat(100_000)),
    Array.from({ length: 10_000 }, (_, at) => `text ${at}`),
    Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`key ${at}`.repeat(100), at])),
    Array(50).fill(Array(50).fill(Array(50).fill(Number.MIN_VALUE))),
  ]
  for (const text of texts) {
    const lines: string[] = []
    createLog("info", { write: (line) => void lines.push(line) }).info({ text, more: text, err: text }, "something")
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{[^\n\r]*\}\n$/)
    expect(Buffer.byteLength(lines[0] ?? "")).toBeLessThan(8 * 1024)
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ msg: "something" })
  }
})

test("a line of the log with an object that cannot be read is written", () => {
  const hostile = new Proxy(new Error(), {
    get() {
      throw new Error("not to be read")
    },
  })
  const circular: Record<string, unknown> = {}
  circular.self = circular
  for (const line of [{ err: hostile }, { value: hostile }, circular, { value: 1n }]) {
    expect(written(line)).toMatchObject({ msg: "something happened" })
  }
})

test("an error in the log has its message and its stack", () => {
  expect(written({ err: new TypeError("no such thing") })).toMatchObject({
    err: { type: "TypeError", message: "no such thing", stack: expect.stringContaining("log.test.ts") },
  })
})

test("a line has its level, its time, its fields and its message, in this order", () => {
  const lines: string[] = []
  const log = createLog("debug", { write: (line) => void lines.push(line) })
  log.debug({}, "without fields")
  log.info({ left: undefined, status: 200, shared: true, path: 'with "quotes"' }, 'and "a message"\n')
  log.fatal({ code: null }, "the end")
  const time = /"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/
  expect(lines.map((line) => line.replace(time, '"time":"now"'))).toEqual([
    '{"level":"debug","time":"now","msg":"without fields"}\n',
    '{"level":"info","time":"now","status":200,"shared":true,"path":"with \\"quotes\\"","msg":"and \\"a message\\"\\n"}\n',
    '{"level":"fatal","time":"now","code":null,"msg":"the end"}\n',
  ])
})

test("only lines of the log's level and of more severe ones are written, and none at the level silent", () => {
  const levels = ["debug", "info", "warn", "error", "fatal"] as const
  const written = (level: Parameters<typeof createLog>[0]) => {
    const lines: string[] = []
    const log = createLog(level, { write: (line) => void lines.push(JSON.parse(line).level) })
    for (const each of levels) log[each]({}, "something")
    expect(levels.filter((each) => log.isLevelEnabled(each))).toEqual(lines)
    return lines
  }
  expect(written("trace")).toEqual(levels)
  for (const [at, level] of levels.entries()) expect(written(level)).toEqual(levels.slice(at))
  expect(written("silent")).toEqual([])
})

test.each([
  ["flushes its log and exits", 5_000, "await output.flush(5_000); process.exit()"],
  ["exits", 100, "process.exit()"],
  ["crashes", 100, "throw new Error()"],
  ["ends", 100, ""],
])("a process that %s has written all of its lines, in order", async (_how, lines, end) => {
  const script = `
    import { createLog } from "./src/log/log.ts"
    import { LogOutput } from "./src/log/logOutput.ts"
    const output = new LogOutput(1)
    const log = createLog("info", output)
    for (let number = 0; number < ${lines}; number++) log.info({ number }, "a line")
    ${end}`
  const folder = mkdtempSync(join(tmpdir(), "log-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, "log")
  const fd = openSync(path, "w")
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: ["ignore", fd, "ignore"] })
  await once(child, "exit")
  closeSync(fd)
  const numbers = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).number)
  expect(numbers).toEqual(Array.from({ length: lines }, (_, at) => at))
})

test("a log with a slow reader takes a bounded amount of memory, and a line says how many are missing", async () => {
  expect.assertions(3)
  const reader = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] })
  onTestFinished(() => void reader.kill("SIGKILL"))
  const { fd } = (reader.stdin as unknown as Socket & { _handle: { fd: number } })._handle
  const log = createLog("info", new LogOutput(fd))
  const text = "x".repeat(1_000)
  const written = 20_000
  for (let number = 0; number < written; number++) log.info({ text }, "a line")
  let read = 0
  for await (const line of createInterface({ input: reader.stdout })) {
    const { msg, dropped } = JSON.parse(line)
    if (msg === "a line") read += 1
    else {
      expect(msg).toContain("lines were dropped")
      expect(dropped).toBeGreaterThan(1_000)
      expect(read + dropped).toBe(written)
      return
    }
  }
})
