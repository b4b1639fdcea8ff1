import { useCSRFPrevention } from "@graphql-yoga/plugin-csrf-prevention"
import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"
import { isUtf8, readContentType } from "../contentType.ts"

/** Any of these headers makes a browser send a preflight first, which only the origins in CORS_ORIGINS pass. */
const preflightHeaders = ["authorization", "x-graphql-yoga-csrf", "apollo-require-preflight", "x-session"]

/** The supported content types. Forms are excluded: Yoga would execute a form that has a preflight header. */
const supportedTypes: ReadonlySet<string> = new Set([
  "application/json",
  "application/graphql",
  "application/graphql+json",
])

/**
 * Rejects requests that a page of any origin can make a browser send without a preflight: forms, and GETs without a custom
 * header. The library decides; this plugin replaces its message with one that tells how to proceed. It also rejects forms with
 * a custom header, unsupported content types and charsets, and parameters of a GET that are not JSON.
 */
export function useCsrfPrevention(): Plugin {
  const { onRequestParse } = useCSRFPrevention({ requestHeaders: preflightHeaders })
  return {
    onRequest({ request }) {
      const header = request.method === "POST" ? request.headers.get("content-type") : null
      if (header === null || supportedTypes.has(header)) return
      // Yoga recognizes a content type only in lower case and without parameters.
      const { type, charset } = readContentType(header)
      if (supportedTypes.has(type) && isUtf8(charset)) request.headers.set("content-type", type)
    },
    onRequestParse(payload) {
      try {
        onRequestParse?.(payload)
      } catch {
        throw new GraphQLError(
          "Rejected to prevent cross-site request forgery. Send a POST with Content-Type application/json, or add an Authorization header or the header X-GraphQL-Yoga-CSRF: 1.",
          { extensions: { code: "FORBIDDEN", http: { status: 403 } } },
        )
      }
      const { method, headers } = payload.request
      const { type, charset } = readContentType(headers.get("content-type") ?? "")
      if (method === "POST" && !supportedTypes.has(type)) {
        throw unsupported("Send the operation as JSON, with Content-Type application/json.")
      }
      if (method === "POST" && !isUtf8(charset)) {
        throw unsupported("Send the operation in UTF-8. Its Content-Type names another charset.")
      }
      if (method === "GET" && type !== "" && type !== "application/json") {
        throw unsupported("The operation of a GET is in its URL. Omit the Content-Type, or send application/json.")
      }
      if (method === "GET") for (const name of ["variables", "extensions"]) checkJson(name, payload.url.searchParams)
    },
  }
}

/** Without this check, Yoga reports text that is not JSON as an internal error. */
function checkJson(name: string, parameters: URLSearchParams): void {
  try {
    JSON.parse(parameters.get(name) || "null")
  } catch {
    throw new GraphQLError(`The URL parameter "${name}" is not JSON. Write it as a URL-encoded JSON object.`, {
      extensions: { code: "BAD_REQUEST", http: { status: 400 } },
    })
  }
}

function unsupported(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT", http: { status: 415 } } })
}
