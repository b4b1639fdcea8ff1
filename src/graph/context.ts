import type { YogaInitialContext } from "graphql-yoga"
import type { TwoGenerationCache } from "../collections/twoGenerationCache.ts"
import type { Snapshot, Update } from "../polling/pollers.ts"
import type { TaskMemo } from "../polling/tasks.ts"
import type { CallCounts, Caller } from "../upstream/call.ts"
import type { Upstream } from "../upstream/client.ts"
import type { RecentChanges } from "./recentChanges.ts"

/** What one GraphQL request carries. Loaders hang on it, so nothing outlives the request or crosses to another. */
export interface Context extends YogaInitialContext {
  /** What resolvers may read of the request's state. */
  state: RequestInfo
  upstream: Upstream
  /** What `oncePerRequest` has made, if anything. */
  made: Map<unknown, unknown> | undefined
  /** What the caller has changed within the last minute. */
  recentChanges: RecentChanges
  /** Notes an enum value that the gateway doesn't know; each is logged once in the process's life. */
  unrecognized(caller: Caller, enumName: string, value: string): void
  /**
   * Of which type an id is, by the caller's `key`: a type never changes, but what a lookup costs must not tell anyone what others
   * have looked up.
   */
  types: TwoGenerationCache
  /** Follows an object until it is final, together with the caller's other subscriptions to it. */
  follow<T>(subject: Subject<T>): AsyncIterableIterator<Update<T>>
  /**
   * Begins the next event of a subscription, which is answered like a request of its own: what was loaded for the last one
   * is forgotten, and the upstream is a new one with its whole time before it.
   */
  renew(): void
  /**
   * Does work that is finished even if the client leaves, since writes should not be cut off. It has a context of its own,
   * whose `renew` gives each step its whole time.
   * @param key what the caller must not work on twice at once
   * @param wanted who wants the same of it meanwhile shares the outcome
   */
  finish<T>(key: readonly string[], wanted: unknown, work: (context: Context, memo: TaskMemo) => Promise<T>): Promise<T>
}

/**
 * Makes something once for each request. It is kept on the context, not in a WeakMap beside it: what a WeakMap of old age
 * leads to is collected only with the old, so every request and all that it had loaded would outlive it by seconds.
 */
export function oncePerRequest<T>(make: (context: Context) => T): (context: Context) => T {
  return (context) => {
    context.made ??= new Map()
    let made = context.made.get(make)
    if (made === undefined) {
      made = make(context)
      context.made.set(make, made)
    }
    return made as T
  }
}

/** The part of a request's state that the graph reads. `http/requestState.ts` makes it, once for each request. */
export interface RequestInfo extends Caller {
  readonly cost: RequestCost
}

/** What a request costs in calls to Code Ocean. */
export interface RequestCost extends CallCounts {
  /** How many were expected; null: it was refused before anyone could tell. */
  estimatedUpstreamCalls: number | null
}

/** An object that can be followed. */
export interface Subject<T> {
  kind: string
  id: string
  read(upstream: Upstream): Promise<Snapshot<T>>
  /** The longest wait between two reads, in milliseconds. */
  slowestMs: number
}
