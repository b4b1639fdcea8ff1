import { defineAttachmentMutations } from "../attachment/mutations.ts"
import { builder, type ObjectType } from "../builder.ts"
import { cost, linkCost } from "../cost.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import { boolean, int } from "../fields.ts"
import type { Typed } from "../loader.ts"
import { defineReleaseMutation } from "../release/mutations.ts"
import { changeRunnable, linkRunnable } from "./loader.ts"
import * as rest from "./rest.ts"
import { Capsule, Pipeline } from "./type.ts"

/** Defines archive, delete, sync, release, attach and detach for capsules, or for pipelines: they differ only in their names. */
function defineRunnableMutations(names: {
  kind: rest.Kind
  /** The name of the payloads' field. With the suffix `Id`, the name of the inputs' field. */
  one: "capsule" | "pipeline"
  type: ObjectType<Typed<rest.Runnable>>
  archive: string
  delete: string
  sync: string
  release: string
  attach: string
  detach: string
}): void {
  const { kind, one } = names

  /** Creates a payload type with the object after the change. */
  const payloadOf = <Payload extends { id: string }>(mutation: string, description: string, free: string[] = []) => {
    const payload = builder.objectRef<Payload>(`${capitalized(mutation)}Payload`).implement({ description })
    builder.objectField(payload, one, (t) =>
      t.field({
        type: names.type,
        description: `The ${one} after the change. Costs one REST call, or none if only its id is selected.`,
        extensions: cost({ ...linkCost, free }),
        resolve: ({ id }, _args, context, info) => linkRunnable(context, kind, id, info),
      }),
    )
    return payload
  }

  const ArchiveInput = builder.inputType(`${capitalized(names.archive)}Input`, {
    description: `The ${one}, and whether to archive it.`,
    fields: (t) => ({
      id: t.id({ required: true, description: `The ${one}'s id.` }),
      archived: t.boolean({ required: true, description: "True archives it, false unarchives it." }),
    }),
  })
  defineMutation({
    name: names.archive,
    description: `Archives or unarchives a ${one}. Costs one REST call.`,
    cost: { calls: 1 },
    input: ArchiveInput,
    payload: payloadOf(names.archive, `The ${one} was archived or unarchived.`, [`${capitalized(one)}.archived`]),
    run: async ({ id, archived }, context) => {
      const archive = () => rest.archiveRunnable(context.upstream, kind, id, archived)
      await changeRunnable(context, id, () =>
        context.recentChanges.whileArchiving(context.state, id, archived, archive),
      )
      return { id }
    },
  })

  const DeletePayload = builder.objectRef<{ id: string }>(`${capitalized(names.delete)}Payload`).implement({
    description: `The ${one} was deleted.`,
  })
  builder.objectField(DeletePayload, `deleted${capitalized(one)}Id`, (t) =>
    t.exposeID("id", { nullable: false, description: `The id of the deleted ${one}.` }),
  )
  defineMutation({
    name: names.delete,
    description: `Deletes a ${one} permanently. It must be archived and must never have been released, and the caller must be its owner or an admin. Costs one REST call.`,
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

  const SyncPayload = payloadOf<{ id: string; moved: rest.SyncResult }>(names.sync, "Both sides have the same commits.")
  builder.objectFields(SyncPayload, (t) => ({
    pushed: t.int({
      nullable: false,
      description: "The number of commits pushed to the linked repository.",
      resolve: ({ moved }) => int("pushed")(moved) ?? 0,
    }),
    pulled: t.int({
      nullable: false,
      description: "The number of commits pulled from the linked repository.",
      resolve: ({ moved }) => int("pulled")(moved) ?? 0,
    }),
    newBranch: t.boolean({
      nullable: false,
      description: "Whether the sync created a branch in the linked repository.",
      resolve: ({ moved }) => boolean("new_branch")(moved) ?? false,
    }),
  }))
  defineMutation({
    name: names.sync,
    description: `Syncs a ${one} with its linked Git repository in both directions. Costs one REST call.`,
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

  defineReleaseMutation({ kind, one, release: names.release, payloadOf, change: changeRunnable })

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
  release: "releaseCapsule",
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
  release: "releasePipeline",
  attach: "attachPipelineDataAssets",
  detach: "detachPipelineDataAssets",
})
