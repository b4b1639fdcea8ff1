import { useCSRFPrevention } from "@graphql-yoga/plugin-csrf-prevention"
import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/** Any of these makes a browser ask first, by a preflight that only the origins in CORS_ORIGINS pass. */
const proofs = ["authorization", "x-graphql-yoga-csrf", "apollo-require-preflight"]

/**
 * Refuses requests that a page of any origin could make a browser send unasked: forms, and GETs without a header of their
 * own. The library decides; here its refusal gets a sentence that says what to do.
 */
export function useCsrfPrevention(): Plugin {
  const { onRequestParse } = useCSRFPrevention({ requestHeaders: proofs })
  return {
    onRequestParse(payload) {
      try {
        return onRequestParse?.(payload)
      } catch {
        throw new GraphQLError(
          "Refused to prevent cross-site request forgery: send a POST with Content-Type application/json, or add an Authorization header or the header X-GraphQL-Yoga-CSRF: 1.",
          { extensions: { code: "FORBIDDEN", http: { status: 403 } } },
        )
      }
    },
  }
}
