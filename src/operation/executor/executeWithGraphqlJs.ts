import { type ExecutionArgs, type ExecutionResult, execute, GraphQLError } from "graphql"
import { withoutSuggestions } from "../suggestions.ts"

/**
 * Executes an operation with graphql-js, for what the compiled executor does not support. Errors of the
 * request itself, such as invalid variables, have status 400.
 * @param args.suggestions whether errors may suggest names of the schema
 */
export function executeWithGraphqlJs(
  args: ExecutionArgs,
  suggestions: boolean,
): ExecutionResult | Promise<ExecutionResult> {
  const result = execute(args)
  return "then" in result ? result.then((result) => completed(result, suggestions)) : completed(result, suggestions)
}

function completed(result: ExecutionResult, suggestions: boolean): ExecutionResult {
  const { data, errors } = suggestions ? result : withoutSuggestions(result)
  if (errors === undefined) return result
  return data === undefined ? { errors: errors.map(asRequestError) } : { data, errors }
}

function asRequestError(error: GraphQLError): GraphQLError {
  const { message, nodes, source, positions, path, originalError, extensions } = error
  const http = { ...(extensions.http as object | undefined), status: 400 }
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    originalError,
    extensions: { ...extensions, http },
  })
}
