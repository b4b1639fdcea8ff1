/* Values of custom metadata as people read and type them. A date is epoch seconds on the wire. */

export interface FieldKind {
  name: string
  type: "DATE" | "NUMBER" | "STRING" | "UNRECOGNIZED"
  units?: string | null
  multiple?: boolean | null
  allowedValues?: readonly unknown[] | null
}

const day = (seconds: number): string => new Date(seconds * 1_000).toISOString().slice(0, 10)

/** The values of an entry as texts. */
export function textsOf(value: unknown, field: FieldKind | undefined): string[] {
  const values = Array.isArray(value) ? value : value === null || value === undefined ? [] : [value]
  return values.map((one) => (field?.type === "DATE" && typeof one === "number" ? day(one) : String(one)))
}

/** An entry in one line, with its unit. */
export function showValue(value: unknown, field: FieldKind | undefined): string {
  const text = textsOf(value, field).join(", ")
  return field?.units && text !== "" ? `${text} ${field.units}` : text
}

/** The value that texts stand for. Undefined if there are none. A text that is no number stays text, so that it is refused. */
export function wireValueOf(texts: readonly string[], field: FieldKind): unknown {
  const values = texts
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => {
      if (field.type === "DATE" && /^\d{4}-\d\d-\d\d$/.test(text)) return Date.parse(`${text}T00:00:00Z`) / 1_000
      if (field.type === "NUMBER" && Number.isFinite(Number(text))) return Number(text)
      return text
    })
  if (values.length === 0) return undefined
  return field.multiple ? values : values[0]
}
