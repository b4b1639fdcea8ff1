/** Reindexes a token. */
const redacted = "[redacted]"

/** A part of a text, `to` excluded. */
type Range = [from: number, to: number]

/**
 * Returns a function that redacts a token in texts. Some servers repeat the token in their messages, plain or as it was in the
 * Authorization header. Finds it plain, percent-encoded, with JSON escapes, and in Base64 and URL-safe Base64, with or without the
 * colon of Basic authorization and the padding. Runs in linear time.
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
      const { decoded, indexes } = decode(text, escapes)
      for (const [from, to] of rangesIn(decoded)) ranges.push([indexes[from] as number, indexes[to] as number])
    }
    return ranges.length === 0 ? text : replaceRanges(text, ranges)
  }
}

/**
 * Returns a function that says whether a text of JSON contains the token, in one of the usual forms. Takes far less time than the
 * redaction, which also finds unusual escapes.
 */
export function createTokenSearch(token: string): (json: string) => boolean {
  const base64s = base64StartsOf(token)
  const urlSafe = base64s.map((start) => start.replaceAll("+", "-").replaceAll("/", "_"))
  const escaped = JSON.stringify(token).slice(1, -1)
  const forms = new Set([token, escaped, encodeURIComponent(token), ...base64s, ...urlSafe])
  return (json) => {
    for (const form of forms) if (json.includes(form)) return true
    return false
  }
}

/** The beginning of the token's Base64 that does not depend on what follows: its complete groups of three bytes. */
function base64StartsOf(token: string): string[] {
  const whole = token.slice(0, token.length - (token.length % 3))
  // A token shorter than one group has no complete group, so both possible endings are searched for.
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

/** The kinds of escapes that the text may contain. The token itself may contain what looks like an escape, so each kind is tried. */
function escapesIn(text: string): RegExp[] {
  const [percent, json] = [text.includes("%"), text.includes("\\")]
  if (percent && json) return [percentEscapes, jsonEscapes, allEscapes]
  return percent ? [percentEscapes] : json ? [jsonEscapes] : []
}

/** The text with its escapes decoded, and the index in `text` of each decoded character and of the end. */
function decode(text: string, escapes: RegExp): { decoded: string; indexes: number[] } {
  const parts: string[] = []
  const indexes: number[] = []
  let done = 0
  const copyTo = (end: number) => {
    parts.push(text.slice(done, end))
    for (; done < end; done++) indexes.push(done)
  }
  for (const { 0: escaped, index } of text.matchAll(escapes)) {
    copyTo(index)
    // A backslash and a character, or an escape that ends with two hexadecimal digits.
    parts.push(escaped.length === 2 ? escaped.charAt(1) : String.fromCharCode(Number.parseInt(escaped.slice(-2), 16)))
    indexes.push(index)
    done = index + escaped.length
  }
  copyTo(text.length)
  indexes.push(text.length)
  return { decoded: parts.join(""), indexes }
}

function replaceRanges(text: string, ranges: Range[]): string {
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
