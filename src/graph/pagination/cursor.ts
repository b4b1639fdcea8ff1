import { crc32 } from "node:zlib"
import { badUserInput } from "../../errors.ts"

const version = "3"
const checksumLength = 6

/**
 * The opaque cursors of one search: `3`, a digest of the search, the content, and a checksum of both. A cursor is valid only for the
 * search that made it. Detects mixed up and damaged cursors. It is not a signature: anyone can forge a cursor, so its content is
 * validated like any input.
 */
export class Cursors {
  readonly #search: string
  /** The version and the digest of the search, with which each of its cursors starts. */
  #start = ""
  #seed = 0

  /** @param search identifies the search and its arguments */
  constructor(search: string) {
    this.#search = search
  }

  /**
   * Returns what makes the cursors of a page, of which each has this content and some of its own. What they have in common is computed
   * once: a page has up to a thousand cursors.
   */
  startingWith(content: string): (own: string) => string {
    this.#digest()
    const start = this.#start + content
    const seed = crc32(content, this.#seed)
    // Not concatenated: V8 serializes a response in twice the time if one of its strings is (docs/decisions/memory.md).
    return (own) => [start, own, checksumText(crc32(own, seed))].join("")
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
      cursor.endsWith(checksumText(crc32(content, this.#seed)))
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
    const [first, second] = digestOf(this.#search)
    this.#start = version + checksumText(first)
    this.#seed = second
  }
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
/** All pairs of characters, for 12 bits each: `toString` of a number takes longer than all else of a cursor. */
const pairs = Array.from({ length: 4096 }, (_, bits) => `${alphabet[bits >>> 6]}${alphabet[bits & 63]}`)

function checksumText(checksum: number): string {
  return `${pairs[checksum >>> 20]}${pairs[(checksum >>> 8) & 4095]}${pairs[checksum & 255]}`
}

/**
 * Two numbers of 32 bits that identify a text. Not SHA-256, which takes several times as long for each list of a response: the digest
 * need only differ between searches by chance, since anyone can forge a cursor.
 */
export function digestOf(text: string): [number, number] {
  let first = 0xdeadbeef
  let second = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    first = Math.imul(first ^ unit, 0x9e3779b1)
    second = Math.imul(second ^ unit, 0x5f356495)
  }
  first = Math.imul(first ^ (first >>> 16), 0x85ebca6b) ^ Math.imul(second ^ (second >>> 13), 0xc2b2ae35)
  second = Math.imul(second ^ (second >>> 16), 0x85ebca6b) ^ Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return [first >>> 0, second >>> 0]
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
