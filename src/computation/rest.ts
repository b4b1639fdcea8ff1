import type { Kind } from "../runnable/rest.ts"
import { aListOf, anIdentified } from "../upstream/answer.ts"
import type { Upstream } from "../upstream/client.ts"

/** One run, or one cloud workstation session. Upstream doesn't say of what: that is known only from where it was listed. */
export interface Computation {
  id: string
  name: string
  owner: string
  /** Epoch seconds. */
  created: number
  /** Seconds. */
  run_time: number
  state: string
  end_status?: string
  exit_code?: number
  has_results?: boolean
  cloud_workstation?: boolean
  owner_email?: string
  nextflow_profile?: string
  parameters?: Parameter[]
  data_assets?: InputDataAsset[]
  processes?: Process[]
}

export interface Parameter {
  name?: string
  param_name?: string
  value?: string
}

/** A data asset as a run's input, and the folder it was mounted in. */
export interface InputDataAsset {
  id: string
  mount?: string
}

/** One process of a pipeline's run. */
export interface Process {
  name: string
  capsule_id: string
  version?: number
  public?: boolean
  parameters?: Parameter[]
}

/**
 * `GET /computations/{id}`: one run.
 * Rejects with UpstreamError: 404 when there is none, 403 when the caller may not see it.
 */
export function getComputation(upstream: Upstream, id: string): Promise<Computation> {
  return upstream.read({ method: "GET", route: "computations/{id}", ids: { id }, answer: anIdentified<Computation> })
}

/**
 * `GET /{kind}/{id}/computations`: every run there ever was of a capsule or pipeline, in no promised order; upstream
 * neither pages nor filters.
 */
export function listComputations(upstream: Upstream, kind: Kind, id: string): Promise<Computation[]> {
  return upstream.read({
    method: "GET",
    route: `${kind}/{id}/computations`,
    ids: { id },
    answer: aListOf(anIdentified<Computation>),
  })
}
