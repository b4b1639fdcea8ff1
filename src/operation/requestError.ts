import { type ASTNode, GraphQLError } from "graphql"
import type { ErrorCode } from "../errors.ts"

/**
 * An error of the whole request: nothing was executed.
 * @param status for clients that accept `application/graphql-response+json`; the others get 200
 */
export function requestError(
  code: ErrorCode | "GRAPHQL_PARSE_FAILED",
  status: number,
  message: string,
  { node, extensions }: { node?: ASTNode | undefined; extensions?: Record<string, unknown> } = {},
): GraphQLError {
  return new GraphQLError(message, {
    nodes: node,
    extensions: { code, http: { spec: true, status }, ...extensions },
  })
}

/** The error for a document, variables or parameters that are not allowed. */
export function invalidRequest(message: string): GraphQLError {
  return requestError("BAD_USER_INPUT", 400, message)
}
