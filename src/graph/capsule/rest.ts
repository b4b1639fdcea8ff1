import type { Upstream } from "../../upstream/client.ts"
import { matchingId, noBody, object, type SearchPage, searchPage } from "../../upstream/decoders.ts"

/** Capsules and pipelines are the same objects, on two routes with the same endpoints. */
export type Kind = "capsules" | "pipelines"

/** A capsule or a pipeline. Times are epoch seconds. */
export interface Runnable {
  id: string
  created: number
  name: string
  status: string
  owner: string
  slug: string
  owner_email?: string
  last_accessed?: number
  description?: string
  field?: string
  tags?: string[]
  cloned_from_url?: string
  original_capsule?: OriginalCapsule
  /** The id of the release capsule. */
  release_capsule?: string
  submission?: Submission
  versions?: Version[]
  article?: Article
}

export interface OriginalCapsule {
  id?: string
  major_version?: number
  minor_version?: number
  name?: string
  created?: number
  public?: boolean
}

export interface Submission {
  timestamp?: number
  commit?: string
  /** A capsule's id. */
  verification_capsule?: string
  verified?: boolean
  verified_timestamp?: number
}

export interface Version {
  major_version?: number
  minor_version?: number
  release_time?: number
  doi?: string
}

export interface Article {
  url?: string
  id?: string
  doi?: string
  citation?: string
  state?: string
  name?: string
  journal_name?: string
  publish_time?: number
}

/**
 * `GET /{kind}/{id}`: one capsule or pipeline.
 * Rejects with UpstreamError: 404 when there is none, 403 when the caller may not see it.
 */
export function getRunnable(upstream: Upstream, kind: Kind, id: string): Promise<Runnable> {
  return upstream.read({ method: "GET", route: `${kind}/{id}`, ids: { id }, decode: matchingId<Runnable>(id) })
}

/**
 * `POST /{kind}/search`: one page of a search; changes nothing, in spite of its verb.
 * @param body the search on the wire, paging included
 */
export function searchRunnables(upstream: Upstream, kind: Kind, body: object): Promise<SearchPage<Runnable>> {
  return upstream.read({ method: "POST", route: `${kind}/search`, body, decode: searchPage<Runnable> })
}

/** What Code Ocean's ids look like: an id of another kind could be more than one term of a query. */
const plainId = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/
/** The most terms of one query. */
const mostTerms = 100

/**
 * `POST /capsules/search` with a term for each id: those of the capsules that the search finds, each as whole as by itself;
 * no archived ones and no pipelines, and nothing else that it may find. One call for each 100 ids, and none where fewer than two of them are Code Ocean's.
 * Rejects with UpstreamError.
 */
export async function findCapsules(upstream: Upstream, ids: readonly string[]): Promise<Runnable[]> {
  const plain = ids.filter((id) => plainId.test(id))
  if (plain.length < 2) return []
  const parts = Array.from({ length: Math.ceil(plain.length / mostTerms) }, (_, part) =>
    plain.slice(part * mostTerms, (part + 1) * mostTerms),
  )
  const answers = await Promise.all(
    parts.map((part) =>
      searchRunnables(upstream, "capsules", { query: part.map((id) => `id:${id}`).join(" "), limit: part.length }),
    ),
  )
  const wanted = new Set(plain)
  return answers.flatMap(({ results }) => results).filter(({ id }) => wanted.has(id))
}

/**
 * `PATCH /{kind}/{id}/archive?archive=`: puts it into the archive, or takes it out. The answer has no body.
 * Rejects with UpstreamError: 403 when the caller may not.
 */
export function archiveRunnable(upstream: Upstream, kind: Kind, id: string, archive: boolean): Promise<void> {
  return upstream.write({
    method: "PATCH",
    route: `${kind}/{id}/archive`,
    ids: { id },
    query: { archive },
    decode: noBody,
  })
}

/**
 * `DELETE /{kind}/{id}`: deletes it for good. The answer has no body.
 * Rejects with UpstreamError: 403 when it isn't archived, was released, or the caller is neither its owner nor an admin.
 */
export function deleteRunnable(upstream: Upstream, kind: Kind, id: string): Promise<void> {
  return upstream.write({ method: "DELETE", route: `${kind}/{id}`, ids: { id }, decode: noBody })
}

/** What a Git sync moved. Absent means none, or false. */
export interface SyncAnswer {
  /** How many commits went to the linked repository. */
  pushed?: number
  /** How many came from it. */
  pulled?: number
  /** Whether the sync made the branch in the linked repository. */
  new_branch?: boolean
}

/**
 * `POST /{kind}/{id}/sync`: syncs it with its linked Git repository, both ways.
 * Rejects with UpstreamError: 400 when none is linked, 403 when the caller may not, 409 when the two don't merge.
 */
export function syncRunnable(upstream: Upstream, kind: Kind, id: string): Promise<SyncAnswer> {
  return upstream.write({
    method: "POST",
    route: `${kind}/{id}/sync`,
    ids: { id },
    decode: (body) => (body === undefined ? {} : object<SyncAnswer>(body)),
  })
}
