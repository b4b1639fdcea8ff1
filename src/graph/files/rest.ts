import type { Upstream } from "../../upstream/client.ts"
import { DecodeError, listOf, object, type WireObject } from "../../upstream/decoders.ts"

/** The owner of files: a computation with its results, or an internal data asset. */
export interface FileOwner {
  kind: "computations" | "data_assets"
  id: string
}

/** An entry of a folder. Paths count from the owner's root, without a leading slash. At least one of name and path is there. */
export interface FolderItem {
  name?: string
  path?: string
  /** `file` or `folder`. */
  type?: string
  /** The size of a file in bytes. */
  size?: number | string
}

/** Signed URLs of one file, valid for minutes without a token. */
export interface FileUrls {
  download_url: string
  view_url?: string
}

const routes = { computations: "computations/{id}/results", data_assets: "data_assets/{id}/files" } as const

/**
 * `POST /computations/{id}/results` or `POST /data_assets/{id}/files` with `{path}`: the entries of a folder, without those of
 * its subfolders. An empty path is the root.
 * Rejects with UpstreamError: 404 if there is no such owner or folder, 400 for an external data asset, `invalid` if
 * the listing is too large.
 */
export function listFolder(
  upstream: Upstream,
  { kind, id }: FileOwner,
  path: string,
): Promise<(FolderItem | DecodeError)[]> {
  return upstream.read({
    method: "POST",
    route: routes[kind],
    ids: { id },
    body: { path },
    tooLargeAdvice:
      "Code Ocean lists a folder only as a whole, and this one is too large. Request a folder below it, or a file by its path.",
    decode: (body) => listOf(object<FolderItem>)(object<WireObject>(body).items ?? null),
  })
}

/**
 * `GET /computations/{id}/results/urls?path=` or `GET /data_assets/{id}/files/urls?path=`: signed URLs of one file.
 * Rejects with UpstreamError: 404 if there is no such owner or file, 400 for an external data asset.
 */
export function getFileUrls(upstream: Upstream, { kind, id }: FileOwner, path: string): Promise<FileUrls> {
  return upstream.read({
    method: "GET",
    route: `${routes[kind]}/urls`,
    ids: { id },
    query: { path },
    decode: fileUrls,
  })
}

function fileUrls(body: unknown): FileUrls {
  const urls = object<FileUrls>(body)
  if (typeof urls.download_url !== "string" || urls.download_url === "") {
    throw new DecodeError("no download_url")
  }
  return urls
}
