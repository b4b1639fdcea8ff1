import { defineSubscription, howItGoes } from "../defineSubscription.ts"
import { defineLookups } from "../idQueries.ts"
import { computationById } from "./loader.ts"
import * as rest from "./rest.ts"
import { Computation, ComputationState } from "./type.ts"

defineLookups({ one: "computation", many: "computations", type: Computation, loader: computationById })

export const followComputation = defineSubscription({
  name: "computation",
  description: `Follows a run until it is COMPLETED or FAILED. ${howItGoes}`,
  type: Computation,
  loader: computationById,
  get: rest.getComputation,
  state: ComputationState.required("state"),
  finalStates: ["completed", "failed"],
  slowestMs: 30_000,
})
