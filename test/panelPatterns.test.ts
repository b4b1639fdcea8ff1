import { describe, expect, test } from "vitest"
import { seed } from "../sandbox/seed.ts"
import { Patterns } from "../src/graph/appPanel/pattern.ts"
import { startGateway } from "./support/gateway.ts"
import { fc } from "./support/properties.ts"
import { countWork } from "./support/work.ts"

const matches = (pattern: string, value: string) => new Patterns().matches(pattern, value)
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

  test("a panel's pattern is matched with bounded work, whatever it is", async () => {
    const work = await countWork()
    for (const [pattern, value] of evil) matches(pattern, value)
    expect(await work()).toBeLessThan(10_000_000)
  })

  test("a panel's pattern is not checked once the patterns of the request have used up their budget of steps", () => {
    const patterns = new Patterns()
    const answers = Array.from({ length: 1_000 }, (_, index) => patterns.matches(`(a+)+${index}$`, longValue))
    expect(answers[0]).toBe(false)
    expect(answers.at(-1)).toBeUndefined()
  })
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
