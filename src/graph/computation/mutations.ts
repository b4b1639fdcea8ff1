import { badUserInput, type InputProblem, nullIfMissing, Refusal } from "../../errors.ts"
import { type GivenParameters, type GivenProcess, problemsOfRun } from "../appPanel/check.ts"
import { appPanelOf } from "../appPanel/loader.ts"
import { patternsOf } from "../appPanel/pattern.ts"
import { DataAssetAttachmentInput, defineAttachmentMutations, wireAttachments } from "../attachment/mutations.ts"
import { builder, type InputFields } from "../builder.ts"
import type { Kind } from "../capsule/rest.ts"
import type { Context } from "../context.ts"
import { link } from "../cost.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { clearComputations, computationById, recordRunnable } from "./loader.ts"
import * as rest from "./rest.ts"
import { Computation } from "./type.ts"

const NamedParameterInput = builder.inputType("NamedParameterInput", {
  description: "A value for the parameter with this name.",
  fields: (t) => ({
    paramName: t.string({ required: true, description: "The parameter's `paramName` in the app panel." }),
    value: t.string({
      required: true,
      description: "Its value, as text.",
      extensions: limitLength(maxLength.parameterValue),
    }),
  }),
})

const ProcessInput = builder.inputType("ProcessInput", {
  description: "Values for one process of a pipeline.",
  fields: (t) => ({
    name: t.string({ required: true, description: "The process's `name` in the app panel." }),
    parameters: t.stringList({
      description: "Values in the app panel's order.",
      extensions: limitLength(maxLength.parameterValue),
    }),
    namedParameters: t.field({ type: [NamedParameterInput], description: "Values by name." }),
  }),
})

/** The input fields that both run mutations share. */
const runFields = (t: InputFields) => ({
  version: t.int({ description: "A release's major version. Defaults to the latest state." }),
  dataAssets: t.field({
    type: [DataAssetAttachmentInput],
    description: "Data assets for this run in addition to the attached ones. At most 1,000, without duplicates.",
  }),
  namedParameters: t.field({ type: [NamedParameterInput], description: "Values by name." }),
  resumeRunId: t.id({ description: "The run to resume, for a pipeline." }),
  nextflowProfile: t.string({ description: "The Nextflow profile to run with." }),
  checkParameters: t.boolean({
    required: true,
    defaultValue: true,
    description:
      "Whether to check the values against the app panel before anything is sent: names, required ones, minimum, maximum, pattern, options. Costs one more REST call.",
  }),
})

interface RunInput extends GivenParameters {
  version?: number | null | undefined
  dataAssets?: readonly (typeof DataAssetAttachmentInput.$inferInput)[] | null | undefined
  resumeRunId?: string | null | undefined
  nextflowProfile?: string | null | undefined
  checkParameters: boolean
}

const wireNamed = (parameters: GivenParameters["namedParameters"]): rest.NamedParameter[] | undefined =>
  parameters?.map(({ paramName, value }) => ({ param_name: paramName, value }))

/** Throws a Refusal with the problems, if there are any. */
function rejectProblems(problems: InputProblem[]): void {
  const [first, ...others] = problems
  if (first === undefined) return
  const more = others.length === 0 ? "" : ` ${others.length} more in \`problems\`.`
  throw new Refusal("BAD_USER_INPUT", `${first.message}${more}`, null, { problems })
}

/** Checks the input and starts the run. Records which capsule or pipeline ran. */
async function run(context: Context, kind: Kind, id: string, input: RunInput, processes: readonly GivenProcess[]) {
  const dataAssets = input.dataAssets?.length ? wireAttachments("dataAssets", input.dataAssets) : undefined
  const panel = input.checkParameters ? await appPanelOf(context, kind, id, input.version ?? undefined) : null
  rejectProblems(problemsOfRun(kind, panel, input, processes, patternsOf(context)))
  const started = await rest.runComputation(context.upstream, {
    ...(kind === "capsules" ? { capsule_id: id } : { pipeline_id: id }),
    version: input.version ?? undefined,
    resume_run_id: input.resumeRunId ?? undefined,
    nextflow_profile: input.nextflowProfile ?? undefined,
    data_assets: dataAssets,
    parameters: input.parameters?.length ? [...input.parameters] : undefined,
    named_parameters: wireNamed(input.namedParameters),
    processes:
      processes.length === 0
        ? undefined
        : processes.map(({ name, parameters, namedParameters }) => ({
            name,
            parameters: parameters ? [...parameters] : undefined,
            named_parameters: wireNamed(namedParameters),
          })),
  })
  clearComputations(context)
  const computation = computationById.prime(context, started)
  recordRunnable(computation, { id, kind })
  return { computation }
}

