import { GraphQLError } from "graphql"
import { badUserInput, type ErrorCode, nullIfMissing } from "../../errors.ts"
import { parseExactly } from "../../upstream/rawNumber.ts"
import { type Context, oncePerRequest } from "../context.ts"
import { readableFloat } from "../fields.ts"
import { loaderByKey } from "../loader.ts"
import { nullIfNoFile } from "./missing.ts"
import { type FilePlace, fileAt, keyOf, placeOf, quotedPath } from "./place.ts"
import * as rest from "./rest.ts"

/** Null if the file does not exist. */
export const urlsByFile = loaderByKey((context, key) => {
  const { owner, path } = placeOf(key)
  return nullIfNoFile(context, owner, rest.getFileUrls(context.upstream, owner, path))
})

/** Null if the file does not exist. */
const downloadByFile = loaderByKey(async (context, key) => {
  const { range, ...place } = placeOf(key)
  const urls = await urlsByFile(context).load(keyOf(place))
  return urls && nullIfMissing(context.upstream.download(urls.download_url, range))
})

/** The maximum size of a file that the gateway reads: 1 MiB. */
export const mostBytes = 1024 * 1024
export const defaultBytes = 64 * 1024

/** A file is read up to the smallest of these sizes that suffices, so that fields with different limits share a download. */
const steps = [defaultBytes, mostBytes]

/** A file that was read. `text` is undefined if the file is too large or not UTF-8, `size` if it is unknown. */
interface Content {
  size: number | undefined
  text: string | undefined
}

/** Null if the file does not exist. Decoded once per request, however many fields show it. */
const contentByFile = loaderByKey(async (context, key): Promise<Content | null> => {
  const download = await downloadByFile(context).load(key)
  if (download === null) return null
  const { bytes } = download
  return bytes === undefined ? { size: download.size, text: undefined } : { size: bytes.length, text: decoded(bytes) }
})

/** @param isCut whether a character at the end may be incomplete. It is left out */
function decoded(bytes: Buffer, isCut = false): string | undefined {
  try {
    return bytes.includes(0) ? undefined : new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: isCut })
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

const listedSizeOf = readableFloat("size")

export function checkListedSize(file: FilePlace, maxBytes: number): void {
  const listed = listedSizeOf(file)
  if (listed !== null && listed > maxBytes) throw tooLarge(file, listed, maxBytes)
}

function tooLarge({ path }: FilePlace, size: number | undefined, maxBytes: number) {
  const actual = size === undefined ? `more than ${maxBytes}` : String(size)
  const more = (size ?? 0) <= mostBytes && maxBytes < mostBytes
  const advice = more ? `Request \`text\` with a larger \`maxBytes\` (at most ${mostBytes}), or fetch` : "Fetch"
  return badUserInput(
    `${quotedPath(path)} has ${actual} bytes, but at most ${maxBytes} can be read. ${advice} the file from its \`downloadUrl\`, or read it in parts (\`part\`).`,
  )
}

/** The text of a whole file. Null if it does not exist. Throws BAD_USER_INPUT for a file of more than `maxBytes`. */
export async function textOf(context: Context, file: FilePlace, maxBytes: number): Promise<string | null> {
  checkListedSize(file, maxBytes)
  const step = steps.find((bytes) => bytes >= maxBytes) ?? mostBytes
  const content = await contentByFile(context).load(keyOf(file, { maxBytes: step }))
  if (content === null) return null
  if (content.size === undefined || content.size > maxBytes) {
    throw tooLarge(file, content.size, maxBytes)
  }
  if (content.text === undefined) {
    throw notText(file)
  }
  return content.text
}

/** The beginning of a text file. Null if it does not exist. Throws BAD_USER_INPUT for a file that is not text. */
export async function headOf(
  context: Context,
  file: FilePlace,
  maxBytes: number,
): Promise<{ text: string; isWhole: boolean } | null> {
  const download = await downloadByFile(context).load(keyOf(file, { maxBytes, part: "start" }))
  if (download === null) return null
  const { bytes } = download
  if (bytes === undefined) {
    throw badUserInput(
      `${quotedPath(file.path)} is stored compressed and too large to be decoded. Fetch it from its \`downloadUrl\`.`,
    )
  }
  const text = decoded(bytes, !download.isWhole)
  if (text === undefined) throw notText(file)
  return { text, isWhole: download.isWhole }
}

