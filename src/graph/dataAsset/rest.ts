import type { Upstream } from "../../upstream/client.ts"
import { matchingId, noBody, type SearchPage, searchPage, withUsableId } from "../../upstream/decoders.ts"

/** Files with a name, metadata and a history. Times are epoch seconds, sizes bytes (a number, or its digits as text). */
export interface DataAsset {
  id: string
  name: string
  /** The default folder. */
  mount?: string
  owner?: string
  owner_email?: string
  created?: number
  /** 0 means never. */
  last_used?: number
  state: string
  type: string
  files?: number
  size?: number | string
  description?: string
  /** The field of research. */
  field?: string
  tags?: string[]
  nextflow_profile?: string
  failure_reason?: string
  transfer_error?: string
  last_transferred?: number
  provenance?: Provenance
  source_bucket?: SourceBucket
  /** The keys are the deployment's own. Dates are epoch seconds. */
  custom_metadata?: Record<string, unknown>
  app_parameters?: Parameter[]
  contained_data_assets?: ContainedDataAsset[]
}

/** How a result was produced. `capsule`, `computation` and `data_assets` are ids. */
export interface Provenance {
  commit?: string
  run_script?: string
  docker_image?: string
  capsule?: string
  computation?: string
  data_assets?: string[]
}

export interface SourceBucket {
  origin?: string
  bucket?: string
  prefix?: string
  external?: boolean
}

export interface ContainedDataAsset {
  id?: string
  mount?: string
  size?: number | string
}

/**
 * `GET /data_assets/{id}`: one data asset.
 * Rejects with UpstreamError: 404 if it does not exist, 403 if the caller may not see it.
 */
export function getDataAsset(upstream: Upstream, id: string): Promise<DataAsset> {
  return upstream.read({ method: "GET", route: "data_assets/{id}", ids: { id }, decode: matchingId<DataAsset>(id) })
}

/** `POST /data_assets/search`: one page of a search. `body` is the search in the form of the REST API, with paging. */
export function searchDataAssets(upstream: Upstream, body: object): Promise<SearchPage<DataAsset>> {
  return upstream.read({ method: "POST", route: "data_assets/search", body, decode: searchPage<DataAsset> })
}

/** The data asset to create. Exactly one of `source` and `data_asset_ids` is given. `results_info` is for external results. */
export interface DataAssetParams {
  name: string
  tags: readonly string[]
  mount: string
  description?: string
  custom_metadata?: Record<string, unknown>
  source?: DataAssetSource
  target?: DataAssetTarget
  data_asset_ids?: readonly string[]
  results_info?: ResultsInfo
}

export interface DataAssetSource {
  aws?: {
    bucket: string
    prefix?: string
    endpoint_name?: string
    keep_on_external_storage?: boolean
    public?: boolean
    use_input_bucket?: boolean
  }
  gcp?: { bucket: string; prefix?: string; client_id?: string; client_secret?: string }
  computation?: { id: string; path?: string }
  cloud_workstation?: { id: string; path: string; run_script?: string }
}

export interface DataAssetTarget {
  aws: { bucket: string; prefix?: string; endpoint_name?: string }
}

/** A parameter value of a run. Code Ocean names it by its label, by its `param_name`, or by both. */
export interface Parameter {
  name?: string
  param_name?: string
  value?: string
}

/** How external results were produced. */
export interface ResultsInfo {
  capsule_id?: string
  pipeline_id?: string
  version?: number
  commit?: string
  run_script?: string
  data_assets?: readonly string[]
  parameters?: readonly Parameter[]
  nextflow_profile?: string
  processes?: readonly {
    name: string
    capsule_id?: string
    version?: number
    public?: boolean
    parameters?: readonly Parameter[]
  }[]
}

/** A shorter secret is no secret, and to remove it would take other text, too. */
const minSecretLength = 8

/**
 * `POST /data_assets`: starts creating a data asset and returns it as a draft. It is usable once its state is `ready`.
 * Rejects with UpstreamError: 400 for invalid parameters.
 */
export function createDataAsset(upstream: Upstream, params: DataAssetParams): Promise<DataAsset> {
  const secret = params.source?.gcp?.client_secret
  return upstream.write({
    method: "POST",
    route: "data_assets",
    body: params,
    ...(secret !== undefined && secret.length >= minSecretLength && { secrets: [secret] }),
    decode: withUsableId<DataAsset>,
  })
}

/** The fields of a data asset that can be changed. */
export interface DataAssetUpdate {
  name?: string
  description?: string
  tags?: readonly string[]
  mount?: string
  custom_metadata?: Record<string, unknown>
}

/**
 * `PUT /data_assets/{id}`: replaces the changeable fields of a data asset. Fields that the body omits may be emptied, so send all
 * of them.
 * Rejects with UpstreamError: 400 for metadata that the deployment's schema does not allow, 403, 404.
 */
export function updateDataAsset(upstream: Upstream, id: string, update: DataAssetUpdate): Promise<DataAsset> {
  return upstream.write({
    method: "PUT",
    route: "data_assets/{id}",
    ids: { id },
    body: update,
    decode: matchingId<DataAsset>(id),
  })
}

/** `PATCH /data_assets/{id}/archive?archive=`: archives or unarchives it. The response has no body. */
export function archiveDataAsset(upstream: Upstream, id: string, archive: boolean): Promise<void> {
  return upstream.write({
    method: "PATCH",
    route: "data_assets/{id}/archive",
    ids: { id },
    query: { archive },
    decode: noBody,
  })
}

/** `DELETE /data_assets/{id}`: deletes it permanently. The response has no body. Rejects with UpstreamError: 403, 404. */
export function deleteDataAsset(upstream: Upstream, id: string): Promise<void> {
  return upstream.write({ method: "DELETE", route: "data_assets/{id}", ids: { id }, decode: noBody })
}

/**
 * `POST /data_assets/{id}/transfer`: starts moving its files to another bucket. Admins only. The response body is not used.
 * `last_transferred` and `transfer_error` show the result.
 * @param force moves the files even if they are in use
 */
export function transferDataAsset(
  upstream: Upstream,
  id: string,
  target: DataAssetTarget,
  force: boolean | undefined,
): Promise<void> {
  return upstream.write({
    method: "POST",
    route: "data_assets/{id}/transfer",
    ids: { id },
    body: { target, force },
    decode: noBody,
  })
}
