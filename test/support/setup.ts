// In a process that several test files share, this file runs for each of them, and what it imports once.
import "./frozenAnswers.ts"
import "./longWaits.ts"
import dns from "node:dns"
import { afterAll, expect } from "vitest"

/** What tests change in their process, and must restore for the next file. */
const state = () => ({
  environment: { ...process.env },
  folder: process.cwd(),
  listeners: ["unhandledRejection", "uncaughtException", "warning"].map((name) => process.listenerCount(name)),
  replaceable: [setTimeout, setInterval, setImmediate, Date, fetch, JSON.parse, performance.now, dns.lookup],
})

const before = state()
afterAll(() => expect(state(), "the file restores what it has changed in its process").toEqual(before))
