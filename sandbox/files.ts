import { createHmac, timingSafeEqual } from "node:crypto"
import { Readable } from "node:stream"
import { chart } from "./chart.ts"
import { type Answer, type Call, isObject, ok, Refusal, refuse } from "./route.ts"
import { computationNow, type FileContent, type Files, type World } from "./world.ts"

export type FileOwner = "computations" | "data_assets"

/** Seconds for which a signed address works. */
export const signedForSeconds = 300

/** A file's size in bytes. */
export function sizeOf(content: FileContent): number {
  if (typeof content === "string") return Buffer.byteLength(content)
  return content instanceof Uint8Array ? content.length : content.size
}

/** The path without slashes at its ends. */
export function trimSlashes(path: string): string {
  let start = 0
  let end = path.length
  while (path[start] === "/") start += 1
  while (end > start && path[end - 1] === "/") end -= 1
  return path.slice(start, end)
}

/** The folder at `{path}` of the body, folders first; an empty path is the root. 404 when there is no such folder. */
export function listFolder(files: Files, body: unknown): Answer {
  if (!isObject(body) || typeof (body.path ?? "") !== "string") return refuse(400, "invalid request body")
  const folder = trimSlashes((body.path ?? "") as string)
  const prefix = folder === "" ? "" : `${folder}/`
  const items = new Map<string, { name: string; path: string; type: string; size?: number }>()
  for (const [path, content] of Object.entries(files)) {
    if (!path.startsWith(prefix)) continue
    const [name, ...deeper] = path.slice(prefix.length).split("/") as [string, ...string[]]
    if (deeper.length > 0) items.set(name, { name, path: prefix + name, type: "folder" })
    else items.set(name, { name, path, type: "file", size: sizeOf(content) })
  }
  if (items.size === 0 && folder !== "") return refuse(404, "folder not found")
  const place = ({ type, name }: { type: string; name: string }) => `${type === "folder" ? 0 : 1}${name}`
  return ok({ items: [...items.values()].sort((a, b) => (place(a) < place(b) ? -1 : 1)) })
}

/** The file that the query's `path` names. A query without one gets an object without a message. */
function askedFile(call: Call, files: Files): string {
  const path = call.query.path?.replace(/^\/+/, "")
  if (!path) throw new Refusal(400, { errors: { path: "is required" } })
  return Object.hasOwn(files, path) ? path : refuse(404, "file not found")
}

/** Signed addresses of the file that the query's `path` names. */
export function fileUrls(call: Call, owner: FileOwner, id: string, files: Files): Answer {
  const path = askedFile(call, files)
  return ok({
    download_url: call.sign(owner, id, path, "attachment"),
    view_url: call.sign(owner, id, path, "inline"),
  })
}

/** The one address that older clients ask for. */
export function downloadUrl(call: Call, owner: FileOwner, id: string, files: Files): Answer {
  return ok({ url: call.sign(owner, id, askedFile(call, files), "attachment") })
}

const overview = chart([12, 48])

/** The results of a computation; those without files of their own have a log, a small JSON file and a figure. */
export function resultsOf(world: World, id: string): Files {
  const record = world.computations.get(id)
  if (!record) return {}
  const { wire, files } = record
  const now = computationNow(world, record)
  if (!now.has_results) return {}
  if (files) return files
  const failed = now.exit_code !== undefined && now.exit_code !== 0
  return {
    output: `Starting ${wire.name}\n${failed ? "Traceback (most recent call last)\nRuntimeError: stopped early" : "Done"}\n`,
    "processing.json": `${JSON.stringify({ name: wire.name, started: wire.created, parameters: wire.parameters ?? [] }, null, 2)}\n`,
    "figures/overview.csv": "step,seconds\nload,12\nrun,48\n",
    "figures/overview.png": overview,
  }
}

/** The files of an internal data asset; those without files of their own have two small ones. */
export function dataAssetFiles(world: World, id: string): Files {
  const record = world.dataAssets.get(id)
  if (!record) return {}
  const { wire, files } = record
  return (
    files ?? {
      "data_description.json": `${JSON.stringify({ name: wire.name, created: wire.created }, null, 2)}\n`,
      "tables/units.csv": "unit,depth_um\n1,240\n2,380\n",
    }
  )
}

interface SignedFile {
  owner: FileOwner
  id: string
  path: string
  disposition: "attachment" | "inline"
  expires: number
}

function signature(secret: Buffer, sealed: string): Buffer {
  return createHmac("sha256", secret).update(sealed).digest()
}

/** The one path segment that names a file, its expiry (epoch seconds) and a signature over both. */
export function sealFile(secret: Buffer, file: SignedFile): string {
  const sealed = Buffer.from(JSON.stringify(file)).toString("base64url")
  return `${sealed}.${signature(secret, sealed).toString("base64url")}`
}

/** Decodes a segment of `sealFile`. Undefined if it was changed or has expired. */
export function openSealed(secret: Buffer, segment: string, now: number): SignedFile | undefined {
  const [sealed = "", given = ""] = segment.split(".")
  const expected = signature(secret, sealed)
  const actual = Buffer.from(given, "base64url")
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return undefined
  const file = JSON.parse(Buffer.from(sealed, "base64url").toString()) as SignedFile
  return file.expires > now ? file : undefined
}

/** The bytes from `start` up to `end` (not included); files without kept content are zeros. */
export function readContent(content: FileContent, start: number, end: number): Readable {
  if (typeof content === "string") return Readable.from([Buffer.from(content).subarray(start, end)])
  if (content instanceof Uint8Array) return Readable.from([content.subarray(start, end)])
  const chunk = Buffer.alloc(64 * 1024)
  let left = end - start
  return new Readable({
    read() {
      const size = Math.min(left, chunk.length)
      left -= size
      this.push(size > 0 ? chunk.subarray(0, size) : null)
    },
  })
}
