import { useCSRFPrevention } from "@graphql-yoga/plugin-csrf-prevention"
import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/** Any of these makes a browser ask first, by a preflight that only the origins in CORS_ORIGINS pass. */
const proofs = ["authorization", "x-graphql-yoga-csrf", "apollo-require-preflight"]

/** Forms are none of these: Yoga would run an operation in one that has such a header. */
const readable = /^application\/(json|graphql|graphql\+json)\s*(;|$)/i

/**
 * Refuses requests that a page of any origin could make a browser send unasked: forms, and GETs without a header of their
 * own. The library decides; here its refusal gets a sentence that says what to do. Forms run nothing even with the header.
 */
export function useCsrfPrevention(): Plugin {
  const { onRequestParse } = useCSRFPrevention({ requestHeaders: proofs })
  return {
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
      if (method === "POST" && !readable.test(headers.get("content-type") ?? "")) {
        throw new GraphQLError("Send the operation as JSON, with Content-Type application/json.", {
          extensions: { code: "BAD_USER_INPUT", http: { status: 415 } },
        })
      }
    },
  }
}
