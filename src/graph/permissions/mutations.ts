import { badUserInput, nullIfMissing } from "../../errors.ts"
import { clearAppPanels } from "../appPanel/loader.ts"
import { builder, type InputFields, type ObjectType } from "../builder.ts"
import { capsuleById, changeRunnable, pipelineById } from "../capsule/loader.ts"
import { Capsule, Pipeline } from "../capsule/type.ts"
import type { Context } from "../context.ts"
import { link, oneCall } from "../cost.ts"
import { changeDataAsset } from "../dataAsset/draft.ts"
import { dataAssetById } from "../dataAsset/loader.ts"
import { DataAsset } from "../dataAsset/type.ts"
import { capitalized, defineMutation } from "../defineMutation.ts"
import type { loaderById } from "../loader.ts"
import { clearPermissions, permissionsOf } from "./loader.ts"
import {
  missingPermissions,
  nameOfGroup,
  nameOfUser,
  type RemovedNames,
  remainingPermissions,
  sameGroup,
  sameUser,
} from "./missing.ts"
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

/** The fields that change some entries and keep the others. */
const entryFields = (t: InputFields) => ({
  addUsers: t.field({
    type: [UserPermissionInput],
    description: "People to add. A person who already has access gets the new role.",
  }),
  removeUsers: t.stringList({
    description: "Email addresses of people who lose their access. A person without access is ignored.",
  }),
  addGroups: t.field({
    type: [GroupPermissionInput],
    description: "Groups to add. A group that already has access gets the new role.",
  }),
  removeGroups: t.stringList({
    description: "Names of groups that lose their access. A group without access is ignored.",
  }),
})

interface EntriesInput {
  addUsers?: PermissionsInput["users"]
  removeUsers?: readonly string[] | null | undefined
  addGroups?: PermissionsInput["groups"]
  removeGroups?: readonly string[] | null | undefined
}

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
  return {
    ...(users && { users: wireUsers("users", users) }),
    ...(groups && { groups: wireGroups("groups", groups) }),
    ...(everyone != null && { everyone: EveryoneRole.toWire(everyone, "everyone") as string }),
    ...(shareAssets != null && { share_assets: shareAssets }),
  }
}

function wireUsers(field: string, users: NonNullable<PermissionsInput["users"]>): rest.UserPermission[] {
  checkNames(
    (index) => `${field}[${index}].email`,
    users.map(({ email }) => sameUser(email)),
  )
  return users.map(({ email, role }, index) => ({
    email,
    role: UserRole.toWire(role, `${field}[${index}].role`) as string,
  }))
}

function wireGroups(field: string, groups: NonNullable<PermissionsInput["groups"]>): rest.GroupPermission[] {
  checkNames(
    (index) => `${field}[${index}].group`,
    groups.map(({ group }) => sameGroup(group)),
  )
  return groups.map(({ group, role }, index) => ({
    group,
    role: GroupRole.toWire(role, `${field}[${index}].role`) as string,
  }))
}

/** Changes to the entries of one list: those to add, and the names to remove. */
interface EntryChange<Entry> {
  add: Entry[]
  removed: ReadonlySet<string>
}

/** Throws BAD_USER_INPUT for an empty or repeated name, and for one that is to be added and removed. */
function entryChange<Entry>(
  [adding, removing]: [string, string],
  add: Entry[],
  nameOf: (entry: Entry) => string,
  remove: readonly string[],
): EntryChange<Entry> | undefined {
  checkNames((index) => `${removing}[${index}]`, remove)
  const removed = new Set(remove)
  const both = add.map(nameOf).find((name) => removed.has(name))
  if (both !== undefined) {
    throw badUserInput(`${quoted(both)} is in \`${adding}\` and in \`${removing}\`. Give it in only one of them.`)
  }
  return add.length + removed.size === 0 ? undefined : { add, removed }
}

/** The list after the change. Entries that cannot be read go back as they came. */
function changed<Entry extends object>(
  present: readonly Entry[] | undefined,
  { add, removed }: EntryChange<Entry>,
  nameOf: (entry: Entry) => string,
): Entry[] {
  const replaced = new Set([...removed, ...add.map(nameOf)])
  // One entry may come without a list around it.
  return [...[present ?? []].flat().filter((entry) => !replaced.has(nameOf(entry))), ...add]
}

