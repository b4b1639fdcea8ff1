import { trim } from "../../collections/text.ts"
import { badUserInput, nullIfMissing } from "../../errors.ts"
import { DecodeError } from "../../upstream/decoders.ts"
import type { FileRange } from "../../upstream/download.ts"
import { parseExactly } from "../../upstream/rawNumber.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { invalidField, readableFloat, readableString, string } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { loaderByKey } from "../loader.ts"
import { ownCall } from "../ownCall.ts"
import { maxFirst, pageSize } from "../pagination/page.ts"
import * as rest from "./rest.ts"

/** A path among the files of an owner. It may not exist. */
interface Place {
  owner: rest.FileOwner
  /** From the root, without leading and trailing slashes. "" is the root. */
  path: string
}

interface FolderPlace extends Place {
  __typename: "Folder"
}

interface FilePlace extends Place {
  __typename: "File"
  /** The size in bytes, if a folder listing gave it. */
  size?: number | string | undefined
}

const keyOf = ({ owner: { kind, id }, path }: Place, range?: FileRange) => JSON.stringify([kind, id, path, range])

const placeOf = (key: string) => {
  const [kind, id, path, range]: [rest.FileOwner["kind"], string, string, FileRange] = JSON.parse(key)
  return { owner: { kind, id }, path, range }
}

/** What a folder holds. An entry that can't be read is an error. */
interface Listing {
  entries: (FolderPlace | FilePlace | DecodeError)[]
  /** Where each path stands, once a page has asked for it. "ambiguous" for a path of several entries. */
  indexByPath?: Map<string, number | "ambiguous">
}

/** Null if the folder does not exist. Read once per request, however many pages show it. */
const listingByFolder = loaderByKey(async (context, key): Promise<Listing | null> => {
  const { owner, path } = placeOf(key)
  const items = await nullIfMissing(rest.listFolder(context.upstream, owner, path))
  return items && { entries: items.map((item) => entryOf(owner, path, item)) }
})

const pathAt = readableString("path")
const nameAt = readableString("name")
const typeAt = readableString("type")

/** An entry without a path lies in the folder, and its name is the last part of its path. Without both it can't be read. */
function entryOf(
  owner: rest.FileOwner,
  folder: string,
  item: rest.FolderItem | DecodeError,
): Listing["entries"][number] {
  if (item instanceof DecodeError) return item
  const name = nameAt(item)
  const path = trim(pathAt(item) ?? (name === null ? "" : `${folder}/${name}`), "/")
  if (path === "") return invalidField("items", "a list with an item that has no name and no path")
  return item.type !== "file" && typeAt(item)?.toLowerCase() === "folder"
    ? { __typename: "Folder", owner, path }
    : { __typename: "File", owner, path, size: item.size }
}

const urlsByFile = loaderByKey((context, key) => {
  const { owner, path } = placeOf(key)
  return nullIfMissing(rest.getFileUrls(context.upstream, owner, path))
})

/** Null if the file does not exist. */
const downloadByFile = loaderByKey(async (context, key) => {
  const { range, ...place } = placeOf(key)
  const urls = await urlsByFile(context).load(keyOf(place))
  return urls && nullIfMissing(context.upstream.download(urls.download_url, range))
})

/** The folder at this path. Leading and trailing slashes are ignored. */
export function folderAt(owner: rest.FileOwner, path: string): FolderPlace {
  return { __typename: "Folder", owner, path: trim(path, "/") }
}

/** The file at this path. Throws BAD_USER_INPUT for an empty path. */
export function fileAt(owner: rest.FileOwner, path: string): FilePlace {
  const file = trim(path, "/")
  if (file === "")
    throw badUserInput("`path` is empty. Give the path of a file, such as `processing.json` or `figures/overview.csv`.")
  return { __typename: "File", owner, path: file }
}

function nameOf({ path }: Place): string {
  return path.slice(path.lastIndexOf("/") + 1)
}

interface EntryArguments {
  first?: number | null | undefined
  after?: string | null | undefined
}

