import type { Upstream } from "../../upstream/client.ts"
import { noBody, object } from "../../upstream/decoders.ts"

/** What has permissions. */
export type Shareable = "capsules" | "pipelines" | "data_assets"

/** Who may do what. What upstream adds later is kept, so that it goes back as it came. */
export interface Permissions {
  users?: readonly UserPermission[]
  groups?: readonly GroupPermission[]
  everyone?: string
  /** On an update: also share what is attached. */
  share_assets?: boolean
}

export interface UserPermission {
  email: string
  role: string
}

export interface GroupPermission {
  group: string
  role: string
}

/**
 * `GET /{kind}/{id}/permissions`: who may do what.
 * Rejects with UpstreamError: 404 if there is no such object, 403 if the caller may not see its permissions.
 */
export function getPermissions(upstream: Upstream, kind: Shareable, id: string): Promise<Permissions> {
  return upstream.read({
    method: "GET",
    route: `${kind}/{id}/permissions`,
    ids: { id },
    decode: object<Permissions>,
  })
}

/**
 * `POST /{kind}/{id}/permissions`: replaces all permissions. Permissions that the body omits are removed, so send all of them.
 * The response body is not used. A 2xx does not prove it: groups that Code Ocean does not know are dropped, so read back what was set.
 * Rejects with UpstreamError: 403 if the caller may not share it, 404.
 */
export function setPermissions(
  upstream: Upstream,
  kind: Shareable,
  id: string,
  permissions: Permissions,
): Promise<void> {
  return upstream.write({
    method: "POST",
    route: `${kind}/{id}/permissions`,
    ids: { id },
    body: permissions,
    decode: noBody,
  })
}