/** A part of a text file. It consists of whole lines, unless one is longer than the part. */
export interface FilePart {
  /** Where it begins, in bytes. */
  offset: number
  text: string
  /** Where the next part begins. Null if nothing follows. */
  nextOffset: number | null
  /** The size of the file. Undefined if its storage does not send it. */
  size: number | undefined
}

/** The largest part of a character, and so the smallest part of a file that can be read. */
export const leastBytes = 4

/** Null if the file does not exist. Decoded once per request, however many fields show it. */
const partByFile = loaderByKey(async (context, key): Promise<FilePart | null> => {
  const download = await downloadByFile(context).load(key)
  if (download === null) return null
  const { range, ...place } = placeOf(key)
  const offset = range.offset ?? 0
  const file: FilePlace = { __typename: "File", ...place }
  const { bytes, size } = download
  if (bytes === undefined) {
    throw badUserInput(
      `This part of ${quotedPath(file.path)} can't be read, because its storage sends the file only as a whole, or compressed. Fetch it from its \`downloadUrl\`.`,
    )
  }
  const start = offset === 0 ? 0 : partialStart(bytes)
  const end = download.isWhole ? bytes.length : wholeEnd(bytes)
  const text = decoded(bytes.subarray(start, Math.max(start, end)))
  if (text === undefined) throw notText(file)
  // A byte order mark at the beginning is no part of the text.
  const skipped = Math.max(start, end) - Buffer.byteLength(text)
  return { offset: offset + skipped, text, nextOffset: download.isWhole ? null : offset + end, size }
})

/** A part of a text file. Null if the file does not exist. Throws BAD_USER_INPUT for a file that is not text. */
export function filePartOf(
  context: Context,
  file: FilePlace,
  offset: number,
  maxBytes: number,
): Promise<FilePart | null> {
  return partByFile(context).load(keyOf(file, { maxBytes, part: "start", offset }))
}

const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80

/** How many bytes at the beginning belong to a character that began before. */
function partialStart(bytes: Buffer): number {
  let start = 0
  while (start < leastBytes - 1 && isContinuation(bytes[start])) start++
  return start
}

/** Where a part ends that is not the last: after its last line, or, if no line ends in it, after its last complete character. */
function wholeEnd(bytes: Buffer): number {
  const lineEnd = bytes.lastIndexOf(0x0a) + 1
  if (lineEnd > 0) return lineEnd
  let first = bytes.length - 1
  while (first > bytes.length - leastBytes && isContinuation(bytes[first])) first--
  const lead = bytes[first] ?? 0
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
  return first + length > bytes.length ? first : bytes.length
}

/** A line of a part. */
export interface FileLine {
  offset: number
  text: string
}

/** How many characters one request searches at most, in all its parts together. */
export const maxSearched = 32 * mostBytes

const searched = oncePerRequest(() => ({ characters: 0 }))

/** The lines of a part and the same in lower case, for all searches in it. */
const linesOfParts = oncePerRequest(() => new Map<FilePart, { lines: string[]; lower: string[] }>())

function linesOf(context: Context, part: FilePart) {
  const known = linesOfParts(context)
  let found = known.get(part)
  if (found === undefined) {
    const lines = part.text.split(/(?<=\n)/)
    found = { lines, lower: lines.map((line) => line.toLowerCase()) }
    known.set(part, found)
  }
  return found
}

/** The lines of a part that contain a text, regardless of case. Throws a GraphQLError if the request searches too much. */
export function linesWith(context: Context, part: FilePart, wanted: string, first: number): FileLine[] {
  const sum = searched(context)
  sum.characters += part.text.length
  if (sum.characters > maxSearched) {
    throw new GraphQLError(
      `This request searches more than ${maxSearched} characters. Split it into several requests.`,
      {
        extensions: { code: "OPERATION_TOO_COSTLY" satisfies ErrorCode },
      },
    )
  }
  const { lines, lower } = linesOf(context, part)
  const lowerWanted = wanted.toLowerCase()
  const found: FileLine[] = []
  let offset = part.offset
  for (const [index, line] of lines.entries()) {
    if (found.length === first) break
    if (lower[index]?.includes(lowerWanted)) found.push({ offset, text: line.replace(/\r?\n$/, "") })
    offset += Buffer.byteLength(line)
  }
  return found
}

