import { badUserInput } from "../../errors.ts"
import { DecodeError, isObject } from "../../upstream/decoders.ts"
import { builder } from "../builder.ts"
import { capsuleById, linkRunnable } from "../capsule/loader.ts"
import { Capsule, Runnable } from "../capsule/type.ts"
import type { Context } from "../context.ts"
import { cost, link, listOf } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { wireEnum } from "../enums.ts"
import { boolean, epochSeconds, int, objectItems, readableString, required, string, stringOrEmpty } from "../fields.ts"
import { logOf } from "../files/content.ts"
import { fileAt, folderAt } from "../files/place.ts"
import { File, Folder } from "../files/type.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { linkAt } from "../loader.ts"
import { Node } from "../node/type.ts"
import { ownCall } from "../ownCall.ts"
import { connectionOf, edgeOf } from "../pagination/connection.ts"
import { Cursors } from "../pagination/cursor.ts"
import { type Page, type PageArguments, pageOfList } from "../pagination/page.ts"
import { findRunnable } from "../recentComputations/find.ts"
import { recentCost, runnablesArgument, runnablesFrom } from "../recentComputations/lastAccessed.ts"
import {
  computationsOf,
  examinedOfInput,
  examinedOfRun,
  type ListedRun,
  noteExamined,
  type RunnableKey,
  runnableOf,
  shownRuns,
} from "./loader.ts"
import { outcomeOf } from "./outcome.ts"
import { isBehind, positionIn, writePosition } from "./position.ts"
import type * as rest from "./rest.ts"

export const ComputationState = wireEnum("ComputationState", "The state of a run.", {
  initializing: "Waiting for its machine.",
  running: "Running.",
  finalizing: "Storing its results.",
  completed: "Ended, successfully or not: see `endStatus`, `exitCode` and `hasResults`.",
  failed: "Failed to run.",
})

export const ComputationEndStatus = wireEnum("ComputationEndStatus", "How a run ended.", {
  succeeded: "It ended by itself.",
  failed: "It ended with an error.",
  stopped: "It was stopped.",
})

export const ComputationOutcome = builder.enumType("ComputationOutcome", {
  description: "The outcome of a run, derived from its state, end status, exit code and results.",
  values: {
    IN_PROGRESS: { description: "It has not ended." },
    SUCCEEDED: {
      description:
        "It ended by itself, with exit code 0 if it has one, and has results unless it is a cloud workstation.",
    },
    FAILED: { description: "It failed." },
    STOPPED: { description: "It was stopped." },
    SUSPECT: {
      description:
        "The outcome is unknown, or the values contradict each other, such as a success with exit code 1. Read the log.",
    },
  } as const,
})

const CreatedRangeInput = builder.inputType("CreatedRangeInput", {
  description: "A time range with at least one end.",
  fields: (t) => ({
    from: t.field({ type: "DateTime", description: "The start of the range, inclusive." }),
    to: t.field({ type: "DateTime", description: "The end of the range, exclusive." }),
  }),
})

/** V8 searches for a string of up to 250 characters in linear time. A longer one can take quadratic time. */
const maxNamePartLength = 200

export const ComputationFilterInput = builder.inputType("ComputationFilterInput", {
  description: "Selects runs that match all of these conditions.",
  fields: (t) => ({
    state: t.field({ type: [ComputationState.ref], description: "Any of these states." }),
    endStatus: t.field({ type: [ComputationEndStatus.ref], description: "Any of these end statuses." }),
    name: t.string({ description: "A part of the name. Case is ignored.", extensions: limitLength(maxNamePartLength) }),
    created: t.field({
      type: CreatedRangeInput,
      description: "When it was started. A run without a start time does not match.",
    }),
    dataAssetId: t.id({ description: "Only runs that had this data asset as an input." }),
  }),
})

type Filter = typeof ComputationFilterInput.$inferInput

/**
 * One page of the runs of a capsule or pipeline, newest first. One call, shared by all pages and filters of a request.
 * @param isUsedOnce whether the request has only this page of these runs, and finds no run in another way
 */
export async function computationPage(
  context: Context,
  runnable: RunnableKey,
  args: PageArguments & { filter?: Filter | null | undefined },
  isUsedOnce: boolean,
): Promise<Page<rest.Computation | DecodeError>> {
  const matches = args.filter == null ? undefined : matcherOf(args.filter, context)
  const details = args.filter == null ? runnable.id : JSON.stringify([runnable.id, args.filter])
  const pageOf = pageOfList(new Cursors("computations", details), args, writePosition, positionIn, isBehind)
  const runs = await computationsOf(context, runnable, isUsedOnce)
  noteExamined(context, runs.length * examinedOfRun)
  const page = pageOf(matches === undefined ? runs : runs.filter(matches))
  return { ...page, nodes: shownRuns(context, page.nodes, runnable, isUsedOnce) }
}

