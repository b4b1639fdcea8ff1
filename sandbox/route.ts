import type { Access, Scope, World } from "./world.ts"

/** One API request, as a handler sees it. */
export interface Call {
  world: World
  caller: Access
  /** The values of the route's placeholders, decoded. */
  params: Record<string, string>
  query: Record<string, string>
  /** The parsed JSON body; undefined when there was none. */
  body: unknown
  /** A download address for a file, signed and short-lived. */
  sign(owner: "computations" | "data_assets", id: string, path: string, disposition: "attachment" | "inline"): string
}

export interface Answer {
  status: number
  /** A string is sent as it is, anything else as JSON. No body is sent if it is omitted. */
  body?: unknown
  headers?: Record<string, string>
}

export interface Route {
  method: string
  /** Path below the API's base; a segment that begins with ":" stands for any one segment. */
  path: string
  scope: Scope
  /** The version of the platform that brought the route. Default: any */
  since?: string
  /** Says that a POST changes nothing. A GET never does. */
  reads?: boolean
  /** A search responds with 401, not 403, to a token without the scope. */
  search?: boolean
  handle(call: Call): Answer
}

/** Ends a request with this status and body. */
export class Refusal extends Error {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown) {
    super(`refused with ${status}`)
    this.status = status
    this.body = body
  }
}

/** The usual refusal: an object with a message, and sometimes more keys. */
export function refuse(status: number, message: string, more: Record<string, unknown> = {}): never {
  throw new Refusal(status, { message, ...more })
}

/** 200 with a JSON body. */
export function ok(body: unknown): Answer {
  return { status: 200, body }
}

export const noContent: Answer = { status: 204 }

/** Whether a parsed JSON value is an object (not null, not an array). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A body's fields. Null counts as absent, since the official client writes every unset field as null. */
export function readObject(given: unknown): Record<string, unknown> {
  if (!isObject(given)) return refuse(400, "invalid request body")
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
}

/** A required text, which may not be empty. */
export function requiredText(fields: Record<string, unknown>, name: string): string {
  const value = fields[name]
  if (value === undefined || value === "") return refuse(400, `${name} is required`)
  return typeof value === "string" ? value : refuse(400, `${name} must be a string`)
}

/** An optional text. */
export function optionalText(fields: Record<string, unknown>, name: string): string | undefined {
  const value = fields[name]
  return value === undefined || typeof value === "string" ? value : refuse(400, `${name} must be a string`)
}

/** The query's boolean, as browsers and as Python write it; anything else is a bad request. */
export function booleanQuery(call: Call, name: string): boolean {
  const value = call.query[name]
  if (value === "true" || value === "True") return true
  if (value === "false" || value === "False") return false
  return refuse(400, `${name} must be true or false`)
}
