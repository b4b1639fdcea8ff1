import { setTimeout as wait } from "node:timers/promises"

/** The first wait between two reads of an object, and the shortest that there ever is, in milliseconds. */
const shortestMs = 5_000
/** How much longer each wait is than the one before, while the object stays in its stage. */
const growth = 1.5
/** How long an object is followed on that can't be read, in milliseconds. */
const patienceMs = 5 * 60_000

/** With so many objects or more, those that nobody follows any more are forgotten. */
const mostRemembered = 10_000

/** Where pollers have their time from. */
export interface Time {
  /** Milliseconds that only ever grow. */
  now(): number
  /** Resolves after so many milliseconds, or as soon as the signal says so. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

const realTime: Time = {
  now: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined),
}

/** An object as it was read. */
export interface Reading<T> {
  value: T
  /** Where it stands. Waits grow while this stays the same: a run's clock that ticks on is no reason to hurry. */
  stage: string
  /** Whether it changes no more. */
  isFinal: boolean
}

/** An object to follow, as one listener would read it. */
export interface Source<T> {
  /** Reads the object once. */
  read(signal: AbortSignal): Promise<Reading<T>>
  /** The least wait in milliseconds after a failure that may pass; undefined for one that won't. */
  retryAfterMs(error: unknown): number | undefined
  /** The longest wait between two reads, in milliseconds. */
  slowestMs: number
}

/** What listeners hear: the object, and whether it changes no more, or why it can't be read any more. */
export type Outcome<T> = { value: T; isFinal: boolean } | { error: unknown }

/** Everything that is followed now. */
export interface Live {
  /**
   * Follows an object: yields it as it is, then whenever it changed, and ends once it is final or can't be read any more;
   * a listener who is slow to ask skips what is outdated by then. Listeners of one key share one poller, which reads on
   * behalf of the one who has been there longest. Nothing is held before the first `next()` and after `return()`.
   */
  follow<T>(key: string, source: Source<T>): AsyncIterableIterator<Outcome<T>>
  /** Ends whatever is followed, now and from now on. */
  close(): void
  readonly closed: boolean
  /** For diagnostics. */
  readonly counts: LiveCounts
}

export interface LiveCounts {
  /** Objects that are polled. */
  pollers: number
  listeners: number
  /** Objects that nobody follows any more, remembered until they may be read again. */
  resting: number
}

interface Listener<T> {
  source: Source<T>
  wake(): void
}

export function createLive(time: Time = realTime): Live {
  const pollers = new Map<string, Poller<unknown>>()
  let listeners = 0
  let closed = false
  let forgetAt = mostRemembered

  /** Clients who come and go must not fill the memory with what they have left. */
  function forgetResting() {
    for (const [key, poller] of pollers) {
      if (poller.polling) continue
      poller.close()
      pollers.delete(key)
    }
    // Not with each of the next ones, should most of these be followed.
    forgetAt = Math.max(mostRemembered, 2 * pollers.size)
  }

  /** The key says what is followed, so whoever shares it follows the same type. */
  function join<T>(key: string, listener: Listener<T>): Poller<T> {
    let poller = pollers.get(key) as Poller<T> | undefined
    if (poller === undefined) {
      if (pollers.size >= forgetAt) forgetResting()
      poller = createPoller<T>(time, () => {
        // It may have been forgotten, and another one begun.
        if (pollers.get(key) === poller) pollers.delete(key)
      })
      pollers.set(key, poller as Poller<unknown>)
    }
    listeners += 1
    poller.join(listener)
    return poller
  }

  return {
    follow<T>(key: string, source: Source<T>) {
      let poller: Poller<T> | undefined
      let seen = 0
      let left = false
      let wake = () => {}
      const listener = { source, wake: () => wake() }
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
            poller ??= join(key, listener)
            if (poller.latest !== undefined && poller.version > seen) {
              seen = poller.version
              return { done: false, value: poller.latest }
            }
            if (poller.over) leave()
            else {
              await new Promise<void>((resolve) => {
                wake = resolve
              })
            }
          }
          return { done: true, value: undefined }
        },
        async return() {
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
      return { pollers: polling, listeners, resting: pollers.size - polling }
    },
  }
}

