import { GraphQLError } from "graphql"
import type { Plugin } from "graphql-yoga"

/** The most tokens that a document may have: some fifty times a large page's query. */
const mostTokens = 10_000
/** How deep braces, brackets and parentheses may nest; the parser descends once for each. */
const deepestNesting = 200

/** Refuses documents that would cost the parser too much, before it begins. */
export function useSyntaxLimits(): Plugin {
  return {
    onParse({ params, parseFn, setParseFn }) {
      setParseFn((source, options) => {
        checkNesting(String(params.source))
        return parseFn(source, { ...options, maxTokens: mostTokens })
      })
    },
  }
}

/** Strings and comments may hold brackets too; counting them as well only makes the limit a little stricter for them. */
function checkNesting(source: string): void {
  let depth = 0
  for (let index = 0; index < source.length; index++) {
    const character = source[index]
    if (character === "{" || character === "[" || character === "(") {
      depth += 1
      if (depth > deepestNesting) {
        throw new GraphQLError(`The document nests deeper than ${deepestNesting} levels.`, {
          extensions: { code: "GRAPHQL_PARSE_FAILED", http: { spec: true, status: 400 } },
        })
      }
    } else if (character === "}" || character === "]" || character === ")") depth -= 1
  }
}
