import { expect, test } from "vitest"
import { createLog } from "../src/log.ts"

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