interface Poller<T> {
  join(listener: Listener<T>): void
  leave(listener: Listener<T>): void
  close(): void
  /** What was heard last, and how much was heard so far. */
  readonly latest: Outcome<T> | undefined
  readonly version: number
  /** Whether nothing new will be heard. */
  readonly over: boolean
  readonly polling: boolean
}

/**
 * Reads one object while it has listeners. Without any it rests: it reads no more, but is remembered until the object may
 * be read again, so that listeners who come and go don't make it be read more often than one who stays.
 */
function createPoller<T>(time: Time, forget: () => void): Poller<T> {
  const listeners = new Set<Listener<T>>()
  let doing: AbortController | undefined
  let latest: Outcome<T> | undefined
  let version = 0
  let over = false
  let polling = false

  /** When to read next, and when at the soonest whoever comes may read. */
  let nextAt = Number.NEGATIVE_INFINITY
  let soonestAt = Number.NEGATIVE_INFINITY
  let waitMs = shortestMs
  let stage: string | undefined
  let text: string | undefined
  let failingSince: number | undefined

  function publish(outcome: Outcome<T>) {
    latest = outcome
    version += 1
    wakeAll()
  }

  function wakeAll() {
    for (const listener of listeners) listener.wake()
  }

  function begin(task: (signal: AbortSignal) => Promise<void>) {
    doing?.abort()
    const doingThis = new AbortController()
    doing = doingThis
    polling = task === poll
    task(doingThis.signal).catch((error: unknown) => {
      if (doingThis.signal.aborted) return
      // Nobody awaits the task. What it throws is this object's failure, and its listeners' to hear.
      if (task === rest) forget()
      else {
        publish({ error })
        end()
      }
    })
  }

  function end() {
    over = true
    begin(rest)
    wakeAll()
  }

  async function until(moment: number, signal: AbortSignal) {
    // Timers may be early by a fraction of a millisecond.
    while (time.now() < moment && !signal.aborted) await time.sleep(Math.ceil(moment - time.now()), signal)
  }

  async function rest(signal: AbortSignal) {
    await until(soonestAt, signal)
    if (!signal.aborted) forget()
  }

  async function poll(signal: AbortSignal) {
    while (!over) {
      await until(nextAt, signal)
      const [listener] = listeners
      if (signal.aborted || listener === undefined) return
      const startedAt = time.now()
      soonestAt = nextAt = startedAt + shortestMs
      const read = await settled(listener.source.read(signal))
      if (signal.aborted) return
      soonestAt = time.now() + shortestMs
      if ("error" in read) failed(read.error, listener.source, startedAt)
      else succeeded(read.value, listener.source)
    }
  }

  function succeeded(reading: Reading<T>, { slowestMs }: Source<T>) {
    failingSince = undefined
    waitMs = reading.stage === stage ? Math.min(waitMs * growth, slowestMs) : shortestMs
    nextAt = time.now() + waitMs
    stage = reading.stage
    const before = text
    text = JSON.stringify(reading.value)
    if (text !== before) publish({ value: reading.value, isFinal: reading.isFinal })
    if (reading.isFinal) end()
  }

  function failed(error: unknown, source: Source<T>, startedAt: number) {
    const retryAfterMs = source.retryAfterMs(error)
    if (retryAfterMs !== undefined) {
      failingSince ??= startedAt
      nextAt = time.now() + Math.max(waitMs, retryAfterMs)
      waitMs = Math.min(waitMs * growth, source.slowestMs)
      soonestAt = time.now() + Math.min(Math.max(shortestMs, retryAfterMs), patienceMs)
      if (nextAt <= failingSince + patienceMs) return
    }
    publish({ error })
    end()
  }

  return {
    join(listener) {
      listeners.add(listener)
      if (!over && !polling) begin(poll)
    },
    leave(listener) {
      listeners.delete(listener)
      if (!over && listeners.size === 0) begin(rest)
    },
    close() {
      over = true
      doing?.abort()
      wakeAll()
    },
    get latest() {
      return latest
    },
    get version() {
      return version
    },
    get over() {
      return over
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
