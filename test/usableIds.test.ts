import { expect, test } from "vitest"
import { fillRoute, isUsableId, problemOfId } from "../src/upstream/route.ts"
import { fc } from "./support/properties.ts"

const character = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(..."abz019AZ_-") },
  fc.constantFrom(..."./\\ \n\r\t\u0000\u001f\u007f\u0080%?#é\u2028\ufeff", "\ud800", "\udc00", "😀"),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
)
const id = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: character, maxLength: 40 }) },
  fc
    .record({ length: fc.integer({ min: 250, max: 260 }), end: character })
    .map(({ length, end }) => "a".repeat(length) + end),
  fc.constantFrom("", ".", "..", "...", " ", "\n", "a\n", "\na", " a ", "a".repeat(256), "a".repeat(257)),
)

/** No id of this form needs encoding. */
const plain = /^[\w-]{1,256}$/

test("an id is usable if it is not blank and stays one segment of a path", () => {
  fc.assert(
    fc.property(id, (id) => {
      const isUnsafe =
        id.length > 256 || [".", ".."].includes(id) || /[/\\\u0000-\u001f\u007f]/.test(id) || !id.isWellFormed()
      expect(isUsableId(id)).toBe(plain.test(id) || (id.trim() !== "" && !isUnsafe))
      const isAccepted = plain.test(id) || (id !== "" && !isUnsafe)
      expect(problemOfId(id) === undefined).toBe(isAccepted)
      const route = () => fillRoute("capsules/{id}", { id })
      if (isAccepted) expect(route()).toBe(`capsules/${plain.test(id) ? id : encodeURIComponent(id)}`)
      else expect(route).toThrow("The id ")
    }),
    { numRuns: 5_000 },
  )
})

test("each character of 16 bits is usable in an id by the same rule", () => {
  for (let code = 0; code < 0x10000; code++) {
    const id = `a${String.fromCharCode(code)}b`
    const isUsable = plain.test(id) || !(/[/\\\u0000-\u001f\u007f]/.test(id) || !id.isWellFormed())
    if (isUsableId(id) !== isUsable) expect.fail(`${code}`)
    if (isUsable && fillRoute("{id}", { id }) !== encodeURIComponent(id)) expect.fail(`${code} in a route`)
  }
})
