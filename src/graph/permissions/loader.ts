import type { Context } from "../context.ts"
import { loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

/** Whose permissions. */
interface ShareableKey {
  kind: rest.Shareable
  id: string
}

const permissionsByKey = loaderByKey((context, key) => {
  const { kind, id }: ShareableKey = JSON.parse(key)
  return rest.getPermissions(context.upstream, kind, id)
})

/** The permissions of an object; one call. */
export function permissionsOf(context: Context, kind: rest.Shareable, id: string): Promise<rest.Permissions> {
  return permissionsByKey(context).load(JSON.stringify({ kind, id } satisfies ShareableKey))
}

/** Forgets all permissions that this request has loaded: a change of one object's may share what is attached to it too. */
export function forgetPermissions(context: Context): void {
  permissionsByKey(context).clearAll()
}
