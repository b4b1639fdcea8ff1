import type { IncomingMessage } from "node:http"

/** The path of the API. */
export const base = "/api/v1"
const maximumBodyBytes = 8 * 1024 * 1024

export interface RecordedRequest {
  method: string
  /** Decoded, without the API's base and without the query. */
  path: string
  /** As in the request line, base included, without the query. */
  rawPath: string
  query: Record<string, string>
  headers: Record<string, string>
  /** Parsed JSON, or the text if it is not JSON. Undefined if empty. */
  body: unknown
  /** The client disconnected before it had the whole response. */
  aborted: boolean
}

export interface Parsed {
  segments: string[]
  malformed: boolean
}

export function recordOf(req: IncomingMessage): RecordedRequest {
  const url = req.url ?? ""
  const rawPath = url.split("?")[0]!
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(req.headers)) headers[name] = String(value)
  return {
    method: req.method ?? "GET",
    path: decode(rawPath.slice(base.length)),
    rawPath,
    query: Object.fromEntries(new URLSearchParams(url.slice(rawPath.length))),
    headers,
    body: undefined,
    aborted: false,
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Segments below the API's base; a trailing slash makes no difference. */
export function segmentsOf(rawPath: string): string[] {
  const path = rawPath.startsWith(base) ? rawPath.slice(base.length) : rawPath
  return path
    .replace(/^\/|\/$/g, "")
    .split("/")
    .map(decode)
}

/** Resolves undefined when the body is too large. Never settles when the client hangs up before its end. */
export function readBody(req: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    req.on("error", () => {})
    req.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > maximumBodyBytes) resolve(undefined)
      else chunks.push(chunk)
    })
    req.on("end", () => resolve(Buffer.concat(chunks).toString()))
  })
}

export function parse(request: RecordedRequest, text: string): Parsed {
  const segments = segmentsOf(request.rawPath)
  if (text === "") return { segments, malformed: false }
  try {
    request.body = JSON.parse(text)
    return { segments, malformed: false }
  } catch {
    request.body = text
    return { segments, malformed: true }
  }
}

export type Matcher = (request: Pick<RecordedRequest, "method" | "rawPath">) => boolean

export function matcher(methodAndPath: string): Matcher {
  const [method, path = ""] = methodAndPath.split(" ", 2) as [string, string?]
  const pattern = path.replace(/^\/|\/$/g, "").split("/")
  return (request) => {
    if (request.method !== method) return false
    const segments = segmentsOf(request.rawPath)
    return pattern.length === segments.length && pattern.every((part, at) => part === "*" || part === segments[at])
  }
}
