import { badUserInput } from "../../errors.ts"
import { builder } from "../builder.ts"
import { cost, listOf } from "../cost.ts"
import { string } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { ownCall } from "../ownCall.ts"
import { maxFirst } from "../pagination/page.ts"
import {
  checkListedSize,
  defaultBytes,
  type FileLine,
  type FilePart,
  filePartOf,
  headOf,
  jsonByFile,
  leastBytes,
  linesWith,
  maxSearched,
  mostBytes,
  textOf,
  urlsByFile,
} from "./content.ts"
import { entriesOf } from "./listing.ts"
import { type FilePlace, type FolderPlace, keyOf, nameOf } from "./place.ts"

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
        "The files and folders in it, in Code Ocean's order. Null if the folder does not exist. All pages of a request are read from the same listing. An error for a data asset whose files are in a bucket outside Code Ocean, because Code Ocean does not list them. Costs one REST call.",
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

/** The argument for how much of a file is read. */
const maxBytesArgument = (what: string, least = 1) =>
  ({
    required: true,
    defaultValue: defaultBytes,
    description: `${what}, from ${least} to ${mostBytes} bytes.`,
  }) as const

function checkMaxBytes(maxBytes: number, least = 1): void {
  if (maxBytes >= least && maxBytes <= mostBytes) return
  throw badUserInput(
    `\`maxBytes\` must be from ${least} to ${mostBytes}. Read larger files in parts, or from their \`downloadUrl\`.`,
  )
}

const FileHead = builder.objectRef<{ text: string; isWhole: boolean }>("FileHead").implement({
  description: "The beginning of a text file.",
  fields: (t) => ({
    text: t.exposeString("text", { nullable: false, description: "The text, up to the last whole character." }),
    isWhole: t.exposeBoolean("isWhole", { nullable: false, description: "Whether this is the whole file." }),
  }),
})

/** How many characters of a line are shown where a part is searched. */
const maxLineLength = 1_000

const FileLineType = builder.objectRef<FileLine>("FileLine").implement({
  description: "A line of a text file.",
  fields: (t) => ({
    offset: t.field({
      type: "ByteCount",
      nullable: false,
      description: "Where it begins in the file, in bytes. `part(offset:)` reads on from there.",
      resolve: ({ offset }) => offset,
    }),
    text: t.string({
      nullable: false,
      description: `The line without its line break, up to ${maxLineLength} characters.`,
      resolve: ({ text }) => (text.length > maxLineLength ? text.slice(0, maxLineLength).toWellFormed() : text),
    }),
  }),
})

const FilePartType = builder.objectRef<FilePart>("FilePart").implement({
  description: "A part of a text file: whole lines, unless a line is longer than the part.",
  fields: (t) => ({
    offset: t.field({
      type: "ByteCount",
      nullable: false,
      description: "Where the text begins in the file, in bytes. Never within a character.",
      resolve: ({ offset }) => offset,
    }),
    text: t.exposeString("text", { nullable: false, description: "The text. Empty if the file ends before `offset`." }),
    nextOffset: t.field({
      type: "ByteCount",
      description: "The `offset` of the next part. Null if this is the end of the file.",
      resolve: ({ nextOffset }) => nextOffset,
    }),
    size: t.field({
      type: "ByteCount",
      description: "The size of the file in bytes. Null if its storage does not send it.",
      resolve: ({ size }) => size ?? null,
    }),
    matches: t.field({
      type: [FileLineType],
      nullable: false,
      description: `The first lines of this part that contain a text, regardless of case. Costs no further call. One request searches at most ${maxSearched} characters. A part counts once for each text that is looked for in it.`,
      extensions: listOf(20),
      args: {
        text: t.arg.string({ required: true, description: "The text to look for. No pattern." }),
        first: t.arg.int({
          required: true,
          defaultValue: 100,
          description: `The maximum number of lines, from 1 to ${maxFirst}.`,
        }),
      },
      resolve: (part, { text, first }, context) => {
        if (text === "") throw badUserInput("`text` is empty. Give the text to look for.")
        if (first < 1 || first > maxFirst) throw badUserInput(`\`first\` must be from 1 to ${maxFirst}.`)
        return linesWith(context, part, text, first)
      },
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
        maxBytes: t.arg.int(maxBytesArgument("The maximum size of the file to read")),
      },
      resolve: (file, { maxBytes }, context) => {
        checkMaxBytes(maxBytes)
        return textOf(context, file, maxBytes)
      },
    }),
    head: t.field({
      type: FileHead,
      description:
        "The beginning of a UTF-8 text file, however large it is. A file that is not text is an error, and so is a compressed one of more than 1 MiB. Costs two REST calls: one for its URL and one for the content, and one more if it is stored compressed.",
      extensions: { ...cost({ calls: 1, oncePerObject: "urls", bytes: 8_192 }), ...ownCall("call") },
      args: { maxBytes: t.arg.int(maxBytesArgument("How much to read")) },
      resolve: (file, { maxBytes }, context) => {
        checkMaxBytes(maxBytes)
        return headOf(context, file, maxBytes)
      },
    }),
    part: t.field({
      type: FilePartType,
      description:
        "A part of a UTF-8 text file, however large it is. A file that is not text is an error. A compressed file is decoded. It is an error if it has more than 1 MiB before decoding, or more than 8 MiB after it. Costs two REST calls: one for its URL and one for the content, and up to two more if it is stored compressed.",
      extensions: { ...cost({ calls: 1, oncePerObject: "urls", bytes: 8_192 }), ...ownCall("call") },
      args: {
        offset: t.arg({
          type: "ByteCount",
          required: true,
          defaultValue: 0,
          description: "Where to begin, in bytes: 0, or the `nextOffset` of the part before.",
        }),
        maxBytes: t.arg.int(maxBytesArgument("How much to read", leastBytes)),
      },
      resolve: (file, { offset, maxBytes }, context) => {
        checkMaxBytes(maxBytes, leastBytes)
        return filePartOf(context, file, offset, maxBytes)
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
