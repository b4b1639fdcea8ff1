import { badUserInput } from "../../errors.ts"
import { builder } from "../builder.ts"
import { cost } from "../cost.ts"
import { string } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { ownCall } from "../ownCall.ts"
import { maxFirst } from "../pagination/page.ts"
import { checkListedSize, defaultBytes, headOf, jsonByFile, mostBytes, textOf, urlsByFile } from "./content.ts"
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

/** The argument for how much of a file is read. */
const maxBytesArgument = (what: string) =>
  ({
    required: true,
    defaultValue: defaultBytes,
    description: `${what}, from 1 to ${mostBytes} bytes.`,
  }) as const

function checkMaxBytes(maxBytes: number): void {
  if (maxBytes >= 1 && maxBytes <= mostBytes) return
  throw badUserInput(`\`maxBytes\` must be from 1 to ${mostBytes}. Fetch larger files from their \`downloadUrl\`.`)
}

const FileHead = builder.objectRef<{ text: string; isWhole: boolean }>("FileHead").implement({
  description: "The beginning of a text file.",
  fields: (t) => ({
    text: t.exposeString("text", { nullable: false, description: "The text, up to the last whole character." }),
    isWhole: t.exposeBoolean("isWhole", { nullable: false, description: "Whether this is the whole file." }),
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
