import { useRef, useState } from "react"
import { useClient } from "urql"
import { sessionExpired } from "../../app/session.ts"
import { type Problem, problemsOf, sessionEnded } from "../../data/problem.ts"
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
  ids: readonly string[]
  /** The outcomes so far. */
  items: readonly BulkItem[]
  state: "running" | "done" | "cancelled" | "stopped"
  /** Why it has stopped before the end. */
  problem?: string
  /** The data assets that may have changed although the answer was lost. */
  unknown: readonly string[]
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
    let now: BulkRun = { dryRun, of: textOf(ids, edit), ids, items: [], unknown: [], state: "running" }
    const set = (change: Partial<BulkRun>) => {
      now = { ...now, ...change }
      setRun(now)
    }
    set({})
    for (let at = 0; at < ids.length && now.state === "running"; at += partSize) {
      const part = ids.slice(at, at + partSize)
      const isLast = at + partSize >= ids.length
      const { data, error } = await client.mutation(BulkEditDocument, { ids: part, ...edit, dryRun }).toPromise()
      const result = data?.updateDataAssets
      if (result?.__typename === "UpdateDataAssetsPayload") {
        const items = result.items.flatMap((item) => (item === null ? [] : withPlainFailure(item)))
        if (items.some((item) => item.failure?.code === "UNAUTHENTICATED")) sessionExpired()
        set({ items: [...now.items, ...items] })
        const [failure] = items.map((item) => item.failure)
        if (!isLast && failure && items.every((item) => item.failure && failsForAll.has(item.failure.code))) {
          set({ state: "stopped", problem: failure.message })
        }
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
          ...(!dryRun && isUnknown(problem) && { unknown: part }),
        })
      }
      if (cancelled.current && now.state === "running" && !isLast) set({ state: "cancelled" })
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

/** Failures that say nothing of the one data asset. If a whole part fails so, the next one would too. */
const failsForAll: ReadonlySet<string> = new Set([
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_TIMEOUT",
  "RATE_LIMITED",
  "UNAUTHENTICATED",
])

/** The gateway's own message is for programs that send tokens. */
const withPlainFailure = (item: BulkItem): BulkItem =>
  item.failure?.code === "UNAUTHENTICATED" ? { ...item, failure: { ...item.failure, message: sessionEnded } } : item

const isUnknown = (problem: Problem | undefined): boolean =>
  problem === undefined || problem.is === "offline" || problem.is === "codeOceanDown" || problem.is === "broken"

export const textOf = (ids: readonly string[], edit: Edit): string => JSON.stringify([ids, edit])
