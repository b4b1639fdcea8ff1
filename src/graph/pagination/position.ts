import { type DecodeError, isReadable, type SearchToken } from "../../upstream/decoders.ts"
import { exactNumber, isRawNumber } from "../../upstream/rawNumber.ts"
import { checksumText, decodeNumber, decodeText, digestOf, encodeText } from "./cursor.ts"

/**
 * Where a page starts: after `skip` items of the page that `token` requests, or of the whole search if there is no token. The rest is
 * what the walk remembers. A cursor of an item has `token`, `skip` and `trail`, and one of a page's end has all.
 */
export interface Position {
  token: SearchToken | undefined
  skip: number
  trail: Trail
  /** How many pages in a row had nothing new. */
  barren: number
  /** The marks of the walk's first token and of its last ones. */
  tokens: readonly string[]
  /** The marks of the last items. */
  items: readonly string[]
}

/**
 * One earlier page of the walk, by which any circle of pages is found, however long (Brent's algorithm): the page whose number is the
 * last power of two.
 */
export interface Trail {
  /** The number of pages so far. */
  pages: number
  /** The mark of the earlier page's first items. Empty before the first page. */
  head: string
}

export const firstPosition: Position = {
  token: undefined,
  skip: 0,
  trail: { pages: 0, head: "" },
  barren: 0,
  tokens: [],
  items: [],
}

/** Marks are digests of 48 bits. Two of forty are equal once in three hundred billion pages. */
const markLength = 8

/** Represents an item's id in a cursor. */
export function markOf(text: string): string {
  const [first, second] = digestOf(text)
  return checksumText(first).slice(0, markLength / 2) + checksumText(second).slice(0, markLength / 2)
}

/** The number of items at the start of a page that tell it from others. Code Ocean repeats single items, but not this many. */
const headLength = 8

/** The trail after a page, or "repeated" if it starts as an earlier page did. */
export function trailAfter(
  { token, skip, trail, items }: Position,
  results: readonly ({ id: string } | DecodeError)[],
): Trail | "repeated" {
  const pages = trail.pages + 1
  const ids = results
    .slice(0, headLength)
    .filter(isReadable)
    .map(({ id }) => id)
  // A single item may be repeated. Two in the same order are not.
  if (ids.length === 1) ids.unshift(items.at(-1) ?? "")
  const head = markOf(ids.join("\n"))
  // A new item at the start of the search shifts the others by one.
  const isShifted = token === undefined && skip === 1
  if (ids.length > 0 && head === trail.head && !isShifted) return "repeated"
  const isPowerOfTwo = (pages & (pages - 1)) === 0
  return { pages, head: isPowerOfTwo || trail.head === "" ? head : trail.head }
}

/** The most marks in a cursor, and the fewest however long the token is. */
export const maxMarks = 48
const minMarks = 16
const maxTokens = 12
const maxLength = 400

/** The first token, and the last ones. */
export function withToken(tokens: readonly string[], token: SearchToken): readonly string[] {
  const all = [...tokens, tokenMark(token)]
  return all.length > maxTokens ? all.toSpliced(1, 1) : all
}

/** Bounds for what a forged cursor may contain. No page starts later, and no token of Code Ocean's is longer. */
const maxSkip = 1_000_000_000
const maxPages = 1_000_000_000
const maxTokenLength = 4_096

function encodeToken(token: SearchToken | undefined): string {
  if (token === undefined) return ""
  return typeof token === "string" ? encodeText(token) : `n${typeof token === "number" ? token : token.rawJSON}`
}

/** Code Ocean documents tokens as whole numbers. */
const wholeNumber = /^-?(0|[1-9]\d*)$/

function decodeToken(encoded: string): SearchToken | undefined {
  if (encoded.length > maxTokenLength) return undefined
  if (!encoded.startsWith("n")) return decodeText(encoded) || undefined
  const digits = encoded.slice(1)
  return wholeNumber.test(digits) ? exactNumber(digits) : undefined
}

export function tokenMark(token: SearchToken): string {
  return markOf(encodeToken(token))
}

export function tokenLength(token: SearchToken | undefined): number {
  return encodeToken(token).length
}

/** The token that requests the next page. Undefined if there is none, or if it does not fit into a cursor. */
export function usableToken(token: unknown): SearchToken | undefined {
  // Some servers write 0 or an empty text for none.
  if (token === "" || token === 0) return undefined
  const isToken =
    typeof token === "string" || Number.isSafeInteger(token) || (isRawNumber(token) && wholeNumber.test(token.rawJSON))
  return isToken && encodeToken(token as SearchToken).length <= maxTokenLength ? (token as SearchToken) : undefined
}

/*
 * The content of a cursor: `token~head pages~skip`, and at a page's end also `~barren tokens~items`. `head` and the marks in `tokens`
 * and `items` have eight characters each.
 */

export function commonPart(token: SearchToken | undefined, { head, pages }: Trail): string {
  return `${encodeToken(token)}~${head}${pages.toString(36)}~`
}

export function endPart(
  skip: number,
  barren: number,
  tokens: readonly string[],
  items: readonly string[],
  tokenLength: number,
): string {
  // The version, both digests and the other numbers take at most 40 characters.
  const room = Math.max(minMarks, Math.floor((maxLength - 40 - tokenLength) / markLength))
  return `${skip.toString(36)}~${barren}${tokens.join("")}~${items.slice(tokens.length - room).join("")}`
}

/** Validates the content of a cursor. Returns undefined if no page can have made it. */
export function readPosition(content: string): Position | undefined {
  const [encodedToken = "", encodedTrail = "", encodedSkip, ...marks] = content.split("~", 6)
  const token = decodeToken(encodedToken)
  const head = encodedTrail.slice(0, markLength)
  const pages = decodeNumber(encodedTrail.slice(markLength), maxPages)
  const skip = decodeNumber(encodedSkip, maxSkip)
  if ((token === undefined && encodedToken !== "") || !isMarks(head) || head === "" || pages === undefined)
    return undefined
  if (skip === undefined) return undefined
  const position = { token, skip, trail: { pages, head } }
  if (marks.length === 0) return { ...position, barren: 0, tokens: [], items: [] }
  const [barrenAndTokens = "", encodedItems = "", ...more] = marks
  const barren = decodeNumber(barrenAndTokens.slice(0, 1), 9)
  const tokens = barrenAndTokens.slice(1)
  if (marks.length !== 2 || more.length > 0 || barren === undefined || !isMarks(tokens) || !isMarks(encodedItems)) {
    return undefined
  }
  return { ...position, barren, tokens: split(tokens), items: split(encodedItems) }
}

function isMarks(text: string): boolean {
  return text.length % markLength === 0 && text.length <= maxMarks * markLength && /^[\w-]*$/.test(text)
}

function split(marks: string): string[] {
  return marks.match(/.{8}/g) ?? []
}
