import { badUserInput, Refusal, toRefusal } from "../../errors.ts"
import { builder } from "../builder.ts"
import { computationById } from "../computation/loader.ts"
import { outcomeOf } from "../computation/outcome.ts"
import { watchComputation } from "../computation/queries.ts"
import type * as computationRest from "../computation/rest.ts"
import { Computation, ComputationOutcome } from "../computation/type.ts"
import type { Context } from "../context.ts"
import { cost } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { watchDataAsset } from "../dataAsset/queries.ts"
import type * as rest from "../dataAsset/rest.ts"
import { DataAsset, DataAssetState } from "../dataAsset/type.ts"
import { MutationRefused } from "../defineMutation.ts"
import { type CaptureRequest, captureOnce, isDone, isReady, type Step } from "./capture.ts"
import { CaptureResultInput, CaptureStepResult, requestFrom } from "./mutation.ts"

/** The progress of a capture. */
interface Progress {
  computation: computationRest.Computation | null
  dataAsset: rest.DataAsset | null
  steps: Step[]
  refusal: Refusal | null
}

const nothingYet: Progress = { computation: null, dataAsset: null, steps: [], refusal: null }

const CaptureProgress = builder.objectRef<Progress>("CaptureProgress").implement({
  description: "The progress of capturing a run's results.",
  fields: (t) => ({
    computation: t.field({
      type: Computation,
      description: "The run. Null if it does not exist.",
      resolve: ({ computation }) => computation,
    }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset. Null until it is created, and after it was deleted.",
      resolve: ({ dataAsset }) => dataAsset,
    }),
    steps: t.field({
      type: [CaptureStepResult],
      nullable: false,
      description: "The steps so far, in order. Empty until the run has ended.",
      resolve: ({ steps }) => steps,
    }),
    complete: t.boolean({
      nullable: false,
      description: "Whether every step is done and the data asset is READY.",
      resolve: ({ steps, dataAsset }, args, context) =>
        isDone(steps) && dataAsset !== null && DataAssetState.at("state")(dataAsset, args, context) === "ready",
    }),
    refusal: t.field({
      type: MutationRefused,
      description: "Why nothing was created: Code Ocean refused it, or the run's outcome is not in `accept`.",
      resolve: ({ refusal }) => refusal,
    }),
  }),
})

builder.subscriptionField("captureResult", (t) =>
  t.field({
    type: CaptureProgress,
    description:
      "Follows a run until it has ended, creates a data asset from its results, follows the data asset until it is READY or FAILED, and sets permissions once it is READY. A data asset that was just created is read for the first time 5 seconds later. The first event is sent at once, then one for each change. The stream completes after the last one. If the client disconnects before the run has ended, nothing is captured. Work that has started by then is finished. Subscribing again resumes: if the caller has already created a data asset from this run under this name, no second one is created, whatever else the input says, but the permissions are set. One that FAILED, was renamed or archived does not count, except that the gateway also finds an archived one that it has created itself within the last day. Costs what the subscriptions `computation(id)` and `dataAsset(id)` cost, two REST calls in between, and three more if it sets permissions, which are read before and after.",
    extensions: cost({ calls: 7 }),
    args: {
      input: t.arg({
        type: CaptureResultInput,
        required: true,
        description: "Which results to capture, and the data asset to create.",
      }),
      accept: t.arg({
        type: [ComputationOutcome],
        required: true,
        defaultValue: ["SUCCEEDED"],
        description:
          "The outcomes whose results are captured. Any other outcome is a refusal. IN_PROGRESS is not allowed.",
      }),
    },
    subscribe: (_root, { input, accept }, context) => {
      if (accept.length === 0 || accept.includes("IN_PROGRESS")) {
        throw badUserInput(
          "`accept` must name at least one outcome, and not IN_PROGRESS: only what has ended is captured.",
        )
      }
      return capture(requestFrom(input), accept, context)
    },
    resolve: ((event: Progress | { error: unknown }, _args: object, context: Context): Progress => {
      context.reset()
      if ("error" in event) throw event.error
      const { computation, dataAsset } = event
      return {
        ...event,
        computation: computation && computationById.prime(context, computation),
        dataAsset: dataAsset && dataAssetById.prime(context, dataAsset),
      }
    }) as never,
  }),
)

/** The events of one subscription. A disconnect stops the polling at once. */
function capture(request: CaptureRequest, accept: readonly string[], context: Context) {
  let followed: AsyncIterableIterator<unknown> | undefined

  async function* events(): AsyncGenerator<Progress | { error: unknown }> {
    let progress = nothingYet
    let hasEnded = false
    const run = watchComputation(request.computationId, context, request.polling)
    followed = run
    for await (const update of run) {
      if ("error" in update) {
        yield refusedOr(progress, update.error)
        return
      }
      progress = { ...progress, computation: update.value }
      hasEnded = update.isFinal
      yield progress
    }
    // The client left, or the gateway is stopping.
    if (!hasEnded) return

    let captured: Awaited<ReturnType<typeof captureOnce>>
    try {
      checkOutcome(progress.computation as computationRest.Computation, accept)
      captured = await captureOnce(context, request)
    } catch (error) {
      yield refusedOr(progress, error)
      return
    }
    const { dataAsset, steps, finished } = captured
    progress = { ...progress, dataAsset, steps }
    yield progress
    // It does not change any more.
    if (isReady(dataAsset, context)) {
      const all = await finished
      if (all !== steps) yield { ...progress, steps: all }
      return
    }

    const asset = watchDataAsset(dataAsset.id, context, { ...request.polling, justRead: true })
    followed = asset
    for await (const update of asset) {
      if ("error" in update) {
        const isGone = toRefusal(update.error)?.code === "NOT_FOUND"
        yield isGone ? { ...progress, dataAsset: null, steps: await finished } : update
        return
      }
      progress = { ...progress, dataAsset: update.value, steps: update.isFinal ? await finished : steps }
      yield progress
    }
  }

  const iterator = events()
  return {
    next: () => iterator.next(),
    async return() {
      // The generator's own return() takes effect only after its pending await.
      await followed?.return?.()
      return iterator.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** Throws a Refusal if the outcome of the run is not accepted. */
function checkOutcome(run: computationRest.Computation, accept: readonly string[]): void {
  const { outcome, reasons } = outcomeOf(run)
  if (accept.includes(outcome)) return
  const message = `The run's outcome is ${outcome}, so nothing was captured. ${[...reasons, ""].join(" ")}To capture it all the same, name ${outcome} in \`accept\`.`
  throw new Refusal("CONFLICT", message, { outcome, reasons })
}

/** The last event: a refusal or an error. */
function refusedOr(progress: Progress, error: unknown): Progress | { error: unknown } {
  const refusal = toRefusal(error)
  return refusal === undefined ? { error } : { ...progress, refusal }
}
