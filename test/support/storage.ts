import type { IncomingMessage, ServerResponse } from "node:http"
import { type OddUpstream, startOddUpstream } from "./oddUpstream.ts"

/** A part of the signed addresses below that must never be seen in an error or a log. */
export const signature = "X-Signature=2f1c9e"

export interface Storage extends OddUpstream {
  /** How often the file was asked for, redirects not counted. */
  reads(): { headers: IncomingMessage["headers"]; path: string }[]
}

/**
 * An upstream with one computation, `c1`, that has whatever file one asks for. All files lie with upstream itself, behind
 * signed addresses, and are served as the test wants.
 * @param serve answers a request for a file; `path` is the file's
 * @param addressOf gives another address for a file
 * @param files what the root folder lists, with sizes if there are any
 */
export async function startStorage(
  serve: (request: { path: string; headers: IncomingMessage["headers"] }, response: ServerResponse) => void,
  options: { addressOf?: (path: string) => string; files?: { name: string; size?: number }[] } = {},
): Promise<Storage> {
  const upstream = await startOddUpstream(({ path: asked, headers }, response) => {
    const { pathname, searchParams } = new URL(asked, "http://upstream")
    if (pathname.startsWith("/storage/")) {
      serve({ path: decodeURIComponent(pathname.slice("/storage/".length)), headers }, response)
      return undefined
    }
    if (pathname === "/computations/c1") {
      return { body: { id: "c1", name: "Run", created: 1, state: "completed", has_results: true } }
    }
    if (pathname === "/computations/c1/results") {
      return { body: { items: (options.files ?? []).map((file) => ({ ...file, path: file.name, type: "file" })) } }
    }
    const path = searchParams.get("path") ?? ""
    const address =
      options.addressOf?.(path) ?? `${upstream.url}/storage/${encodeURIComponent(path)}?X-Expires=300&${signature}`
    return { body: { download_url: address, view_url: address } }
  })
  return {
    ...upstream,
    reads: () =>
      upstream.requests
        .filter(({ path }) => path.startsWith("/storage/"))
        .map(({ headers, path }) => ({ headers, path })),
  }
}
