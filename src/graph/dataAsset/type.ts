import { DecodeError } from "../../upstream/decoders.ts"
import { isArchived } from "../archive/loader.ts"
import { builder } from "../builder.ts"
import { attachedPage, capsuleById } from "../capsule/loader.ts"
import { Capsule, CapsuleConnection, PipelineConnection } from "../capsule/type.ts"
import { computationById, recordRunnable } from "../computation/loader.ts"
import { Computation } from "../computation/type.ts"
import { type Count, cost, link, listOf, longText, oneCall } from "../cost.ts"
import { CustomMetadataEntry } from "../customMetadata/type.ts"
import { wireEnum } from "../enums.ts"
import {
  boolean,
  entries,
  epochSeconds,
  ids,
  int,
  object,
  objectItems,
  readableId,
  required,
  string,
  stringItems,
  stringOrEmpty,
} from "../fields.ts"
import { fileAt, folderAt } from "../files/place.ts"
import { File, Folder } from "../files/type.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { Lineage, LineageDirection, lineageOf, maxDepth } from "../lineage/type.ts"
import { linkAt } from "../loader.ts"
import { Node } from "../node/type.ts"
import { ownCall } from "../ownCall.ts"
import { pageArguments, pageItems, shownPage } from "../pagination/connection.ts"
import { permissionsOf } from "../permissions/loader.ts"
import { Permissions } from "../permissions/type.ts"
import { looksUpObjects } from "../reach.ts"
import { dataAssetById } from "./loader.ts"
import type * as rest from "./rest.ts"

export const DataAssetState = wireEnum(
  "DataAssetState",
  "The state of a data asset.",
  { draft: "Being created.", ready: "Ready to use.", failed: "Its creation failed: see `failureReason`." },
  { data_asset_state_draft: "draft", data_asset_state_ready: "ready", data_asset_state_failed: "failed" },
)

export const DataAssetType = wireEnum(
  "DataAssetType",
  "The kind of a data asset's contents.",
  {
    dataset: "Data that was brought in.",
    result: "Results of a run.",
    combined: "A combination of other data assets.",
    model: "A trained model.",
  },
  {
    data_asset_type_dataset: "dataset",
    data_asset_type_result: "result",
    data_asset_type_combined: "combined",
    data_asset_type_model: "model",
  },
)

const DataAssetOrigin = wireEnum("DataAssetOrigin", "Where a data asset's files came from.", {
  aws: "An S3 bucket.",
  local: "An upload.",
  gcp: "A Google Cloud Storage bucket.",
})

/** The usual number of inputs of a run. */
const inputs: Count = { assumed: 5 }

const Provenance = builder.objectRef<rest.Provenance>("Provenance").implement({
  description: "How a result was produced.",
  fields: (t) => ({
    commit: t.string({ description: "The commit of the code that ran.", resolve: string("commit") }),
    runScript: t.string({ description: "The path of the script that ran.", resolve: string("run_script") }),
    dockerImage: t.string({ description: "The image in which it ran.", resolve: string("docker_image") }),
    capsule: t.field({
      type: Capsule,
      description:
        "The capsule that ran. Null if it is unknown. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(capsuleById, "capsule"),
    }),
    computation: t.field({
      type: Computation,
      description: "The run. Null if it is unknown. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: async (provenance, args, context, info) => {
        const found = await linkAt(computationById, "computation")(provenance, args, context, info)
        const capsule = readableId("capsule")(provenance)
        if (found !== null && capsule) recordRunnable(found, { id: capsule, kind: "capsules" })
        return found
      },
    }),
    dataAssets: t.field({
      type: [DataAsset],
      nullable: { list: true, items: true },
      description:
        "The inputs of the run. An input that no longer exists is null. Costs one REST call per input, or none if only their ids are selected.",
      extensions: cost({ calls: 1, per: inputs, idsAreFree: true, items: inputs }),
      resolve: (provenance, _args, context, info) =>
        ids("data_assets")(provenance)?.map((id) =>
          id instanceof DecodeError ? (id as never) : dataAssetById.linkOrNull(context, id, info, "data_assets"),
        ),
    }),
  }),
})

