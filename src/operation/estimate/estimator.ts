import type { DocumentNode, GraphQLError, GraphQLSchema } from "graphql"
import { analyze } from "../documentAnalysis.ts"
import { Calculation, type Expected } from "./calculation.ts"
import { createPlan, type Plan, type Variables } from "./plan.ts"
import { type Measure, tooCostlyError } from "./tooCostly.ts"

export interface Estimate extends Expected {
  /** The error that rejects the operation for one of the two measures. */
  tooCostlyError(measure: Measure, limit: number): GraphQLError
}

export type Estimator = (document: DocumentNode, operationName: string | null, variables: Variables) => Estimate

/** How many plans are kept for a document: one for each operation and set of values of its condition variables. */
const maxPlans = 16

/** A plan, and its cost if that depends on no variable. */
interface PreparedPlan {
  plan: Plan
  constant: Expected | undefined
}

/**
 * Creates the estimator for a schema, from the costs that its fields declare. Documents must be valid. What depends on the
 * document alone is computed once and kept as long as the document.
 */
export function createEstimator(schema: GraphQLSchema): Estimator {
  const plansByDocument = new WeakMap<DocumentNode, Map<string, PreparedPlan>>()

  function prepare(document: DocumentNode, operationName: string | null, variables: Variables): PreparedPlan {
    const plan = createPlan(schema, document, operationName, variables)
    return { plan, constant: plan.usesVariables ? undefined : new Calculation(plan, {}).total() }
  }

  return (document, operationName, variables) => {
    let plans = plansByDocument.get(document)
    if (plans === undefined) {
      plans = new Map()
      plansByDocument.set(document, plans)
    }
    const key = planKey(document, operationName, variables)
    let prepared = plans.get(key)
    if (prepared === undefined) {
      prepared = prepare(document, operationName, variables)
      // Bounds the memory if a client tries all combinations of many condition variables.
      if (plans.size >= maxPlans) plans.clear()
      plans.set(key, prepared)
    }
    return new PlannedEstimate(prepared, variables)
  }
}

function planKey(document: DocumentNode, operationName: string | null, variables: Variables): string {
  const { conditionVariables } = analyze(document)
  if (conditionVariables.length === 0) return operationName ?? ""
  const conditions = conditionVariables.map((name) => {
    const value = variables[name]
    return typeof value === "boolean" || value === undefined ? String(value) : "invalid"
  })
  return [operationName, ...conditions].join(" ")
}

class PlannedEstimate implements Estimate {
  readonly calls: number
  readonly bytes: number
  readonly #plan: Plan
  readonly #variables: Variables

  constructor({ plan, constant }: PreparedPlan, variables: Variables) {
    const { calls, bytes } = constant ?? new Calculation(plan, variables).total()
    this.calls = calls
    this.bytes = bytes
    this.#plan = plan
    this.#variables = variables
  }

  tooCostlyError(measure: Measure, limit: number): GraphQLError {
    return tooCostlyError(this.#plan, this.#variables, measure, limit)
  }
}