/** All entries of a folder, or `first` of those behind the entry with the path `after`. */
async function entriesOf(context: Context, folder: FolderPlace, { first, after }: EntryArguments) {
  const size = first == null ? Infinity : pageSize({ first })
  const listing = await listingByFolder(context).load(keyOf(folder))
  if (listing === null) return null
  if (after == null) return listing.entries.slice(0, size)
  listing.indexByPath ??= indexByPath(listing.entries)
  const index = listing.indexByPath.get(trim(after, "/") || "/")
  if (index === undefined) {
    throw badUserInput(
      "`after` is not the path of an entry of this folder. Send the `path` of an entry, or omit `after` to start from the beginning.",
    )
  }
  // A file and a folder of an object storage can have one path.
  if (index === "ambiguous") {
    throw new DecodeError(
      `Code Ocean listed several entries with the path ${quotedPath(after)}, after which no page can start. Request the entries without \`after\`.`,
    )
  }
  return listing.entries.slice(index + 1, index + 1 + size)
}

function indexByPath(entries: Listing["entries"]): NonNullable<Listing["indexByPath"]> {
  const indexes: NonNullable<Listing["indexByPath"]> = new Map()
  for (const [index, entry] of entries.entries()) {
    if (!(entry instanceof DecodeError)) indexes.set(entry.path, indexes.has(entry.path) ? "ambiguous" : index)
  }
  return indexes
}

/** The maximum size of a file that the gateway reads: 1 MiB. */
const mostBytes = 1024 * 1024
const defaultBytes = 64 * 1024

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

