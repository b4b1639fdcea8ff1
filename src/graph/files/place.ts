import { trim } from "../../collections/text.ts"
import { badUserInput } from "../../errors.ts"
import type { FileRange } from "../../upstream/download.ts"
import type * as rest from "./rest.ts"

/** A path among the files of an owner. It may not exist. */
interface Place {
  owner: rest.FileOwner
  /** From the root, without leading and trailing slashes. "" is the root. */
  path: string
}

export interface FolderPlace extends Place {
  __typename: "Folder"
}

export interface FilePlace extends Place {
  __typename: "File"
  /** The size in bytes, if a folder listing gave it. */
  size?: number | string | undefined
}

/** The key of a place for loaders. */
export const keyOf = ({ owner: { kind, id }, path }: Place, range?: FileRange) =>
  JSON.stringify([kind, id, path, range])

/** The place of a key. */
export const placeOf = (key: string) => {
  const [kind, id, path, range]: [rest.FileOwner["kind"], string, string, FileRange] = JSON.parse(key)
  return { owner: { kind, id }, path, range }
}

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

export function nameOf({ path }: Place): string {
  return path.slice(path.lastIndexOf("/") + 1)
}

/** The path as messages show it. */
export function quotedPath(path: string): string {
  return JSON.stringify(path.length > 200 ? `…${path.slice(-200)}` : path)
}
