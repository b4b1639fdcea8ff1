import { nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import { link } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { CustomMetadataInput, checkNotBlank, wireMetadata } from "../dataAsset/mutations.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { defineMutation, FailureType } from "../defineMutation.ts"
import { enumValues } from "../enums.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { permissionFields, wirePermissions } from "../permissions/mutations.ts"
import { type CaptureRequest, captureOnce, isDone, type Step } from "./capture.ts"

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
      description: "Who may do what with it. By default only its owner has access.",
    }),
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
    },
    permissions: input.permissions == null ? {} : wirePermissions(input.permissions),
  }
}

defineMutation({
  name: "captureResult",
  description:
    "Creates a data asset from a run's results, with metadata and permissions. Returns MutationRefused if nothing was created, else the result of every step. The run must have ended. The subscription of the same name waits for that, and for the data asset, which is a draft at first. What has begun is finished even if the client leaves. If the caller has already created a data asset from this run under this name, and it is not archived, no second one is created, whatever else the input says, but the permissions are set. Costs two REST calls, a search and the creation, and three more if it sets permissions, which are read before and after.",
  cost: { calls: 5 },
  input: CaptureResultInput,
  payload: builder.objectRef<{ id: string; steps: Step[] }>("CaptureResultPayload").implement({
    description: "The data asset is being created. `complete` says whether every step is done.",
    fields: (t) => ({
      dataAsset: t.field({
        type: DataAsset,
        description: "The data asset. Costs one REST call, or none if only its id is selected.",
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
    const { dataAsset, steps } = await captureOnce(context, requestFrom(input))
    dataAssetById.prime(context, [dataAsset])
    return { id: dataAsset.id, steps }
  },
})
