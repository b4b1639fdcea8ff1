import type { Upstream } from "../../upstream/client.ts"
import { type DecodeError, listOf, noBody, object } from "../../upstream/decoders.ts"

/** The objects that data assets can be attached to. Computations only while they are cloud workstation sessions. */
export type Attachable = "capsules" | "pipelines" | "computations"

/** A data asset to attach. Without `mount` it is mounted in its default folder. */
export interface Attachment {
  id: string
  mount?: string
}

/** The result of attaching one data asset. */
export interface AttachResult {
  id: string
  mount?: string
  mount_state?: string
  job_id?: string
  external?: boolean
  ready?: boolean
}

/**
 * `POST /{kind}/{id}/data_assets`: attaches data assets.
 * Rejects with UpstreamError: 400 if one is attached already, 404 if there is no such asset.
 */
export function attachDataAssets(
  upstream: Upstream,
  kind: Attachable,
  id: string,
  attachments: readonly Attachment[],
): Promise<(AttachResult | DecodeError)[]> {
  return upstream.write({
    method: "POST",
    route: `${kind}/{id}/data_assets`,
    ids: { id },
    body: attachments,
    decode: listOf(object<AttachResult>),
  })
}

/**
 * `DELETE /{kind}/{id}/data_assets/` with a list of ids: detaches data assets. The response body is not used. The official client
 * sends the trailing slash.
 */
export function detachDataAssets(
  upstream: Upstream,
  kind: Attachable,
  id: string,
  dataAssetIds: readonly string[],
): Promise<void> {
  return upstream.write({
    method: "DELETE",
    route: `${kind}/{id}/data_assets/`,
    ids: { id },
    body: dataAssetIds,
    decode: noBody,
  })
}
