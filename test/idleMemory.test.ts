import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { createIdleMemory } from "../src/http/idleMemory.ts"
import { run } from "./support/process.ts"

const MiB = 2 ** 20

/** A heap that a collection shrinks to 25 MiB. `second` passes seconds, in each of which this fraction of the time was used. */
function heap() {
  let bytes = 50 * MiB
  let now = 0
  const collections: number[] = []
  const idleMemory = createIdleMemory(() => {
    collections.push(now / 1000)
    bytes = 25 * MiB
  })
  return {
    collections,
    grow(by: number) {
      bytes += by
    },
    seconds(count: number, used: number) {
      for (let n = 0; n < count; n++) {
        now += 1_000
        idleMemory.evaluate(used, () => bytes, now)
      }
    },
  }
}

test("the memory that only the start needed is returned after one idle second, once", () => {
  const { collections, seconds } = heap()
  seconds(600, 0.01)
  expect(collections).toEqual([1])
})

test("a gateway that is busy from its start on is not paused", () => {
  const { collections, seconds } = heap()
  seconds(600, 0.2)
  expect(collections).toEqual([])
  seconds(20, 0.01)
  expect(collections).toEqual([611])
})

test("after load, memory is returned once the gateway has been idle for ten seconds", () => {
  const { collections, seconds, grow } = heap()
  seconds(100, 0)
  grow(300 * MiB)
  for (let n = 0; n < 10; n++) {
    seconds(1, 0.5)
    seconds(9, 0)
  }
  expect(collections).toEqual([1])
  seconds(2, 0)
  expect(collections).toEqual([1, 202])
})

test("with little traffic, memory is returned at most once a minute, and only if there is enough", () => {
  const { collections, seconds, grow } = heap()
  for (let minute = 0; minute < 10; minute++) {
    grow(10 * MiB)
    seconds(60, 0.02)
  }
  expect(collections).toEqual([1, 121, 241, 361, 481])
  for (let minute = 0; minute < 10; minute++) {
    for (let n = 0; n < 60; n++) {
      grow(20 * MiB)
      seconds(1, 0.02)
    }
  }
  expect(collections.length).toBe(15)
})

test("an idle gateway returns memory to the system, and its second start with npm start's cache loads no compiler for TypeScript, which takes 22 MB", async () => {
  expect(packageJson.scripts.start).toMatch(/^NODE_COMPILE_CACHE=node_modules\/\.cache\//)
  const NODE_COMPILE_CACHE = mkdtempSync(join(tmpdir(), "compiled-"))
  onTestFinished(() => rmSync(NODE_COMPILE_CACHE, { recursive: true }))
  const report = `process.on("exit", () => console.log("compiler:", process.moduleLoadList.some((name) => /amaro/.test(name))))`
  const start = async (whileIdle: (pid: number) => Promise<void> | void = () => undefined) => {
    const { child, said, exited } = run(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(report)}`, "src/main.ts"],
      { CODEOCEAN_URL: "http://127.0.0.1:9", PORT: "0", NODE_COMPILE_CACHE },
    )
    await said(/"listening"/)
    await whileIdle(child.pid as number)
    child.kill("SIGTERM")
    const isLoaded = await said(/compiler: (\w+)/)
    expect(await exited).toBe(0)
    return isLoaded
  }
  const isReturned = async (pid: number) => {
    if (!existsSync("/proc/self/status")) {
      console.warn("Skipped: without /proc it is not seen whether a gateway returns memory.")
      return
    }
    const read = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])
    // The peak is never lower than the size: they differ by what was returned.
    await expect
      .poll(() => read("VmHWM") - read("VmRSS"), { message: "memory that is returned" })
      .toBeGreaterThan(10 * 1024)
  }
  expect([await start(), await start(isReturned)]).toEqual(["true", "false"])
})
