import { useSyncExternalStore } from "react"
import { type Client, useClient } from "urql"
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
  /** Their names, by id. */
  names: Readonly<Record<string, string>>
  /** The outcomes so far. */
  items: readonly BulkItem[]
  state: "running" | "done" | "cancelled" | "stopped"
  /** Why it has stopped before the end. */
  problem?: string
  /** The data assets that may have changed although the answer was lost. */
  unknown: readonly string[]
}

/** One edit at a time, which goes on while the visitor looks at other pages. */
class Bulk {
  run: BulkRun | undefined
  private isCancelled = false
  private readonly listeners = new Set<() => void>()
  private readonly client: Client

  constructor(client: Client) {
    this.client = client
  }

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private set(run: BulkRun | undefined): void {
    this.run = run
    for (const listener of this.listeners) listener()
  }

  /** @param names the names of the data assets, by id */
  async start(names: Readonly<Record<string, string>>, edit: Edit, dryRun: boolean): Promise<void> {
    if (this.run?.state === "running") return
    this.isCancelled = false
    const ids = Object.keys(names)
    let now: BulkRun = { dryRun, of: textOf(ids, edit), ids, names, items: [], unknown: [], state: "running" }
    const set = (change: Partial<BulkRun>) => {
      now = { ...now, ...change }
      this.set(now)
    }
    set({})
    addEventListener("beforeunload", askBeforeLeaving)
    for (let at = 0; at < ids.length && now.state === "running"; at += partSize) {
      const part = ids.slice(at, at + partSize)
      const isLast = at + partSize >= ids.length
      const { data, error } = await this.client.mutation(BulkEditDocument, { ids: part, ...edit, dryRun }).toPromise()
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
      if (this.isCancelled && now.state === "running" && !isLast) set({ state: "cancelled" })
    }
    if (now.state === "running") set({ state: "done" })
    removeEventListener("beforeunload", askBeforeLeaving)
  }

  cancel(): void {
    this.isCancelled = true
  }

  clear(): void {
    if (this.run?.state !== "running") this.set(undefined)
  }
}

const askBeforeLeaving = (event: Event) => event.preventDefault()

const bulks = new WeakMap<Client, Bulk>()

/** The edit of this session, and its run, if there is one. */
export function useBulk(): { bulk: Bulk; run: BulkRun | undefined } {
  const client = useClient()
  const bulk = bulks.get(client) ?? new Bulk(client)
  bulks.set(client, bulk)
  return { bulk, run: useSyncExternalStore(bulk.subscribe, () => bulk.run) }
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