function matcherOf({ state, endStatus, name, created, dataAssetId }: Filter, context: Context) {
  if (created != null && created.from == null && created.to == null) {
    throw badUserInput("`filter.created` is an empty range. Give `from`, `to` or both.")
  }
  if (created?.from != null && created.to != null && created.from >= created.to) {
    throw badUserInput("`filter.created` matches no time. `from` must be before `to`.")
  }
  const wanted = name?.toLowerCase()
  const states = state && new Set(state)
  const endStatuses = endStatus && new Set(endStatus)
  const hasName = (computation: rest.Computation, part: string): boolean => {
    const whole = nameOf(computation) ?? ""
    noteExamined(context, whole.length)
    return whole.toLowerCase().includes(part)
  }
  /** A run whose inputs can't be read does not match, so that the filter still finds the others. */
  const hasInput = ({ data_assets: inputs }: rest.Computation, dataAssetId: string): boolean => {
    const listed: unknown[] = Array.isArray(inputs) ? inputs : [inputs]
    noteExamined(context, listed.length * examinedOfInput)
    return listed.some((input) => isObject(input) && idOf(input) === dataAssetId)
  }
  const isFiltered = [states, endStatuses, name, dataAssetId, created].some((condition) => condition != null)
  return ({ computation, created: startedAt }: ListedRun): boolean => {
    if (computation instanceof DecodeError) return !isFiltered
    return (
      (states == null || states.has(ComputationState.read(computation.state, context))) &&
      (endStatuses == null ||
        (!!computation.end_status && endStatuses.has(ComputationEndStatus.read(computation.end_status, context)))) &&
      (wanted === undefined || hasName(computation, wanted)) &&
      (dataAssetId == null || hasInput(computation, dataAssetId)) &&
      (created == null ||
        (startedAt !== 0 && startedAt >= (created.from ?? -Infinity) && startedAt < (created.to ?? Infinity)))
    )
  }
}

const nameOf = readableString("name")
const idOf = readableString("id")

const ComputationParameter = builder.objectRef<object>("ComputationParameter").implement({
  description: "A parameter value of a run.",
  fields: (t) => ({
    name: t.string({ description: "The label in the app panel.", resolve: string("name") }),
    paramName: t.string({
      description: "The parameter's `paramName` in the app panel.",
      resolve: string("param_name"),
    }),
    value: t.string({ description: "The value.", resolve: stringOrEmpty("value") }),
  }),
})

const InputDataAsset = builder.objectRef<rest.InputDataAsset>("ComputationDataAsset").implement({
  description: "A data asset as a run's input.",
  fields: (t) => ({
    dataAssetId: t.id({ description: "The data asset's id.", resolve: string("id") }),
    mount: t.string({ description: "The folder it was mounted in.", resolve: string("mount") }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(dataAssetById, "id"),
    }),
  }),
})

const Process = builder.objectRef<rest.Process>("ComputationProcess").implement({
  description: "One process of a pipeline's run.",
  fields: (t) => ({
    name: t.string({ description: "The process's name.", resolve: string("name") }),
    version: t.int({ description: "The release of its capsule that ran.", resolve: int("version") }),
    public: t.boolean({ description: "Whether its capsule is visible to everyone.", resolve: boolean("public") }),
    parameters: t.field({
      type: [ComputationParameter],
      description: "The values of its parameters.",
      resolve: objectItems("parameters"),
    }),
    capsule: t.field({
      type: Capsule,
      description: "The capsule that ran. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(capsuleById, "capsule_id"),
    }),
  }),
})

