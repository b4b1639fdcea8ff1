import { badUserInput } from "../../errors.ts"
import type { DecodeError } from "../../upstream/decoders.ts"
import { builder, type ObjectType } from "../builder.ts"
import type { Context } from "../context.ts"
import { link } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { DataAssetSearchInput, findDataAssets, maxFound } from "../dataAsset/queries.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { capitalized, checkIds, defineMutation } from "../defineMutation.ts"
import { boolean, string } from "../fields.ts"
import { limitLength, maxLength } from "../inputLimits.ts"
import { linkAt } from "../loader.ts"
import * as rest from "./rest.ts"

export const DataAssetAttachmentInput = builder.inputType("DataAssetAttachmentInput", {
  description: "A data asset, and where to mount it.",
  fields: (t) => ({
    id: t.id({ required: true, description: "The data asset's id." }),
    mount: t.string({
      description: "The folder to mount it in. Defaults to the data asset's own.",
      extensions: limitLength(maxLength.path),
    }),
  }),
})

/** Converts attachments to the wire format. Throws BAD_USER_INPUT if the list is empty or has duplicates. */
export function wireAttachments(
  field: string,
  attachments: readonly (typeof DataAssetAttachmentInput.$inferInput)[],
): rest.Attachment[] {
  checkIds(
    field,
    attachments.map(({ id }) => id),
  )
  return attachments.map(({ id, mount }) => ({ id, ...(mount && { mount }) }))
}

interface AttachInput {
  dataAssets?: readonly (typeof DataAssetAttachmentInput.$inferInput)[] | null
  search?: typeof DataAssetSearchInput.$inferInput | null
}

/** The data assets to attach: those in the input, or those that its search finds, with an error for each that can't be read. */
async function attachmentsIn(context: Context, { dataAssets, search }: AttachInput) {
  if (dataAssets != null && search == null) return { dataAssets, unreadable: [] }
  if (search == null || dataAssets != null) throw badUserInput("Give either `dataAssets` or `search`, and not both.")
  const { ids, unreadable } = await findDataAssets(context, search)
  if (ids.length === 0) {
    throw unreadable[0] ?? badUserInput("`search` finds no data asset, so there is nothing to attach.")
  }
  return { dataAssets: ids.map((id) => ({ id })), unreadable }
}

const AttachedDataAsset = builder.objectRef<rest.AttachResult>("AttachedDataAsset").implement({
  description: "The result of attaching one data asset.",
  fields: (t) => ({
    dataAssetId: t.id({ description: "The data asset's id.", resolve: string("id") }),
    mount: t.string({ description: "The folder it is mounted in.", resolve: string("mount") }),
    mountState: t.string({
      description: "The state of the mount, in a cloud workstation.",
      resolve: string("mount_state"),
    }),
    jobId: t.string({ description: "The job that mounts it, in a cloud workstation.", resolve: string("job_id") }),
    external: t.boolean({ description: "Whether its files are in an external bucket.", resolve: boolean("external") }),
    ready: t.boolean({ description: "Whether it is ready to be read.", resolve: boolean("ready") }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset. Costs one REST call, or none if only its id is selected.",
      extensions: link,
      resolve: linkAt(dataAssetById, "id"),
    }),
  }),
})

/** Defines attach and detach for capsules, pipelines or computations, which differ only in names. */
export function defineAttachmentMutations(names: {
  kind: rest.Attachable
  /** The name of the input field, without its suffix `Id`. */
  one: "capsule" | "pipeline" | "computation"
  attach: string
  detach: string
  /** Creates the payload type of a mutation, which shows the object after the change. */
  payloadOf: <Payload extends { id: string }>(mutation: string, description: string) => ObjectType<Payload>
  /** Sends a write, after which the object is loaded again. */
  change: <T>(context: Context, id: string, write: () => Promise<T>) => Promise<T>
}): void {
  const { kind, one } = names

  const AttachPayload = names.payloadOf<{ id: string; results: (rest.AttachResult | DecodeError)[] }>(
    names.attach,
    "The data assets were attached.",
  )
  builder.objectField(AttachPayload, "results", (t) =>
    t.field({
      type: [AttachedDataAsset],
      nullable: false,
      description:
        "The result for each data asset that Code Ocean reports. An item is null, with an error, if it is unreadable. The data asset is attached anyway, unless the search returned it in that form.",
      resolve: ({ results }) => results as rest.AttachResult[],
    }),
  )
  defineMutation({
    name: names.attach,
    description: `Attaches data assets to a ${one}. Costs one REST call.`,
    cost: { calls: 2, items: { argument: "input.dataAssets", assumed: maxFound } },
    input: builder.inputType(`${capitalized(names.attach)}Input`, {
      description: `Which data assets to attach to which ${one}.`,
      fields: (t) => ({
        [`${one}Id`]: t.id({ required: true, description: `The ${one}'s id.` }),
        dataAssets: t.field({
          type: [DataAssetAttachmentInput],
          description: "1 to 1,000 data assets, without duplicates.",
        }),
        search: t.field({
          type: DataAssetSearchInput,
          description:
            "Instead of `dataAssets`: all data assets that this search finds, 1 to 1,000, each at its default mount. Costs one more REST call.",
        }),
      }),
    }),
    payload: AttachPayload,
    run: async (input, context) => {
      const id = String(input[`${one}Id`])
      const { dataAssets, unreadable } = await attachmentsIn(context, input)
      const attachments = wireAttachments("dataAssets", dataAssets)
      const results = await names.change(context, id, () =>
        rest.attachDataAssets(context.upstream, kind, id, attachments),
      )
      return { id, results: [...results, ...unreadable] }
    },
  })

  defineMutation({
    name: names.detach,
    description: `Detaches data assets from a ${one}. The data assets themselves are not changed. Costs one REST call.`,
    cost: { calls: 1 },
    input: builder.inputType(`${capitalized(names.detach)}Input`, {
      description: `Which data assets to detach from which ${one}.`,
      fields: (t) => ({
        [`${one}Id`]: t.id({ required: true, description: `The ${one}'s id.` }),
        dataAssetIds: t.idList({ required: true, description: "1 to 1,000 ids of data assets, without duplicates." }),
      }),
    }),
    payload: names.payloadOf(names.detach, "The data assets were detached."),
    run: async (input, context) => {
      const id = String(input[`${one}Id`])
      const dataAssetIds = input.dataAssetIds as string[]
      checkIds("dataAssetIds", dataAssetIds)
      await names.change(context, id, () => rest.detachDataAssets(context.upstream, kind, id, dataAssetIds))
      return { id }
    },
  })
}
