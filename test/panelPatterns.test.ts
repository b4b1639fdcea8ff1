import { describe, expect, test } from "vitest"
import { Patterns } from "../src/graph/appPanel/pattern.ts"
import { fc } from "./support/properties.ts"

const matches = (pattern: string, value: string) => new Patterns().matches(pattern, value)
const longValue = "a".repeat(4095)

describe("a panel's pattern", () => {
  test.each([
    [String.raw`^s3:\/\/[a-z0-9\-\.]+\/([a-zA-Z0-9\-._\/]+\/)*[a-zA-Z0-9\-._]+\.zarr$`, "s3://b-1.x/a/b/c.zarr", true],
    [String.raw`^s3:\/\/[a-z0-9\-\.]+\/([a-zA-Z0-9\-._\/]+\/)*[a-zA-Z0-9\-._]+\.zarr$`, "s3://b/a/b/c.tif", false],
    ["TRUE|FALSE|T|F", "FALSE", true],
    ["TRUE|FALSE|T|F", "yes", false],
    [String.raw`\b(highpass|bandpass)\b`, "a bandpass filter", true],
    [String.raw`\b(highpass|bandpass)\b`, "bandpasses", false],
    ["\b(highpass|bandpass)\b", "bandpass", false],
    ["[a-z]", "1a", true],
    [String.raw`^\s+$`, "\u00a0\ufeff\v", true],
    [String.raw`^\S+$`, "\u00a0", false],
    ["^.$", "\r", false],
    ["^a$", "a\n", false],
    ["^[^]a]$", "xa]", undefined],
    ["^[[:alpha:]]$", ":]", true],
    ["^x{,5}$", "x{,5}", true],
    [String.raw`^\z$`, "z", true],
    [String.raw`^[\b]$`, "\b", true],
    [String.raw`^\u0061\x62\cJ\t$`, "ab\n\t", true],
    ["^(?<year>[0-9]{4})-(?:a|)$", "2024-", true],
    ["(a+)+$", "aaab", false],
  ])("the pattern %s matches %s as in JavaScript: %s", (pattern, value, expected) => {
    expect(matches(pattern, value)).toBe(expected)
  })

  test.each([
    ["what is no pattern", "(", "x"],
    ["a back reference", "(a)\\1", "b"],
    ["look-ahead", "^(?=a)", "b"],
    ["look-behind", "(?<!a)b", "ab"],
    ["modifiers", "(?i:A)", "b"],
    ["another language's flags", "(?i)a", "b"],
    ["an emoji in the value", "^..$", "\u{1f52c}"],
    ["more than 1,000 characters", `${"a".repeat(1000)}b`, "x"],
    ["a count over 1,000", "^a{1001}$", "x"],
    ["too large a product of counts", "^(a{50}){100}$", "x"],
  ])("a panel's pattern that RE2 does not support is not checked: %s", (_name, pattern, value) => {
    expect(matches(pattern, value)).toBeUndefined()
  })

  test("a panel's pattern that is not a string is not checked, and uses no budget of the others", () => {
    const patterns = new Patterns()
    for (const odd of [5, true, {}]) patterns.matches(odd as never, "x")
    const answers = new Set<boolean | undefined>()
    for (let count = 0; count < 1_000; count++) answers.add(patterns.matches(`^a{${count}}b$`, longValue))
    expect(answers).toEqual(new Set([false, undefined]))
  })

  test("a panel's pattern has the same spaces, digits, word characters and line ends as in JavaScript", () => {
    const sets = [/^\s$/, /^\S$/, /^[\s]$/, /^[^\s]$/, /^[\Sa]$/, /^\d$/, /^\D$/, /^\w$/, /^\W$/, /^.$/, /^[^\d\s]$/]
    for (const set of sets) {
      for (let code = 0; code <= 0xffff; code += 0x100) {
        const patterns = new Patterns()
        for (let unit = code; unit < code + 0x100; unit++) {
          if (unit >= 0xd800 && unit <= 0xdfff) continue
          const value = String.fromCharCode(unit)
          if (patterns.matches(set.source, value) !== set.test(value)) {
            expect(`${set} is wrong about ${unit.toString(16)}`).toBe("")
          }
        }
      }
    }
  })

  const isPattern = (text: string) => {
    try {
      return new RegExp(text) !== undefined
    } catch {
      return false
    }
  }
  const value = fc.string({
    unit: fc.constantFrom("a", "b", "1", " ", "-", "]", ",", "\n", "\u00a0", "é"),
    maxLength: 8,
  })

  test("a panel's pattern of any characters matches the same values as in JavaScript", () => {
    const unit = fc.constantFrom(..."ab1-]^$.*+?()[]{}|\\,dDwWsSbBnu:=!<>\u00a0é")
    let checked = 0
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 10 }).filter(isPattern), value, (pattern, text) => {
        const found = matches(pattern, text)
        if (found === undefined) return
        checked += 1
        expect(found).toBe(new RegExp(pattern).test(text))
      }),
      { numRuns: 2_000 },
    )
    expect(checked).toBeGreaterThan(1_000)
  })

  test("a panel's pattern with any nesting matches the same values as in JavaScript", () => {
    const { pattern: nested } = fc.letrec<{ pattern: string; atom: string }>((tie) => ({
      atom: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom("a", "b", "1", ".", "^", "$", "\\b", "\\B", "\\s", "\\W", "[a-]", "[^\\sa]", "\\-", "\\/", "é"),
        tie("pattern").map((inner) => `(${inner})`),
        tie("pattern").map((inner) => `(?:${inner})`),
        tie("pattern").map((inner) => `(?:${inner})*`),
      ),
      pattern: fc
        .array(fc.tuple(tie("atom"), fc.constantFrom("", "", "?", "|", "{0,2}", "{2}", "+?")), {
          minLength: 1,
          maxLength: 4,
        })
        .map((parts) => parts.map(([atom, suffix]) => (/^(\^|\$|\\b)$/i.test(atom) ? atom : atom + suffix)).join("")),
    }))
    let checked = 0
    fc.assert(
      fc.property(nested.filter(isPattern), value, (pattern, text) => {
        const found = matches(pattern, text)
        if (found === undefined) return
        checked += 1
        expect(found).toBe(new RegExp(pattern).test(text))
      }),
      { numRuns: 2_000 },
    )
    expect(checked).toBeGreaterThan(1_000)
  })

  test("a panel's pattern is not checked once the patterns of the request have used up their budget of steps", () => {
    const patterns = new Patterns()
    const answers = Array.from({ length: 1_000 }, (_, index) => patterns.matches(`(a+)+${index}$`, longValue))
    expect(answers[0]).toBe(false)
    expect(answers.at(-1)).toBeUndefined()
  })
})
