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
import { exactFloats } from "../../operation/exactFloats.ts"
import { withPlaces } from "../../operation/invalidLiterals.ts"
import type { Limits } from "../../operation/limits.ts"
import { withoutSuggestions } from "../../operation/suggestions.ts"

/**
 * Rejects operations that would cost the gateway or Code Ocean too much, as early as possible: the text before parsing, the
 * document before validation, variables and estimated cost before execution.
 * @param options.introspection whether clients may query the schema, and errors may suggest its names for misspelt ones
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
    onParams({ params: { operationName } }) {
      // Yoga would look for an operation of that name.
      if (operationName != null && typeof operationName !== "string") {
        throw new GraphQLError("The `operationName` is not a string. Send the name of one operation of the document.", {
          extensions: { code: "BAD_REQUEST", http: { status: 400 } },
        })
      }
    },
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, parseOptions) => {
        const text = String(source.body ?? source)
        try {
          checkSource(text, limits)
          const document = parseFn(source, {
            ...parseOptions,
            maxTokens: limits.tokens,
            noLocation: !isLocatable(text),
          })
          checkDocument(document, limits)
          return document
        } catch (error) {
          throw withoutStack(error)
        }
      })
    },
    onValidate({ addValidationRule, validateFn, setValidationFn }) {
      addValidationRule(exactFloats)
      if (!introspection) {
        addValidationRule(NoSchemaIntrospectionCustomRule)
        addValidationRule(noSubgraphSdl)
      }
      setValidationFn((schema, document, rules) => {
        const errors = validateFn(schema, document, rules, { hideSuggestions: !introspection })
        return errors.length === 0 ? errors : withPlaces(errors, document).map(withoutStack)
      })
    },
    onExecute({ args, setResultAndStopExecution }) {
      const error = checkOperation(args)
      if (error !== undefined) setResultAndStopExecution({ errors: [error] })
      else if (!introspection) return { onExecuteDone: hideSuggestions }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const error = checkOperation(args)
      if (error !== undefined) setResultAndStopExecution({ errors: [error] })
      else if (!introspection) return { onSubscribeResult: hideSuggestions }
    },
  }
}

/**
 * For an error that is cached with its document. Until its stack is read or replaced, V8 keeps the functions on it and what they refer
 * to, such as the state of the request, with its token.
 */
function withoutStack<E>(error: E): E {
  if (error instanceof GraphQLError) error.stack = ""
  return error
}

/** The field `_service` of federation reveals as much of the schema as introspection does. */
function noSubgraphSdl(context: ValidationContext): ASTVisitor {
  return {
    Field(node) {
      if (node.name.value !== "_service" || context.getParentType() !== context.getSchema().getQueryType()) return
      context.reportError(
        new GraphQLError(
          "The gateway does not serve its schema here. Compose with its file schema.graphql, or set INTROSPECTION=true.",
          { nodes: node },
        ),
      )
    },
  }
}

function hideSuggestions(done: { result: object; setResult: (result: ExecutionResult) => void }): void {
  const result = withoutSuggestions(done.result)
  if (result !== done.result) done.setResult(result)
}
