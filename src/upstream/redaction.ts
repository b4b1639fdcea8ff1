/** What stands in place of a token. */
const redacted = "[redacted]"

/** A part of a text, from one place to before another. */
type Range = [from: number, to: number]

/**
 * Makes a function that strikes a token out of texts: some servers repeat it in what they say, as it is or as it came in the
 * Authorization header. It finds the token plain, percent-encoded, with JSON's escapes, and in Base64 and its URL-safe form,
 * with or without the colon of Basic authorization and the padding. Takes time in proportion to the text.
 */
export function createRedaction(token: string): (text: string) => string {
  const base64s = base64StartsOf(token)

  const rangesIn = (text: string): Range[] => {
    const ranges: Range[] = []
    for (let at = text.indexOf(token); at >= 0; at = text.indexOf(token, at + token.length)) {
      ranges.push([at, at + token.length])
    }
    const standard = text.replaceAll("-", "+").replaceAll("_", "/")
    for (const start of base64s) {
      for (let at = standard.indexOf(start); at >= 0; ) {
        const end = endOfBase64(standard, at + start.length)
        ranges.push([at, end])
        at = standard.indexOf(start, end)
      }
    }
    return ranges
  }

  return (text) => {
    const ranges = rangesIn(text)
    for (const escapes of escapesIn(text)) {
      const { decoded, places } = decode(text, escapes)
      for (const [from, to] of rangesIn(decoded)) ranges.push([places[from] as number, places[to] as number])
    }
    return ranges.length === 0 ? text : without(text, ranges)
  }
}

/** How the token's Base64 begins whatever follows it: its whole groups of three bytes. */
function base64StartsOf(token: string): string[] {
  const whole = token.slice(0, token.length - (token.length % 3))
  // A token that is shorter than one group has nothing but its last characters to be known by.
  return whole === "" ? [btoa(token), btoa(`${token}:`)].map((text) => text.replaceAll("=", "")) : [btoa(whole)]
}

function endOfBase64(text: string, from: number): number {
  let end = from
  while (end < text.length && isBase64(text.charCodeAt(end))) end += 1
  return end
}

/** Letters, digits, `+`, `/` and `=`. */
function isBase64(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x2f && code <= 0x39) ||
    code === 0x2b ||
    code === 0x3d
  )
}

const percentEscapes = /%[0-9a-f]{2}/gi
const jsonEscapes = /\\u00[0-9a-f]{2}|\\["\\/]/gi
const allEscapes = /%[0-9a-f]{2}|\\u00[0-9a-f]{2}|\\["\\/]/gi

/** In which ways the text may be written with escapes. A token may itself hold what looks like one, so each way is tried. */
function escapesIn(text: string): RegExp[] {
  const [percent, json] = [text.includes("%"), text.includes("\\")]
  if (percent && json) return [percentEscapes, jsonEscapes, allEscapes]
  return percent ? [percentEscapes] : json ? [jsonEscapes] : []
}

/** The text without escapes of single characters, and where in the text each of its characters stood, its end included. */
function decode(text: string, escapes: RegExp): { decoded: string; places: number[] } {
  const parts: string[] = []
  const places: number[] = []
  let done = 0
  const copyTo = (end: number) => {
    parts.push(text.slice(done, end))
    for (; done < end; done++) places.push(done)
  }
  for (const { 0: escaped, index } of text.matchAll(escapes)) {
    copyTo(index)
    // A backslash with its character, or something that ends with two hexadecimal digits.
    parts.push(escaped.length === 2 ? escaped.charAt(1) : String.fromCharCode(Number.parseInt(escaped.slice(-2), 16)))
    places.push(index)
    done = index + escaped.length
  }
  copyTo(text.length)
  places.push(text.length)
  return { decoded: parts.join(""), places }
}

function without(text: string, ranges: Range[]): string {
  ranges.sort(([a], [b]) => a - b)
  const parts: string[] = []
  let done = 0
  for (const [from, to] of ranges) {
    if (from >= done) parts.push(text.slice(done, from), redacted)
    done = Math.max(done, to)
  }
  parts.push(text.slice(done))
  return parts.join("")
}
