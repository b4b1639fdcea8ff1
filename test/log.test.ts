import { spawn } from "node:child_process"
import type { Socket } from "node:net"
import { createInterface } from "node:readline"
import { expect, onTestFinished, test } from "vitest"
import { createLog } from "../src/log.ts"
import { Output } from "../src/output.ts"

function written(line: object): Record<string, unknown> {
  const lines: string[] = []
  createLog("info", { write: (text) => void lines.push(text) }).info(line, "something happened")
  return JSON.parse(lines.join(""))
}

test("a line that carries a credential, or an object that does, has it struck out, and the object stays as it was", () => {
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

test("an error comes with its message and its stack", () => {
  expect(written({ err: new TypeError("no such thing") })).toMatchObject({
    err: { type: "TypeError", message: "no such thing", stack: expect.stringContaining("log.test.ts") },
  })
})

test("a reader who is too slow takes a bounded amount of memory, and is told how many lines are missing", async () => {
  expect.assertions(3)
  const reader = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] })
  onTestFinished(() => void reader.kill("SIGKILL"))
  const { fd } = (reader.stdin as unknown as Socket & { _handle: { fd: number } })._handle
  const log = createLog("info", new Output(fd))
  const text = "x".repeat(1_000)
  const written = 20_000
  for (let number = 0; number < written; number++) log.info({ text }, "a line")
  let read = 0
  for await (const line of createInterface({ input: reader.stdout })) {
    const { msg, dropped } = JSON.parse(line)
    if (msg === "a line") read += 1
    else {
      expect(msg).toContain("lines are missing")
      expect(dropped).toBeGreaterThan(1_000)
      expect(read + dropped).toBe(written)
      return
    }
  }
})
