import { isReadable } from "../../upstream/decoders.ts"
import { objects, readableString } from "../fields.ts"
import type * as rest from "./rest.ts"

type Entry = rest.UserPermission | rest.GroupPermission

const usersOf = objects<rest.UserPermission>("users")
const groupsOf = objects<rest.GroupPermission>("groups")
const everyoneAt = readableString("everyone")
const roleAt = readableString("role")
const emailOf = readableString("email")
const groupOf = readableString("group")

/** The address without surrounding spaces and case: addresses that differ only in these are the same mailbox. */
export function sameUser(email: string): string {
  return email.trim().toLowerCase()
}

export function sameGroup(group: string): string {
  return group.trim()
}

/** The name of an entry, by which it is compared with others. Empty if it cannot be read. */
export function nameOfUser(entry: rest.UserPermission): string {
  return sameUser((entry && emailOf(entry)) ?? "")
}

export function nameOfGroup(entry: rest.GroupPermission): string {
  return sameGroup((entry && groupOf(entry)) ?? "")
}

/**
 * What was asked for and is not there, or is there with another role. Null if nothing is missing. `share_assets` is not
 * compared, because Code Ocean does not keep it.
 * @param asked the result of `wirePermissions`
 * @param actual the permissions, read after the change
 */
export function missingPermissions(asked: rest.Permissions, actual: rest.Permissions): rest.Permissions | null {
  const missing: rest.Permissions = {}
  const users = absent(asked.users, (usersOf(actual) ?? []).filter(isReadable), nameOfUser)
  const groups = absent(asked.groups, (groupsOf(actual) ?? []).filter(isReadable), nameOfGroup)
  if (users.length > 0) missing.users = users
  if (groups.length > 0) missing.groups = groups
  if (asked.everyone !== undefined && asked.everyone !== (everyoneAt(actual)?.toLowerCase() ?? "none"))
    missing.everyone = asked.everyone
  return Object.keys(missing).length > 0 ? missing : null
}

/** The entries without one of the same name and role among the actual ones. */
function absent<T extends Entry>(asked: readonly T[] = [], actual: readonly T[], nameOf: (entry: T) => string): T[] {
  if (asked.length === 0) return []
  const keyOf = (entry: T) => JSON.stringify([nameOf(entry), roleAt(entry)?.toLowerCase()])
  const present = new Set(actual.map(keyOf))
  return asked.filter((entry) => !present.has(keyOf(entry)))
}

/** A sentence that names what is missing, for people. */
export function describeMissing({ users = [], groups = [], everyone }: rest.Permissions): string {
  const names = [
    ...users.map(({ email, role }) => `the user ${email} as ${role}`),
    ...groups.map(({ group, role }) => `the group ${group} as ${role}`),
    ...(everyone === undefined ? [] : [`everyone as ${everyone}`]),
  ]
  const shown = names.slice(0, 10).map((name) => (name.length > 200 ? `${name.slice(0, 200)}…` : name))
  const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : ""
  return `Code Ocean accepted the permissions, but these are not set: ${shown.join(", ")}${more}. Check the spelling of the names in Code Ocean.`
}
