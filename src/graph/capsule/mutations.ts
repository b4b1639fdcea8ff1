import { defineAttachmentMutations } from "../attachment/mutations.ts"
import { builder, type ObjectType } from "../builder.ts"
import { link } from "../cost.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import { boolean, int } from "../fields.ts"
import type { Typed } from "../loader.ts"
import { changeRunnable, linkRunnable } from "./loader.ts"
import * as rest from "./rest.ts"
import { Capsule, Pipeline } from "./type.ts"

/** Defines archive, delete, sync, attach and detach for capsules, or for pipelines: they differ in nothing but names. */
function defineRunnableMutations(names: {
  kind: rest.Kind
  /** The payloads' field; with `Id` behind it, the inputs' field too. */
  one: "capsule" | "pipeline"
  type: ObjectType<Typed<rest.Runnable>>
  archive: string
  delete: string
  sync: string
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
        extensions: link,
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
    cost: { calls: 1 },
    input: ArchiveInput,
    payload: payloadOf(names.archive, `The ${one} is in the archive now, or out of it.`),
    run: async ({ id, archived }, context) => {
      await changeRunnable(context, id, () => rest.archiveRunnable(context.upstream, kind, id, archived))
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
    cost: { calls: 1 },
    input: builder.inputType(`${capitalized(names.delete)}Input`, {
      description: `Which ${one}.`,
      fields: (t) => ({ id: t.id({ required: true, description: `The ${one}'s id.` }) }),
    }),
    payload: DeletePayload,
    run: async ({ id }, context) => {
      await changeRunnable(context, id, () => rest.deleteRunnable(context.upstream, kind, id))
      return { id }
    },
  })

  const SyncPayload = payloadOf<{ id: string; moved: rest.SyncAnswer }>(names.sync, "Both sides have the same commits.")
  builder.objectFields(SyncPayload, (t) => ({
    pushed: t.int({
      nullable: false,
      description: "How many commits went to the linked repository.",
      resolve: ({ moved }) => int("pushed")(moved) ?? 0,
    }),
    pulled: t.int({
      nullable: false,
      description: "How many commits came from the linked repository.",
      resolve: ({ moved }) => int("pulled")(moved) ?? 0,
    }),
    newBranch: t.boolean({
      nullable: false,
      description: "Whether the sync made a branch in the linked repository.",
      resolve: ({ moved }) => boolean("new_branch")(moved) ?? false,
    }),
  }))
  defineMutation({
    name: names.sync,
    description: `Syncs a ${one} with its linked Git repository, both ways. One call.`,
    cost: { calls: 1 },
    input: builder.inputType(`${capitalized(names.sync)}Input`, {
      description: `Which ${one}.`,
      fields: (t) => ({ id: t.id({ required: true, description: `The ${one}'s id.` }) }),
    }),
    payload: SyncPayload,
    run: async ({ id }, context) => {
      const moved = await changeRunnable(context, id, () => rest.syncRunnable(context.upstream, kind, id))
      return { id, moved }
    },
  })

  defineAttachmentMutations({
    kind,
    one,
    attach: names.attach,
    detach: names.detach,
    payloadOf,
    change: changeRunnable,
  })
}

defineRunnableMutations({
  kind: "capsules",
  one: "capsule",
  type: Capsule,
  archive: "archiveCapsule",
  delete: "deleteCapsule",
  sync: "syncCapsule",
  attach: "attachDataAssets",
  detach: "detachDataAssets",
})

defineRunnableMutations({
  kind: "pipelines",
  one: "pipeline",
  type: Pipeline,
  archive: "archivePipeline",
  delete: "deletePipeline",
  sync: "syncPipeline",
  attach: "attachPipelineDataAssets",
  detach: "detachPipelineDataAssets",
})
