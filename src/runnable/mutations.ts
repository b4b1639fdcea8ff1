import { forgetAppPanels } from "../appPanel/type.ts"
import { builder, type ObjectType } from "../builder.ts"
import { capsuleById } from "../capsule/type.ts"
import { forgetComputations } from "../computation/type.ts"
import type { Context } from "../context.ts"
import { DataAsset, dataAssetById } from "../dataAsset/type.ts"
import { nullIfMissing } from "../errors.ts"
import type { Typed } from "../loader.ts"
import { capitalized, checkIds, defineMutation } from "../mutation.ts"
import { pipelineById } from "../pipeline/type.ts"
import { bool, text } from "../wire.ts"
import * as rest from "./rest.ts"
import { linkRunnable } from "./type.ts"

const DataAssetAttachmentInput = builder.inputType("DataAssetAttachmentInput", {
  description: "A data asset to attach.",
  fields: (t) => ({
    id: t.id({ required: true, description: "The data asset's id." }),
    mount: t.string({ description: "The folder to mount it in; by default the data asset's own." }),
  }),
})

const AttachedDataAsset = builder.objectRef<rest.AttachResult>("AttachedDataAsset").implement({
  description: "What came of attaching one data asset.",
  fields: (t) => ({
    id: t.id({ description: "The data asset's id.", resolve: text("id") }),
    mount: t.string({ description: "The folder it is mounted in.", resolve: text("mount") }),
    mountState: t.string({
      description: "How far the mounting is, in a cloud workstation.",
      resolve: text("mount_state"),
    }),
    jobId: t.string({ description: "The job that mounts it, in a cloud workstation.", resolve: text("job_id") }),
    external: t.boolean({ description: "Whether its files are in a bucket outside.", resolve: bool("external") }),
    ready: t.boolean({ description: "Whether it can be read already.", resolve: bool("ready") }),
    dataAsset: t.field({
      type: DataAsset,
      description: "The data asset. A call, unless only its id is asked for.",
      resolve: ({ id }, _args, context, info) => (id ? nullIfMissing(dataAssetById.link(context, id, info)) : null),
    }),
  }),
})

/** Forgets what the request knows of a capsule or pipeline, by either route, after a write that may have changed it. */
function forget(context: Context, id: string): void {
  capsuleById(context).clear(id)
  pipelineById(context).clear(id)
  forgetAppPanels(context)
  forgetComputations(context)
}

/** Defines archive, delete, attach and detach for capsules, or for pipelines: they differ in nothing but names. */
export function defineRunnableMutations(names: {
  kind: rest.Kind
  /** The payloads' field; with `Id` behind it, the inputs' field too. */
  one: "capsule" | "pipeline"
  type: ObjectType<Typed<rest.Runnable>>
  archive: string
  delete: string
  attach: string
  detach: string
}): void {
  const { kind, one } = names

  /** A payload that shows the object as it is after the change. */
  const payloadOf = <Payload extends { id: string }>(mutation: string, description: string) => {
    const payload = builder.objectRef<Payload>(`${capitalized(mutation)}Payload`).implement({ description })
    builder.objectField(payload, one, (t) =>
      t.field({
        type: names.type,
        description: `The ${one} as it is after the change. A call, unless only its id is asked for.`,
        resolve: ({ id }, _args, context, info) => linkRunnable(context, kind, id, info),
      }),
    )
    return payload
  }

  const ArchiveInput = builder.inputType(`${capitalized(names.archive)}Input`, {
    description: `Which ${one}, and where it is to be.`,
    fields: (t) => ({
      id: t.id({ required: true, description: `The ${one}'s id.` }),
      archived: t.boolean({ required: true, description: "True puts it into the archive, false takes it out." }),
    }),
  })
  defineMutation({
    name: names.archive,
    description: `Puts a ${one} into the archive, or takes it out. One call.`,
    input: ArchiveInput,
    payload: payloadOf(names.archive, `The ${one} is in the archive now, or out of it.`),
    run: async ({ id, archived }, context) => {
      await rest.archiveRunnable(context.upstream, kind, id, archived)
      forget(context, id)
      return { id }
    },
  })

  const DeletePayload = builder.objectRef<{ id: string }>(`${capitalized(names.delete)}Payload`).implement({
    description: `The ${one} is gone.`,
  })
  builder.objectField(DeletePayload, `deleted${capitalized(one)}Id`, (t) =>
    t.exposeID("id", { nullable: false, description: `The id that the ${one} had.` }),
  )
  defineMutation({
    name: names.delete,
    description: `Deletes a ${one} for good. It must be archived and never released, and the caller its owner or an admin. One call.`,
    input: builder.inputType(`${capitalized(names.delete)}Input`, {
      description: `Which ${one}.`,
      fields: (t) => ({ id: t.id({ required: true, description: `The ${one}'s id.` }) }),
    }),
    payload: DeletePayload,
    run: async ({ id }, context) => {
      await rest.deleteRunnable(context.upstream, kind, id)
      forget(context, id)
      return { id }
    },
  })

  const AttachInput = builder.inputType(`${capitalized(names.attach)}Input`, {
    description: `Which data assets to attach to which ${one}.`,
    fields: (t) => ({
      [`${one}Id`]: t.id({ required: true, description: `The ${one}'s id.` }),
      dataAssets: t.field({
        type: [DataAssetAttachmentInput],
        required: true,
        description: "1 to 1,000 data assets, each of them once.",
      }),
    }),
  })
  const AttachPayload = payloadOf<{ id: string; results: rest.AttachResult[] }>(names.attach, "They are attached.")
  builder.objectField(AttachPayload, "results", (t) =>
    t.field({
      type: [AttachedDataAsset],
      nullable: false,
      description: "What came of each data asset.",
      resolve: ({ results }) => results,
    }),
  )
  defineMutation({
    name: names.attach,
    description: `Attaches data assets to a ${one}. One call.`,
    input: AttachInput,
    payload: AttachPayload,
    run: async (input, context) => {
      const id = String(input[`${one}Id`])
      const attachments = input.dataAssets as (typeof DataAssetAttachmentInput.$inferInput)[]
      checkIds(
        "dataAssets",
        attachments.map((attachment) => attachment.id),
      )
      const results = await rest.attachDataAssets(
        context.upstream,
        kind,
        id,
        attachments.map((attachment) => ({ id: attachment.id, ...(attachment.mount && { mount: attachment.mount }) })),
      )
      forget(context, id)
      return { id, results }
    },
  })

  const DetachInput = builder.inputType(`${capitalized(names.detach)}Input`, {
    description: `Which data assets to detach from which ${one}.`,
    fields: (t) => ({
      [`${one}Id`]: t.id({ required: true, description: `The ${one}'s id.` }),
      dataAssetIds: t.idList({ required: true, description: "1 to 1,000 ids of data assets, each of them once." }),
    }),
  })
  defineMutation({
    name: names.detach,
    description: `Detaches data assets from a ${one}; they stay what they are. One call.`,
    input: DetachInput,
    payload: payloadOf(names.detach, "They are detached."),
    run: async (input, context) => {
      const id = String(input[`${one}Id`])
      const dataAssetIds = input.dataAssetIds as string[]
      checkIds("dataAssetIds", dataAssetIds)
      await rest.detachDataAssets(context.upstream, kind, id, dataAssetIds)
      forget(context, id)
      return { id }
    },
  })
}
