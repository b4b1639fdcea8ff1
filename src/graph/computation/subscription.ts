import { badUserInput, nullIfMissing } from "../../errors.ts"
import type { Update } from "../../polling/source.ts"
import { builder } from "../builder.ts"
import { findRunnable, knownRunnable, linkRunnable } from "../capsule/loader.ts"
import { Runnable } from "../capsule/type.ts"
import type { Context, Polling, Subject } from "../context.ts"
import { cost, listOf } from "../cost.ts"
import { defaultFirst } from "../pagination/page.ts"
import { intervalOption, pollingFrom } from "../polling.ts"
import { isRunList, maxNewest, type RunChanges, type RunList, runListOf, SeenRuns, stageOf } from "./changes.ts"
import { computationById, listedRuns, type RunnableKey, recordRunnable } from "./loader.ts"
import * as rest from "./rest.ts"
import { Computation } from "./type.ts"

/** An event of a subscription to a list of runs. */
interface ChangesEvent {
  isFirst: boolean
  added: rest.Computation[]
  /** An error for a run that could not be read. */
  changed: (rest.Computation | Error)[]
  removedIds: string[]
  unread: RunnableKey[]
}

export const ComputationChanges = builder.objectRef<ChangesEvent>("ComputationChanges").implement({
  description: `What has changed in a list of runs since the previous event. The ${maxNewest} newest runs are followed, and up to 400 older ones that are in progress. If a client reads slowly, several changes are one event.`,
  fields: (t) => ({
    isFirst: t.exposeBoolean("isFirst", {
      nullable: false,
      description: "Whether this is the first event of the stream, whose `added` has the runs as they are.",
    }),
    added: t.field({
      type: [Computation],
      nullable: false,
      description: "New runs, newest first. In the first event, the newest runs and all that are in progress.",
      resolve: ({ added }) => added,
    }),
    changed: t.field({
      type: [Computation],
      nullable: false,
      description:
        "Runs with another state, name, outcome or other value than before. The run time of a run in progress does not count.",
      resolve: ({ changed }) => changed as rest.Computation[],
    }),
    removedIds: t.exposeIDList("removedIds", {
      nullable: false,
      description: "The ids of runs that were deleted, or that the caller can no longer see.",
    }),
    unread: t.field({
      type: [Runnable],
      nullable: false,
      description:
        "Capsules and pipelines whose runs could not be read this time. Their runs are followed again as soon as they can be read.",
      extensions: listOf(1),
      resolve: ({ unread }, _args, context, info) =>
        unread.map(({ kind, id }) => linkRunnable(context, kind, id, info)) as never,
    }),
  }),
})

/** The argument for the size of the first event. */
export const firstArgument = {
  defaultValue: defaultFirst,
  description: `How many of the newest runs the first event has, from 1 to ${maxNewest}. Null means ${defaultFirst}.`,
}

/** The number of runs in an event, for the cost of its fields. */
export const changedItems = { argument: "first", assumed: defaultFirst, max: maxNewest } as const

/**
 * Follows a list of runs. Yields the changes that lead from what was yielded before to the list as it is, or the error that ended the
 * polling.
 */
export function followRuns(
  context: Context,
  subject: Subject<RunList>,
  first: number | null | undefined,
  polling: Polling,
): AsyncIterableIterator<RunChanges | { error: unknown }> {
  const size = first ?? defaultFirst
  if (size < 1 || size > maxNewest) throw badUserInput(`\`first\` must be from 1 to ${maxNewest}.`)
  context.state.sendsEqualEvents = true
  const updates = context.watch(subject, polling)
  const seen = new SeenRuns(size)
  return {
    async next() {
      for (;;) {
        const step: IteratorResult<Update<RunList>> = await updates.next()
        if (step.done || "error" in step.value) return step as IteratorResult<{ error: unknown }>
        const changes = isRunList(step.value.value) ? seen.update(step.value.value) : undefined
        if (changes !== undefined) return { done: false, value: changes }
      }
    },
    async return() {
      await updates.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** Resolves an event. Null if the list does not exist. Throws the error that ended the polling. */
export async function resolveChanges(
  event: RunChanges | { error: unknown },
  _args: object,
  context: Context,
): Promise<ChangesEvent | null> {
  context.reset()
  if ("error" in event) return nullIfMissing(Promise.reject(event.error))
  const { isFirst, unread, left } = event
  const show = (run: rest.Computation, runnable: RunnableKey) => {
    const computation = computationById.prime(context, run)
    recordRunnable(computation, runnable)
    return computation
  }
  const showAll = (runs: RunChanges["added"]) => runs.map(({ run, runnable }) => show(run, runnable))
  const changed: ChangesEvent["changed"] = showAll(event.changed)
  const removedIds = [...event.removedIds]
  const found = await Promise.allSettled(left.map(({ id }) => nullIfMissing(computationById(context).load(id))))
  for (const [index, run] of found.entries()) {
    const { id, runnable } = left[index] as RunChanges["left"][number]
    if (run.status === "rejected") changed.push(run.reason)
    else if (run.value === null) removedIds.push(id)
    else changed.push(show(run.value, runnable))
  }
  return { isFirst, added: showAll(event.added), changed, removedIds, unread }
}

/**
 * The end of the descriptions of these subscriptions.
 * @param minSeconds the shortest time between two reads
 */
export const changesDescription = (minSeconds: number) =>
  `The first event is sent at once, and has the runs as they are or were at most ${minSeconds} seconds ago. Then there is an event for each change. The stream does not complete. If it ends all the same, the connection was lost or the gateway is stopping: subscribe again. The first event of the new stream has what has changed in between. Temporary failures of Code Ocean do not end the stream. Other errors do.`

builder.subscriptionField("computations", (t) =>
  t.field({
    type: ComputationChanges,
    description: `Follows the runs of a capsule or pipeline. ${changesDescription(5)} So does null, which means that the capsule or pipeline does not exist or no longer exists. Costs one REST call every 5 seconds at first, and fewer while no run starts or ends, and up to two more at the start. Subscriptions of one caller to the same capsule or pipeline share these calls.`,
    extensions: cost({ calls: 4, items: changedItems, free: ["Computation.runnable", "Computation.findRunnable"] }),
    args: {
      runnableId: t.arg.id({ required: true, description: "The id of the capsule or pipeline." }),
      first: t.arg.int(firstArgument),
      pollingIntervalSeconds: t.arg.int(intervalOption()),
    },
    subscribe: (_root, { runnableId, first, ...polling }, context) =>
      followRuns(context, runsOf(context, runnableId), first, pollingFrom(polling)),
    resolve: resolveChanges as never,
  }),
)

/** The runs of one capsule or pipeline. */
function runsOf(context: Context, id: string): Subject<RunList> {
  let runnable = knownRunnable(context, id)
  return {
    kind: "computations",
    id,
    slowestMs: 30_000,
    async read(upstream) {
      runnable ??= await findRunnable(upstream, id)
      const runs = listedRuns(await rest.listComputations(upstream, runnable.kind, runnable.id))
      const value = runListOf([{ runnable, runs }], [])
      return { value, stage: stageOf(value), isFinal: false }
    },
  }
}
