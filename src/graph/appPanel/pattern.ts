import { type AST, RegExpParser } from "@eslint-community/regexpp"
import { RE2JS } from "re2js"
import { oncePerRequest } from "../context.ts"

/*
 * Panels come from other users, and so do their patterns. JavaScript's own engine can't run them: it takes exponential time for
 * some, and neither a timeout nor the end of a worker thread stops it in every case. RE2 takes time in proportion to its
 * program's size times the value's length, so both are bounded, and their product for the whole request.
 *
 * Patterns have JavaScript's syntax. They are parsed as such and translated to the part of RE2's syntax with exactly the same
 * meaning, because a valid value that is rejected is worse than one that is not checked.
 */

/** The longest pattern that is used, in characters. */
const longestPattern = 1_000
/** The largest program, in instructions: what a pattern has when its counted repetitions are written out. */
const largestProgram = 3_000
/** The maximum number of steps of one request's patterns. A step is one instruction of a program at one character, some 15 ns. */
const maxSteps = 2_000_000
/** The cost in steps of reading a character of a pattern, and of compiling an instruction. */
const stepsOfCompiling = 100

interface Program {
  size: number
  test(value: string): boolean
}

/** The patterns of one request. Their total cost is bounded. */
export class Patterns {
  #stepsLeft = maxSteps
  readonly #programs = new Map<string, Program | undefined>()

  /**
   * Whether the pattern matches anywhere in the value, by JavaScript's rules. Undefined if it cannot be checked: it is not a
   * regular expression, needs what RE2 lacks (look-around, back references), is too large, or the request's steps are used up.
   */
  matches(pattern: string, value: string): boolean | undefined {
    // For JavaScript each half of a surrogate pair is a character, for RE2 the pair is.
    if (/[\ud800-\udfff]/.test(value)) return undefined
    const program = this.#programOf(pattern)
    if (program === undefined || !this.#takes(program.size * (value.length + 1))) return undefined
    return program.test(value)
  }

  #programOf(pattern: string): Program | undefined {
    if (!this.#programs.has(pattern)) {
      if (pattern.length > longestPattern || !this.#takes(pattern.length * stepsOfCompiling)) return undefined
      this.#programs.set(pattern, this.#compiled(pattern))
    }
    return this.#programs.get(pattern)
  }

  #compiled(pattern: string): Program | undefined {
    try {
      const { size, text } = translated(parser.parsePattern(pattern))
      if (size > largestProgram || !this.#takes(size * stepsOfCompiling)) return undefined
      const compiled = RE2JS.compile(text)
      return { size, test: (value) => compiled.test(value) }
    } catch {
      return undefined
    }
  }

  #takes(steps: number): boolean {
    // Not `steps > left`: that would be false for NaN, which would then use up the budget for good.
    if (!(steps <= this.#stepsLeft)) return false
    this.#stepsLeft -= steps
    return true
  }
}

/** The patterns of this request. */
export const patternsOf = oncePerRequest(() => new Patterns())

const parser = new RegExpParser()

/** A part of a pattern in RE2's syntax, and how many instructions it makes at most. */
interface Translated {
  size: number
  text: string
}

/** Throws if the pattern needs what RE2 lacks. */
function translated(node: AST.Node): Translated {
  switch (node.type) {
    case "Pattern":
    case "CapturingGroup":
      return alternatives(node.alternatives)
    case "Group":
      if (node.modifiers !== null) throw new Error("modifiers")
      return alternatives(node.alternatives)
    case "Alternative": {
      const parts = node.elements.map(translated)
      return { size: sum(parts), text: parts.map(({ text }) => text).join("") }
    }
    case "Quantifier": {
      const { min, max } = node
      const { size, text } = translated(node.element)
      const times = Number.isFinite(max) ? max : min + 1
      return { size: (size + 1) * times + 1, text: `(?:${text}){${min},${Number.isFinite(max) ? max : ""}}` }
    }
    case "Assertion":
      if (node.kind === "start") return { size: 1, text: "\\A" }
      if (node.kind === "end") return { size: 1, text: "\\z" }
      if (node.kind === "word") return { size: 1, text: node.negate ? "\\B" : "\\b" }
      throw new Error(node.kind)
    case "CharacterClass": {
      if (node.elements.length === 0) throw new Error("a class that is empty")
      return { size: 1, text: `[${node.negate ? "^" : ""}${node.elements.map(classElement).join("")}]` }
    }
    case "Character":
      return { size: 1, text: escaped(node.value) }
    case "CharacterSet":
      return { size: 1, text: `[${characterSet(node)}]` }
    default:
      throw new Error(node.type)
  }
}

function alternatives(nodes: readonly AST.Alternative[]): Translated {
  const parts = nodes.map(translated)
  return { size: sum(parts) + parts.length, text: `(?:${parts.map(({ text }) => text).join("|")})` }
}

function sum(parts: readonly Translated[]): number {
  return parts.reduce((total, { size }) => total + size, 0)
}

function classElement(node: AST.CharacterClassElement): string {
  if (node.type === "Character") return escaped(node.value)
  if (node.type === "CharacterClassRange") return `${escaped(node.min.value)}-${escaped(node.max.value)}`
  if (node.type === "CharacterSet") return characterSet(node)
  throw new Error(node.type)
}

/** JavaScript's `\s` and `\S`. RE2's contain only ASCII. */
const space =
  "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
const notSpace =
  "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"
/** JavaScript's `.`. RE2's excludes only line feeds. */
const notLineEnd = "\\x{0}-\\x{9}\\x{b}\\x{c}\\x{e}-\\x{2027}\\x{202a}-\\x{10ffff}"

/** The set in the syntax for use between brackets. */
function characterSet(node: AST.CharacterSet): string {
  if (node.kind === "any") return notLineEnd
  if (node.kind === "space") return node.negate ? notSpace : space
  if (node.kind === "digit") return node.negate ? "\\D" : "\\d"
  if (node.kind === "word") return node.negate ? "\\W" : "\\w"
  throw new Error(node.kind)
}

function escaped(codeUnit: number): string {
  return `\\x{${codeUnit.toString(16)}}`
}