function decoded(bytes: Buffer): string | undefined {
  try {
    return bytes.includes(0) ? undefined : new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

const listedSizeOf = readableFloat("size")

function checkListedSize(file: FilePlace, maxBytes: number): void {
  const listed = listedSizeOf(file)
  if (listed !== null && listed > maxBytes) throw tooLarge(file, listed, maxBytes)
}

function tooLarge({ path }: FilePlace, size: number | undefined, maxBytes: number) {
  const actual = size === undefined ? `more than ${maxBytes}` : String(size)
  const more = (size ?? 0) <= mostBytes && maxBytes < mostBytes
  const advice = more ? `Request \`text\` with a larger \`maxBytes\` (at most ${mostBytes}), or fetch` : "Fetch"
  return badUserInput(
    `${quotedPath(path)} has ${actual} bytes, but at most ${maxBytes} can be read. ${advice} the file from its \`downloadUrl\`.`,
  )
}

/** The text of a whole file. Null if it does not exist. Throws BAD_USER_INPUT for a file of more than `maxBytes`. */
async function textOf(context: Context, file: FilePlace, maxBytes: number): Promise<string | null> {
  checkListedSize(file, maxBytes)
  const step = steps.find((bytes) => bytes >= maxBytes) ?? mostBytes
  const content = await contentByFile(context).load(keyOf(file, { maxBytes: step }))
  if (content === null) return null
  if (content.size === undefined || content.size > maxBytes) {
    throw tooLarge(file, content.size, maxBytes)
  }
  if (content.text === undefined) {
    throw badUserInput(`${quotedPath(file.path)} is not UTF-8 text. Fetch it from its \`downloadUrl\`.`)
  }
  return content.text
}

const deepestJson = 500

/** Parsed once per request, however many fields show it. */
const jsonByFile = loaderByKey(async (context, key): Promise<unknown> => {
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
    const log = await logByFile(context).load(keyOf(file, { maxBytes, fromEnd: true }))
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

function quotedPath(path: string): string {
  return JSON.stringify(path.length > 200 ? `…${path.slice(-200)}` : path)
}

const FolderEntry = builder.interfaceRef<FolderPlace | FilePlace>("FolderEntry").implement({
  description: "An entry of a folder: a file or another folder.",
  fields: (t) => ({
    name: t.string({
      nullable: false,
      description: "The name. Empty for the root folder.",
      extensions: ownCall("none"),
      resolve: nameOf,
    }),
    path: t.exposeString("path", {
      nullable: false,
      description: "The path from the root, without a leading slash. Empty for the root folder.",
      extensions: ownCall("none"),
    }),
  }),
})

export const Folder = builder.objectRef<FolderPlace>("Folder")
Folder.implement({
  description:
    "A folder of a run's results or of a data asset. Its existence is not checked until `entries` is selected.",
  interfaces: [FolderEntry],
  fields: (t) => ({
    entries: t.field({
      type: [FolderEntry],
      description:
        "The files and folders in it, in Code Ocean's order. Null if the folder does not exist. All pages of a request are read from the same listing. The files of an external data asset can't be listed. Costs one REST call.",
      extensions: {
        ...cost({ oncePerObject: "entries", items: { argument: "first", assumed: 20, max: maxFirst } }),
        ...ownCall("call"),
      },
      args: {
        first: t.arg.int({ description: `The number of entries, from 1 to ${maxFirst}. Defaults to all.` }),
        after: t.arg.string({
          description: "The path of an entry. Only entries after it are returned.",
          extensions: limitLength(maxLength.path),
        }),
      },
      resolve: (folder, args, context) => entriesOf(context, folder, args) as never,
    }),
  }),
})

const viewUrlOf = string("view_url")

export const File = builder.objectRef<FilePlace>("File")
File.implement({
  description:
    "A file of a run's results or of a data asset. Its existence is not checked until it is read. If it does not exist, every field except its name and path is null.",
  interfaces: [FolderEntry],
  fields: (t) => ({
    size: t.field({
      type: "ByteCount",
      description:
        "The size in bytes. Null if the file was reached by its path instead of its folder, which lists the size.",
      resolve: string("size"),
    }),
    downloadUrl: t.string({
      description:
        "A URL from which the file can be downloaded. It needs no token and is valid for some minutes: anyone who has it can read the file. Costs one REST call, shared with `viewUrl`, `text` and `json`.",
      extensions: { ...cost({ oncePerObject: "urls" }), ...ownCall("call") },
      resolve: async (file, _args, context) => (await urlsByFile(context).load(keyOf(file)))?.download_url ?? null,
    }),
    viewUrl: t.string({
      description:
        "A URL at which a browser shows the file. It needs no token and is valid for some minutes. Costs one REST call, shared with `downloadUrl`, `text` and `json`.",
      extensions: { ...cost({ oncePerObject: "urls" }), ...ownCall("call") },
      resolve: async (file, _args, context) => {
        const urls = await urlsByFile(context).load(keyOf(file))
        return urls && viewUrlOf(urls)
      },
    }),
    text: t.string({
      description:
        "The whole content of a small UTF-8 text file. A larger file, or one that is not text, is an error. Costs two REST calls: one for its URL and one for the content.",
      extensions: { ...cost({ calls: 1, oncePerObject: "urls", bytes: 8_192 }), ...ownCall("call") },
      args: {
        maxBytes: t.arg.int({
          required: true,
          defaultValue: defaultBytes,
          description: `The maximum size of the file to read, from 1 to ${mostBytes} bytes.`,
        }),
      },
      resolve: (file, { maxBytes }, context) => {
        if (maxBytes < 1 || maxBytes > mostBytes) {
          throw badUserInput(
            `\`maxBytes\` must be from 1 to ${mostBytes}. Fetch larger files from their \`downloadUrl\`.`,
          )
        }
        return textOf(context, file, maxBytes)
      },
    }),
    json: t.field({
      type: "JSON",
      description: `The parsed content of a JSON file of at most ${mostBytes} bytes. A larger file, or one that is not JSON, is an error. Costs two REST calls: one for its URL and one for the content.`,
      extensions: { ...cost({ calls: 1, oncePerObject: "urls", bytes: 2_048 }), ...ownCall("call") },
      resolve: (file, _args, context) => {
        checkListedSize(file, mostBytes)
        return jsonByFile(context).load(keyOf(file))
      },
    }),
  }),
})
