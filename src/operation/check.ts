import { type ExecutionArgs, GraphQLError, type GraphQLSchema } from "graphql"
import type { Context } from "../graph/context.ts"
import { createEstimator } from "./estimate/estimator.ts"
import type { Limits } from "./limits.ts"
import { checkVariables } from "./variables.ts"

/** Returns why an operation must not be executed, or undefined. Writes the estimated calls into the context. */
export type CheckOperation = (
  args: Pick<ExecutionArgs, "document" | "operationName" | "variableValues"> & { contextValue: Context },
) => GraphQLError | undefined

/** Creates the last check before an operation is executed: its variables, and its estimated cost. */
export function createOperationCheck(schema: GraphQLSchema, limits: Limits): CheckOperation {
  const estimate = createEstimator(schema)
  return ({ document, operationName, variableValues, contextValue }) => {
    const variables = variableValues ?? {}
    try {
      checkVariables(variables, limits, document, operationName)
    } catch (error) {
      if (error instanceof GraphQLError) return error
      throw error
    }
    const expected = estimate(document, operationName ?? null, variables)
    contextValue.state.cost.estimatedUpstreamCalls = expected.calls
    if (expected.calls > limits.estimatedCalls) return expected.tooCostlyError("calls", limits.estimatedCalls)
    return expected.bytes > limits.responseBytes ? expected.tooCostlyError("bytes", limits.responseBytes) : undefined
  }
}