const SourceBucket = builder.objectRef<rest.SourceBucket>("SourceBucket").implement({
  description: "The storage that a data asset's files came from. The files may still be there.",
  fields: (t) => ({
    origin: t.field({
      type: DataAssetOrigin.ref,
      description: "The kind of storage.",
      resolve: DataAssetOrigin.at("origin"),
    }),
    bucket: t.string({ description: "The bucket's name.", resolve: string("bucket") }),
    prefix: t.string({ description: "The folder in the bucket.", resolve: string("prefix") }),
    external: t.boolean({
      description: "True if the files stay in a bucket outside Code Ocean. Such files can't be listed.",
      resolve: boolean("external"),
    }),
  }),
})

const AppParameter = builder.objectRef<object>("AppParameter").implement({
  description: "A parameter of the run that made a result.",
  fields: (t) => ({
    name: t.string({
      description: "The parameter's name, usually its label in the app panel.",
      resolve: string("name"),
    }),
    paramName: t.string({
      description: "The parameter's `paramName` in the app panel. Null if it is unknown.",
      resolve: string("param_name"),
    }),
    value: t.string({ description: "Its value.", resolve: stringOrEmpty("value") }),
  }),
})

const ContainedDataAsset = builder.objectRef<rest.ContainedDataAsset>("ContainedDataAsset").implement({
  description: "A data asset within a combined one.",
  fields: (t) => ({
    dataAssetId: t.id({ description: "The data asset's id.", resolve: string("id") }),
    mount: t.string({ description: "Its folder within the combined asset.", resolve: string("mount") }),
    size: t.field({ type: "ByteCount", description: "Bytes.", resolve: string("size", "sizeInBytes") }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(dataAssetById, "id"),
    }),
  }),
})

export const DataAsset = builder.objectRef<rest.DataAsset>("DataAsset")
/** The arguments of the searches for what a data asset is attached to. */
const attachedArguments = {
  ...pageArguments,
  ...builder.args((t) => ({
    archived: t.boolean({ description: "True for archived ones only. Defaults to those that are not archived." }),
  })),
}

