import { expect, test } from "vitest"
import { positionIn, writePosition } from "../src/graph/computation/position.ts"
import { Cursors, checksum } from "../src/graph/pagination/cursor.ts"

const id = "5d9c7e2a-3b41-4f60-8a17-c2e94b0d6f38"
const otherId = "5d9c7e2a-3b41-4f60-8a17-c2e94b0d6f39"
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.%ä"

/** Keys of runs: Code Ocean's ids, and any other text. */
const keys = [
  "",
  "a",
  "-",
  "_",
  "~",
  "s",
  "j~",
  id,
  id.toUpperCase(),
  "a b",
  'a"\\',
  "\0",
  "\n",
  "ä",
  "€",
  "𝒳",
  "\ud800",
  "x".repeat(300),
]
const times = [
  0,
  -1,
  1_755_000_000,
  1_755_000_000.123457,
  0.1,
  5e-324,
  1e21,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
]

const anyContent = (content: string) => content
const runs = new Cursors("computations", id)
const search = new Cursors("capsules", JSON.stringify({ query: "tag:ecephys" }))
const itemOfSearch = search.startingWith("sYWJjZGVmZ2hpamtsbW5vcHFyc3R1~abcdefgh1~")
const cursors: [Cursors, string][] = [
  [runs, writePosition({ created: 1_755_000_000, key: otherId }, runs.startingWith(""))],
  [runs, writePosition({ created: 0, key: "a b" }, runs.startingWith(""))],
  [search, itemOfSearch("rr")],
  [search, itemOfSearch("0~0abcdefgh~aaaaaaaaaaaaaaaa")],
]

function isAccepted(search: Cursors, cursor: string): boolean {
  try {
    return search.decode(cursor, anyContent) !== undefined
  } catch {
    return false
  }
}

/** Every text that differs by one character, by two that changed places, by the case of two, or by a part that is missing or twice there. */
function* damaged(cursor: string): Generator<string> {
  for (let index = 0; index < cursor.length; index++) {
    const [before, after] = [cursor.slice(0, index), cursor.slice(index + 1)]
    for (const character of alphabet) yield before + character + after
    for (const character of alphabet) yield before + character + cursor.slice(index)
    for (let end = index + 1; end <= cursor.length; end++) {
      yield before + cursor.slice(end)
      yield cursor.slice(0, end) + cursor.slice(index)
      yield `${before}${cursor[end] ?? ""}${cursor.slice(index + 1, end)}${cursor[index]}${cursor.slice(end + 1)}`
      yield before +
        otherCase(cursor[index]) +
        cursor.slice(index + 1, end) +
        otherCase(cursor[end]) +
        cursor.slice(end + 1)
    }
  }
  yield cursor.toLowerCase()
  yield cursor.toUpperCase()
  yield encodeURIComponent(`${cursor}=`)
}

function otherCase(character = ""): string {
  const lower = character.toLowerCase()
  return character === lower ? character.toUpperCase() : lower
}

test("a cursor that was damaged in one or two places is refused, whatever its content", () => {
  let count = 0
  for (const [search, cursor] of cursors) {
    expect(isAccepted(search, cursor), cursor).toBe(true)
    for (const text of new Set(damaged(cursor))) {
      if (text === cursor) continue
      count += 1
      if (isAccepted(search, text)) expect(text).toBe("refused")
    }
  }
  expect(count).toBeGreaterThan(50_000)
})

test("a cursor is refused by every other search", () => {
  const filters = [undefined, {}, { state: ["RUNNING"] }, { name: id }]
  const searches = [id, otherId, id.toUpperCase()].flatMap((id) =>
    filters.map((filter) => new Cursors("computations", filter === undefined ? id : JSON.stringify([id, filter]))),
  )
  for (const name of ["capsules", "pipelines", "data_assets"])
    for (const details of ["{}", JSON.stringify({ query: id }), JSON.stringify({ query: otherId })])
      searches.push(new Cursors(name, details))
  for (const one of searches) {
    const cursor = writePosition({ created: 1, key: id }, one.startingWith(""))
    expect(searches.filter((other) => isAccepted(other, cursor))).toEqual([one])
  }
})

test("the checksums of similar texts differ in all parts", () => {
  const equal = { low: 0, middle: 0, high: 0 }
  const texts = new Set(damaged(`1755000000~s${otherId}`))
  const whole = checksum(`1755000000~s${otherId}`, 1)
  for (const text of texts) {
    const difference = checksum(text, 1) ^ whole
    if ((difference & 0xff) === 0) equal.low += 1
    if (((difference >>> 12) & 0xff) === 0) equal.middle += 1
    if (difference >>> 24 === 0) equal.high += 1
  }
  // Each part of eight bits: one text of 256 has the same by chance.
  for (const count of Object.values(equal)) expect(count).toBeLessThan((texts.size / 256) * 1.5)
})

test("the position of a run comes back from its cursor, whatever its key and its time are", () => {
  for (const created of times) {
    for (const key of keys) {
      const cursor = writePosition({ created, key }, runs.startingWith(""))
      expect(cursor).toMatch(/^[\w~.+-]+$/)
      expect(runs.decode(cursor, positionIn)).toEqual({ created, key })
    }
  }
})
