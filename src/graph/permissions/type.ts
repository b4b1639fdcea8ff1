import { builder } from "../builder.ts"
import { wireEnum } from "../enums.ts"
import { boolean, objectItems, string } from "../fields.ts"
import type * as rest from "./rest.ts"

export const UserRole = wireEnum("UserRole", "What a person may do with an object.", {
  owner: "Everything, including sharing and deleting.",
  editor: "See, run and change it.",
  viewer: "See and run it.",
})

export const GroupRole = wireEnum("GroupRole", "What the members of a group may do with an object.", {
  owner: "Everything, including sharing and deleting.",
  editor: "See, run and change it.",
  viewer: "See and run it.",
  discoverable: "Find it in a search, but not open it.",
})

export const EveryoneRole = wireEnum("EveryoneRole", "What everyone on the deployment may do with an object.", {
  viewer: "See and run it.",
  discoverable: "Find it in a search, but not open it.",
  none: "Nothing, not even finding it.",
})

const UserPermission = builder.objectRef<rest.UserPermission>("UserPermission").implement({
  description: "What one person may do.",
  fields: (t) => ({
    email: t.string({ description: "The person's email address.", resolve: string("email") }),
    role: t.field({ type: UserRole.ref, description: "What the person may do.", resolve: UserRole.at("role") }),
  }),
})

const GroupPermission = builder.objectRef<rest.GroupPermission>("GroupPermission").implement({
  description: "What one group may do.",
  fields: (t) => ({
    group: t.string({ description: "The group's name.", resolve: string("group") }),
    role: t.field({ type: GroupRole.ref, description: "What its members may do.", resolve: GroupRole.at("role") }),
  }),
})

export const Permissions = builder.objectRef<rest.Permissions>("Permissions").implement({
  description: "Who may do what with an object.",
  fields: (t) => ({
    users: t.field({
      type: [UserPermission],
      description: "The people it is shared with. Empty if there are none.",
      resolve: (permissions) => objectItems<rest.UserPermission>("users")(permissions) ?? [],
    }),
    groups: t.field({
      type: [GroupPermission],
      description: "The groups it is shared with. Empty if there are none.",
      resolve: (permissions) => objectItems<rest.GroupPermission>("groups")(permissions) ?? [],
    }),
    everyone: t.field({
      type: EveryoneRole.ref,
      description: "What everyone may do. Null if it is unknown.",
      resolve: EveryoneRole.at("everyone"),
    }),
    shareAssets: t.boolean({
      description: "Whether attached data assets are shared too. Null if it is unknown.",
      resolve: boolean("share_assets"),
    }),
  }),
})