DataAsset.implement({
  description: "Data files, or results of a run, with a name, metadata and a history.",
  interfaces: [Node],
  fields: (t) => ({
    name: t.string({ nullable: false, description: "The display name.", resolve: required("name", stringOrEmpty) }),
    mount: t.string({ description: "The default folder it is mounted in.", resolve: string("mount") }),
    owner: t.string({ description: "The owner's user id.", resolve: string("owner") }),
    ownerEmail: t.string({ description: "The owner's email address.", resolve: string("owner_email") }),
    created: t.field({
      type: "DateTime",
      description: "When it was created. Null for some drafts.",
      resolve: epochSeconds("created"),
    }),
    lastUsed: t.field({
      type: "DateTime",
      description: "When it was last used. Null if never.",
      resolve: epochSeconds("last_used", "lastUsed"),
    }),
    state: t.field({
      type: DataAssetState.ref,
      nullable: false,
      description: "Whether it can be used.",
      resolve: DataAssetState.required("state"),
    }),
    type: t.field({
      type: DataAssetType.ref,
      nullable: false,
      description: "The kind of its contents.",
      resolve: DataAssetType.required("type"),
    }),
    fileCount: t.int({ description: "How many files it has.", resolve: int("files") }),
    size: t.field({
      type: "ByteCount",
      description: "The size in bytes. 0 while it is new, null if it is unknown.",
      resolve: string("size", "sizeInBytes"),
    }),
    description: t.string({
      description: "Free text, may contain Markdown.",
      extensions: longText,
      resolve: string("description"),
    }),
    field: t.string({ description: "The field of research.", resolve: string("field") }),
    archived: t.boolean({
      description: `Whether it is archived. Code Ocean's objects do not say it, so it is known from searches: a data asset is archived if the search for archived ones with its name finds it. Null if that search finds more than it returns. Costs no REST call if the data asset was found by a search of this request, or if the caller has archived or unarchived it within the last minute. Otherwise costs one REST call, which data assets that need it at the same time share.`,
      extensions: oneCall,
      resolve: (asset, _args, context) => isArchived(context, "data_assets", asset),
    }),
    tags: t.stringList({ description: "Keywords.", resolve: stringItems("tags", "keywords") }),
    nextflowProfile: t.string({
      description: "The Nextflow profile of the run that made it.",
      resolve: string("nextflow_profile"),
    }),
    failureReason: t.string({ description: "Why its creation failed.", resolve: string("failure_reason") }),
    transferError: t.string({ description: "Why its last transfer failed.", resolve: string("transfer_error") }),
    lastTransferred: t.field({
      type: "DateTime",
      description: "When its files were last moved to another bucket. Null if never.",
      resolve: epochSeconds("last_transferred"),
    }),
    provenance: t.field({
      type: Provenance,
      description: "How a result was produced.",
      resolve: object("provenance"),
    }),
    sourceBucket: t.field({
      type: SourceBucket,
      description: "Where its files came from. Null for results that are kept in Code Ocean.",
      resolve: object("source_bucket"),
    }),
    customMetadata: t.field({
      type: [CustomMetadataEntry],
      description: "The values of the deployment's custom metadata fields.",
      extensions: listOf(10),
      resolve: entries("custom_metadata"),
    }),
    appParameters: t.field({
      type: [AppParameter],
      description: "The parameters of the run that made it.",
      resolve: objectItems("app_parameters"),
    }),
    containedDataAssets: t.field({
      type: [ContainedDataAsset],
      description: "The data assets that a combined data asset consists of.",
      extensions: listOf(5),
      resolve: objectItems<rest.ContainedDataAsset>("contained_data_assets"),
    }),
    files: t.field({
      type: Folder,
      description: "The folder of its files. Costs no REST call until it is opened.",
      extensions: ownCall("place"),
      args: {
        path: t.arg.string({
          required: true,
          defaultValue: "",
          description: "The path of a folder. Defaults to the root.",
          extensions: limitLength(maxLength.path),
        }),
      },
      resolve: ({ id }, { path }) => folderAt({ kind: "data_assets", id }, path),
    }),
    file: t.field({
      type: File,
      description:
        "A file, reached without listing its folder. Its fields are errors if the files are in a bucket outside Code Ocean. Costs no REST call until it is read.",
      extensions: ownCall("place"),
      args: {
        path: t.arg.string({
          required: true,
          description: "Its path, such as `processing.json`.",
          extensions: limitLength(maxLength.path),
        }),
      },
      resolve: ({ id }, { path }) => fileAt({ kind: "data_assets", id }, path),
    }),
    lineage: t.field({
      type: Lineage,
      description: `What it was made from and what was made from it, including the runs and capsules in between. Upwards it costs one REST call per object, downwards one per 1,000 results that the caller may see, at most 20.`,
      extensions: {
        ...cost({ calls: 25, per: { argument: "depth", assumed: 3, max: maxDepth }, items: { assumed: 100 } }),
        ...looksUpObjects,
      },
      args: {
        depth: t.arg.int({
          required: true,
          defaultValue: 3,
          description: `How many generations, from 1 to ${maxDepth}.`,
        }),
        direction: t.arg({
          type: LineageDirection,
          required: true,
          defaultValue: "both",
          description: "The direction to walk.",
        }),
      },
      resolve: (asset, { depth, direction }, context) => lineageOf(context, asset, depth, direction),
    }),
    attachedTo: t.field({
      type: CapsuleConnection,
      description: "The capsules it is attached to. Costs one REST call per page.",
      extensions: { ...cost({ calls: 1, items: pageItems, free: ["Capsule.archived"] }), ...ownCall("search") },
      args: attachedArguments,
      resolve: async (asset, args, context, info) =>
        shownPage(await attachedPage(context, "capsules", asset.id, args), info),
    }),
    attachedToPipelines: t.field({
      type: PipelineConnection,
      description: "The pipelines it is attached to. Costs one REST call per page.",
      extensions: { ...cost({ calls: 1, items: pageItems, free: ["Pipeline.archived"] }), ...ownCall("search") },
      args: attachedArguments,
      resolve: async (asset, args, context, info) =>
        shownPage(await attachedPage(context, "pipelines", asset.id, args), info),
    }),
    permissions: t.field({
      type: Permissions,
      description: "Who may do what with it. Costs one REST call.",
      extensions: { ...cost({ oncePerObject: "permissions" }), ...ownCall("call") },
      resolve: (asset, _args, context) => permissionsOf(context, "data_assets", asset.id),
    }),
  }),
})
