import { DecodeError } from "../../upstream/decoders.ts"
import { builder } from "../builder.ts"
import { Runnable } from "../capsule/type.ts"
import {
  computationsOf,
  examinedOfRun,
  firstOfEachRun,
  type ListedRun,
  noteExamined,
  type RunnableKey,
  shownRuns,
} from "../computation/loader.ts"
import { outcomeOf } from "../computation/outcome.ts"
import { byAge, isBehind, positionIn, writePosition } from "../computation/position.ts"
import type * as rest from "../computation/rest.ts"
import { Computation, ComputationEdge, ComputationOutcome } from "../computation/type.ts"
import type { Context } from "../context.ts"
import { cost, listOf } from "../cost.ts"
import { loaderByKey } from "../loader.ts"
import { addConnectionFields, pageArguments, pageItems } from "../pagination/connection.ts"
import { Cursors } from "../pagination/cursor.ts"
import { type Page, type PageArguments, pageOfList } from "../pagination/page.ts"
import { markOf } from "../pagination/position.ts"
import { type FoundObject, keyOf, lastAccessed, missingRuns } from "./find.ts"
import {
  type FoundRunnable,
  isClosedTo,
  maxRunnables,
  recentCost,
  runnablesArgument,
  runnablesFrom,
} from "./lastAccessed.ts"

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

builder.queryField("recentComputations", (t) =>
  t.field({
    type: RecentComputationConnection,
    description: `The newest runs of the capsules and pipelines that were last accessed by anyone, among those that the caller created or was given. Null, with an error, if nothing can be read. Costs four REST calls, and one REST call for each of the capsules and pipelines, regardless of page and conditions: Code Ocean has no list of all runs.`,
    extensions: cost({
      ...recentCost,
      items: pageItems,
      free: ["Computation.runnable", "Computation.findRunnable", "Capsule.archived", "Pipeline.archived"],
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
  const cursors = new Cursors("recentComputations", JSON.stringify([since, outcome, runnables]))
  const outcomes = outcome && new Set(outcome)
  const matches = ({ computation, created }: ListedRun) => {
    if (computation instanceof DecodeError) return since == null && outcomes == null
    if (since != null && (created === 0 || created < since)) return false
    return outcomes == null || outcomes.has(outcomeOf(computation).outcome)
  }
  const pageOf = pageOfList(cursors, args, writePosition, positionIn, isBehind)
  const { runs, coverage, problems } = await recentRuns(context).load(String(runnables))
  noteExamined(context, runs.length * examinedOfRun)
  const page = pageOf(runs.filter(({ run }) => matches(run)))
  const shown = page.nodes.flatMap(({ run, runnable }) => shownRuns(context, [run], runnable))
  return {
    ...page,
    ...coverage,
    nodes: [...shown, ...(problems as DecodeError[])],
    // What could not be read has no position: the page after it starts where the page after the last run starts.
    cursorAt: (index) =>
      page.nodes.length === 0 ? (args.after ?? startCursor(cursors)) : page.cursorAt(Math.min(index, shown.length - 1)),
  }
}

/** The cursor of a position before all runs. */
function startCursor(cursors: Cursors): string {
  return writePosition({ created: Number.MAX_SAFE_INTEGER, key: "" }, cursors.startingWith(""))
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
  const { found, isAll, othersBefore, problems: missing } = await lastAccessed(context).load(count)
  const lists = await Promise.allSettled(found.map((one) => computationsOf(context, keyOf(one))))

  const problems = [...missing]
  const coverage: RecentRuns["coverage"] = { runnables: [], unread: [], isComplete: false, completeSince: null }
  const runs: PlacedRun[] = []
  const isNew = firstOfEachRun()
  for (const [index, list] of lists.entries()) {
    const one = found[index] as FoundRunnable<FoundObject>
    if (list.status === "rejected" && isClosedTo(list.reason)) continue
    coverage.runnables.push(one.runnable)
    if (list.status === "fulfilled") {
      for (const run of list.value) if (isNew(run)) runs.push(placed(run, keyOf(one)))
    } else {
      coverage.unread.push(one.runnable)
      problems.push(missingRuns(keyOf(one), list.reason))
    }
  }
  coverage.isComplete = isAll && problems.length === 0
  if (!isAll && problems.length === 0) coverage.completeSince = othersBefore ?? null
  return { runs: runs.sort(byAge), problems, coverage }
})

/** An unreadable run has a key that is unique in its own list only. */
function placed(run: ListedRun, runnable: RunnableKey): PlacedRun {
  const key = run.computation instanceof DecodeError ? `${markOf(runnable.id)}${run.key}` : run.key
  return { run, runnable, created: run.created, key }
}
