import type { Context } from "../context.ts"
import { loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

/** The object that the permissions belong to. */
interface ShareableKey {
  kind: rest.Shareable
  id: string
}

const permissionsByKey = loaderByKey((context, key) => {
  const { kind, id }: ShareableKey = JSON.parse(key)
  return rest.getPermissions(context.upstream, kind, id)
})

/** The permissions of an object. One call. */
export function permissionsOf(context: Context, kind: rest.Shareable, id: string): Promise<rest.Permissions> {
  return permissionsByKey(context).load(JSON.stringify({ kind, id } satisfies ShareableKey))
}

/** Drops all permissions that this request has loaded, because a change may also share attached data assets. */
export function clearPermissions(context: Context): void {
  permissionsByKey(context).clearAll()
}
