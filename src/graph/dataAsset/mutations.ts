import { badUserInput, nullIfMissing } from "../../errors.ts"
import { builder } from "../builder.ts"
import type { Context } from "../context.ts"
import { link } from "../cost.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import { object, string, strings } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { changeDataAsset } from "./draft.ts"
import { dataAssetById } from "./loader.ts"
import * as rest from "./rest.ts"
import {
  DataAssetSourceInput,
  DataAssetTargetInput,
  given,
  ResultsInfoInput,
  wireResultsInfo,
  wireSource,
  wireTarget,
} from "./sourceInputs.ts"
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
}

/** Throws BAD_USER_INPUT if a required string is blank. */
export function checkNotBlank(fields: Record<string, string | null | undefined>): void {
  for (const [field, value] of Object.entries(fields)) {
    if (value != null && value.trim() === "") throw badUserInput(`\`${field}\` is empty. Give it a value.`)
  }
}

/** The payload of a change that does not return the whole data asset. */
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
  payload: builder.objectRef<{ id: string }>("CreateDataAssetPayload").implement({
    description: "The data asset is being created.",
    fields: (t) => ({
      dataAsset: t.field({
        type: DataAsset,
        description: "The new data asset. Costs no REST call.",
        resolve: ({ id }, _args, context, info) => nullIfMissing(dataAssetById.link(context, id, info)),
      }),
    }),
  }),
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
    dataAssetById.prime(context, created)
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
  description: "Archives or unarchives a data asset. Costs one REST call, or two if it is refused.",
  cost: { calls: 2 },
  input: builder.inputType("ArchiveDataAssetInput", {
    description: "The data asset, and whether to archive it.",
    fields: (t) => ({
      id: t.id({ required: true, description: "The data asset's id." }),
      archived: t.boolean({ required: true, description: "True archives it, false unarchives it." }),
    }),
  }),
  payload: payloadOf("archiveDataAsset", "The data asset was archived or unarchived."),
  run: async ({ id, archived }, context) => {
    const archive = () => rest.archiveDataAsset(context.upstream, id, archived)
    await changeDataAsset(context, id, () => context.recentChanges.whileArchiving(context.state, id, archived, archive))
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
    try {
      await rest.deleteDataAsset(context.upstream, id)
    } finally {
      dataAssetById(context).clear(id)
    }
    return { id }
  },
})

defineMutation({
  name: "transferDataAsset",
  description:
    "Starts moving a data asset's files to another bucket. Admins only. `lastTransferred` and `transferError` say how it ended. Costs one REST call, or two if it is refused.",
  cost: { calls: 2 },
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
    return { id }
  },
})
