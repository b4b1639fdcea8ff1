import type { Kind } from "../capsule/rest.ts"
import { type Context, oncePerRequest } from "../context.ts"
import { loaderById, loaderByKey } from "../loader.ts"
import * as rest from "./rest.ts"

export const computationById = loaderById("Computation", (context, id) => rest.getComputation(context.upstream, id))

/** Which capsule or pipeline. */
export interface RunnableKey {
  id: string
  kind: Kind
}

const computationsByRunnable = loaderByKey(async (context, key) => {
  const runnable: RunnableKey = JSON.parse(key)
  const listed = await rest.listComputations(context.upstream, runnable.kind, runnable.id)
  const distinct = new Map(listed.map((computation) => [computation.id, computation]))
  const computations = newestFirst(computationById.prime(context, [...distinct.values()]))
  for (const computation of computations) rememberRunnable(context, computation, runnable)
  return computations
})

/** All runs of a capsule or pipeline, newest first. One call, shared by all pages and filters of a request. */
export function computationsOf(context: Context, runnable: RunnableKey): Promise<rest.Computation[]> {
  return computationsByRunnable(context).load(JSON.stringify(runnable))
}

/** Forgets every list of runs that this request has loaded, after a write that may have changed them. */
export function forgetComputations(context: Context): void {
  computationsByRunnable(context).clearAll()
}

function newestFirst(computations: rest.Computation[]): rest.Computation[] {
  return computations.sort((a, b) => createdOf(b) - createdOf(a) || (a.id < b.id ? -1 : 1))
}

/** When a run was started, in epoch seconds; 0 where Code Ocean does not say. */
export function createdOf(computation: rest.Computation): number {
  return Number(computation.created) || 0
}

/** What a request has learnt of which run belongs to what; upstream's computations don't say it themselves. */
const runnables = oncePerRequest(() => new Map<rest.Computation, RunnableKey>())

/** Notes for the length of the request that this object is a run of that capsule or pipeline. */
export function rememberRunnable(context: Context, computation: rest.Computation, runnable: RunnableKey): void {
  runnables(context).set(computation, runnable)
}

/** The capsule or pipeline that ran, as far as the request has learnt it. */
export function runnableOf(context: Context, computation: rest.Computation): RunnableKey | undefined {
  return runnables(context).get(computation)
}
