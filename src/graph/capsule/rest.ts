import type { Upstream } from "../../upstream/client.ts"
import { isReadable, matchingId, noBody, object, type SearchPage, searchPage } from "../../upstream/decoders.ts"

/** Capsules and pipelines are objects of the same shape, on two routes with the same endpoints. */
export type Kind = "capsules" | "pipelines"

/** A capsule or a pipeline. Times are epoch seconds. */
export interface Runnable {
  id: string
  /** 0 for some drafts. */
  created?: number
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
 * Rejects with UpstreamError: 404 if it does not exist, 403 if the caller may not open it.
 */
export function getRunnable(upstream: Upstream, kind: Kind, id: string): Promise<Runnable> {
  return upstream.read({ method: "GET", route: `${kind}/{id}`, ids: { id }, decode: matchingId<Runnable>(id) })
}

/**
 * `POST /{kind}/search`: one page of a search. A read, although its method is POST.
 * @param body the search in the form of the REST API, with paging
 */
export function searchRunnables(upstream: Upstream, kind: Kind, body: object): Promise<SearchPage<Runnable>> {
  return upstream.read({ method: "POST", route: `${kind}/search`, body, decode: searchPage<Runnable> })
}

/** The maximum number of ids in one search. */
export const maxSearchIds = 100

const plainId = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** Whether this is one of Code Ocean's own ids. Any other text could be more than one term of a query. */
export function isSearchableId(id: string): boolean {
  return plainId.test(id)
}

/**
 * `POST /{kind}/search` with an `id:` term for each id: returns those that the search finds, each with all fields of a single
 * read. Whatever else the response contains is in the list, too. The search finds no archived ones, and its index lags behind
 * changes. It also finds what the caller may find but not open, which a single read answers with 403.
 * @param ids at most `maxSearchIds`, all of them searchable
 */
export async function findRunnables(upstream: Upstream, kind: Kind, ids: readonly string[]): Promise<Runnable[]> {
  const query = ids.map((id) => `id:${id}`).join(" ")
  const { results } = await searchRunnables(upstream, kind, { query, limit: ids.length })
  return results.filter(isReadable)
}

/**
 * `PATCH /{kind}/{id}/archive?archive=`: archives or unarchives it. The response has no body.
 * Rejects with UpstreamError: 403 if the caller may not.
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
 * `DELETE /{kind}/{id}`: deletes it permanently. The response has no body.
 * Rejects with UpstreamError: 403 if it is not archived, was released, or the caller is neither its owner nor an admin.
 */
export function deleteRunnable(upstream: Upstream, kind: Kind, id: string): Promise<void> {
  return upstream.write({ method: "DELETE", route: `${kind}/{id}`, ids: { id }, decode: noBody })
}

/** The result of a Git sync. An absent key means 0 or false. */
export interface SyncResult {
  /** Commits pushed to the linked repository. */
  pushed?: number
  /** Commits pulled from it. */
  pulled?: number
  /** Whether the sync created the branch in the linked repository. */
  new_branch?: boolean
}

/**
 * `POST /{kind}/{id}/sync`: syncs it with its linked Git repository in both directions.
 * Rejects with UpstreamError: 400 if none is linked, 403 if the caller may not, 409 if the two cannot be merged.
 */
export function syncRunnable(upstream: Upstream, kind: Kind, id: string): Promise<SyncResult> {
  return upstream.write({
    method: "POST",
    route: `${kind}/{id}/sync`,
    ids: { id },
    decode: (body) => (body === undefined ? {} : object<SyncResult>(body)),
  })
}
