import { hash } from "node:crypto"
import type { Clock } from "./clock.ts"
import { pollLeaseMs, type ReceiveSnapshot, type SharedPoll } from "./sharedPoll.ts"
import { minWaitMs as defaultMinWaitMs, type Snapshot, type Source, type Update } from "./source.ts"

/** The factor by which the wait grows with each read that finds the object in the same stage. */
const waitGrowth = 1.5
/** How long an object whose reads fail is still polled, in milliseconds, or for two polling intervals if these are longer. */
const maxFailingMs = 5 * 60_000

export interface Listener<T> {
  source: Source<T>
  /** Whether it joined when the latest update was no longer fresh, and the object has not been read since. */
  awaitsRead: boolean
  /** When its time limit is reached. */
  endsAt: number
  wake(): void
  /** Ends it at its time limit. */
  expire(): void
}

export interface Poller<T> {
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
export function createPoller<T>(
  clock: Clock,
  drop: () => void,
  share: ((receive: ReceiveSnapshot<T>) => SharedPoll<T>) | undefined,
  minWaitMs = defaultMinWaitMs,
): Poller<T> {
  const listeners = new Set<Listener<T>>()
  let running: AbortController | undefined
  let latest: Update<T> | undefined
  let version = 0
  let finished = false
  let polling = false
  /** Whether it is waiting for the next read. */
  let sleeping = false
  /** Whether there was a read, or an attempt at one. */
  let hasBegun = false

  /** When the next read is due at the earliest, and when the last one ended, in this replica or another. */
  let nextAt = Number.NEGATIVE_INFINITY
  let readAt = Number.NEGATIVE_INFINITY
  /** Whether a listener awaits a read, which is then due as soon as the object may be read. */
  let readIsAwaited = false
  /** The earliest time at which a new listener may cause a read. */
  let earliestAt = Number.NEGATIVE_INFINITY
  let waitMs = minWaitMs
  let stage: string | undefined
  /** The digest of the latest value. Not the value's JSON, because it can be large and there can be many pollers. */
  let digest: string | undefined
  let failingSince: number | undefined
  const shared = share?.(receive)

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
    if (polling) shared?.start()
    else shared?.stop()
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
    endAwaiting()
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
    const regularAt = Math.max(nextAt, readAt + fastestMs())
    return readIsAwaited ? Math.min(regularAt, earliestAt) : regularAt
  }

  /** The object was read, or could not be: nobody has to wait for it any more. */
  function endAwaiting() {
    if (!readIsAwaited) return
    readIsAwaited = false
    for (const listener of listeners) listener.awaitsRead = false
    wakeAll()
  }

  /** Sets when the first read is due, if there was none yet. Returns whether it is due sooner than before. */
  function firstReadIsSooner({ source }: Listener<T>): boolean {
    if (hasBegun) return false
    const dueAt = source.justRead ? clock.now() + minWaitMs : Number.NEGATIVE_INFINITY
    const isSooner = dueAt < nextAt
    nextAt = listeners.size === 0 ? dueAt : Math.min(nextAt, dueAt)
    return isSooner
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
      hasBegun = true
      if (shared !== undefined) {
        const isOurs = await isOurTurn(shared)
        if (signal.aborted) return
        // Another replica reads too seldom for a listener that has just joined.
        if (!isOurs && !(readIsAwaited && clock.now() >= earliestAt)) continue
      }
      const startedAt = clock.now()
      earliestAt = nextAt = startedAt + minWaitMs
      const read = await settled(listener.source.read(signal))
      if (signal.aborted) return
      readAt = clock.now()
      earliestAt = readAt + minWaitMs
      if ("error" in read) {
        // Another replica may be luckier, or gets an error of its own.
        shared?.pause()
        onError(read.error, listener.source, startedAt)
      } else {
        shared?.send(read.value)
        onSnapshot(read.value, listener.source)
      }
      endAwaiting()
    }
  }

  /** Whether this replica reads the object now. A listener that wants fewer reads than usual has its own. */
  async function isOurTurn(shared: SharedPoll<T>): Promise<boolean> {
    if (fastestMs() > minWaitMs) {
      shared.pause()
      return true
    }
    if (await shared.mustRead(latest !== undefined)) return true
    nextAt = Math.max(nextAt, clock.now() + pollLeaseMs)
    return false
  }

  /** Takes what another replica has read, so many milliseconds ago. */
  function receive(snapshot: Snapshot<T>, ageMs: number) {
    const [listener] = listeners
    if (listener === undefined || finished) return
    hasBegun = true
    readAt = Math.max(readAt, clock.now() - ageMs)
    earliestAt = readAt + minWaitMs
    onSnapshot(snapshot, listener.source)
    if (ageMs <= minWaitMs) endAwaiting()
    else awaitRead(listeners)
    // The other replica reads first, as long as it lives.
    nextAt += pollLeaseMs
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

  function awaitRead(those: Iterable<Listener<T>>) {
    for (const listener of those) listener.awaitsRead = true
    readIsAwaited = true
  }

  return {
    join(listener) {
      const isStale = latest !== undefined && clock.now() - readAt > minWaitMs
      // While reads fail, the latest update is the best there is.
      const mustRead = isStale && !finished && failingSince === undefined
      if (mustRead) awaitRead([listener])
      // The present wait may be too long for the new listener.
      const isSooner =
        firstReadIsSooner(listener) ||
        mustRead ||
        (listener.source.fastestMs ?? minWaitMs) < fastestMs() ||
        listener.endsAt < firstEndsAt()
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
      shared?.stop()
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
