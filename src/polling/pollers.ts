import { hash } from "node:crypto"
import { GraphQLError } from "graphql"
import type { ErrorCode } from "../errors.ts"
import { type Clock, systemClock } from "./clock.ts"

/** The shortest wait between two reads of an object, and the first one, in milliseconds. */
export const minWaitMs = 5_000
/** The factor by which the wait grows with each read that finds the object in the same stage. */
const waitGrowth = 1.5
/** How long an object whose reads fail is still polled, in milliseconds, or for two polling intervals if these are longer. */
const maxFailingMs = 5 * 60_000

/** When this many objects are held, those without a listener are dropped. */
const maxPollers = 10_000

/** The result of one read of an object. */
export interface Snapshot<T> {
  value: T
  /** The poll interval backs off while this stays the same, even if other fields change (`run_time`). */
  stage: string
  /** Whether the object will not change any more. */
  isFinal: boolean
}

/** How one listener reads an object. */
export interface Source<T> {
  /** Reads the object once. */
  read(signal: AbortSignal): Promise<Snapshot<T>>
  /** The shortest wait after this error, in milliseconds. Undefined if the error is permanent. */
  retryAfterMs(error: unknown): number | undefined
  /** The longest wait between two reads, in milliseconds, unless the shortest is longer. */
  slowestMs: number
  /** The shortest wait between two reads that this listener wants, in milliseconds. Of several listeners the shortest counts. */
  fastestMs?: number | undefined
  /** How long this listener follows the object, in milliseconds. Checked between two reads. Undefined without a limit. */
  timeLimitMs?: number | undefined
}

/** What a listener receives: the object as it is now, or the error that ended the polling. */
export type Update<T> = { value: T; isFinal: boolean } | { error: unknown }

/** All objects that are polled. */
export interface Pollers {
  /**
   * Polls an object. Yields it as it is, then once for each change, and ends when it is final or can no longer be read. A slow
   * listener skips updates that are outdated by the time it calls `next()`. Listeners with the same key share one poller, which
   * reads with the source of the listener that joined first. Holds no resources before the first `next()` and after `return()`.
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

interface Listener<T> {
  source: Source<T>
  /** When its time limit is reached. */
  endsAt: number
  wake(): void
  /** Ends it at its time limit. */
  expire(): void
}

