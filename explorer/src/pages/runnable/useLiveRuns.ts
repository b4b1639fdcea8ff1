import { useCallback, useMemo, useState } from "react"
import { useLive } from "../../data/useLive.ts"
import type { RunRowFragment } from "./runnable.generated.ts"
import { RunsLiveDocument } from "./runsLive.generated.ts"

/**
 * The runs as they are now: what was read, with those that have been started since, and without those that have been deleted.
 * @param id the capsule or pipeline. Undefined until its runs have been read
 */
export function useLiveRuns(id: string | undefined, read: readonly (RunRowFragment | null)[], reload: () => void) {
  const [started, setStarted] = useState<readonly RunRowFragment[]>([])
  const [removed, setRemoved] = useState<ReadonlySet<string>>(new Set())
  const add = useCallback((runs: readonly (RunRowFragment | null)[]) => {
    const known = runs.filter((run) => run !== null)
    if (known.length > 0)
      setStarted((before) => [...known, ...before.filter(({ id }) => known.every((run) => run.id !== id))])
  }, [])
  const variables = id === undefined ? undefined : { id }
  const live = useLive(RunsLiveDocument, variables, undefined, ({ computations }, isReopened) => {
    // What was deleted while there was no stream is in no event.
    if (isReopened) {
      setStarted([])
      reload()
    }
    if (!computations) return
    add(computations.added)
    add(computations.changed)
    if (computations.removedIds.length > 0)
      setRemoved((before) => new Set([...before, ...computations.removedIds.map(String)]))
  })
  const runs = useMemo(() => {
    // An event has the run as it is now, which a page that was read earlier may not have.
    const latest = new Map(started.map((run) => [run.id, run]))
    const listed = read.filter((run) => run !== null).map((run) => latest.get(run.id) ?? run)
    const ids = new Set(listed.map((run) => run.id))
    const oldest = listed.at(-1)?.created
    // A run of the first event may be older than the last page that was read. It comes with its page.
    const fresh = started.filter((run) => !ids.has(run.id) && !(oldest && run.created && run.created < oldest))
    return [...fresh, ...listed]
      .filter((run) => !removed.has(run.id))
      .toSorted((a, b) => Date.parse(b.created ?? "") - Date.parse(a.created ?? "") || 0)
  }, [read, started, removed])
  return { runs, add, live }
}