const runPayload = (name: string, what: string) =>
  builder.objectRef<{ computation: rest.Computation }>(name).implement({
    description: `The ${what} is starting.`,
    fields: (t) => ({
      computation: t.field({
        type: Computation,
        description: "The new run. Follow it with the subscription `computation(id)`.",
        resolve: ({ computation }) => computation,
      }),
    }),
  })

defineMutation({
  name: "runCapsule",
  description:
    "Runs a capsule. Costs one REST call, and one more for the app panel that the values are checked against.",
  cost: { calls: 2 },
  input: builder.inputType("RunCapsuleInput", {
    description: "The capsule to run, and its inputs.",
    fields: (t) => ({
      capsuleId: t.id({ required: true, description: "The capsule's id." }),
      parameters: t.stringList({
        description: "Values in the app panel's order. An empty string selects the default.",
        extensions: limitLength(maxLength.parameterValue),
      }),
      ...runFields(t),
    }),
  }),
  payload: runPayload("RunCapsulePayload", "capsule"),
  run: ({ capsuleId, ...input }, context) => run(context, "capsules", capsuleId, input, []),
})

defineMutation({
  name: "runPipeline",
  description:
    "Runs a pipeline. Costs one REST call, and one more for the app panel that the values are checked against.",
  cost: { calls: 2 },
  input: builder.inputType("RunPipelineInput", {
    description: "The pipeline to run, and its inputs.",
    fields: (t) => ({
      pipelineId: t.id({ required: true, description: "The pipeline's id." }),
      parameters: t.stringList({
        description:
          "Always a problem, because Code Ocean silently ignores a pipeline's ordered parameters. Use named ones.",
        extensions: limitLength(maxLength.parameterValue),
      }),
      processes: t.field({ type: [ProcessInput], description: "Values for its processes, without duplicates." }),
      ...runFields(t),
    }),
  }),
  payload: runPayload("RunPipelinePayload", "pipeline"),
  run: ({ pipelineId, processes, ...input }, context) => run(context, "pipelines", pipelineId, input, processes ?? []),
})

/** Sends a write that may change this run. Afterwards, even after a failure, the request loads it again. */
async function change<T>(context: Context, id: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } finally {
    computationById(context).clear(id)
    clearComputations(context)
  }
}

const payloadOf = <Payload extends { id: string }>(mutation: string, description: string) =>
  builder.objectRef<Payload>(`${capitalized(mutation)}Payload`).implement({
    description,
    fields: (t) => ({
      computation: t.field({
        type: Computation,
        description: "The run after the change. Costs one REST call, or none if only its id is selected.",
        extensions: link,
        resolve: ({ id }, _args, context, info) => nullIfMissing(computationById.link(context, id, info)),
      }),
    }),
  })

defineMutation({
  name: "renameComputation",
  description: "Gives a run a new display name. Costs one REST call.",
  cost: { calls: 1 },
  input: builder.inputType("RenameComputationInput", {
    description: "Which run, and its new name.",
    fields: (t) => ({
      id: t.id({ required: true, description: "The run's id." }),
      name: t.string({ required: true, description: "The new display name." }),
    }),
  }),
  payload: payloadOf<{ id: string }>("renameComputation", "The run was renamed."),
  run: async ({ id, name }, context) => {
    if (name.trim() === "") throw badUserInput("`name` is empty. Give the run a name.")
    await change(context, id, () => rest.renameComputation(context.upstream, id, name))
    return { id }
  },
})

defineMutation({
  name: "deleteComputation",
  description:
    "Deletes a run and its results permanently. Stops the run if it is in progress. Code Ocean has no call that stops a run and keeps it. Costs one REST call.",
  cost: { calls: 1 },
  input: builder.inputType("DeleteComputationInput", {
    description: "Which run.",
    fields: (t) => ({ id: t.id({ required: true, description: "The run's id." }) }),
  }),
  payload: builder.objectRef<{ id: string }>("DeleteComputationPayload").implement({
    description: "The run was deleted.",
    fields: (t) => ({
      deletedComputationId: t.exposeID("id", { nullable: false, description: "The id of the deleted run." }),
    }),
  }),
  run: async ({ id }, context) => {
    await change(context, id, () => rest.deleteComputation(context.upstream, id))
    return { id }
  },
})

defineAttachmentMutations({
  kind: "computations",
  one: "computation",
  attach: "attachComputationDataAssets",
  detach: "detachComputationDataAssets",
  payloadOf,
  change,
})