export const Computation = builder.objectRef<rest.Computation>("Computation")
Computation.implement({
  description: "One run of a capsule or pipeline, or a cloud workstation session.",
  interfaces: [Node],
  fields: (t) => ({
    name: t.string({ nullable: false, description: "The display name.", resolve: required("name", stringOrEmpty) }),
    owner: t.string({
      description: "The id of the user who started it, or `release` for runs of a release.",
      resolve: string("owner"),
    }),
    ownerEmail: t.string({
      description: "The email address of the user who started it.",
      resolve: string("owner_email"),
    }),
    created: t.field({
      type: "DateTime",
      description: "When it was started. Null if it is unknown.",
      resolve: epochSeconds("created"),
    }),
    runTime: t.int({ description: "How long it ran, in seconds.", resolve: int("run_time") }),
    state: t.field({
      type: ComputationState.ref,
      nullable: false,
      description: "The current state.",
      resolve: ComputationState.required("state"),
    }),
    endStatus: t.field({
      type: ComputationEndStatus.ref,
      description: "How it ended. Null until it has ended.",
      resolve: ComputationEndStatus.at("end_status"),
    }),
    exitCode: t.int({
      description:
        "The exit code of the script. Any error of a pipeline results in 1. Null until the run has completed.",
      resolve: int("exit_code"),
    }),
    hasResults: t.boolean({ description: "Whether it has results.", resolve: boolean("has_results") }),
    outcome: t.field({
      type: ComputationOutcome,
      nullable: false,
      description: "The actual outcome, as far as it can be derived without reading the log. Costs no REST call.",
      resolve: (computation) => outcomeOf(computation).outcome,
    }),
    outcomeReasons: t.stringList({
      nullable: false,
      description:
        "The reasons for `outcome`, one sentence each. Empty while the run is in progress and if it succeeded.",
      resolve: (computation) => outcomeOf(computation).reasons,
    }),
    cloudWorkstation: t.boolean({
      description: "Whether it is a cloud workstation session.",
      resolve: boolean("cloud_workstation"),
    }),
    nextflowProfile: t.string({
      description: "The Nextflow profile of a pipeline's run.",
      resolve: string("nextflow_profile"),
    }),
    parameters: t.field({
      type: [ComputationParameter],
      description: "The values of its parameters.",
      resolve: objectItems("parameters"),
    }),
    dataAssets: t.field({
      type: [InputDataAsset],
      description: "Its inputs.",
      extensions: listOf(5),
      resolve: objectItems<rest.InputDataAsset>("data_assets"),
    }),
    processes: t.field({
      type: [Process],
      description: "The processes of a pipeline's run.",
      extensions: listOf(5),
      resolve: objectItems<rest.Process>("processes"),
    }),
    runnable: t.field({
      type: Runnable,
      description:
        "The capsule or pipeline that ran. Code Ocean's runs do not name it, so it is known only if the run was reached from its capsule or pipeline, or from the provenance of a result. Null otherwise. `findRunnable` looks for it. Costs one REST call, or none if the request has already loaded it or only its id is selected.",
      extensions: link,
      resolve: (computation, _args, context, info) => {
        const runnable = runnableOf(computation)
        return runnable === undefined ? null : linkRunnable(context, runnable.kind, runnable.id, info)
      },
    }),
    findRunnable: t.field({
      type: Runnable,
      description:
        "Same as `runnable`, but looked for if it is not known: in the runs of the capsules and pipelines that were last accessed by anyone, among those that the caller created or was given, until one of them has this run. Null if none has it. An error if none has it and some could not be read. Costs none or one REST call if `runnable` is known. Otherwise costs four REST calls, and one REST call for each capsule or pipeline whose runs are read.",
      extensions: cost(recentCost),
      args: { runnables: t.arg.int(runnablesArgument) },
      resolve: async (computation, { runnables }, context, info) => {
        const found = await findRunnable(context, computation, runnablesFrom(runnables))
        return found === undefined ? null : linkRunnable(context, found.kind, found.id, info)
      },
    }),
    results: t.field({
      type: Folder,
      description: "The folder of its results. Costs no REST call until it is opened.",
      extensions: ownCall("place"),
      args: {
        path: t.arg.string({
          required: true,
          defaultValue: "",
          description: "The path of a folder. Defaults to the root.",
          extensions: limitLength(maxLength.path),
        }),
      },
      resolve: ({ id }, { path }) => folderAt({ kind: "computations", id }, path),
    }),
    resultFile: t.field({
      type: File,
      description: "A file of its results, reached without listing its folder. Costs no REST call until it is read.",
      extensions: ownCall("place"),
      args: {
        path: t.arg.string({
          required: true,
          description: "Its path, such as `figures/overview.csv`.",
          extensions: limitLength(maxLength.path),
        }),
      },
      resolve: ({ id }, { path }) => fileAt({ kind: "computations", id }, path),
    }),
    log: t.string({
      description:
        "The console output, which is the result file `output`. Null if there is none yet. At most 1 MiB. A larger log can be read with `tail`, which reads at most the last 1 MiB. Costs two REST calls, three if the last lines are very long, up to two more if the log is stored compressed, and none if the run has no results.",
      extensions: cost({ calls: 3, bytes: 8_192 }),
      args: { tail: t.arg.int({ description: "How many of the last lines to return. Defaults to the whole log." }) },
      resolve: (computation, { tail }, context) =>
        boolean("has_results")(computation) === false
          ? null
          : logOf(context, { kind: "computations", id: computation.id }, "output", tail),
    }),
  }),
})

export const ComputationEdge = edgeOf("Computation", Computation)
export const ComputationConnection = connectionOf("Computation", Computation, ComputationEdge)