export function createPollers(clock: Clock = systemClock): Pollers {
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
      poller = createPoller<T>(clock, () => {
        // It may have been dropped, and another poller created under the same key.
        if (pollers.get(key) === poller) pollers.delete(key)
      })
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
            if (poller.latest !== undefined && poller.version > seen) {
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

interface Poller<T> {
  join(listener: Listener<T>): void
  leave(listener: Listener<T>): void
  close(): void
  /** The latest update, and how many there have been. */
  readonly latest: Update<T> | undefined
  readonly version: number
  /** Whether there will be no further update. */
  readonly finished: boolean
  readonly polling: boolean
}

/**
 * Reads one object while it has listeners. Without listeners it cools down: it stops reading, but is kept until the object may
 * be read again. So clients that subscribe and leave repeatedly cause no more reads than one that stays.
 */
function createPoller<T>(clock: Clock, drop: () => void): Poller<T> {
  const listeners = new Set<Listener<T>>()
  let running: AbortController | undefined
  let latest: Update<T> | undefined
  let version = 0
  let finished = false
  let polling = false
  /** Whether it is waiting for the next read. */
  let sleeping = false

  /** When the next read is due at the earliest, and when the last one ended. */
  let nextAt = Number.NEGATIVE_INFINITY
  let readAt = Number.NEGATIVE_INFINITY
  /** The earliest time at which a new listener may cause a read. */
  let earliestAt = Number.NEGATIVE_INFINITY
  let waitMs = minWaitMs
  let stage: string | undefined
  /** The digest of the latest value. Not the value's JSON, because it can be large and there can be many pollers. */
  let digest: string | undefined
  let failingSince: number | undefined

  function publish(update: Update<T>) {
    latest = update
    version += 1
    wakeAll()
  }

  function wakeAll() {
    for (const listener of listeners) listener.wake()
  }

  function start(task: (signal: AbortSignal) => Promise<void>) {
    running?.abort()
    const controller = new AbortController()
    running = controller
    polling = task === poll
    task(controller.signal).catch((error: unknown) => {
      if (controller.signal.aborted) return
      // The task is not awaited anywhere, so an exception in it goes to the listeners of this object.
      if (task === coolDown) drop()
      else {
        publish({ error })
        finish()
      }
    })
  }

  function finish() {
    finished = true
    start(coolDown)
    wakeAll()
  }

  async function sleepUntil(timeMs: () => number, signal: AbortSignal) {
    // Timers may fire a fraction of a millisecond early, and listeners may leave.
    while (clock.now() < timeMs() && !signal.aborted) await clock.sleep(Math.ceil(timeMs() - clock.now()), signal)
  }

  /** The shortest wait that a listener wants. */
  function fastestMs(): number {
    let fastest = Number.POSITIVE_INFINITY
    for (const { source } of listeners) fastest = Math.min(fastest, source.fastestMs ?? minWaitMs)
    return listeners.size === 0 ? minWaitMs : fastest
  }

  /** When the next read is due. */
  function dueAt(): number {
    return Math.max(nextAt, readAt + fastestMs())
  }

  /** When the first of the time limits is reached. */
  function firstEndsAt(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { endsAt } of listeners) first = Math.min(first, endsAt)
    return first
  }

  function expireListeners() {
    for (const listener of listeners) if (listener.endsAt <= clock.now()) listener.expire()
  }

  async function coolDown(signal: AbortSignal) {
    await sleepUntil(() => earliestAt, signal)
    if (!signal.aborted) drop()
  }

  async function poll(signal: AbortSignal) {
    while (!finished) {
      sleeping = true
      await sleepUntil(() => Math.min(dueAt(), firstEndsAt()), signal)
      // Another run of this function may have started, which is sleeping now.
      if (signal.aborted) return
      sleeping = false
      expireListeners()
      const [listener] = listeners
      if (listener === undefined) return
      if (clock.now() < dueAt()) continue
      const startedAt = clock.now()
      earliestAt = nextAt = startedAt + minWaitMs
      const read = await settled(listener.source.read(signal))
      if (signal.aborted) return
      readAt = clock.now()
      earliestAt = readAt + minWaitMs
      if ("error" in read) onError(read.error, listener.source, startedAt)
      else onSnapshot(read.value, listener.source)
    }
  }

  function onSnapshot(snapshot: Snapshot<T>, { slowestMs }: Source<T>) {
    failingSince = undefined
    waitMs = snapshot.stage === stage ? Math.min(waitMs * waitGrowth, slowestMs) : minWaitMs
    nextAt = clock.now() + waitMs
    stage = snapshot.stage
    const previous = digest
    digest = hash("sha256", JSON.stringify(snapshot.value))
    if (digest !== previous) publish({ value: snapshot.value, isFinal: snapshot.isFinal })
    if (snapshot.isFinal) finish()
  }

  function onError(error: unknown, source: Source<T>, startedAt: number) {
    const retryAfterMs = source.retryAfterMs(error)
    if (retryAfterMs !== undefined) {
      failingSince ??= startedAt
      nextAt = clock.now() + Math.max(waitMs, retryAfterMs)
      waitMs = Math.min(waitMs * waitGrowth, source.slowestMs)
      earliestAt = clock.now() + Math.min(Math.max(minWaitMs, retryAfterMs), maxFailingMs)
      if (nextAt <= failingSince + Math.max(maxFailingMs, 2 * fastestMs())) return
    }
    publish({ error })
    finish()
  }

  return {
    join(listener) {
      // The present wait may be too long for the new listener.
      const isSooner = (listener.source.fastestMs ?? minWaitMs) < fastestMs() || listener.endsAt < firstEndsAt()
      listeners.add(listener)
      if (!finished && (!polling || (sleeping && isSooner))) start(poll)
    },
    leave(listener) {
      listeners.delete(listener)
      if (!finished && listeners.size === 0) start(coolDown)
    },
    close() {
      finished = true
      running?.abort()
      wakeAll()
    },
    get latest() {
      return latest
    },
    get version() {
      return version
    },
    get finished() {
      return finished
    },
    get polling() {
      return polling
    },
  }
}

async function settled<V>(promise: Promise<V>): Promise<{ value: V } | { error: unknown }> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error }
  }
}

function timeLimitReached(timeLimitMs: number): GraphQLError {
  const message = `The time limit of ${timeLimitMs / 1000} seconds was reached before the final state. Nothing was stopped in Code Ocean. Subscribe again to go on.`
  return new GraphQLError(message, { extensions: { code: "TIME_LIMIT_REACHED" satisfies ErrorCode } })
}
