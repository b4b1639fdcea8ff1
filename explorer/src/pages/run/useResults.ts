import { useCallback, useMemo, useRef, useState } from "react"
import { useClient } from "urql"
import { problemsOf } from "../../data/problem.ts"
import { type ResultEntryFragment, ResultFolderDocument } from "./run.generated.ts"

/** How many entries of a folder are read at once. */
export const entriesPerPage = 500

export interface Folder {
  entries: readonly ResultEntryFragment[]
  /** Whether the folder has more entries. */
  more: boolean
  loading: boolean
  problem: string | undefined
}

/** One row of the tree. */
export type Row =
  | { is: "entry"; key: string; level: number; entry: ResultEntryFragment; expanded: boolean | undefined }
  | { is: "note"; key: string; level: number; text: string }
  | { is: "more"; key: string; level: number; folder: string }

type Entries = readonly (ResultEntryFragment | null)[]

const folderOf = (entries: Entries): Folder => ({
  entries: entries.filter((entry) => entry !== null),
  more: entries.length >= entriesPerPage,
  loading: false,
  problem: undefined,
})

/** The results as a tree whose folders are read when they are opened. */
export function useResults(id: string, root: Entries | null | undefined) {
  const client = useClient()
  const [folders, setFolders] = useState<ReadonlyMap<string, Folder>>(new Map())
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const reading = useRef(new Set<string>())

  const all = useMemo(() => {
    const further = folders.get("")
    const first = folderOf(root ?? [])
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
      const variables = { id, path, after }
      const { data, error } = await client
        .query(ResultFolderDocument, variables, { requestPolicy: "cache-first" })
        .toPromise()
      reading.current.delete(path)
      const entries = data?.computation?.results?.entries
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
    [client, id],
  )

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
