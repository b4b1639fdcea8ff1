import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { Patterns } from "../src/graph/appPanel/pattern.ts"
import { startGateway } from "./support/gateway.ts"
import { watchProcess } from "./support/unnoticed.ts"
import { capsule, startPool } from "./support/upstreamPool.ts"
import { countWork } from "./support/work.ts"

/*
 * Tests that count the work of the gateway. The count slows down the whole process, so they are in one file, which has its own.
 */

const many = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join(" ")

describe("the locations of errors", () => {
  const unknown = many(95, (index) => `x${index}`)

  test.each([
    ["half a million line breaks before a hundred errors", `${"\n".repeat(450_000)}{ ${unknown} }`],
    ["half a million carriage returns", `${"\r".repeat(450_000)}{ ${unknown} }`],
    ["half a million commas", `${",".repeat(450_000)}{ ${unknown} }`],
    [
      "half a million line breaks before a thousand errors of a page",
      `${"\n".repeat(450_000)}{ searchCapsules(first: 1000) { nodes { ${many(20, (index) => `a${index}: computations(first: 0) { nodes { id } }`)} } } }`,
    ],
  ])("the errors of a document with %s have no location, and cause bounded work", async (_what, query) => {
    const { ask } = await startGateway({ sandbox: { generate: 300 } })
    const work = await countWork()
    const { errors } = await ask(query)
    // About one and a half million; more if each error read the document again.
    expect(await work()).toBeLessThan(10_000_000)
    expect(errors?.length).toBeGreaterThan(1)
    expect(errors?.[0]).not.toHaveProperty("locations")
  })
})

test("a call with very many waiters can be cancelled by all of them with linear work", async () => {
  const waiters = 50_000
  watchProcess()
  const { pool, callerWith, upstream } = await startPool(() => undefined)
  const request = pool.forCaller(callerWith())
  const other = pool.forCaller(callerWith())
  const stays = other.read(capsule())
  const waiting = Array.from({ length: waiters }, () => request.read(capsule()))
  const settled = Promise.allSettled(waiting)
  await new Promise((resolve) => setImmediate(resolve))
  const work = await countWork()
  request.end()
  const outcomes = await settled
  // About twenty blocks for each waiter. With a loop over the waiters for each of them there would be a billion.
  expect(await work()).toBeLessThan(50 * waiters)
  expect(outcomes.every(({ status }) => status === "rejected")).toBe(true)
  other.end()
  await expect(stays).rejects.toMatchObject({ failure: "cancelled" })
  expect(upstream.requests.length).toBeLessThanOrEqual(1)
})

test("a write takes the same work however many reads of other callers are in flight", async () => {
  watchProcess()
  const { pool, callerWith } = await startPool(() => undefined, { deadlineMs: 60_000 })
  const others = pool.forCaller(callerWith({ token: { value: "others" }, tokenDigest: "others", key: "others" }))
  const settled = Promise.allSettled(Array.from({ length: 20_000 }, (_, index) => others.read(capsule(`c${index}`))))
  const work = await countWork()
  const changing = pool.forCaller(callerWith())
  const changes = Array.from({ length: 2_000 }, () =>
    changing.write({ method: "PATCH", route: "capsules/{id}/archive", ids: { id: "c1" }, decode: () => undefined }),
  )
  changing.end()
  await Promise.allSettled(changes)
  // Less than a hundred blocks for each write. With a loop over the reads for each of them there are 80 million.
  expect(await work()).toBeLessThan(2_000 * 200)
  others.end()
  await settled
})

const longValue = "a".repeat(4095)

/** Patterns on which JavaScript's engine takes very long, or which are large when compiled. */
const evil: [string, string][] = [
  ["(a+)+$", `${longValue}b`],
  ["^(a|a)*b", longValue],
  ["(.*a){20}$", `${longValue}b`],
  ["^(([a-z])+.)+[A-Z]([a-z])+$", longValue],
  ["((a{1,100}){1,100}){1,100}", longValue],
  ["(x{1000}){1000}", "x".repeat(4096)],
  ["(((((a{9}){9}){9}){9}){9}){9}", longValue],
  [`${"a?".repeat(330)}${"a".repeat(330)}`, "a".repeat(330)],
  [`${"a?".repeat(1300)}${"a".repeat(1300)}`, "a".repeat(1300)],
  ["(?:a|b)*a(?:a|b){300}c$", "abbab".repeat(800)],
  [`[${Array.from({ length: 990 }, (_, index) => String.fromCharCode(0x3000 + 2 * index)).join("")}]+$`, longValue],
  [Array.from({ length: 2000 }, (_, index) => `a${index}`).join("|"), longValue],
  [Array.from({ length: 200 }, (_, index) => `a${index}`).join("|"), longValue],
  [`${"(".repeat(500)}a${")".repeat(500)}`, longValue],
  [`${"(".repeat(330)}a${")*".repeat(330)}$`, `${longValue}b`],
  ["(".repeat(1000), longValue],
  ["[".repeat(1000), longValue],
  ["(?:){1000}".repeat(100), longValue],
]

test("a panel's pattern is matched with bounded work, whatever it is", async () => {
  const work = await countWork()
  for (const [pattern, value] of evil) new Patterns().matches(pattern, value)
  expect(await work()).toBeLessThan(10_000_000)
})

describe("a panel full of slow patterns", () => {
  const parameters = Array.from({ length: 60 }, (_, index) => {
    const [pattern = ""] = evil[index % evil.length] ?? []
    return { name: `P${index}`, param_name: `p${index}`, type: "text", pattern: `${pattern}|x${index}` }
  })
  const values = parameters.map(({ param_name }, index) => ({
    paramName: param_name,
    value: evil[index % evil.length]?.[1],
  }))

  test("a panel full of slow patterns causes bounded work, however many runs and processes a request has", async () => {
    const { ask, sandbox } = await startGateway()
    const body = { parameters, processes: ["one", "two"].map((name) => ({ name, parameters })) }
    for (let run = 0; run < 30; run++) {
      sandbox.failNext("GET /capsules/*/app_panel", { status: 200, body })
      sandbox.failNext("GET /pipelines/*/app_panel", { status: 200, body })
    }
    const runs = Array.from(
      { length: 15 },
      (
        _,
        index,
      ) => `c${index}: runCapsule(input: {capsuleId: "${seed.cellCounter}", namedParameters: $values}) { __typename }
        p${index}: runPipeline(input: {pipelineId: "${seed.ecephysPipeline}", processes: [{name: "one", namedParameters: $values}, {name: "two", namedParameters: $values}]}) { __typename }`,
    )
    const query = `mutation ($values: [NamedParameterInput!]!) { ${runs.join(" ")} }`
    const work = await countWork()
    const answer = await ask(query, { values })
    expect(JSON.stringify(answer)).not.toContain("INTERNAL_SERVER_ERROR")
    expect(await work()).toBeLessThan(10_000_000)
  })
})
