import type { Upstream } from "../../upstream/client.ts"
import { type Decoder, matchingId, object, withUsableId } from "../../upstream/decoders.ts"
import type { Kind, Version } from "../capsule/rest.ts"

/** A job that releases a new version of a capsule or pipeline. */
export interface ReleaseJob {
  job_id: string
  /** `completed`, `failed` and `canceled` are final. */
  status: string
  /** Epoch seconds. */
  started?: number
  /** Seconds. */
  duration?: number
  /** The id of the released object. Sent once the job has completed. */
  release_capsule?: string
  /** Sent once the job has completed. */
  release_version?: Version
  /** Sent if the job failed. */
  error?: string
}

/** The version of Code Ocean that brought these endpoints. */
const minServerVersion = "4.8.0"

/**
 * `POST /{kind}/{id}/release`: starts the release of a new version, and returns the job.
 * Rejects with UpstreamError: 400 if it was never released, because the first release is made in Code Ocean itself; 403 if the
 * caller may not, or if requirements of a release are not met, which the body names by flags and without a message; 412 if Code
 * Ocean is older than 4.8.0.
 */
export function releaseRunnable(upstream: Upstream, kind: Kind, id: string): Promise<ReleaseJob> {
  return upstream.write({
    method: "POST",
    route: `${kind}/{id}/release`,
    ids: { id },
    minServerVersion,
    decode: releaseJob(withUsableId),
  })
}

/**
 * `GET /{kind}/{id}/release/{job_id}`: one job.
 * Rejects with UpstreamError: 404 if there is no such job, capsule or pipeline; 412 if Code Ocean is older than 4.8.0.
 */
export function getReleaseJob(upstream: Upstream, kind: Kind, id: string, jobId: string): Promise<ReleaseJob> {
  return upstream.read({
    method: "GET",
    route: `${kind}/{id}/release/{job_id}`,
    ids: { id, job_id: jobId },
    minServerVersion,
    decode: releaseJob(matchingId(jobId)),
  })
}

/** A job with an id that `decodeId` accepts. */
function releaseJob(decodeId: Decoder<{ id: string }>): Decoder<ReleaseJob> {
  return (body) => {
    const job = object<ReleaseJob>(body)
    return { ...job, job_id: decodeId({ id: job.job_id }).id }
  }
}
