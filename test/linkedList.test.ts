import { setImmediate } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { Link, LinkedList } from "../src/collections/linkedList.ts"
import { mapLimit, Semaphore } from "../src/collections/semaphore.ts"
import { fc } from "./support/properties.ts"

const steps = fc.array(fc.record({ what: fc.constantFrom("add", "delete", "shift"), which: fc.nat(300) }), {
  maxLength: 600,
  size: "max",
})

describe("a linked list", () => {
  test("a linked list holds what was added and not removed, in the order in which it was added", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const links = Array.from({ length: 301 }, (_, index) => new Link(index))
        const list = new LinkedList<number>()
        const expected: number[] = []
        for (const { what, which } of taken) {
          const link = links[which]!
          const at = expected.indexOf(which)
          if (what === "shift") expect(list.shift()).toBe(expected.shift())
          else {
            if (at >= 0) expected.splice(at, 1)
            if (what === "delete") expect(list.delete(link)).toBe(at >= 0)
            else {
              list.add(link)
              expected.push(which)
            }
          }
          expect(list.size).toBe(expected.length)
          expect(list.first).toBe(expected[0])
        }
        expect([...list]).toEqual(expected)
        while (expected.length > 0) expect(list.shift()).toBe(expected.shift())
        expect(list.shift()).toBeUndefined()
      }),
    )
  })

  test("an item of a linked list that is added to another list is moved, and a removed item refers to no other", () => {
    const [first, second] = [new LinkedList<number>(), new LinkedList<number>()]
    const links = [1, 2, 3].map((item) => new Link(item))
    for (const link of links) first.add(link)
    second.add(links[1]!)
    expect([[...first], [...second]]).toEqual([[1, 3], [2]])
    expect(first.delete(links[1]!)).toBe(false)
    expect(second.delete(links[1]!)).toBe(true)
    expect(links[1]).toMatchObject({ list: undefined, previous: undefined, next: undefined })
  })

  test("a linked list can be emptied during an iteration, which still sees all items", () => {
    const list = new LinkedList<number>()
    const links = [0, 1, 2].map((item) => new Link(item))
    for (const link of links) list.add(link)
    const seen: number[] = []
    for (const item of list) {
      seen.push(item)
      for (const link of links) list.delete(link)
    }
    expect(seen).toEqual([0, 1, 2])
    expect(list.size).toBe(0)
  })
})

describe("a semaphore", () => {
  test("a semaphore runs no more at once than it has permits, in order, also after work that fails", async () => {
    const semaphore = new Semaphore(2)
    const started: number[] = []
    let running = 0
    let most = 0
    const results = await Promise.allSettled(
      Array.from({ length: 9 }, (_, index) =>
        semaphore.run(async () => {
          started.push(index)
          running += 1
          most = Math.max(most, running)
          await setImmediate()
          running -= 1
          if (index % 3 === 0) throw new Error("fails")
          return index
        }),
      ),
    )
    expect(most).toBe(2)
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(results.map(({ status }) => status === "rejected")).toEqual([...Array(9).keys()].map((n) => n % 3 === 0))
  })

  test("mapLimit keeps the items' order whatever finishes first", async () => {
    const waits = [3, 1, 2, 0]
    const results = await mapLimit(waits, 2, async (turns) => {
      for (let turn = 0; turn < turns; turn++) await setImmediate()
      return turns
    })
    expect(results).toEqual(waits)
  })
})
