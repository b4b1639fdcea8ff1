import { useDeferStream } from "@graphql-yoga/plugin-defer-stream"
import { type ASTVisitor, GraphQLError, type ValidationContext, visit } from "graphql"
import type { Plugin } from "graphql-yoga"

/** Allows `@defer` and `@stream` in queries and mutations; useRequests sees to the parts of such an answer. */
export function useIncrementalDelivery(): Plugin {
  const { onSchemaChange, onValidate } = useDeferStream()
  return {
    onSchemaChange,
    onValidate(payload) {
      payload.addValidationRule(wholeEventsOnly)
      return onValidate?.(payload)
    },
  }
}

/** A subscription's event ends what it has loaded, as a request does: nothing of it can come later. */
function wholeEventsOnly(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(operation) {
      if (operation.operation !== "subscription") return
      for (const part of [operation, ...context.getRecursivelyReferencedFragments(operation)]) {
        visit(part, {
          Directive(node) {
            const name = node.name.value
            if (name !== "defer" && name !== "stream") return
            context.reportError(
              new GraphQLError(`@${name} can't be used in a subscription: each event comes whole.`, { nodes: node }),
            )
          },
        })
      }
    },
  }
}
