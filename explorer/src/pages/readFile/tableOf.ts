/* The contents of many small files as one table: a column for each value, if all of them are JSON objects. */

export interface ReadItem {
  id: string
  name: string
  text: string
  /** Whether the text is the whole file. */
  isWhole: boolean
}

export interface FileTable {
  /** The names of the columns. Empty if the files have no common form. */
  columns: string[]
  rows: { item: ReadItem; values: string[] }[]
}

/** Deeper values are one cell, as JSON. */
const deepest = 3

export function tableOf(items: readonly ReadItem[]): FileTable {
  const objects = items.map(objectOf)
  if (objects.some((object) => object === undefined)) {
    return { columns: [], rows: items.map((item) => ({ item, values: [item.text] })) }
  }
  const cells = objects.map((object) => new Map(cellsOf(object!, "", 1)))
  const columns = [...new Set(cells.flatMap((row) => [...row.keys()]))]
  return {
    columns,
    rows: items.map((item, index) => ({ item, values: columns.map((name) => cells[index]!.get(name) ?? "") })),
  }
}

function objectOf({ text, isWhole }: ReadItem): object | undefined {
  if (!isWhole) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The values of an object by their paths, such as `processing.name`. */
function cellsOf(object: object, prefix: string, depth: number): [string, string][] {
  return Object.entries(object).flatMap(([key, value]): [string, string][] => {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value)
    if (isObject && depth < deepest) return cellsOf(value, `${prefix}${key}.`, depth + 1)
    return [[prefix + key, typeof value === "string" ? value : JSON.stringify(value)]]
  })
}

/** The table as CSV, with the ids. */
export function csvOf({ columns, rows }: FileTable): string {
  const header = ["id", "name", ...(columns.length === 0 ? ["content"] : columns)]
  const lines = [header, ...rows.map(({ item, values }) => [item.id, item.name, ...values])]
  return lines.map((line) => `${line.map(quoted).join(",")}\r\n`).join("")
}

/** A spreadsheet would take a text that begins like a formula for one. */
function quoted(value: string): string {
  const isFormula = /^[=+\-@\t\r]/.test(value) && !Number.isFinite(Number(value))
  return `"${(isFormula ? `'${value}` : value).replaceAll('"', '""')}"`
}
