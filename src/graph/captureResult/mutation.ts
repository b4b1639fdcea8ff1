import { type Failure, nullIfMissing, toFailure } from "../../errors.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { link } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { CustomMetadataInput, checkNotBlank, wireMetadata } from "../dataAsset/mutations.ts"
import * as rest from "../dataAsset/rest.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { defineMutation, FailureType } from "../defineMutation.ts"
import { enumValues } from "../enums.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { describeMissing, missingPermissions } from "../permissions/missing.ts"
import { permissionFields, sendPermissions, wirePermissions } from "../permissions/mutations.ts"
import { getPermissions, type Permissions } from "../permissions/rest.ts"

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

export interface Step {
  step: "create" | "set_permissions"
  status: "done" | "already_done" | "failed"
  failure?: Failure
}

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

/** The data asset to create, and from which run, in the wire format. */
export interface Wanted {
  computationId: string
  params: rest.DataAssetParams
  permissions: Permissions
}

/**
 * Checks and converts the whole input before the first step, so that invalid input leaves no partial work. Throws
 * BAD_USER_INPUT.
 */
export function wantedIn(input: typeof CaptureResultInput.$inferInput): Wanted {
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

/**
 * Sets the permissions, reads them back, and returns the step with its result. Returns no step if none are given. Three calls.
 */
export async function permissionSteps(context: Context, id: string, permissions: Permissions): Promise<Step[]> {
  if (Object.keys(permissions).length === 0) return []
  try {
    await sendPermissions(context, "data_assets", id, permissions)
    return [await readBack(context, id, permissions)]
  } catch (error) {
    const failure = toFailure(error)
    if (failure === undefined) throw error
    return [{ step: "set_permissions", status: "failed", failure }]
  }
}

/** The step, after the permissions were sent: a 2xx does not prove that all of them were set. */
async function readBack(context: Context, id: string, permissions: Permissions): Promise<Step> {
  try {
    const missing = missingPermissions(permissions, await getPermissions(context.upstream, "data_assets", id))
    if (missing === null) return { step: "set_permissions", status: "done" }
    const failure: Failure = { code: "CONFLICT", message: describeMissing(missing), outcomeUnknown: false }
    return { step: "set_permissions", status: "failed", failure }
  } catch (error) {
    const failure = toFailure(error)
    if (failure === undefined) throw error
    const message = `The permissions were sent, but could not be read back: ${failure.message}`
    return { step: "set_permissions", status: "failed", failure: { ...failure, message, outcomeUnknown: true } }
  }
}

/** Whether every step is done. */
export function isDone(steps: readonly Step[]): boolean {
  return steps.every(({ status }) => status !== "failed")
}

defineMutation({
  name: "captureResult",
  description:
    "Creates a data asset from a run's results, with metadata and permissions. Returns MutationRefused if nothing was created, else the result of every step. The run must have ended. The subscription of the same name waits for that, and for the data asset, which is a draft at first. Costs one REST call, and three more if it sets permissions, which are read before and after.",
  cost: { calls: 4 },
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
    const { params, permissions } = wantedIn(input)
    const created = await rest.createDataAsset(context.upstream, params)
    dataAssetById.prime(context, [created])
    const steps: Step[] = [{ step: "create", status: "done" }]
    return { id: created.id, steps: [...steps, ...(await permissionSteps(context, created.id, permissions))] }
  },
})
