import { badUserInput } from "../../errors.ts"

const version = "4"
const checksumLength = 6

/**
 * The opaque cursors of one search: `4`, a digest of the search, the content, and a checksum of both. A cursor is valid only for the
 * search that made it. Detects mixed up and damaged cursors. It is not a signature: anyone can forge a cursor, so its content is
 * validated like any input.
 */
export class Cursors {
  readonly #name: string
  readonly #details: string
  /** The version and the digest of the search, with which each of its cursors starts. */
  #start = ""
  #seed = 0

  /**
   * @param name what is searched. No other name starts with it
   * @param details the arguments of the search
   */
  constructor(name: string, details: string) {
    this.#name = name
    this.#details = details
  }

  /**
   * Returns what writes the cursors of a page, of which each has this content and some of its own. What they have in common is computed
   * once: a page has up to a thousand cursors.
   */
  startingWith(content: string): WriteCursor {
    this.#digest()
    const start = [this.#start, content].join("")
    const seed = checksum(content, this.#seed)
    return (own, text) => {
      if (text === undefined) return joined(start, own, checksum(own, seed))
      const plain = `${own}~s`
      const sum = checksumOfPlain(text, checksum(plain, seed))
      if (sum !== undefined) return joined(start + plain, text, sum)
      const encoded = `${own}~${encodeText(text)}`
      return joined(start, encoded, checksum(encoded, seed))
    }
  }

  /**
   * Returns the position in a cursor. Throws BAD_USER_INPUT if it was modified, belongs to another search, or holds no valid position.
   * @param read validates the content, which may be any text. Returns undefined if it is not a position
   */
  decode<Position>(cursor: string, read: (content: string) => Position | undefined): Position {
    this.#digest()
    const content = cursor.slice(this.#start.length, -checksumLength)
    const isIntact =
      cursor.startsWith(this.#start) &&
      cursor.length >= this.#start.length + checksumLength &&
      cursor.endsWith(checksumText(checksum(content, this.#seed)))
    const position = isIntact ? read(content) : undefined
    if (position === undefined) {
      throw badUserInput(
        "`after` is not a cursor of this search. Send a cursor unchanged and with the same arguments (only `first` may differ), or omit `after` to start from the beginning.",
      )
    }
    return position
  }

  #digest(): void {
    if (this.#start !== "") return
    const [first, second] = digestOf(this.#name, this.#details)
    this.#start = version + checksumText(first)
    this.#seed = second
  }
}

/** Writes a cursor. Its content ends with `own`. If there is a text, which may have any characters, `~` and the encoded text follow. */
export type WriteCursor = (own: string, text?: string) => string

/** Not concatenated: V8 serializes a response in twice the time if one of its strings is (docs/decisions/memory.md). */
function joined(start: string, end: string, sum: number): string {
  return [start, end + checksumText(sum)].join("")
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const codes = Uint8Array.from(alphabet, (character) => character.charCodeAt(0))

/** 32 bits in six characters. */
export function checksumText(sum: number): string {
  return String.fromCharCode(
    codes[sum >>> 26] as number,
    codes[(sum >>> 20) & 63] as number,
    codes[(sum >>> 14) & 63] as number,
    codes[(sum >>> 8) & 63] as number,
    codes[(sum >>> 2) & 63] as number,
    codes[sum & 3] as number,
  )
}

/**
 * Continues a checksum with a character. Can be undone, so that texts that differ in one character never have the same checksum. Without
 * the rotation its low bits would depend only on the low bits of the characters.
 */
function mix(sum: number, unit: number, multiplier = 0x9e3779b1): number {
  return Math.imul(((sum << 5) | (sum >>> 27)) ^ unit, multiplier)
}

/** Continues a checksum with a text. In JavaScript, because zlib's CRC-32 takes three times as long for so short a text. */
export function checksum(text: string, seed: number): number {
  let sum = seed
  for (let index = 0; index < text.length; index++) sum = mix(sum, text.charCodeAt(index))
  return sum
}

/** The same for a text that needs no encoding. Undefined for any other. Checked in the same loop: a regular expression takes as long again. */
function checksumOfPlain(text: string, seed: number): number | undefined {
  if (text === "") return undefined
  let sum = seed
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (isPlain[unit] !== 1) return undefined
    sum = mix(sum, unit)
  }
  return sum
}

const isPlain = new Uint8Array(128)
for (const code of codes) isPlain[code] = 1

/**
 * Two numbers of 32 bits that identify a search, an item or a token. Not SHA-256, which takes several times as long: digests need only
 * differ by chance, since anyone can forge a cursor.
 */
export function digestOf(name: string, details = ""): [number, number] {
  let first = 0xdeadbeef
  let second = 0x41c6ce57
  for (const text of [name, details]) {
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      first = mix(first, unit)
      second = mix(second, unit, 0x5f356495)
    }
  }
  first = Math.imul(first ^ (first >>> 16), 0x85ebca6b) ^ Math.imul(second ^ (second >>> 13), 0xc2b2ae35)
  second = Math.imul(second ^ (second >>> 16), 0x85ebca6b) ^ Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return [first, second]
}

/** Any text as characters that a cursor may contain, without `~`, which separates the parts of its content. */
export function encodeText(text: string): string {
  return /^[\w-]+$/.test(text) ? `s${text}` : `j${Buffer.from(JSON.stringify(text)).toString("base64url")}`
}

/** The text that `encodeText` encoded. Undefined if it encoded none. */
export function decodeText(encoded: string): string | undefined {
  if (encoded.startsWith("s")) return /^[\w-]+$/.test(encoded) ? encoded.slice(1) : undefined
  if (!encoded.startsWith("j")) return undefined
  try {
    const text: unknown = JSON.parse(Buffer.from(encoded.slice(1), "base64url").toString())
    return typeof text === "string" ? text : undefined
  } catch {
    return undefined
  }
}

/** A natural number up to `max`, which is written in base 36. Undefined if it is none. */
export function decodeNumber(encoded: string | undefined, max: number): number | undefined {
  if (encoded === undefined || !/^(0|[1-9a-z][\da-z]{0,9})$/.test(encoded)) return undefined
  const number = Number.parseInt(encoded, 36)
  return number <= max ? number : undefined
}
