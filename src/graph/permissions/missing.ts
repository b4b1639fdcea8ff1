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
  const users = absent(asked.users, () => usersOf(actual) ?? [], nameOfUser)
  const groups = absent(asked.groups, () => groupsOf(actual) ?? [], nameOfGroup)
  if (users.length > 0) missing.users = users
  if (groups.length > 0) missing.groups = groups
  if (asked.everyone !== undefined && asked.everyone !== (everyoneAt(actual)?.toLowerCase() ?? "none"))
    missing.everyone = asked.everyone
  return Object.keys(missing).length > 0 ? missing : null
}

/**
 * The entries without one of the same name and role among the actual ones, which are read only if there are any: an unreadable one
 * says nothing about what was not asked for.
 */
function absent<T extends Entry>(
  asked: readonly T[] = [],
  readActual: () => readonly T[],
  nameOf: (entry: T) => string,
): T[] {
  if (asked.length === 0) return []
  const keyOf = (entry: T) => JSON.stringify([nameOf(entry), roleAt(entry)?.toLowerCase()])
  const present = new Set(readActual().map(keyOf))
  return asked.filter((entry) => !present.has(keyOf(entry)))
}

/** The names that were to lose their access, as `nameOfUser` and `nameOfGroup` make them. */
export interface RemovedNames {
  users?: ReadonlySet<string> | undefined
  groups?: ReadonlySet<string> | undefined
}

/**
 * Who was to lose access and still has it. Null if nobody. A list that replaces the present one removes all others except owners,
 * because Code Ocean may list the owner with the others.
 * @param replaced the lists that were sent as a whole
 * @param removed the names that were removed from a list
 * @param actual the permissions, read after the change
 */
export function remainingPermissions(
  replaced: rest.Permissions,
  removed: RemovedNames,
  actual: rest.Permissions,
): rest.Permissions | null {
  const users = remaining(replaced.users, removed.users, () => usersOf(actual) ?? [], nameOfUser)
  const groups = remaining(replaced.groups, removed.groups, () => groupsOf(actual) ?? [], nameOfGroup)
  if (users.length + groups.length === 0) return null
  return { ...(users.length > 0 && { users }), ...(groups.length > 0 && { groups }) }
}

function remaining<T extends Entry>(
  replaced: readonly T[] | undefined,
  removed: ReadonlySet<string> | undefined,
  readActual: () => readonly T[],
  nameOf: (entry: T) => string,
): T[] {
  if (replaced === undefined && removed === undefined) return []
  const kept = replaced && new Set(replaced.map(nameOf))
  return readActual().filter((entry) => {
    const name = nameOf(entry)
    if (removed?.has(name)) return true
    return kept !== undefined && !kept.has(name) && roleAt(entry)?.toLowerCase() !== "owner"
  })
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
