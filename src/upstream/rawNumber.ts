/** A number of a JSON text that a double cannot hold. It keeps its digits, which `JSON.stringify` writes unchanged. */
export interface RawNumber {
  readonly rawJSON: string
}

declare global {
  interface JSON {
    rawJSON(text: string): RawNumber
    isRawJSON(value: unknown): value is RawNumber
  }
}

export function isRawNumber(value: unknown): value is RawNumber {
  return typeof value === "object" && value !== null && JSON.isRawJSON(value)
}

/** The number with this JSON text: a number if a double holds all its digits, otherwise a RawNumber. */
export function exactNumber(text: string): number | RawNumber {
  const number = Number(text)
  return isExact(number, text) ? number : JSON.rawJSON(text)
}

/** Whether the number has all digits of its decimal text. */
export function isExact(number: number, text: string): boolean {
  return Number.isFinite(number) && digitsOf(String(number)) === digitsOf(text)
}

/** The digits without sign, point, exponent, and zeros at both ends. They are equal for two texts of the same double, or of none. */
function digitsOf(text: string): string {
  const exponent = text.search(/[eE]/)
  const digits = (exponent < 0 ? text : text.slice(0, exponent)).replace(/[-+.]/g, "")
  let start = 0
  let end = digits.length
  while (digits[start] === "0") start++
  while (end > start && digits[end - 1] === "0") end--
  return digits.slice(start, end)
}

/** The most characters of a fraction that is taken for exact: a point and 15 digits, which every double holds. */
const maxExactLength = 16

/**
 * Whether a parsed number may differ from its text: integers beyond 2^53, fractions of many digits, and what is too large for a
 * double. A decimal that is so close to a shorter one that doubles cannot tell them apart is not among them.
 */
export function mayBeInexact(number: number): boolean {
  if (Number.isSafeInteger(number)) return false
  return Number.isInteger(number) || !Number.isFinite(number) || String(number).length > maxExactLength
}

/** Parses JSON, with a RawNumber for each number that a double cannot hold. Takes twice as long as `JSON.parse`. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && mayBeInexact(value) && context?.source !== undefined
      ? exactNumber(context.source)
      : value,
  )
}

/** The JSON value with the digits of its RawNumbers as strings. The same value if it has none. */
export function withDigitsAsText(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !hasRawNumber(value)) return value
  if (isRawNumber(value)) return value.rawJSON
  if (Array.isArray(value)) return value.map(withDigitsAsText)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withDigitsAsText(inner)]))
}

function hasRawNumber(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false
  return isRawNumber(value) || Object.values(value).some(hasRawNumber)
}
