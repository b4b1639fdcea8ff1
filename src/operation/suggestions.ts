import { type ExecutionResult, GraphQLError } from "graphql"

/**
 * Removes suggestions of schema names from the errors of a request. Yoga's executor makes them for variables even if suggestions
 * are disabled. Errors of the request are those without a path.
 */
export function withoutSuggestions(result: ExecutionResult): ExecutionResult {
  const { errors } = result
  if (!errors?.some(({ path, message }) => path === undefined && withoutSuggestion(message) !== message)) return result
  return {
    ...result,
    errors: errors.map(({ message, nodes, extensions, originalError }) => {
      const problem = originalError && new GraphQLError(withoutSuggestion(originalError.message))
      return new GraphQLError(withoutSuggestion(message), { nodes, extensions, originalError: problem })
    }),
  }
}

/** Cuts from the last occurrence: the message quotes the client's input, which can contain the same words. */
function withoutSuggestion(message: string): string {
  const at = message.endsWith("?") ? message.lastIndexOf(" Did you mean ") : -1
  return at < 0 ? message : message.slice(0, at)
}
