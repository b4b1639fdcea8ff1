import { useMemo, useState } from "react"
import type { ComputationOutcome } from "../../data/schema.generated.ts"
import { type Live, useLive } from "../../data/useLive.ts"
import { HomeLiveDocument, type HomeLiveSubscription } from "./homeLive.generated.ts"
import type { RecentRunFragment } from "./recentRun.generated.ts"

/** What events have said of runs since the page was opened. Null: the run was deleted. */
type Changes = ReadonlyMap<string, RecentRunFragment | null>

/**
 * The runs of a list as they are now: runs that have started since are added, others change and disappear.
 * @param outcomes those that the list has. Undefined: all
 */
export function useLiveRuns(
  runs: readonly RecentRunFragment[],
  outcomes: readonly ComputationOutcome[] | undefined,
  isOn: boolean,
  reload: () => void,
): { runs: readonly RecentRunFragment[]; live: Live } {
  const [changes, setChanges] = useState<Changes>(new Map())
  const live = useLive(HomeLiveDocument, isOn ? {} : undefined, undefined, (event, isReopened) => {
    setChanges((before) => withEvent(isReopened ? new Map() : before, event))
    // What was deleted while there was no stream is in no event.
    if (isReopened) reload()
  })
  const merged = useMemo(() => merge(runs, changes, outcomes), [runs, changes, outcomes])
  return { runs: merged, live }
}

function withEvent(before: Changes, { recentComputations: event }: HomeLiveSubscription): Changes {
  if (!event) return before
  const next = new Map(before)
  for (const run of [...event.added, ...event.changed]) if (run !== null) next.set(run.id, run)
  for (const id of event.removedIds) if (id !== null) next.set(id, null)
  return next
}

function merge(
  runs: readonly RecentRunFragment[],
  changes: Changes,
  outcomes: readonly ComputationOutcome[] | undefined,
): readonly RecentRunFragment[] {
  if (changes.size === 0) return runs
  const known = new Set(runs.map(({ id }) => id))
  const newest = runs[0]?.created ?? ""
  // Older runs that are not in the list are further down, on pages that were not read.
  const started = [...changes.values()].filter(
    (run): run is RecentRunFragment => run !== null && !known.has(run.id) && (run.created ?? "") >= newest,
  )
  const all = [...started.toSorted((a, b) => (b.created ?? "").localeCompare(a.created ?? "")), ...runs]
  return all
    .map((run) => (changes.has(run.id) ? changes.get(run.id) : run))
    .filter(
      (run): run is RecentRunFragment => run != null && (outcomes === undefined || outcomes.includes(run.outcome)),
    )
}
