import { badUserInput, nullIfMissing } from "../../errors.ts"
import { clearAppPanels } from "../appPanel/loader.ts"
import { builder, type InputFields, type ObjectType } from "../builder.ts"
import { capsuleById, changeRunnable, pipelineById } from "../capsule/loader.ts"
import { Capsule, Pipeline } from "../capsule/type.ts"
import type { Context } from "../context.ts"
import { link, oneCall } from "../cost.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import type { loaderById } from "../loader.ts"
import { clearPermissions, permissionsOf } from "./loader.ts"
import { missingPermissions } from "./missing.ts"
import * as rest from "./rest.ts"
import { EveryoneRole, GroupRole, Permissions, UserRole } from "./type.ts"

const UserPermissionInput = builder.inputType("UserPermissionInput", {
  description: "The new role of one person.",
  fields: (t) => ({
    email: t.string({ required: true, description: "The person's email address." }),
    role: t.field({ type: UserRole.ref, required: true, description: "What the person may do." }),
  }),
})

const GroupPermissionInput = builder.inputType("GroupPermissionInput", {
  description: "The new role of one group.",
  fields: (t) => ({
    group: t.string({ required: true, description: "The group's name." }),
    role: t.field({ type: GroupRole.ref, required: true, description: "What its members may do." }),
  }),
})

/** The fields of every input that sets permissions. */
export const permissionFields = (t: InputFields) => ({
  users: t.field({
    type: [UserPermissionInput],
    description: "All people to share it with, without duplicates. An empty list removes all people.",
  }),
  groups: t.field({
    type: [GroupPermissionInput],
    description: "All groups to share it with, without duplicates. An empty list removes all groups.",
  }),
  everyone: t.field({ type: EveryoneRole.ref, description: "What everyone may do." }),
  shareAssets: t.boolean({ description: "If true, attached data assets are shared too." }),
})

interface PermissionsInput {
  users?: readonly (typeof UserPermissionInput.$inferInput)[] | null | undefined
  groups?: readonly (typeof GroupPermissionInput.$inferInput)[] | null | undefined
  everyone?: string | null | undefined
  shareAssets?: boolean | null | undefined
}

/**
 * Converts the permissions of an input to the wire format, without fields that are omitted or null. Throws BAD_USER_INPUT
 * for an empty or repeated name and for a role that can't be sent.
 */
export function wirePermissions({ users, groups, everyone, shareAssets }: PermissionsInput): rest.Permissions {
  checkNames(
    "users",
    "email",
    // Addresses that differ only in case are the same mailbox.
    users?.map(({ email }) => email.trim().toLowerCase()),
  )
  checkNames(
    "groups",
    "group",
    groups?.map(({ group }) => group.trim()),
  )
  return {
    ...(users && {
      users: users.map(({ email, role }, index) => ({
        email,
        role: UserRole.toWire(role, `users[${index}].role`) as string,
      })),
    }),
    ...(groups && {
      groups: groups.map(({ group, role }, index) => ({
        group,
        role: GroupRole.toWire(role, `groups[${index}].role`) as string,
      })),
    }),
    ...(everyone != null && { everyone: EveryoneRole.toWire(everyone, "everyone") as string }),
    ...(shareAssets != null && { share_assets: shareAssets }),
  }
}

function checkNames(field: string, key: string, names: readonly string[] = []): void {
  const empty = names.indexOf("")
  if (empty >= 0) throw badUserInput(`\`${field}[${empty}].${key}\` is empty: say whom you mean.`)
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) {
      throw badUserInput(`\`${field}\` names ${JSON.stringify(name.slice(0, 100))} more than once: name each once.`)
    }
    seen.add(name)
  }
}

/**
 * Changes the given permissions and keeps the others. Upstream removes what the body omits, so the current ones are read first
 * and sent along unchanged. Two calls.
 * @param change the result of `wirePermissions`
 */
