import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Bag, type Baggable } from "../src/collections/bag.ts"
import { Queue, type Queued } from "../src/collections/queue.ts"

const steps = fc.array(fc.record({ what: fc.constantFrom("in", "out", "next"), which: fc.nat(300) }), {
  maxLength: 600,
  size: "max",
})

describe("a bag", () => {
  test("holds what was put in and not taken out, whatever comes and goes", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const things = Array.from({ length: 301 }, (): Baggable => ({}))
        const bag = new Bag<Baggable>()
        const expected = new Set<Baggable>()
        for (const { what, which } of taken) {
          const thing = things[which]!
          if (what === "in" && !expected.has(thing)) {
            bag.add(thing)
            expected.add(thing)
          } else {
            bag.delete(thing)
            expected.delete(thing)
          }
          expect(bag.size).toBe(expected.size)
        }
        expect(new Set(bag)).toEqual(expected)
        expect([...bag]).toHaveLength(expected.size)
      }),
    )
  })

  test("can be emptied while somebody goes through it, who sees all that was there", () => {
    const bag = new Bag<Baggable>()
    const things: Baggable[] = [{}, {}, {}]
    for (const thing of things) bag.add(thing)
    const seen: Baggable[] = []
    for (const thing of bag) {
      seen.push(thing)
      bag.delete(thing)
    }
    expect(seen).toEqual(things)
    expect(bag.size).toBe(0)
  })
})

describe("a queue", () => {
  test("gives its items in the order in which they came, without those that left", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const items = Array.from({ length: 301 }, (): Queued => ({ place: undefined }))
        const queue = new Queue<Queued>()
        const expected: Queued[] = []
        for (const { what, which } of taken) {
          const item = items[which]!
          const at = expected.indexOf(item)
          if (what === "next") expect(queue.shift()).toBe(expected.shift())
          else if (what === "in" && at < 0) {
            queue.push(item)
            expected.push(item)
          } else {
            expect(queue.delete(item)).toBe(at >= 0)
            if (at >= 0) expected.splice(at, 1)
          }
          expect(queue.size).toBe(expected.length)
        }
        while (expected.length > 0) expect(queue.shift()).toBe(expected.shift())
        expect(queue.shift()).toBeUndefined()
      }),
    )
  })
})
