// In a process that several test files share, this file runs for each of them, and what it imports once.
import "./frozenAnswers.ts"
import "./longWaits.ts"
import dns from "node:dns"
import { afterAll, expect } from "vitest"

// As in the gateway's process. Vitest sets 100, and so many frames take a tenth of the time of tests in which many requests fail.
Error.stackTraceLimit = 10

/** What tests change in their process, by name, and must restore for the next file. */
function stateOfProcess(): Record<string, unknown> {
  const variables = Object.entries(process.env).map(([name, value]) => [`process.env.${name}`, value])
  const events = ["unhandledRejection", "uncaughtException", "warning"]
  const listeners = events.map((name) => [`listeners of ${name}`, process.listenerCount(name)])
  const functions = { setTimeout, setInterval, setImmediate, Date, fetch }
  return {
    ...Object.fromEntries([...variables, ...listeners]),
    ...functions,
    "JSON.parse": JSON.parse,
    "performance.now": performance.now,
    "dns.lookup": dns.lookup,
    "process.cwd()": process.cwd(),
  }
}

const before = stateOfProcess()
afterAll(() => {
  const after = stateOfProcess()
  // Only names, since variables of the environment may be secrets.
  const changed = Object.keys({ ...before, ...after }).filter((name) => before[name] !== after[name])
  expect(changed, "what the file has changed in its process, and has not restored").toEqual([])
})
