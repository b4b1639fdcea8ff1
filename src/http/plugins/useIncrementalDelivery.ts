import { useDeferStream } from "@graphql-yoga/plugin-defer-stream"
import { type ASTVisitor, GraphQLError, type ValidationContext, visit } from "graphql"
import type { Plugin } from "graphql-yoga"

/** Allows `@defer` and `@stream` in queries and mutations. useRequests presents the parts of such a response. */
export function useIncrementalDelivery(): Plugin {
  const { onSchemaChange, onValidate } = useDeferStream()
  return {
    onSchemaChange,
    onValidate(payload) {
      payload.addValidationRule(noPartsInSubscriptions)
      return onValidate?.(payload)
    },
  }
}

/** An event of a subscription ends its calls when it is sent, so no part of it can follow later. */
function noPartsInSubscriptions(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(operation) {
      if (operation.operation !== "subscription") return
      for (const part of [operation, ...context.getRecursivelyReferencedFragments(operation)]) {
        visit(part, {
          Directive(node) {
            const name = node.name.value
            if (name !== "defer" && name !== "stream") return
            context.reportError(
              new GraphQLError(`@${name} can't be used in a subscription. Events are sent in one piece.`, {
                nodes: node,
              }),
            )
          },
        })
      }
    },
  }
}
