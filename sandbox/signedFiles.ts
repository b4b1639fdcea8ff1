import type { Readable } from "node:stream"
import { dataAssetFiles, openSealed, readContent, resultsOf, sizeOf } from "./files.ts"
import { htmlPage } from "./respond.ts"
import type { Answer } from "./route.ts"
import type { World } from "./world.ts"

export interface FileAnswer {
  status: number
  headers: Record<string, string>
  file: Readable
}

/** The response to a request for a signed address: the file, a part of it, or a refusal. */
export function fileAnswer(
  world: World,
  secret: Buffer,
  { method, rawPath, range }: { method: string; rawPath: string; range: string | undefined },
): Answer | FileAnswer {
  const file = openSealed(secret, rawPath.slice("/signed/".length), world.clock.now())
  if (!file || (method !== "GET" && method !== "HEAD")) {
    const body =
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>\n'
    return { status: 403, body, headers: { "content-type": "application/xml" } }
  }
  const files = file.owner === "computations" ? resultsOf(world, file.id) : dataAssetFiles(world, file.id)
  const content = files[file.path]
  if (content === undefined) return { status: 404, body: htmlPage(404, "Not Found") }
  const size = sizeOf(content)
  const part = rangeOf(range, size)
  if (part === "unsatisfiable") return { status: 416, headers: { "content-range": `bytes */${size}` } }
  const [start, end] = part ?? [0, size]
  return {
    status: part ? 206 : 200,
    headers: {
      "accept-ranges": "bytes",
      "content-disposition": `${file.disposition}; filename*=UTF-8''${encodeURIComponent(file.path.split("/").at(-1)!)}`,
      "content-length": String(end - start),
      "content-type": contentType(file.path),
      ...(part ? { "content-range": `bytes ${start}-${end - 1}/${size}` } : {}),
    },
    file: readContent(content, start, end),
  }
}

/** A single byte range as [start, end), undefined when none is asked for. */
function rangeOf(header: string | undefined, size: number): [number, number] | "unsatisfiable" | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? []
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined
  if (first === "") return Number(last) === 0 ? "unsatisfiable" : [Math.max(0, size - Number(last)), size]
  if (Number(first) >= size) return "unsatisfiable"
  const end = last === "" ? size : Math.min(size, Number(last) + 1)
  return end > Number(first) ? [Number(first), end] : undefined
}

function contentType(path: string): string {
  if (path.endsWith(".json")) return "application/json"
  if (path.endsWith(".csv")) return "text/csv"
  if (path.endsWith(".png")) return "image/png"
  return /\.(nwb|tif|zarr|bin|dat)$/.test(path) ? "application/octet-stream" : "text/plain; charset=utf-8"
}