export async function sendPermissions(
  context: Context,
  kind: rest.Shareable,
  id: string,
  change: rest.Permissions,
): Promise<void> {
  const current = await rest.getPermissions(context.upstream, kind, id)
  const known = Object.fromEntries(Object.entries(current).filter(([_key, value]) => value !== null))
  await rest.setPermissions(context.upstream, kind, id, { ...known, ...change })
  clearPermissions(context)
  // Panels say which data assets the caller may read.
  clearAppPanels(context)
}

/** Defines the mutation for capsules, pipelines or data assets, which differ only in names. */
function definePermissionsMutation<T extends { id: string }>(names: {
  kind: rest.Shareable
  /** The name of the payload field. With the suffix `Id`, the name of the input field. */
  one: "capsule" | "pipeline" | "dataAsset"
  /** Its name in descriptions. */
  what: string
  type: ObjectType<T>
  loader: ReturnType<typeof loaderById<T>>
  /** Sends a write, after which the object is loaded again. */
  change: (context: Context, id: string, write: () => Promise<void>) => Promise<void>
}): void {
  const { kind, one, what, type, loader } = names
  const name = `update${capitalized(one)}Permissions`

  const Payload = builder.objectRef<{ id: string; asked: rest.Permissions }>(`${capitalized(name)}Payload`).implement({
    description: "Code Ocean accepted the change. `missing` says what of it is not in effect.",
    fields: (t) => ({
      permissions: t.field({
        type: Permissions,
        description: "The permissions after the change, read again. Costs one REST call.",
        extensions: oneCall,
        resolve: ({ id }, _args, context) => permissionsOf(context, kind, id),
      }),
      missing: t.field({
        type: Permissions,
        description:
          "What was asked for and is not in effect, or has another role: Code Ocean drops groups that it does not know, and reports success. Null if nothing is missing. `shareAssets` is not checked. Costs one REST call, or none beside `permissions`.",
        extensions: oneCall,
        resolve: async ({ id, asked }, _args, context) =>
          missingPermissions(asked, await permissionsOf(context, kind, id)),
      }),
    }),
  })
  builder.objectField(Payload, one, (t) =>
    t.field({
      type,
      description: `The ${what} after the change. Costs one REST call, or none if only its id is selected.`,
      extensions: link,
      resolve: ({ id }, _args, context, info) => nullIfMissing(loader.link(context, id, info)) as never,
    }),
  )

  defineMutation({
    name,
    description: `Changes who may do what with a ${what}. Fields that are omitted or null are left unchanged. A given list replaces the current one. Costs two REST calls: the current permissions are read first, because Code Ocean replaces them as a whole. A change that somebody else makes between the two calls is lost.`,
    cost: { calls: 2 },
    input: builder.inputType(`${capitalized(name)}Input`, {
      description: `Which ${what}, and which of its permissions are to change: at least one field.`,
      fields: (t) => ({
        [`${one}Id`]: t.id({ required: true, description: `The ${what}'s id.` }),
        ...permissionFields(t),
      }),
    }),
    payload: Payload,
    run: async (input, context) => {
      const id = String((input as Record<string, unknown>)[`${one}Id`])
      const change = wirePermissions(input as PermissionsInput)
      if (Object.keys(change).length === 0) {
        throw badUserInput("There is nothing to change. Give `users`, `groups`, `everyone` or `shareAssets`.")
      }
      await names.change(context, id, () => sendPermissions(context, kind, id, change))
      return { id, asked: change }
    },
  })
}

definePermissionsMutation({
  kind: "capsules",
  one: "capsule",
  what: "capsule",
  type: Capsule,
  loader: capsuleById,
  change: changeRunnable,
})
definePermissionsMutation({
  kind: "pipelines",
  one: "pipeline",
  what: "pipeline",
  type: Pipeline,
  loader: pipelineById,
  change: changeRunnable,
})
definePermissionsMutation({
  kind: "data_assets",
  one: "dataAsset",
  what: "data asset",
  type: DataAsset,
  loader: dataAssetById,
  async change(context, id, write) {
    await write()
    dataAssetById(context).clear(id)
  },
})
