import {
  type ASTVisitor,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  type ValidationContext,
} from "graphql"
import type { Plugin } from "graphql-yoga"
import type { Context } from "../../graph/context.ts"
import type { CheckOperation } from "../../operation/check.ts"
import { checkDocument, checkSource, isLocatable } from "../../operation/document.ts"
import type { Limits } from "../../operation/limits.ts"

/**
 * Refuses operations that would cost the gateway or Code Ocean too much, at the first moment that tells: the text before it
 * is parsed, the document before it is validated, variables and calls before anything is executed.
 * @param options.introspection whether the schema can be queried, and errors suggest names for misspelt ones
 */
export function useOperationLimits(options: {
  limits: Limits
  checkOperation: CheckOperation
  introspection: boolean
}): Plugin<Context> {
  const { limits, introspection } = options
  const checkOperation = (args: ExecutionArgs) =>
    options.checkOperation({ ...args, contextValue: args.contextValue as Context })

  return {
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, parseOptions) => {
        const text = String(source.body ?? source)
        checkSource(text, limits)
        const document = parseFn(source, {
          ...parseOptions,
          maxTokens: limits.tokens,
          noLocation: !isLocatable(text),
        })
        checkDocument(document, limits)
        return document
      })
    },
    onValidate({ addValidationRule, validateFn, setValidationFn }) {
      if (!introspection) {
        addValidationRule(NoSchemaIntrospectionCustomRule)
        addValidationRule(noSubgraphSdl)
        setValidationFn((schema, document, rules) => validateFn(schema, document, rules, { hideSuggestions: true }))
      }
    },
    onExecute({ args, setResultAndStopExecution }) {
      const refusal = checkOperation(args)
      if (refusal !== undefined) setResultAndStopExecution({ errors: [refusal] })
      else if (!introspection) return { onExecuteDone: hideSuggestions }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const refusal = checkOperation(args)
      if (refusal !== undefined) setResultAndStopExecution({ errors: [refusal] })
      else if (!introspection) return { onSubscribeResult: hideSuggestions }
    },
  }
}

/** What federation calls `_service` tells as much as introspection does. */
function noSubgraphSdl(context: ValidationContext): ASTVisitor {
  return {
    Field(node) {
      if (node.name.value !== "_service" || context.getParentType() !== context.getSchema().getQueryType()) return
      context.reportError(
        new GraphQLError(
          "The gateway doesn't tell its schema here: compose with its file schema.graphql, or set INTROSPECTION=true.",
          { nodes: node },
        ),
      )
    },
  }
}

/** Enums suggest their values for variables whatever validation was told. Such errors are of the request: they have no path. */
function hideSuggestions({
  result,
  setResult,
}: {
  result: object
  setResult: (result: ExecutionResult) => void
}): void {
  const { errors } = result as ExecutionResult
  if (!errors?.some(({ path, message }) => path === undefined && withoutSuggestion(message) !== message)) return
  setResult({
    ...result,
    errors: errors.map(
      ({ message, nodes, extensions }) => new GraphQLError(withoutSuggestion(message), { nodes, extensions }),
    ),
  })
}

/** The message holds what the client sent, which may hold these words many times: the suggestion is the last of them. */
function withoutSuggestion(message: string): string {
  const at = message.endsWith("?") ? message.lastIndexOf(" Did you mean ") : -1
  return at < 0 ? message : message.slice(0, at)
}
