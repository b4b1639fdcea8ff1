import { describe, expect, test } from "vitest"
import { TwoGenerationCache } from "../src/collections/twoGenerationCache.ts"
import { collectGarbage } from "./support/garbage.ts"
import { fc } from "./support/properties.ts"

const owner = fc.constantFrom("a", "b", "c")
const value = fc.constantFrom("Capsule", "Capsule", "Capsule", "Computation")
/** Windows of few keys, so that lists come again, or begin or end alike. */
const keys = fc
  .record({ start: fc.nat(12), length: fc.nat(9), swapped: fc.nat(30) })
  .map(({ start, length, swapped }) =>
    Array.from({ length }, (_, index) => `key ${index === swapped ? 99 : start - (start % 4) + index}`),
  )
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant("list"), owner, keys, value }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("each"), owner, keys, value }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("get"), owner, keys, value }) },
)

describe("a cache of two generations", () => {
  test("a list is set like each of its keys, whatever was set before", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), fc.integer({ min: 4, max: 60 }), (steps, max) => {
        const cache = new TwoGenerationCache(max)
        const expected = new TwoGenerationCache(max)
        for (const { what, owner, keys, value } of steps) {
          // Strings of their own, as a response has them: equal, but not identical.
          const sent: string[] = JSON.parse(JSON.stringify(keys))
          if (what === "get") for (const key of keys) expect(cache.get(owner, key)).toBe(expected.get(owner, key))
          else {
            if (what === "list") cache.setAll(owner, sent, value)
            else for (const key of sent) cache.set(owner, key, value)
            for (const key of keys) expected.set(owner, key, value)
          }
        }
        for (const caller of ["a", "b", "c"]) {
          for (let key = 0; key < 100; key++) {
            expect(cache.get(caller, `key ${key}`), `${caller} ${key}`).toBe(expected.get(caller, `key ${key}`))
          }
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test("keeps the last half of its maximum, and never more than the maximum, for all owners together", () => {
    const cache = new TwoGenerationCache(1_000)
    const found = (first: number, end: number) => {
      let count = 0
      for (let key = first; key < end; key++) if (cache.get(`owner ${key % 7}`, `key ${key}`) !== undefined) count += 1
      return count
    }
    for (let key = 0; key < 10_000; key++) cache.setAll(`owner ${key % 7}`, [`key ${key}`], "Capsule")
    expect(found(9_500, 10_000)).toBe(500)
    expect(found(0, 9_500)).toBeLessThanOrEqual(500)
  })

  test("a list that comes again and again evicts nothing, and keeps its own keys", () => {
    const cache = new TwoGenerationCache(100)
    const page = Array.from({ length: 20 }, (_, index) => `run ${index}`)
    cache.set("a", "capsule", "Capsule")
    for (let n = 0; n < 1_000; n++) cache.setAll("b", page, "Computation")
    expect(cache.get("a", "capsule")).toBe("Capsule")
    for (let n = 0; n < 1_000; n++) {
      cache.set("a", `other ${n}`, "Capsule")
      if (n % 10 === 0) cache.setAll("b", page, "Computation")
    }
    for (const key of page) expect(cache.get("b", key), key).toBe("Computation")
  })

  test("lists of the same keys, each with another beginning, take bounded memory", () => {
    const max = 10_000
    const cache = new TwoGenerationCache(max)
    const all = Array.from({ length: 4_000 }, (_, index) => `key ${index}`)
    const setAll = (start: number) => cache.setAll("a", all.slice(start, start + 1_000), "Capsule")
    setAll(0)
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let start = 0; start < 3_000; start++) setAll(start)
    collectGarbage()
    // All lists would take 24 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000)
    expect(cache.get("a", "key 0")).toBe("Capsule")
  })
})
