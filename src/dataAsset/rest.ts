import { anIdentified } from "../upstream/answer.ts"
import type { Upstream } from "../upstream/client.ts"

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
  tags?: string[]
  nextflow_profile?: string
  failure_reason?: string
  transfer_error?: string
  last_transferred?: number
  provenance?: Provenance
  source_bucket?: SourceBucket
  /** The keys are the deployment's own. Dates are epoch seconds. */
  custom_metadata?: Record<string, unknown>
  app_parameters?: { name?: string; value?: string }[]
  contained_data_assets?: ContainedDataAsset[]
}

/** Where a result came from; capsule, computation and data_assets are ids. */
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
 * Rejects with UpstreamError: 404 when there is none, 403 when the caller may not see it.
 */
export function getDataAsset(upstream: Upstream, id: string): Promise<DataAsset> {
  return upstream.read({ method: "GET", route: "data_assets/{id}", ids: { id }, answer: anIdentified<DataAsset> })
}
