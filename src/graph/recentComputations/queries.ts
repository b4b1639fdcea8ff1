import { badUserInput, partMissing } from "../../errors.ts"
import { DecodeError } from "../../upstream/decoders.ts"
import { builder } from "../builder.ts"
import { runnablePage } from "../capsule/loader.ts"
import type * as capsuleRest from "../capsule/rest.ts"
import { Runnable } from "../capsule/type.ts"
import {
  computationsOf,
  examinedOfRun,
  type ListedRun,
  noteExamined,
  type RunnableKey,
  shownRun,
} from "../computation/loader.ts"
import { outcomeOf } from "../computation/outcome.ts"
import { byAge, cursorTextOf, isBehind, positionIn } from "../computation/position.ts"
import type * as rest from "../computation/rest.ts"
import { Computation, ComputationEdge, ComputationOutcome } from "../computation/type.ts"
import type { Context } from "../context.ts"
import { cost, listOf } from "../cost.ts"
import { loaderByKey, type Typed } from "../loader.ts"
import { addConnectionFields, pageArguments, pageItems } from "../pagination/connection.ts"
import { Cursors } from "../pagination/cursor.ts"
import { type Page, type PageArguments, pageOfList } from "../pagination/page.ts"
import { markOf } from "../pagination/position.ts"
import {
  defaultRunnables,
  type FoundPage,
  type FoundRunnable,
  isClosedTo,
  maxRunnables,
  mergeByLastAccess,
  type RunnableSearch,
  runnableSearches,
  searchParams,
} from "./lastAccessed.ts"

type FoundObject = Typed<capsuleRest.Runnable>

/** A page of the runs of several capsules and pipelines, and how far they were looked for. */
interface RecentPage extends Page<rest.Computation | DecodeError> {
  runnables: FoundObject[]
  unread: FoundObject[]
  isComplete: boolean
  /** Epoch seconds. Null if it is unknown, or nothing is missing. */
  completeSince: number | null
}

const RecentComputationConnection = builder.objectRef<RecentPage>("RecentComputationConnection")
RecentComputationConnection.implement({
  description:
    "A page of the runs of several capsules and pipelines, newest first. Behind the last run, `edges` and `nodes` have a null, with an error, for each list of runs and each search that failed.",
  fields: (t) => ({
    runnables: t.field({
      type: [Runnable],
      nullable: false,
      description: "The capsules and pipelines whose runs were looked at, the last accessed first. Costs no REST call.",
      extensions: listOf(maxRunnables),
      resolve: ({ runnables }) => runnables,
    }),
    unread: t.field({
      type: [Runnable],
      nullable: false,
      description: "Those of `runnables` whose runs could not be read, and are missing. Costs no REST call.",
      extensions: listOf(1),
      resolve: ({ unread }) => unread,
    }),
    isComplete: t.exposeBoolean("isComplete", {
      nullable: false,
      description:
        "Whether the runs of all capsules and pipelines were looked at that the caller created or was given. Archived ones do not count, nor do those that the caller may find but not open.",
    }),
    completeSince: t.field({
      type: "DateTime",
      description:
        "If `isComplete` is false: no run is missing that was started after this time, if starting a run counts as an access, which Code Ocean does not document. All other capsules and pipelines were last accessed at this time or before. Null if that is unknown, because a part could not be read.",
      resolve: ({ completeSince }) => completeSince,
    }),
  }),
})
addConnectionFields(RecentComputationConnection, Computation, ComputationEdge)

/** The argument that says how many capsules and pipelines are read. */
export const runnablesArgument = {
  defaultValue: defaultRunnables,
  description: `How many capsules and pipelines to look at, together, from 1 to ${maxRunnables}. Null means ${defaultRunnables}.`,
}

/** Throws BAD_USER_INPUT for a number that is out of bounds. */
export function runnablesFrom(runnables: number | null | undefined): number {
  const count = runnables ?? defaultRunnables
  if (count < 1 || count > maxRunnables) throw badUserInput(`\`runnables\` must be from 1 to ${maxRunnables}.`)
  return count
}

/** The calls of the searches and of the lists of runs. */
export const recentCost = {
  calls: 1,
  per: { argument: "runnables", assumed: defaultRunnables, max: maxRunnables },
  fixedCalls: runnableSearches.length,
} as const

builder.queryField("recentComputations", (t) =>
  t.field({
    type: RecentComputationConnection,
    description: `The newest runs of the capsules and pipelines that were last accessed by anyone, among those that the caller created or was given. Null, with an error, if nothing can be read. Costs four REST calls, and one REST call for each of the capsules and pipelines, regardless of page and conditions: Code Ocean has no list of all runs.`,
    extensions: cost({
      ...recentCost,
      items: pageItems,
      free: ["Computation.runnable", "Capsule.archived", "Pipeline.archived"],
    }),
    args: {
      ...pageArguments,
      since: t.arg({
        type: "DateTime",
        description: "Only runs that were started at this time or later. A run without a start time does not match.",
      }),
      outcome: t.arg({ type: [ComputationOutcome], description: "Only runs with any of these outcomes." }),
      runnables: t.arg.int(runnablesArgument),
    },
    resolve: (_root, args, context) => recentPage(context, args),
  }),
)

