import { useCallback, useEffect, useMemo, useRef, useState } from "react"
import type { RequestPolicy } from "urql"
import { problemsOf } from "../../data/problem.ts"
import { useRead } from "../../data/useRead.ts"
import { type FileEntryFragment, OpenFolderDocument } from "./files.generated.ts"

/** How many entries of a folder are read at once. */
export const entriesPerPage = 500

export interface Folder {
  entries: readonly FileEntryFragment[]
  /** Whether the folder has more entries. */
  more: boolean
  loading: boolean
  problem: string | undefined
}

/** One row of the tree. */
export type Row =
  | { is: "entry"; key: string; level: number; entry: FileEntryFragment; expanded: boolean | undefined }
  | { is: "note"; key: string; level: number; text: string }
  | { is: "more"; key: string; level: number; folder: string }

export type Entries = readonly (FileEntryFragment | null)[]

/** What the files belong to. */
export interface FileOwner {
  is: "run" | "dataAsset"
  id: string
}

/** The variables of the requests for files. */
export const variablesOf = ({ id, is }: FileOwner) => ({ id, isRun: is === "run" })

const folderOf = (entries: Entries): Folder => ({
  entries: entries.filter((entry) => entry !== null),
  more: entries.length >= entriesPerPage,
  loading: false,
  problem: undefined,
})

/** The folders that a file is in, the outermost first. */
const foldersOf = (file: string | null): string[] =>
  (file ?? "").split("/").flatMap((_, depth, names) => (depth === 0 ? [] : names.slice(0, depth).join("/")))

/**
 * Files as a tree whose folders are read when they are opened.
 * @param shown a file whose folders are open from the beginning
 */
export function useFolders({ id, is }: FileOwner, root: Entries, shown: string | null) {
  const send = useRead()
  const [folders, setFolders] = useState<ReadonlyMap<string, Folder>>(new Map())
  const [initial] = useState(() => foldersOf(shown))
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(initial))
  const reading = useRef(new Set<string>())

  const all = useMemo(() => {
    const further = folders.get("")
    const first = folderOf(root)
    return new Map([
      ...folders,
      ["", further ? { ...further, entries: [...first.entries, ...further.entries] } : first],
    ])
  }, [folders, root])
  const latest = useRef(all)
  latest.current = all

  const read = useCallback(
    async (path: string) => {
      if (reading.current.has(path)) return
      reading.current.add(path)
      const after = latest.current.get(path)?.entries.at(-1)?.path ?? null
      const change = (make: (before: Folder) => Folder) =>
        setFolders((before) => new Map(before).set(path, make(before.get(path) ?? { ...folderOf([]), more: false })))
      change((before) => ({ ...before, loading: true, problem: undefined }))
      const variables = { ...variablesOf({ id, is }), path, after }
      const ask = async (requestPolicy: RequestPolicy) => {
        const result = await send(OpenFolderDocument, variables, requestPolicy)
        if (result === undefined) return undefined
        const { data, error } = result
        return { entries: (data?.computation ?? data?.dataAsset)?.folder?.entries, error }
      }
      let answer = await ask("cache-first")
      // What failed before is kept as null.
      if (answer && !answer.entries && !answer.error) answer = await ask("network-only")
      reading.current.delete(path)
      if (answer === undefined) return
      const { entries, error } = answer
      change((before) =>
        entries
          ? { ...folderOf(entries), entries: [...before.entries, ...folderOf(entries).entries] }
          : {
              ...before,
              loading: false,
              problem: problemsOf(error)[0]?.message ?? "This folder does not exist any more.",
            },
      )
    },
    [send, id, is],
  )

  useEffect(() => {
    for (const path of initial) void read(path)
  }, [initial, read])

  const toggle = useCallback(
    (path: string, wanted?: boolean) => {
      const isOpen = open.has(path)
      if (wanted === isOpen) return
      setOpen((before) => {
        const next = new Set(before)
        if (isOpen) next.delete(path)
        else next.add(path)
        return next
      })
      const known = latest.current.get(path)
      if (!isOpen && (known === undefined || known.problem !== undefined)) void read(path)
    },
    [open, read],
  )

  const rows = useMemo(() => {
    const list: Row[] = []
    const add = (path: string, level: number) => {
      const folder = all.get(path)
      for (const entry of folder?.entries ?? []) {
        const expanded = entry.__typename === "Folder" ? open.has(entry.path) : undefined
        list.push({ is: "entry", key: entry.path, level, entry, expanded })
        if (expanded) add(entry.path, level + 1)
      }
      const key = `${path}/`
      if (folder?.problem !== undefined) list.push({ is: "note", key, level, text: folder.problem })
      else if (folder?.loading) list.push({ is: "note", key, level, text: "Reading…" })
      else if (folder?.more) list.push({ is: "more", key, level, folder: path })
      else if (path !== "" && folder?.entries.length === 0) list.push({ is: "note", key, level, text: "Empty" })
    }
    add("", 1)
    return list
  }, [all, open])

  return { rows, toggle, read }
}
