import { hasCode, toFailure } from "../../errors.ts"
import type { Upstream } from "../../upstream/client.ts"
import { builder } from "../builder.ts"
import * as capsuleRest from "../capsule/rest.ts"
import { type RunList, runListOf, stageOf } from "../computation/changes.ts"
import { type ListedRun, listedRuns, type RunnableKey } from "../computation/loader.ts"
import * as rest from "../computation/rest.ts"
import {
  ComputationChanges,
  changedItems,
  changesDescription,
  firstArgument,
  followRuns,
  resolveChanges,
} from "../computation/subscription.ts"
import type { Subject } from "../context.ts"
import { cost } from "../cost.ts"
import { intervalOption, pollingFrom } from "../polling.ts"
import {
  isClosedTo,
  mergeByLastAccess,
  recentCost,
  runnableSearches,
  runnablesArgument,
  runnablesFrom,
  searchParams,
} from "./lastAccessed.ts"

/** Longer than for one object, because each read takes as many calls as there are lists. */
const minIntervalSeconds = 15

builder.subscriptionField("recentComputations", (t) =>
  t.field({
    type: ComputationChanges,
    description: `Follows the runs that the query \`recentComputations\` merges. ${changesDescription(minIntervalSeconds)} A run is also removed if its capsule or pipeline is no longer among the last accessed. Costs four REST calls, and one REST call for each of the capsules and pipelines, every ${minIntervalSeconds} seconds at first, and fewer while no run starts or ends. Subscriptions of one caller with the same \`runnables\` share these calls.`,
    // A run's capsule or pipeline takes one more call, and several take a search first.
    extensions: cost({
      ...recentCost,
      calls: 2,
      fixedCalls: recentCost.fixedCalls + 1,
      items: changedItems,
      free: ["Computation.runnable", "Computation.findRunnable"],
    }),
    args: {
      first: t.arg.int(firstArgument),
      runnables: t.arg.int(runnablesArgument),
      pollingIntervalSeconds: t.arg.int(intervalOption(minIntervalSeconds)),
    },
    subscribe: (_root, { first, runnables, ...polling }, context) =>
      followRuns(context, recentRuns(runnablesFrom(runnables)), first, pollingFrom(polling, minIntervalSeconds)),
    resolve: resolveChanges as never,
  }),
)

/** The runs of the last accessed capsules and pipelines. */
function recentRuns(runnables: number): Subject<RunList> {
  return {
    kind: "recentComputations",
    id: String(runnables),
    minWaitMs: minIntervalSeconds * 1000,
    slowestMs: 120_000,
    async read(upstream) {
      const value = await readRecent(upstream, runnables)
      return { value, stage: stageOf(value), isFinal: false }
    },
  }
}

/** Rejects if a search fails, or if no list can be read: the poller then tries again later. */
async function readRecent(upstream: Upstream, runnables: number): Promise<RunList> {
  const pages = await Promise.all(
    runnableSearches.map(async (search) => {
      const body = { ...searchParams(search), limit: runnables }
      const { results, has_more } = await capsuleRest.searchRunnables(upstream, search.kind, body)
      return { kind: search.kind, items: results, hasMore: has_more }
    }),
  )
  const { found } = mergeByLastAccess(pages, runnables)
  const lists: { runnable: RunnableKey; runs: ListedRun[] }[] = []
  const unread: RunnableKey[] = []
  let failure: unknown
  const reads = found.map(async ({ kind, runnable: { id } }) => {
    try {
      const runs = listedRuns(await rest.listComputations(upstream, kind, id))
      lists.push({ runnable: { id, kind }, runs })
    } catch (error) {
      if (isClosedTo(error)) return
      if (toFailure(error) === undefined || hasCode(error, "RATE_LIMITED")) throw error
      failure ??= error
      unread.push({ id, kind })
    }
  })
  await Promise.all(reads)
  if (lists.length === 0 && failure !== undefined) throw failure
  return runListOf(lists, unread)
}
