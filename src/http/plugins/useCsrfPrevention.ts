import { useCSRFPrevention } from "@graphql-yoga/plugin-csrf-prevention"
import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"
import { isUtf8, readContentType } from "../contentType.ts"

/** Any of these makes a browser ask first, by a preflight that only the origins in CORS_ORIGINS pass. */
const proofs = ["authorization", "x-graphql-yoga-csrf", "apollo-require-preflight"]

/** Forms are none of these: Yoga would run an operation in one that has such a header. */
const readable: ReadonlySet<string> = new Set(["application/json", "application/graphql", "application/graphql+json"])

/**
 * Refuses requests that a page of any origin could make a browser send unasked: forms, and GETs without a header of their
 * own. The library decides; here its refusal gets a sentence that says what to do. Forms run nothing even with the header.
 * Other types and charsets than are read, and parameters of a GET that are no JSON, are refused here too.
 */
export function useCsrfPrevention(): Plugin {
  const { onRequestParse } = useCSRFPrevention({ requestHeaders: proofs })
  return {
    onRequest({ request }) {
      const header = request.method === "POST" ? request.headers.get("content-type") : null
      if (header === null || readable.has(header)) return
      // Yoga knows its types only as they are written in the standard.
      const { type, charset } = readContentType(header)
      if (readable.has(type) && isUtf8(charset)) request.headers.set("content-type", type)
    },
    onRequestParse(payload) {
      try {
        onRequestParse?.(payload)
      } catch {
        throw new GraphQLError(
          "Refused to prevent cross-site request forgery: send a POST with Content-Type application/json, or add an Authorization header or the header X-GraphQL-Yoga-CSRF: 1.",
          { extensions: { code: "FORBIDDEN", http: { status: 403 } } },
        )
      }
      const { method, headers } = payload.request
      const { type, charset } = readContentType(headers.get("content-type") ?? "")
      if (method === "POST" && !readable.has(type)) {
        throw unsupported("Send the operation as JSON, with Content-Type application/json.")
      }
      if (method === "POST" && !isUtf8(charset)) {
        throw unsupported("Send the operation in UTF-8: its Content-Type names another charset.")
      }
      if (method === "GET" && type !== "" && type !== "application/json") {
        throw unsupported(
          "A GET carries its operation in the address: leave its Content-Type out, or send application/json.",
        )
      }
      if (method === "GET") for (const name of ["variables", "extensions"]) checkJson(name, payload.url.searchParams)
    },
  }
}

/** Yoga takes text that is no JSON here for a failure of its own. */
function checkJson(name: string, parameters: URLSearchParams): void {
  try {
    JSON.parse(parameters.get(name) || "null")
  } catch {
    throw new GraphQLError(
      `The address's parameter "${name}" is no JSON: write it as a JSON object, encoded for an address.`,
      {
        extensions: { code: "BAD_USER_INPUT", http: { status: 400 } },
      },
    )
  }
}

function unsupported(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT", http: { status: 415 } } })
}
