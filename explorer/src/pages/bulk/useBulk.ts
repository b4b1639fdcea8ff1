import { useRef, useState } from "react"
import { useClient } from "urql"
import { type Problem, problemsOf } from "../../data/problem.ts"
import { BulkEditDocument, type BulkEditMutation, type BulkEditMutationVariables } from "./bulkEdit.generated.ts"

/*
 * An edit of many data assets goes out in parts, one after the other, so that its progress can be seen and the rest be cancelled.
 */

const partSize = 25

type Payload = Extract<NonNullable<BulkEditMutation["updateDataAssets"]>, { __typename: "UpdateDataAssetsPayload" }>
export type BulkItem = NonNullable<Payload["items"][number]>
export type Edit = Pick<BulkEditMutationVariables, "add" | "remove" | "set">

export interface BulkRun {
  dryRun: boolean
  /** The edit and the data assets, as text, to tell whether they have changed since. */
  of: string
  total: number
  items: readonly BulkItem[]
  state: "running" | "done" | "cancelled" | "stopped"
  /** Why it has stopped before the end. */
  problem?: string
  /** Whether the last part may have been carried out although its answer was lost. */
  unknown?: boolean
}

export function useBulk(): {
  run: BulkRun | undefined
  start(ids: readonly string[], edit: Edit, dryRun: boolean): Promise<void>
  cancel(): void
  clear(): void
} {
  const client = useClient()
  const [run, setRun] = useState<BulkRun>()
  const cancelled = useRef(false)
  const isRunning = useRef(false)

  async function start(ids: readonly string[], edit: Edit, dryRun: boolean): Promise<void> {
    if (isRunning.current) return
    isRunning.current = true
    cancelled.current = false
    let now: BulkRun = { dryRun, of: textOf(ids, edit), total: ids.length, items: [], state: "running" }
    const set = (change: Partial<BulkRun>) => {
      now = { ...now, ...change }
      setRun(now)
    }
    set({})
    for (let at = 0; at < ids.length && now.state === "running"; at += partSize) {
      const { data, error } = await client
        .mutation(BulkEditDocument, { ids: ids.slice(at, at + partSize), ...edit, dryRun })
        .toPromise()
      const result = data?.updateDataAssets
      if (result?.__typename === "UpdateDataAssetsPayload") {
        set({ items: [...now.items, ...result.items.filter((item) => item !== null)] })
      } else if (result?.__typename === "MutationRefused") {
        set({
          state: "stopped",
          problem: result.problems?.map((problem) => problem?.message).join(" ") || result.message,
        })
      } else {
        const [problem] = problemsOf(error)
        set({
          state: "stopped",
          problem: problem?.message ?? "There was no answer.",
          unknown: !dryRun && isUnknown(problem),
        })
      }
      if (cancelled.current && now.state === "running" && at + partSize < ids.length) set({ state: "cancelled" })
    }
    if (now.state === "running") set({ state: "done" })
    isRunning.current = false
  }

  return {
    run,
    start,
    cancel: () => {
      cancelled.current = true
    },
    clear: () => {
      if (!isRunning.current) setRun(undefined)
    },
  }
}

const isUnknown = (problem: Problem | undefined): boolean =>
  problem === undefined || problem.is === "offline" || problem.is === "codeOceanDown" || problem.is === "broken"

export const textOf = (ids: readonly string[], edit: Edit): string => JSON.stringify([ids, edit])
