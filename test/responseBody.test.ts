import { expect, test } from "vitest"
import { ResponseBody } from "../src/upstream/responseBody.ts"

function bodyOf(bytes: Buffer, chunkLength: number): ResponseBody {
  const body = new ResponseBody()
  for (let at = 0; at < bytes.length; at += chunkLength) body.add(bytes.subarray(at, at + chunkLength))
  return body
}

/** Characters of one to four bytes, so that chunks end inside of them. */
const words = "spike é 微 🧠 "

test("a body is the same text and the same bytes however it was cut into chunks", () => {
  for (const text of ["", "a", words, words.repeat(1_000)]) {
    const bytes = Buffer.from(text)
    for (const chunkLength of [1, 3, 7, 1_000, bytes.length || 1]) {
      const body = bodyOf(bytes, chunkLength)
      expect(body.length).toBe(bytes.length)
      expect(body.text()).toBe(text)
      expect(body.bytes().equals(bytes)).toBe(true)
    }
  }
})

test("bodies of all sizes that are read in turn do not change each other", () => {
  const texts = [10, 1_000_000, 3, 300_000, 5_000_000, 20, 1_000_000].map((length, n) => `${n}${"x".repeat(length)}`)
  const bodies = texts.map((text) => bodyOf(Buffer.from(text), 65_536))
  const read = bodies.map((body) => body.text())
  expect(read.every((text, n) => text === texts[n])).toBe(true)
  expect(bodies.every((body, n) => body.text() === texts[n])).toBe(true)
})
