import { defineSubscription, watchDescription } from "../defineSubscription.ts"
import { defineIdQueries } from "../idQueries.ts"
import { computationById } from "./loader.ts"
import * as rest from "./rest.ts"
import { Computation, ComputationState } from "./type.ts"

defineIdQueries({
  one: "computation",
  many: "computations",
  noun: "run",
  type: Computation,
  loader: computationById,
  // It is unknown, or loaded.
  free: ["Computation.runnable"],
})

export const watchComputation = defineSubscription({
  name: "computation",
  description: `Follows a run until it is COMPLETED or FAILED. ${watchDescription}`,
  type: Computation,
  loader: computationById,
  get: rest.getComputation,
  state: ComputationState.required("state"),
  finalStates: ["completed", "failed"],
  slowestMs: 30_000,
})
