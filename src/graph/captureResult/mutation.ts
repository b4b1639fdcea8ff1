import { nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import { link } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { CustomMetadataInput, checkNotBlank, wireMetadata } from "../dataAsset/mutations.ts"
import { DataAssetTargetInput, wireTarget } from "../dataAsset/sourceInputs.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { defineMutation, FailureType } from "../defineMutation.ts"
import { enumValues } from "../enums.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { permissionFields, wirePermissions } from "../permissions/mutations.ts"
import { pollingFrom, pollingOptions } from "../polling.ts"
import { type CaptureRequest, captureOnce, isDone, type Step, stepsOfMutation } from "./capture.ts"

const CaptureStep = builder.enumType("CaptureStep", {
  description: "The steps of capturing a result, in order.",
  values: enumValues({
    create: "The data asset is created, with its tags and custom metadata.",
    set_permissions: "Its permissions are set and read back.",
  }),
})

const CaptureStepStatus = builder.enumType("CaptureStepStatus", {
  description: "The result of a step.",
  values: enumValues({
    done: "It is done.",
    already_done: "It was done before and not repeated.",
    pending: "It waits until the data asset is READY. It is done then, even if the client disconnects.",
    failed: "It was refused or failed: see `failure`.",
  }),
})

export const CaptureStepResult = builder.objectRef<Step>("CaptureStepResult").implement({
  description: "The result of one step.",
  fields: (t) => ({
    step: t.field({ type: CaptureStep, nullable: false, description: "The step.", resolve: ({ step }) => step }),
    status: t.field({
      type: CaptureStepStatus,
      nullable: false,
      description: "The result.",
      resolve: ({ status }) => status,
    }),
    failure: t.field({ type: FailureType, description: "What went wrong.", resolve: ({ failure }) => failure }),
  }),
})

const CapturePermissionsInput = builder.inputType("CapturePermissionsInput", {
  description: "Who may do what with the captured result, beside its owner.",
  fields: permissionFields,
})

const polling = pollingOptions(
  "How long to wait for the run to end, and then for the data asset to be READY, in seconds each",
  "The subscription then ends with the error TIME_LIMIT_REACHED, and permissions that are pending are not set. By default, permissions are pending for at most a day, and the subscription has no limit.",
)

export const CaptureResultInput = builder.inputType("CaptureResultInput", {
  description: "Which results to capture, and the data asset to create.",
  fields: (t) => ({
    computationId: t.id({ required: true, description: "The run's id." }),
    path: t.string({
      description: "The folder in its results. Defaults to all results.",
      extensions: limitLength(maxLength.path),
    }),
    name: t.string({ required: true, description: "The data asset's display name." }),
    tags: t.stringList({
      required: true,
      description: "Keywords. May be an empty list.",
      extensions: limitLength(maxLength.key),
    }),
    mount: t.string({
      required: true,
      description: "The default folder to mount it in.",
      extensions: limitLength(maxLength.path),
    }),
    description: t.string({
      description: "Free text, may contain Markdown.",
      extensions: limitLength(maxLength.freeText),
    }),
    customMetadata: t.field({ type: [CustomMetadataInput], description: "Values of custom metadata fields." }),
    permissions: t.field({
      type: CapturePermissionsInput,
      description: "Who may do what with it, set once it is READY. By default only its owner has access.",
    }),
    target: t.field({ type: DataAssetTargetInput, description: "Where to store its files. Defaults to Code Ocean." }),
    pollingIntervalSeconds: t.int(polling.pollingIntervalSeconds),
    timeLimitSeconds: t.int(polling.timeLimitSeconds),
  }),
})

/**
 * Checks and converts the whole input before the first step, so that invalid input leaves no partial work. Throws
 * BAD_USER_INPUT.
 */
export function requestFrom(input: typeof CaptureResultInput.$inferInput): CaptureRequest {
  checkNotBlank({ name: input.name, mount: input.mount })
  return {
    computationId: input.computationId,
    params: {
      name: input.name,
      tags: input.tags,
      mount: input.mount,
      description: input.description ?? undefined,
      custom_metadata: wireMetadata("customMetadata", input.customMetadata),
      source: { computation: { id: input.computationId, path: input.path ?? undefined } },
      target: input.target == null ? undefined : wireTarget(input.target),
    },
    polling: pollingFrom(input),
    permissions: input.permissions == null ? {} : wirePermissions(input.permissions),
  }
}

defineMutation({
  name: "captureResult",
  description:
    "Creates a data asset from a run's results, with metadata and permissions. Returns MutationRefused if nothing was created, else the result of every step. The run must have ended. The subscription of the same name waits for the run and for the data asset, which is a draft at first. A capture that has started is finished even if the client disconnects. If the caller has already created a data asset from this run under this name, no second one is created, whatever else the input says, but the permissions are set. One that FAILED, was renamed or archived does not count, except that the gateway also finds an archived one that it has created itself within the last day. For a draft the step is PENDING: the gateway reads the data asset every 5 seconds at first, and sets them once it is READY. Two tokens of one user get one data asset, unless the first capture takes more than 30 seconds or a search does not find it yet. Costs two REST calls, a search and the creation, and up to four more if it sets permissions: the data asset is read, and the permissions before and after the change.",
  cost: { calls: 6 },
  input: CaptureResultInput,
  payload: builder.objectRef<{ id: string; steps: Step[] }>("CaptureResultPayload").implement({
    description: "The data asset is being created. `complete` says whether every step is done.",
    fields: (t) => ({
      dataAsset: t.field({
        type: DataAsset,
        description:
          "The data asset. Costs no REST call, unless the gateway has waited for its permissions to be set: then it costs one REST call, or none if only its id is selected.",
        extensions: link,
        resolve: ({ id }, _args, context, info) => nullIfMissing(dataAssetById.link(context, id, info)),
      }),
      complete: t.boolean({
        nullable: false,
        description: "Whether every step is done.",
        resolve: ({ steps }) => isDone(steps),
      }),
      steps: t.field({
        type: [CaptureStepResult],
        nullable: false,
        description: "The steps that were taken, in order.",
        resolve: ({ steps }) => steps,
      }),
    }),
  }),
  run: async (input, context) => {
    const request = requestFrom(input)
    const captured = await captureOnce(context, request)
    const steps = await stepsOfMutation(context, captured, request.polling)
    // If the gateway has waited for it, it has changed, and is read again.
    if (captured.steps === steps) dataAssetById.prime(context, captured.dataAsset)
    return { id: captured.dataAsset.id, steps }
  },
})