function notText({ path }: FilePlace) {
  return badUserInput(`${quotedPath(path)} is not UTF-8 text. Fetch it from its \`downloadUrl\`.`)
}

const deepestJson = 500

/** Parsed once per request, however many fields show it. */
export const jsonByFile = loaderByKey(async (context, key): Promise<unknown> => {
  const file: FilePlace = { __typename: "File", ...placeOf(key) }
  const content = await textOf(context, file, mostBytes)
  if (content === null) return null
  const value = parsed(content)
  if (value === undefined) throw badUserInput(`${quotedPath(file.path)} is not JSON. Request its \`text\`.`)
  // Serializing deeper values would overflow the stack.
  if (isDeeper(value, deepestJson)) {
    throw badUserInput(
      `${quotedPath(file.path)} is JSON nested more than ${deepestJson} levels deep. Request its \`text\`.`,
    )
  }
  return parseExactly(content)
})

function parsed(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

/** A log that was read, or only its size if it is too large. */
type Log = { size: number | undefined } | { text: string; isWhole: boolean; lineStarts: Uint32Array }

/** Null if there is no log. Decoded and split into lines once per request, however many fields show it. */
const logByFile = loaderByKey(async (context, key): Promise<Log | null> => {
  const download = await downloadByFile(context).load(key)
  if (download === null || download.bytes === undefined) return download
  const text = new TextDecoder().decode(wholeCharacters(download))
  return { text, isWhole: download.isWhole, lineStarts: lineStartsIn(text) }
})

/** The offsets at which the lines begin. A line includes its line break. */
function lineStartsIn(text: string): Uint32Array {
  const starts = new Uint32Array(text.length)
  let count = 0
  for (let at = 0; at < text.length; ) {
    starts[count++] = at
    const end = text.indexOf("\n", at)
    at = end < 0 ? text.length : end + 1
  }
  // A copy, to free the unused part of the array.
  return starts.slice(0, count)
}

/** How much of a log's end is read first, and how much if that has too few lines. */
const tailBytes = [64 * 1024, mostBytes]

/**
 * The text of a log, or its last lines. Null if there is no log. Bytes that are not UTF-8 are replaced, because programs write
 * any bytes. Throws BAD_USER_INPUT for the whole of a log of more than 1 MiB.
 */
export async function logOf(
  context: Context,
  owner: rest.FileOwner,
  path: string,
  tail: number | null | undefined,
): Promise<string | null> {
  const file = fileAt(owner, path)
  if (tail == null) {
    const log = await logByFile(context).load(keyOf(file, { maxBytes: mostBytes }))
    if (log !== null && "size" in log) {
      throw badUserInput(
        `The log has ${log.size ?? `more than ${mostBytes}`} bytes, and at most ${mostBytes} are read. Request its last lines with \`tail\`, or fetch \`resultFile(path: ${quotedPath(path)})\` from its \`downloadUrl\`.`,
      )
    }
    return log === null ? null : log.text
  }
  if (tail < 1)
    throw badUserInput("`tail` must be at least 1. It is the number of lines to read, counted from the end.")
  let end: string | null = null
  for (const maxBytes of tailBytes) {
    const log = await logByFile(context).load(keyOf(file, { maxBytes, part: "end" }))
    if (log === null) return null
    if ("size" in log) {
      throw badUserInput(
        `The log has ${log.size ?? `more than ${maxBytes}`} bytes, and its storage returns it only as a whole. Fetch \`resultFile(path: ${quotedPath(path)})\` from its \`downloadUrl\`.`,
      )
    }
    const { text, lineStarts, isWhole } = log
    const lines = lineStarts.length
    if (isWhole) return text.slice(lineStarts[Math.max(0, lines - tail)] ?? 0)
    // The first line of a part is incomplete. It is returned only if it is the only one.
    end = text.slice(lineStarts[lines > 1 ? Math.max(1, lines - tail) : 0] ?? 0)
    if (lines > tail) return end
  }
  return end
}

/** Drops the rest of a character at the beginning of a part, which may start within one. */
function wholeCharacters({ bytes, isWhole }: { bytes: Buffer; isWhole: boolean }): Buffer {
  const first = bytes.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80)
  return isWhole || first < 0 ? bytes : bytes.subarray(first)
}
