import { readdir, readFile } from "node:fs/promises"
import { checkSync } from "recheck"
import { parseSync, Visitor } from "vite"
import { expect, test } from "vitest"

/** The gateway, and the sandbox that demos and tests run it on. */
const folders = ["src", "sandbox"]

/** Patterns that are built at run time, each with the reason why it contains no foreign text. */
const computed = new Map([
  [
    "src/http/router.ts",
    "The pattern holds the gateway's own endpoint; it is anchored, and each part ends at a slash or dot.",
  ],
])

interface Found {
  file: string
  /** The pattern and its flags. Undefined if they are known only at run time. */
  pattern?: string
  flags?: string
  text: string
}

/** Every pattern in a source file: literals, and calls of `RegExp` or of the string methods that call it. */
function patternsIn(file: string, code: string): Found[] {
  const { program, errors } = parseSync(file, code)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const found: Found[] = []
  const textOf = ({ start, end }: { start: number; end: number }) => code.slice(start, end)
  const makes = (node: { start: number; end: number }, args: readonly { type: string; value?: unknown }[]) => {
    const [pattern, flags] = args.map(({ value }) => value)
    const isConstant = typeof pattern === "string" && (args.length < 2 || typeof flags === "string")
    found.push({ file, text: textOf(node), ...(isConstant && { pattern, flags: String(flags ?? "") }) })
  }
  new Visitor({
    Literal(node) {
      if ("regex" in node) found.push({ file, text: node.raw ?? "", ...node.regex })
    },
    NewExpression(node) {
      if (textOf(node.callee) === "RegExp") makes(node, node.arguments as never)
    },
    CallExpression(node) {
      const { callee } = node
      if (textOf(callee) === "RegExp") makes(node, node.arguments as never)
      if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return
      const isText = ["Literal", "TemplateLiteral"].includes(node.arguments[0]?.type ?? "")
      const isPattern = node.arguments[0] !== undefined && "regex" in node.arguments[0]
      if (["match", "matchAll", "search"].includes(callee.property.name) && isText && !isPattern) {
        makes(node, node.arguments as never)
      }
    },
  }).visit(program)
  return found
}

/** The patterns whose time grows faster than the text, each with its complexity. */
function slow(found: readonly Found[]): string[] {
  return found.flatMap(({ file, pattern, flags, text }) => {
    if (pattern === undefined) return []
    const result = checkSync(pattern, flags ?? "")
    return result.status === "safe"
      ? []
      : [`${file}: ${text} (${result.status === "vulnerable" ? result.complexity.summary : result.status})`]
  })
}

async function patternsOfSource(): Promise<Found[]> {
  const found = folders.map(async (folder) => {
    const root = new URL(`../${folder}/`, import.meta.url)
    const files = (await readdir(root, { recursive: true })).filter((file) => /\.[jt]s$/.test(file))
    return Promise.all(
      files.map(async (file) => patternsIn(`${folder}/${file}`, await readFile(new URL(file, root), "utf8"))),
    )
  })
  return (await Promise.all(found)).flat(2)
}

test("every pattern in src takes time in proportion to its text", async () => {
  const found = await patternsOfSource()
  expect(found.length).toBeGreaterThan(40)
  expect(slow(found)).toEqual([])
})

test("no pattern in src is built at run time, except those with a reason", async () => {
  const files = (await patternsOfSource()).filter(({ pattern }) => pattern === undefined).map(({ file }) => file)
  expect(files).toEqual([...computed.keys()])
})

test.each([
  ["/^\\/+|\\/+$/g", "2nd degree polynomial"],
  ["/ Did you mean [^?]*\\?$/", "2nd degree polynomial"],
  ["/(a+)+$/", "exponential"],
  ["/^(a|a)*$/", "exponential"],
  ["/\\s+$/", "2nd degree polynomial"],
  ['new RegExp("(a*)*b")', "exponential"],
  ['text.search("\\\\s+$")', "2nd degree polynomial"],
])("the check of patterns finds %s and reports it as slow: %s", (pattern, complexity) => {
  const found = patternsIn("example.ts", `export const found = (text: string): unknown => ${pattern}`)
  expect(slow(found)).toEqual([`example.ts: ${pattern} (${complexity})`])
})

test.each(["new RegExp(`a` + text)", "RegExp(text)", 'new RegExp("a", text)', "text.match(`a`)"])(
  "the check of patterns finds that %s is built at run time",
  (expression) => {
    const found = patternsIn("example.ts", `export const found = (text: string) => ${expression}`)
    expect(found.map(({ pattern }) => pattern)).toEqual([undefined])
  },
)

test.each(["/^\\d{1,15}$/", "/[^\\n]*\\n|[^\\n]+$/g", "/^(\\S+) +(\\S+) *$/"])(
  "the check of patterns accepts %s",
  (pattern) => {
    expect(slow(patternsIn("example.ts", `export const found = ${pattern}`))).toEqual([])
  },
)