interface RecentArguments extends PageArguments {
  since?: number | null | undefined
  outcome?: readonly string[] | null | undefined
  runnables?: number | null | undefined
}

async function recentPage(context: Context, args: RecentArguments): Promise<RecentPage> {
  const { since, outcome } = args
  const runnables = runnablesFrom(args.runnables)
  const binding = `recentComputations ${JSON.stringify([since, outcome, runnables])}`
  let read: RecentRuns | undefined
  const outcomes = outcome && new Set(outcome)
  const matches = ({ computation, created }: ListedRun) => {
    if (computation instanceof DecodeError) return since == null && outcomes == null
    if (since != null && (created === 0 || created < since)) return false
    return outcomes == null || outcomes.has(outcomeOf(computation).outcome)
  }
  const page = await pageOfList(
    binding,
    async () => {
      read = await recentRuns(context).load(String(runnables))
      noteExamined(context, read.runs.length * examinedOfRun)
      return read.runs.filter(({ run }) => matches(run))
    },
    args,
    cursorTextOf,
    positionIn,
    isBehind,
  )
  const { coverage, problems } = read as unknown as RecentRuns
  const shown = page.nodes.map(({ run, runnable }) => shownRun(context, run, runnable))
  return {
    ...page,
    ...coverage,
    nodes: [...shown, ...(problems as DecodeError[])],
    // What could not be read has no position: the page after it starts where the page after the last run starts.
    cursorAt: (index) =>
      page.nodes.length === 0 ? (args.after ?? startCursor(binding)) : page.cursorAt(Math.min(index, shown.length - 1)),
  }
}

/** The cursor of a position before all runs. */
function startCursor(binding: string): string {
  return new Cursors(binding).startingWith("")(cursorTextOf({ created: Number.MAX_SAFE_INTEGER, key: "" }))
}

interface PlacedRun {
  run: ListedRun
  runnable: RunnableKey
  created: number
  key: string
}

interface RecentRuns {
  /** Newest first. */
  runs: PlacedRun[]
  /** An error for each part that is missing. */
  problems: unknown[]
  coverage: Omit<RecentPage, keyof Page<unknown>>
}

/** The runs of so many capsules and pipelines. Read once per request, however many fields show them. */
const recentRuns = loaderByKey(async (context, count): Promise<RecentRuns> => {
  const runnables = Number(count)
  const pages = await Promise.allSettled(runnableSearches.map((search) => foundBy(context, search, runnables)))
  const searched = pages.filter((page) => page.status === "fulfilled")
  if (searched.length === 0) throw (pages[0] as PromiseRejectedResult).reason
  const { found, unreadable, isAll, othersBefore } = mergeByLastAccess(
    searched.map(({ value }) => value),
    runnables,
  )
  const lists = await Promise.allSettled(found.map((one) => computationsOf(context, keyOf(one))))

  const problems: unknown[] = [...unreadable]
  for (const [index, page] of pages.entries()) {
    if (page.status === "rejected") problems.push(missingSearch(runnableSearches[index] as RunnableSearch, page.reason))
  }
  const coverage: RecentRuns["coverage"] = { runnables: [], unread: [], isComplete: false, completeSince: null }
  const runs: PlacedRun[] = []
  for (const [index, list] of lists.entries()) {
    const one = found[index] as FoundRunnable<FoundObject>
    if (list.status === "rejected" && isClosedTo(list.reason)) continue
    coverage.runnables.push(one.runnable)
    if (list.status === "fulfilled") runs.push(...list.value.map((run) => placed(run, keyOf(one))))
    else {
      coverage.unread.push(one.runnable)
      problems.push(missingRuns(keyOf(one), list.reason))
    }
  }
  coverage.isComplete = isAll && problems.length === 0
  if (!isAll && problems.length === 0) coverage.completeSince = othersBefore ?? null
  return { runs: runs.sort(byAge), problems, coverage }
})

async function foundBy(context: Context, search: RunnableSearch, first: number): Promise<FoundPage<FoundObject>> {
  const { nodes, hasNextPage, failure } = await runnablePage(context, search.kind, searchParams(search), { first })
  return { kind: search.kind, items: nodes, hasMore: hasNextPage || failure !== undefined }
}

const keyOf = ({ kind, runnable: { id } }: FoundRunnable): RunnableKey => ({ id, kind })

/** An unreadable run has a key that is unique in its own list only. */
function placed(run: ListedRun, runnable: RunnableKey): PlacedRun {
  const key = run.computation instanceof DecodeError ? `${markOf(runnable.id)}${run.key}` : run.key
  return { run, runnable, created: run.created, key }
}

function missingRuns({ kind, id }: RunnableKey, error: unknown): unknown {
  const noun = kind === "capsules" ? "capsule" : "pipeline"
  return partMissing(`The runs of the ${noun} ${id} are missing.`, error, { runnableId: id })
}

function missingSearch({ kind, ownership }: RunnableSearch, error: unknown): unknown {
  const whose = ownership === "created" ? "that the caller created" : "that were shared with the caller"
  return partMissing(`The runs of ${kind} ${whose} are missing.`, error)
}
