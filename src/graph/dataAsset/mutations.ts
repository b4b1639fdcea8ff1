import { badUserInput, nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { link } from "../cost.ts"
import { capitalized, checkIds, defineMutation } from "../defineMutation.ts"
import { object, string, strings } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { changeDataAsset } from "./draft.ts"
import { dataAssetById } from "./loader.ts"
import * as rest from "./rest.ts"
import { DataAsset } from "./type.ts"

export const CustomMetadataInput = builder.inputType("CustomMetadataInput", {
  description: "A value for one custom metadata field of the deployment.",
  fields: (t) => ({
    key: t.string({
      required: true,
      description: "The field's exact name, including spaces.",
      extensions: limitLength(maxLength.key),
    }),
    value: t.field({
      type: "JSON",
      required: true,
      description: "A string, a number, or a list of these. A date is epoch seconds.",
      extensions: limitLength(maxLength.freeText),
    }),
  }),
})

/**
 * Converts custom metadata to the wire format. Throws BAD_USER_INPUT for a key that is empty or given twice.
 * @param field the name of the input field
 */
export function wireMetadata(
  field: string,
  entries: readonly (typeof CustomMetadataInput.$inferInput)[] | null | undefined,
): Record<string, unknown> | undefined {
  if (entries == null) return undefined
  const metadata = new Map<string, unknown>()
  for (const [index, { key, value }] of entries.entries()) {
    const place = `\`${field}[${index}].key\``
    if (key.trim() === "") throw badUserInput(`${place} is empty. Give the name of the custom metadata field.`)
    if (metadata.has(key)) throw badUserInput(`${place}: ${JSON.stringify(key)} is given twice. Give it once.`)
    metadata.set(key, value)
  }
  return Object.fromEntries(metadata)
}

/** Reads a data asset again instead of using the loaded one, because the whole object is sent back. */
export async function readAgain(context: Context, id: string): Promise<rest.DataAsset> {
  return dataAssetById(context).clear(id).load(id)
}

/**
 * Sends a change together with all unchanged fields, because upstream's PUT may empty those that the body omits.
 * @param current the current data asset
 */
export async function sendUpdate(
  context: Context,
  current: rest.DataAsset,
  change: rest.DataAssetUpdate,
): Promise<void> {
  const { id } = current
  const body: rest.DataAssetUpdate = {
    name: string("name")(current) ?? undefined,
    description: string("description")(current) ?? undefined,
    tags: strings("tags", "keywords")(current) ?? undefined,
    mount: string("mount")(current) ?? undefined,
    custom_metadata: object<Record<string, unknown>>("custom_metadata")(current) ?? undefined,
    ...change,
  }
  await changeDataAsset(context, id, () => rest.updateDataAsset(context.upstream, id, body), current)
  dataAssetById(context).clear(id)
}

const AwsSourceInput = builder.inputType("AwsSourceInput", {
  description: "Files in an S3 bucket.",
  fields: (t) => ({
    bucket: t.string({ required: true, description: "The bucket's name." }),
    prefix: t.string({
      description: "The folder in the bucket. Defaults to the whole bucket.",
      extensions: limitLength(maxLength.path),
    }),
    endpointName: t.string({ description: "The name of a custom S3 endpoint." }),
    keepOnExternalStorage: t.boolean({ description: "True leaves the files where they are." }),
    public: t.boolean({ description: "True reads the bucket without credentials." }),
    useInputBucket: t.boolean({ description: "True takes the files from the deployment's input bucket. Admins only." }),
  }),
})

const GcpSourceInput = builder.inputType("GcpSourceInput", {
  description: "Files in a Google Cloud Storage bucket.",
  fields: (t) => ({
    bucket: t.string({ required: true, description: "The bucket's name." }),
    prefix: t.string({
      description: "The folder in the bucket. Defaults to the whole bucket.",
      extensions: limitLength(maxLength.path),
    }),
    clientId: t.string({ description: "The client id to read it with." }),
    clientSecret: t.string({
      description: "The client secret to read it with. The gateway passes it to Code Ocean and does not store it.",
    }),
  }),
})

const ComputationSourceInput = builder.inputType("ComputationSourceInput", {
  description: "Results of a run.",
  fields: (t) => ({
    id: t.id({ required: true, description: "The run's id." }),
    path: t.string({
      description: "The folder in its results. Defaults to all results.",
      extensions: limitLength(maxLength.path),
    }),
  }),
})

const CloudWorkstationSourceInput = builder.inputType("CloudWorkstationSourceInput", {
  description: "Files in a cloud workstation session.",
  fields: (t) => ({
    id: t.id({ required: true, description: "The session's id, which is the id of its computation." }),
    path: t.string({
      required: true,
      description: "The folder in the session.",
      extensions: limitLength(maxLength.path),
    }),
    runScript: t.string({
      description: "The script that produced the files. If given, the data asset is a result.",
      extensions: limitLength(maxLength.path),
    }),
  }),
})

const CombinedSourceInput = builder.inputType("CombinedSourceInput", {
  description: "A combination of other data assets.",
  fields: (t) => ({
    dataAssetIds: t.idList({ required: true, description: "1 to 1,000 ids of data assets, without duplicates." }),
  }),
})

const DataAssetSourceInput = builder.inputType("DataAssetSourceInput", {
  description: "Where a data asset's files come from: exactly one of these.",
  isOneOf: true,
  fields: (t) => ({
    aws: t.field({ type: AwsSourceInput, description: "An S3 bucket." }),
    gcp: t.field({ type: GcpSourceInput, description: "A Google Cloud Storage bucket." }),
    computation: t.field({ type: ComputationSourceInput, description: "The results of a run." }),
    cloudWorkstation: t.field({ type: CloudWorkstationSourceInput, description: "A cloud workstation session." }),
    combined: t.field({ type: CombinedSourceInput, description: "A combination of other data assets." }),
  }),
})

const AwsTargetInput = builder.inputType("AwsTargetInput", {
  description: "An S3 bucket to put files into.",
  fields: (t) => ({
    bucket: t.string({ required: true, description: "The bucket's name." }),
    prefix: t.string({ description: "The folder in the bucket.", extensions: limitLength(maxLength.path) }),
    endpointName: t.string({ description: "The name of a custom S3 endpoint." }),
  }),
})

export const DataAssetTargetInput = builder.inputType("DataAssetTargetInput", {
  description: "Where to store a data asset's files.",
  fields: (t) => ({ aws: t.field({ type: AwsTargetInput, required: true, description: "An S3 bucket." }) }),
})

const ResultParameterInput = builder.inputType("ResultParameterInput", {
  description: "A parameter value of a run. At least one of `name` and `paramName` must be given.",
  fields: (t) => ({
    name: t.string({ description: "The parameter's label in the app panel." }),
    paramName: t.string({ description: "The parameter's `paramName` in the app panel." }),
    value: t.string({ required: true, description: "Its value.", extensions: limitLength(maxLength.parameterValue) }),
  }),
})

const ResultProcessInput = builder.inputType("ResultProcessInput", {
  description: "One process of the pipeline that ran.",
  fields: (t) => ({
    name: t.string({ required: true, description: "The process's name." }),
    capsuleId: t.id({ description: "The capsule that ran." }),
    version: t.int({ description: "The release of it that ran." }),
    public: t.boolean({ description: "Whether the capsule is visible to everyone." }),
    parameters: t.field({ type: [ResultParameterInput], description: "The parameter values." }),
  }),
})

const ResultsInfoInput = builder.inputType("ResultsInfoInput", {
  description: "How results that were exported from elsewhere were produced.",
  fields: (t) => ({
    capsuleId: t.id({ description: "The capsule that ran." }),
    pipelineId: t.id({ description: "The pipeline that ran." }),
    version: t.int({ description: "The release that ran." }),
    commit: t.string({ description: "The commit of the code that ran." }),
    runScript: t.string({ description: "The path of the script that ran.", extensions: limitLength(maxLength.path) }),
    dataAssetIds: t.idList({ description: "The input data assets." }),
    parameters: t.field({ type: [ResultParameterInput], description: "The parameter values." }),
    nextflowProfile: t.string({ description: "The Nextflow profile it ran with." }),
    processes: t.field({ type: [ResultProcessInput], description: "The processes of the pipeline." }),
  }),
})

type SourceInput = typeof DataAssetSourceInput.$inferInput
type TargetInput = typeof DataAssetTargetInput.$inferInput

/** Converts null to undefined, because null is never sent. */
const given = <T>(value: T | null | undefined): T | undefined => value ?? undefined

function wireSource({ aws, gcp, computation, cloudWorkstation, combined }: SourceInput) {
  if (combined != null) {
    checkIds("dataAssetIds", combined.dataAssetIds)
    return { data_asset_ids: combined.dataAssetIds }
  }
  const source: rest.DataAssetSource = {}
  if (aws != null) {
    source.aws = {
      bucket: aws.bucket,
      prefix: given(aws.prefix),
      endpoint_name: given(aws.endpointName),
      keep_on_external_storage: given(aws.keepOnExternalStorage),
      public: given(aws.public),
      use_input_bucket: given(aws.useInputBucket),
    }
  }
  if (gcp != null) {
    source.gcp = {
      bucket: gcp.bucket,
      prefix: given(gcp.prefix),
      client_id: given(gcp.clientId),
      client_secret: given(gcp.clientSecret),
    }
  }
  if (computation != null) source.computation = { id: computation.id, path: given(computation.path) }
  if (cloudWorkstation != null) {
    const { id, path, runScript } = cloudWorkstation
    source.cloud_workstation = { id, path, run_script: given(runScript) }
  }
  return { source }
}

export function wireTarget({ aws }: TargetInput): rest.DataAssetTarget {
  return { aws: { bucket: aws.bucket, prefix: given(aws.prefix), endpoint_name: given(aws.endpointName) } }
}

type ParameterInput = typeof ResultParameterInput.$inferInput

const wireParameters = (parameters: readonly ParameterInput[] | null | undefined, place: string) =>
  parameters?.map(({ name, paramName, value }, index) => {
    if (!name?.trim() && !paramName?.trim()) {
      throw badUserInput(`\`${place}[${index}]\` has no name. Give \`name\`, \`paramName\` or both.`)
    }
    return { name: given(name), param_name: given(paramName), value }
  })

function wireResultsInfo(info: typeof ResultsInfoInput.$inferInput): rest.ResultsInfo {
  if (info.capsuleId != null && info.pipelineId != null) {
    throw badUserInput("`resultsInfo` names a capsule and a pipeline. Results come from only one of them.")
  }
  return {
    capsule_id: given(info.capsuleId),
    pipeline_id: given(info.pipelineId),
    version: given(info.version),
    commit: given(info.commit),
    run_script: given(info.runScript),
    data_assets: given(info.dataAssetIds),
    parameters: wireParameters(info.parameters, "resultsInfo.parameters"),
    nextflow_profile: given(info.nextflowProfile),
    processes: info.processes?.map(({ name, capsuleId, version, public: open, parameters }, index) => ({
      name,
      capsule_id: given(capsuleId),
      version: given(version),
      public: given(open),
      parameters: wireParameters(parameters, `resultsInfo.processes[${index}].parameters`),
    })),
  }
}

/** Throws BAD_USER_INPUT if a required string is blank. */
export function checkNotBlank(fields: Record<string, string | null | undefined>): void {
  for (const [field, value] of Object.entries(fields)) {
    if (value != null && value.trim() === "") throw badUserInput(`\`${field}\` is empty. Give it a value.`)
  }
}

const payloadOf = (mutation: string, description: string) =>
  builder.objectRef<{ id: string }>(`${capitalized(mutation)}Payload`).implement({
    description,
    fields: (t) => ({
      dataAsset: t.field({
        type: DataAsset,
        description: "The data asset after the change. Costs one REST call, or none if only its id is selected.",
        extensions: link,
        resolve: ({ id }, _args, context, info) => nullIfMissing(dataAssetById.link(context, id, info)),
      }),
    }),
  })

defineMutation({
  name: "createDataAsset",
  description:
    "Starts creating a data asset. It is a draft until its `state` is READY or FAILED. Follow it with the subscription `dataAsset(id)`. Costs one REST call.",
  cost: { calls: 1 },
  input: builder.inputType("CreateDataAssetInput", {
    description: "The data asset to create, and the source of its files.",
    fields: (t) => ({
      name: t.string({ required: true, description: "The display name." }),
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
      source: t.field({ type: DataAssetSourceInput, required: true, description: "Where its files come from." }),
      target: t.field({
        type: DataAssetTargetInput,
        description: "Where to store its files. Defaults to Code Ocean.",
      }),
      resultsInfo: t.field({
        type: ResultsInfoInput,
        description: "How results in a bucket were produced, if they were produced elsewhere.",
      }),
    }),
  }),
  payload: payloadOf("createDataAsset", "The data asset is being created."),
  run: async (input, context) => {
    checkNotBlank({ name: input.name, mount: input.mount })
    if (input.resultsInfo != null && input.source.aws == null && input.source.gcp == null) {
      throw badUserInput("`resultsInfo` is only for results in a bucket. The source must be `aws` or `gcp`.")
    }
    const created = await rest.createDataAsset(context.upstream, {
      name: input.name,
      tags: input.tags,
      mount: input.mount,
      description: given(input.description),
      custom_metadata: wireMetadata("customMetadata", input.customMetadata),
      ...wireSource(input.source),
      target: input.target == null ? undefined : wireTarget(input.target),
      results_info: input.resultsInfo == null ? undefined : wireResultsInfo(input.resultsInfo),
    })
    dataAssetById.prime(context, [created])
    return { id: created.id }
  },
})

defineMutation({
  name: "updateDataAsset",
  description:
    "Changes the given fields of a data asset and leaves the others unchanged. Costs two REST calls: the data asset is read first, because Code Ocean replaces it as a whole.",
  cost: { calls: 2 },
  input: builder.inputType("UpdateDataAssetInput", {
    description: "The data asset, and at least one field to change.",
    fields: (t) => ({
      id: t.id({ required: true, description: "The data asset's id." }),
      name: t.string({ description: "The new display name." }),
      description: t.string({
        description: "The new description. An empty string or null removes it.",
        extensions: limitLength(maxLength.freeText),
      }),
      tags: t.stringList({
        description: "The new keywords, which replace all of the old. An empty list or null removes them.",
        extensions: limitLength(maxLength.key),
      }),
      mount: t.string({ description: "The new default folder.", extensions: limitLength(maxLength.path) }),
      customMetadata: t.field({
        type: [CustomMetadataInput],
        description:
          "The new custom metadata, which replaces all of the old. An empty list or null removes it. To change single entries, use `updateDataAssets`.",
      }),
    }),
  }),
  payload: payloadOf("updateDataAsset", "The data asset has changed."),
  run: async ({ id, ...input }, context) => {
    checkNotBlank({ name: input.name, mount: input.mount })
    for (const field of ["name", "mount"] as const) {
      if (input[field] === null) throw badUserInput(`\`${field}\` can't be removed. Give it a value, or omit it.`)
    }
    const change: rest.DataAssetUpdate = {}
    if (input.name != null) change.name = input.name
    if (input.mount != null) change.mount = input.mount
    if (input.description !== undefined) change.description = input.description ?? ""
    if (input.tags !== undefined) change.tags = input.tags ?? []
    if (input.customMetadata !== undefined)
      change.custom_metadata = wireMetadata("customMetadata", input.customMetadata) ?? {}
    if (Object.keys(change).length === 0)
      throw badUserInput("There is nothing to change. Give at least one field in addition to `id`.")
    await sendUpdate(context, await readAgain(context, id), change)
    return { id }
  },
})

defineMutation({
  name: "archiveDataAsset",
  description: "Archives or unarchives a data asset. Costs one REST call.",
  cost: { calls: 1 },
  input: builder.inputType("ArchiveDataAssetInput", {
    description: "The data asset, and whether to archive it.",
    fields: (t) => ({
      id: t.id({ required: true, description: "The data asset's id." }),
      archived: t.boolean({ required: true, description: "True archives it, false unarchives it." }),
    }),
  }),
  payload: payloadOf("archiveDataAsset", "The data asset was archived or unarchived."),
  run: async ({ id, archived }, context) => {
    await changeDataAsset(context, id, () => rest.archiveDataAsset(context.upstream, id, archived))
    dataAssetById(context).clear(id)
    return { id }
  },
})

defineMutation({
  name: "deleteDataAsset",
  description: "Deletes a data asset permanently. Costs one REST call.",
  cost: { calls: 1 },
  input: builder.inputType("DeleteDataAssetInput", {
    description: "Which data asset.",
    fields: (t) => ({ id: t.id({ required: true, description: "The data asset's id." }) }),
  }),
  payload: builder.objectRef<{ id: string }>("DeleteDataAssetPayload").implement({
    description: "The data asset was deleted.",
    fields: (t) => ({
      deletedDataAssetId: t.exposeID("id", { nullable: false, description: "The id of the deleted data asset." }),
    }),
  }),
  run: async ({ id }, context) => {
    await rest.deleteDataAsset(context.upstream, id)
    dataAssetById(context).clear(id)
    return { id }
  },
})

defineMutation({
  name: "transferDataAsset",
  description:
    "Starts moving a data asset's files to another bucket. Admins only. `lastTransferred` and `transferError` say how it ended. Costs one REST call.",
  cost: { calls: 1 },
  input: builder.inputType("TransferDataAssetInput", {
    description: "The data asset, and where to move its files.",
    fields: (t) => ({
      id: t.id({ required: true, description: "The data asset's id." }),
      target: t.field({ type: DataAssetTargetInput, required: true, description: "Where to move its files." }),
      force: t.boolean({ description: "True moves the files even if they are in use." }),
    }),
  }),
  payload: payloadOf("transferDataAsset", "The files are being moved."),
  run: async ({ id, target, force }, context) => {
    await changeDataAsset(context, id, () =>
      rest.transferDataAsset(context.upstream, id, wireTarget(target), given(force)),
    )
    dataAssetById(context).clear(id)
    return { id }
  },
})
