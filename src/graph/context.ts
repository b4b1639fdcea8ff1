import type { YogaInitialContext } from "graphql-yoga"
import type { TwoGenerationCache } from "../collections/twoGenerationCache.ts"
import type { LineLog } from "../log/log.ts"
import type { Snapshot, Update } from "../polling/source.ts"
import type { Task } from "../polling/tasks.ts"
import type { StoreWait } from "../store/store.ts"
import type { Metrics } from "../telemetry/metrics.ts"
import type { CallCounts, Caller } from "../upstream/call.ts"
import type { Upstream } from "../upstream/client.ts"
import type { RecentChanges } from "./recentChanges.ts"

/** The context of one GraphQL request. Loaders are kept in it, so nothing outlives the request or reaches another one. */
export interface Context extends YogaInitialContext {
  /** The part of the request's state that resolvers may read. */
  state: RequestInfo
  upstream: Upstream
  /** The maximum time for one call, in milliseconds. */
  callTimeoutMs: number
  /** The values of `oncePerRequest`, the newest first. */
  perRequest: PerRequest | undefined
  /** What the caller has changed within the last minute. */
  recentChanges: RecentChanges
  /** Logs an enum value that the gateway does not know, once in the life of the process. */
  warnUnknownEnum(caller: Caller, enumName: string, value: string): void
  /**
   * The type of each id, by the caller's `key`. An id never changes its type. Kept for each caller apart, since the cost of a
   * `node` must not reveal which ids others have read.
   */
  typeById: TwoGenerationCache
  /** Yields an object each time it changes, until it is final. Equal subscriptions of one caller share their reads. */
  watch<T>(subject: Subject<T>, polling: Polling): AsyncIterableIterator<Update<T>>
  /**
   * Starts the next event of a subscription, which is handled like a request of its own: the values of the previous one are
   * dropped, and calls have the whole deadline again.
   */
  reset(): void
  /**
   * Runs work that goes on after the client has disconnected, since writes should not be cut off. It has its own context, whose
   * `reset` gives each step the whole deadline.
   * @param key what is worked on. `task.alone` runs parts that must not run twice at once, by any caller
   * @param wanted requests of one caller for the same share one run and its outcome
   */
  runToCompletion<T>(
    key: readonly string[],
    wanted: unknown,
    work: (context: Context, task: Task) => Promise<T>,
  ): Promise<T>
}

/** A value of a request, in a list: a request has few of them, and finds them faster than in a Map. */
interface PerRequest {
  readonly create: unknown
  readonly value: unknown
  readonly next: PerRequest | undefined
}

/**
 * Creates a value once for each request. It is kept in the context and not in a WeakMap: V8 frees what an old WeakMap refers to
 * only with a full garbage collection, so each request and all that it loaded would outlive it by seconds.
 */
export function oncePerRequest<T>(create: (context: Context) => T): (context: Context) => T {
  return (context) => {
    for (let entry = context.perRequest; entry !== undefined; entry = entry.next) {
      if (entry.create === create) return entry.value as T
    }
    const value = create(context)
    context.perRequest = { create, value, next: context.perRequest }
    return value
  }
}

/** The part of a request's state that the graph reads. `http/requestState.ts` makes it, once for each request. */
export interface RequestInfo extends Caller {
  readonly requestId: string
  /** For lines about this request, beside the one that each request gets. */
  readonly log: LineLog
  readonly cost: RequestCost
  /** How long the request has waited for the store. */
  readonly storeWait?: StoreWait
  /** Undefined while metrics are off. */
  readonly metrics?: Metrics | undefined
  /** Set by a subscription whose events are changes: two equal ones are two changes, and both are sent. */
  sendsEqualEvents?: boolean
}

/** The cost of a request in calls to Code Ocean. */
export interface RequestCost extends CallCounts {
  /** Null if the request was rejected before it could be estimated. */
  estimatedUpstreamCalls: number | null
}

/** An object that can be watched. */
export interface Subject<T> {
  kind: string
  id: string
  read(upstream: Upstream): Promise<Snapshot<T>>
  /** The minimum interval between two reads, in milliseconds. Undefined for the default. */
  minWaitMs?: number
  /** The maximum interval between two reads, in milliseconds. */
  slowestMs: number
}

/** How a client wants an object to be watched. */
export interface Polling {
  /** The shortest wait between two reads, in milliseconds. Undefined for the default. */
  fastestMs: number | undefined
  /** How long it is watched, in milliseconds. Undefined without a limit. */
  timeLimitMs: number | undefined
  /** Whether it has just been read, so that the first read comes after the shortest wait. */
  justRead?: boolean
}
