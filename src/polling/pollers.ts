import { GraphQLError } from "graphql"
import type { ErrorCode } from "../errors.ts"
import type { Store } from "../store/store.ts"
import { type Clock, systemClock } from "./clock.ts"
import { createPoller, type Listener, type Poller } from "./poller.ts"
import { type ReceiveSnapshot, SharedPoll } from "./sharedPoll.ts"
import type { Source, Update } from "./source.ts"

/** When this many objects are held, those without a listener are dropped. */
const maxPollers = 10_000

/** All objects that are polled. */
export interface Pollers {
  /**
   * Polls an object. Yields it as it is, then once for each change, and ends when it is final or can no longer be read. A slow
   * listener skips updates that are outdated by the time it calls `next()`. Listeners with the same key share one poller, which
   * reads with the source of the listener that joined first. A listener that joins when the last read is older than the shortest
   * wait causes another one, and begins with its result. Holds no resources before the first `next()` and after `return()`.
   */
  watch<T>(key: string, source: Source<T>): AsyncIterableIterator<Update<T>>
  /** Ends all polling, including polling that would start later. */
  close(): void
  readonly closed: boolean
  /** For diagnostics. */
  readonly counts: PollerCounts
}

export interface PollerCounts {
  /** Objects that are polled. */
  pollers: number
  listeners: number
  /** Objects without a listener, kept until they may be read again. */
  coolingDown: number
}

/**
 * @param clock for tests
 * @param store what replicas share. Undefined if there is one replica
 */
export function createPollers(clock: Clock = systemClock, store?: Store): Pollers {
  const pollers = new Map<string, Poller<unknown>>()
  let listeners = 0
  let closed = false
  let dropAt = maxPollers

  /** Clients that subscribe and leave must not fill the memory with objects that are cooling down. */
  function dropCoolingDown() {
    for (const [key, poller] of pollers) {
      if (poller.polling) continue
      poller.close()
      pollers.delete(key)
    }
    // If most of them are polled, the next scan must not follow at once.
    dropAt = Math.max(maxPollers, 2 * pollers.size)
  }

  /** Callers that use the same key watch the same type. */
  function join<T>(key: string, listener: Listener<T>): Poller<T> {
    let poller = pollers.get(key) as Poller<T> | undefined
    if (poller === undefined) {
      if (pollers.size >= dropAt) dropCoolingDown()
      const forget = () => {
        // It may have been dropped, and another poller created under the same key.
        if (pollers.get(key) === poller) pollers.delete(key)
      }
      const share = store && ((receive: ReceiveSnapshot<T>) => new SharedPoll(store, clock, key, receive))
      poller = createPoller<T>(clock, forget, share, listener.source.minWaitMs)
      pollers.set(key, poller as Poller<unknown>)
    }
    listeners += 1
    poller.join(listener)
    return poller
  }

  return {
    watch<T>(key: string, source: Source<T>) {
      let poller: Poller<T> | undefined
      let seen = 0
      let left = false
      let timeLimitError: GraphQLError | undefined
      let wake = () => {}
      const { timeLimitMs } = source
      const listener = {
        source,
        awaitsRead: false,
        endsAt: Number.POSITIVE_INFINITY,
        wake: () => wake(),
        expire() {
          timeLimitError = timeLimitReached(timeLimitMs as number)
          leave()
        },
      }
      const leave = () => {
        if (!left && poller !== undefined) {
          listeners -= 1
          poller.leave(listener)
        }
        left = true
        wake()
      }
      return {
        async next() {
          if (closed) leave()
          while (!left) {
            if (poller === undefined) {
              if (timeLimitMs !== undefined) listener.endsAt = clock.now() + timeLimitMs
              poller = join(key, listener)
            }
            if (poller.latest !== undefined && poller.version > seen && !listener.awaitsRead) {
              seen = poller.version
              return { done: false, value: poller.latest }
            }
            if (poller.finished) leave()
            else {
              await new Promise<void>((resolve) => {
                wake = resolve
              })
            }
          }
          if (timeLimitError === undefined) return { done: true, value: undefined }
          const error = timeLimitError
          timeLimitError = undefined
          return { done: false, value: { error } }
        },
        async return() {
          timeLimitError = undefined
          leave()
          return { done: true, value: undefined }
        },
        [Symbol.asyncIterator]() {
          return this
        },
      }
    },
    close() {
      closed = true
      for (const poller of pollers.values()) poller.close()
      pollers.clear()
    },
    get closed() {
      return closed
    },
    get counts() {
      const polling = [...pollers.values()].filter((poller) => poller.polling).length
      return { pollers: polling, listeners, coolingDown: pollers.size - polling }
    },
  }
}

function timeLimitReached(timeLimitMs: number): GraphQLError {
  const message = `The time limit of ${timeLimitMs / 1000} seconds was reached before the final state. Nothing was stopped in Code Ocean. Subscribe again to go on.`
  return new GraphQLError(message, { extensions: { code: "TIME_LIMIT_REACHED" satisfies ErrorCode } })
}