/** The changes to single entries. Throws BAD_USER_INPUT if the whole list is given too. */
function entryChanges(input: PermissionsInput & EntriesInput) {
  for (const [whole, ...parts] of [
    ["users", "addUsers", "removeUsers"],
    ["groups", "addGroups", "removeGroups"],
  ] as const) {
    const part = parts.find((name) => input[name] != null)
    if (input[whole] != null && part !== undefined) {
      throw badUserInput(`\`${whole}\` replaces the whole list, and \`${part}\` changes it. Give only one of them.`)
    }
  }
  return {
    users: entryChange(
      ["addUsers", "removeUsers"],
      wireUsers("addUsers", input.addUsers ?? []),
      nameOfUser,
      (input.removeUsers ?? []).map(sameUser),
    ),
    groups: entryChange(
      ["addGroups", "removeGroups"],
      wireGroups("addGroups", input.addGroups ?? []),
      nameOfGroup,
      (input.removeGroups ?? []).map(sameGroup),
    ),
  }
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}

function checkNames(placeOf: (index: number) => string, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const [index, name] of names.entries()) {
    if (name === "") throw badUserInput(`\`${placeOf(index)}\` is empty. Give a person or a group.`)
    if (seen.has(name)) throw badUserInput(`\`${placeOf(index)}\`: ${quoted(name)} is given twice. Give it once.`)
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
  { users, groups }: Partial<ReturnType<typeof entryChanges>> = {},
): Promise<void> {
  const current = await rest.getPermissions(context.upstream, kind, id)
  const known = Object.fromEntries(Object.entries(current).filter(([_key, value]) => value !== null))
  try {
    await rest.setPermissions(context.upstream, kind, id, {
      ...known,
      ...change,
      ...(users && { users: changed(current.users, users, nameOfUser) }),
      ...(groups && { groups: changed(current.groups, groups, nameOfGroup) }),
    })
  } finally {
    // Even after a failure, because its outcome may be unknown.
    clearPermissions(context)
    // Panels say which data assets the caller may read.
    clearAppPanels(context)
  }
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
  /** How many further calls a refused change makes. */
  refusedCalls?: number
}): void {
  const { kind, one, what, type, loader, refusedCalls = 0 } = names
  const name = `update${capitalized(one)}Permissions`

  interface Sent {
    id: string
    /** What was to be added, and the lists that replaced the present ones. */
    asked: rest.Permissions
    replaced: rest.Permissions
    removed: RemovedNames
  }
  const Payload = builder.objectRef<Sent>(`${capitalized(name)}Payload`).implement({
    description: "Code Ocean accepted the change. `missing` and `remaining` have the parts that are not in effect.",
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
          "The requested permissions that are not in effect, or have another role. Code Ocean drops groups that it does not know, and reports success. Null if nothing is missing. `shareAssets` is not checked. Costs one REST call, or none if `permissions` is selected too.",
        extensions: oneCall,
        resolve: async ({ id, asked }, _args, context) =>
          missingPermissions(asked, await permissionsOf(context, kind, id)),
      }),
      remaining: t.field({
        type: Permissions,
        description:
          "The people and groups that were to lose their access and still have it. Null if there are none. An owner counts only if `removeUsers` or `removeGroups` has the name. Costs one REST call, or none if `permissions` is selected too.",
        extensions: oneCall,
        resolve: async ({ id, replaced, removed }, _args, context) =>
          remainingPermissions(replaced, removed, await permissionsOf(context, kind, id)),
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
    description: `Changes who may do what with a ${what}. Fields that are omitted or null are left unchanged. A given list replaces the current one; \`addUsers\`, \`removeUsers\`, \`addGroups\` and \`removeGroups\` change single entries. Costs two REST calls${refusedCalls > 0 ? ", or three if it is refused" : ""}: the current permissions are read first, because Code Ocean replaces them as a whole. A change that someone else makes between the two calls is lost.`,
    cost: { calls: 2 + refusedCalls },
    input: builder.inputType(`${capitalized(name)}Input`, {
      description: `Which ${what}, and the permissions to change. At least one field must be given.`,
      fields: (t) => ({
        [`${one}Id`]: t.id({ required: true, description: `The ${what}'s id.` }),
        ...permissionFields(t),
        ...entryFields(t),
      }),
    }),
    payload: Payload,
    run: async (input, context) => {
      const id = String((input as Record<string, unknown>)[`${one}Id`])
      const change = wirePermissions(input as PermissionsInput)
      const entries = entryChanges(input as PermissionsInput & EntriesInput)
      if (Object.keys(change).length === 0 && entries.users === undefined && entries.groups === undefined) {
        throw badUserInput(
          "There is nothing to change. Give `users`, `groups`, `everyone`, `shareAssets`, or people and groups to add or remove.",
        )
      }
      await names.change(context, id, () => sendPermissions(context, kind, id, change, entries))
      const added = {
        ...(entries.users && { users: entries.users.add }),
        ...(entries.groups && { groups: entries.groups.add }),
      }
      const removed = { users: entries.users?.removed, groups: entries.groups?.removed }
      return { id, asked: { ...change, ...added }, replaced: change, removed }
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
  change: changeDataAsset,
  refusedCalls: 1,
})
