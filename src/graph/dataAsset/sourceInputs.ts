import { badUserInput } from "../../errors.ts"
import { builder } from "../builder.ts"
import { checkIds } from "../defineMutation.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import type * as rest from "./rest.ts"

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

export const DataAssetSourceInput = builder.inputType("DataAssetSourceInput", {
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

export const ResultsInfoInput = builder.inputType("ResultsInfoInput", {
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
export const given = <T>(value: T | null | undefined): T | undefined => value ?? undefined

/** Converts a source to the keys of the request body. Throws BAD_USER_INPUT for a combination without data assets, or with one twice. */
export function wireSource({ aws, gcp, computation, cloudWorkstation, combined }: SourceInput) {
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

/** Converts a target to the wire format. */
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

/** Converts the origin of results to the wire format. Throws BAD_USER_INPUT for contradictory or unnamed entries. */
export function wireResultsInfo(info: typeof ResultsInfoInput.$inferInput): rest.ResultsInfo {
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
