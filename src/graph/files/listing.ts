import { trim } from "../../collections/text.ts"
import { badUserInput } from "../../errors.ts"
import { DecodeError } from "../../upstream/decoders.ts"
import type { Context } from "../context.ts"
import { invalidField, readableString } from "../fields.ts"
import { loaderByKey } from "../loader.ts"
import { pageSize } from "../pagination/page.ts"
import { nullIfNoFile } from "./missing.ts"
import { type FilePlace, type FolderPlace, keyOf, placeOf, quotedPath } from "./place.ts"
import * as rest from "./rest.ts"

/** What a folder holds. An entry that can't be read is an error. */
interface Listing {
  entries: (FolderPlace | FilePlace | DecodeError)[]
  /** Where each path stands, once a page has asked for it. "ambiguous" for a path of several entries. */
  indexByPath?: Map<string, number | "ambiguous">
}

/** Null if the folder does not exist. Read once per request, however many pages show it. */
const listingByFolder = loaderByKey(async (context, key): Promise<Listing | null> => {
  const { owner, path } = placeOf(key)
  const items = await nullIfNoFile(context, owner, rest.listFolder(context.upstream, owner, path))
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

interface EntryArguments {
  first?: number | null | undefined
  after?: string | null | undefined
}

/** All entries of a folder, or `first` of those behind the entry with the path `after`. */
export async function entriesOf(context: Context, folder: FolderPlace, { first, after }: EntryArguments) {
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
