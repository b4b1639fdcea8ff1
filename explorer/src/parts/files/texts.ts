/* What previews make of a file's text. */

export type PreviewKind = "image" | "json" | "table" | "text"

const kinds: Readonly<Record<string, PreviewKind>> = {
  ...Object.fromEntries(["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "svg"].map((name) => [name, "image"])),
  json: "json",
  geojson: "json",
  ipynb: "json",
  csv: "table",
  tsv: "table",
}

/** How to show a file, by its name. */
export function kindOf(path: string): PreviewKind {
  return kinds[/\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? ""] ?? "text"
}

/**
 * JSON with a line for each value. Only the white space between tokens changes: parsing it and writing it again would change large
 * numbers. Undefined if the text is not JSON.
 */
export function indented(text: string): string | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  const parts: string[] = []
  let depth = 0
  const line = () => parts.push(`\n${"  ".repeat(depth)}`)
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]
    if (token === "{" || token === "[") {
      parts.push(token)
      if (next === "}" || next === "]") continue
      depth += 1
      line()
    } else if (token === "}" || token === "]") {
      const before = tokens[index - 1]
      if (before !== "{" && before !== "[") {
        depth -= 1
        line()
      }
      parts.push(token)
    } else if (token === ",") {
      parts.push(token)
      line()
    } else parts.push(token === ":" ? ": " : token)
  }
  return parts.join("")
}

/** The rows of a text with separated values. Quoted values may have separators, quotes and line breaks. */
export function tableOf(text: string, separator: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let value = ""
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!
    if (quoted) {
      if (character !== '"') value += character
      else if (text[at + 1] === '"') {
        value += '"'
        at += 1
      } else quoted = false
    } else if (character === '"' && value === "") quoted = true
    else if (character === separator) {
      row.push(value)
      value = ""
    } else if (character === "\n") {
      rows.push([...row, value])
      row = []
      value = ""
    } else if (character !== "\r" || text[at + 1] !== "\n") value += character
  }
  if (value !== "" || row.length > 0) rows.push([...row, value])
  return rows
}
