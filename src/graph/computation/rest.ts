import type { Upstream } from "../../upstream/client.ts"
import { type DecodeError, listOf, matchingId, noBody, withId, withUsableId } from "../../upstream/decoders.ts"
import type { Attachment } from "../attachment/rest.ts"
import type { Kind } from "../capsule/rest.ts"

/**
 * One run, or one cloud workstation session. Upstream does not name the capsule or pipeline that ran. It is known only from the
 * list that contains the run.
 */
export interface Computation {
  id: string
  name: string
  owner: string
  /** Epoch seconds. */
  created?: number
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
 * Rejects with UpstreamError: 404 if it does not exist, 403 if the caller may not see it.
 */
export function getComputation(upstream: Upstream, id: string): Promise<Computation> {
  return upstream.read({ method: "GET", route: "computations/{id}", ids: { id }, decode: matchingId<Computation>(id) })
}

/** `GET /{kind}/{id}/computations`: all runs of a capsule or pipeline, in unspecified order, without pages and filters. */
export function listComputations(upstream: Upstream, kind: Kind, id: string): Promise<(Computation | DecodeError)[]> {
  return upstream.read({
    method: "GET",
    route: `${kind}/{id}/computations`,
    ids: { id },
    decode: decodeComputations,
  })
}

const decodeComputations = listOf(withId<Computation>)

/** A run to start. Exactly one of the two ids is given. All values are text of at most 4,096 characters. */
export interface RunParams {
  capsule_id?: string
  pipeline_id?: string
  /** A release's major version. */
  version?: number
  resume_run_id?: string
  nextflow_profile?: string
  data_assets?: Attachment[]
  /** In the app panel's order. Pipelines silently ignore them. */
  parameters?: string[]
  named_parameters?: NamedParameter[]
  processes?: { name: string; parameters?: string[]; named_parameters?: NamedParameter[] }[]
}

export interface NamedParameter {
  param_name: string
  value: string
}

/**
 * `POST /computations`: starts a run and returns it.
 * Rejects with UpstreamError: 400 for invalid parameters or data assets, 404 for an unknown capsule or pipeline.
 */
export function runComputation(upstream: Upstream, params: RunParams): Promise<Computation> {
  return upstream.write({ method: "POST", route: "computations", body: params, decode: withUsableId<Computation> })
}

/**
 * `PATCH /computations/{id}?name=`: gives a run a new display name. The response body is not used.
 * Rejects with UpstreamError: 404 if it does not exist.
 */
export function renameComputation(upstream: Upstream, id: string, name: string): Promise<void> {
  return upstream.write({ method: "PATCH", route: "computations/{id}", ids: { id }, query: { name }, decode: noBody })
}

/**
 * `DELETE /computations/{id}`: deletes a run with its results, and stops it if it is running. The response has no body.
 * Rejects with UpstreamError: 404 if it does not exist.
 */
export function deleteComputation(upstream: Upstream, id: string): Promise<void> {
  return upstream.write({ method: "DELETE", route: "computations/{id}", ids: { id }, decode: noBody })
}
