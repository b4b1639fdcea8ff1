import type { ServerResponse } from "node:http"
import type { CORSOptions } from "graphql-yoga"

const exposedHeaders = ["X-Request-Id", "Retry-After"]

/** Yoga's own CORS answers `null` to origins that it refuses, which is an origin too: sandboxed pages have it. */
export function corsFor(origin: string | null, allowed: readonly string[]): CORSOptions {
  if (origin === null || !allowed.includes(origin)) return false
  return {
    origin,
    credentials: false,
    methods: ["GET", "POST"],
    allowedHeaders: [
      "Authorization",
      "Content-Type",
      "Accept",
      "Agent-Id",
      "X-Request-Id",
      "X-Upstream-Cost",
      "X-GraphQL-Yoga-CSRF",
      "Apollo-Require-Preflight",
    ],
    exposedHeaders,
    maxAge: 3600,
  }
}

/** What a page of an allowed origin needs to read an answer that Yoga has no part in. */
export function setCorsHeaders(response: ServerResponse, origin: string | undefined, allowed: readonly string[]): void {
  if (origin === undefined || !allowed.includes(origin)) return
  response.setHeader("access-control-allow-origin", origin)
  response.setHeader("access-control-expose-headers", exposedHeaders.join(", "))
}
