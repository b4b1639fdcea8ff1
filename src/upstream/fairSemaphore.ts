import { Link, LinkedList } from "../collections/linkedList.ts"
import { TransportError } from "./transport.ts"

/** A call that waits for a permit. */
export interface QueuedCall {
  /** Called with a permit, which has to be released. Must not throw. May release at once. */
  run(): void
}

/** The waiting calls of one caller, in order. */
class CallerQueue {
  readonly caller: string
  readonly calls = new LinkedList<QueuedCall>()
  readonly link = new Link<CallerQueue>(this)

  constructor(caller: string) {
    this.caller = caller
  }
}

/**
 * Limits how many calls are in flight. Waiting calls are served round-robin by caller, so that a caller with one call does not wait
 * for another caller's thousand.
 */
export class FairSemaphore {
  readonly #maxQueued: number
  readonly #maxActive: number
  #permits: number
  #queued = 0
  readonly #queues = new Map<string, CallerQueue>()
  /** The same queues, in the order in which they are served. */
  readonly #rotation = new LinkedList<CallerQueue>()
  #isServing = false

  /** @param maxQueued how many calls may wait; Infinity for no limit */
  constructor(permits: number, maxQueued: number) {
    this.#permits = permits
    this.#maxActive = permits
    this.#maxQueued = maxQueued
  }

  /** How many calls are in flight and wait. */
  get counts(): { active: number; queued: number } {
    return { active: this.#maxActive - this.#permits, queued: this.#queued }
  }

  /** Takes a permit if there is one. Each permit has to be released. */
  tryAcquire(): boolean {
    if (this.#permits === 0) return false
    this.#permits -= 1
    return true
  }

  /** Enqueues the call until there is a permit for it. Returns an error if the queue is full. */
  enqueue(caller: string, call: Link<QueuedCall>): TransportError | undefined {
    const queue = this.#queues.get(caller) ?? new CallerQueue(caller)
    const { size } = queue.calls
    // A caller's queue may not become longer than the free capacity. So one caller gets at most half of the capacity.
    if (size >= this.#maxQueued - this.#queued) {
      return new TransportError(
        "queueFull",
        false,
        `${this.#queued} calls are waiting, ${size} of them from the same caller`,
      )
    }
    if (size === 0) {
      this.#queues.set(caller, queue)
      this.#rotation.add(queue.link)
    }
    queue.calls.add(call)
    this.#queued += 1
    return undefined
  }

  /** Removes a call that no longer needs a permit. Does nothing if it is not queued. */
  remove(caller: string, call: Link<QueuedCall>): void {
    const queue = this.#queues.get(caller)
    if (!queue?.calls.delete(call)) return
    this.#queued -= 1
    if (queue.calls.size > 0) return
    this.#queues.delete(caller)
    this.#rotation.delete(queue.link)
  }

  release(): void {
    this.#permits += 1
    this.#serve()
  }

  /** Starts no waiting call before this is done. For calls that are cancelled together: none of them gets the permit of another one. */
  holdDuring(cancel: () => void): void {
    const wasServing = this.#isServing
    this.#isServing = true
    try {
      cancel()
    } finally {
      this.#isServing = wasServing
      this.#serve()
    }
  }

  #serve(): void {
    // run() may release synchronously; the loop below, not recursion, starts the next call.
    if (this.#isServing) return
    this.#isServing = true
    try {
      while (this.#permits > 0 && this.#queued > 0) this.#runNext()
    } finally {
      this.#isServing = false
    }
  }

  #runNext(): void {
    const queue = this.#rotation.shift() as CallerQueue
    const call = queue.calls.shift() as QueuedCall
    this.#queued -= 1
    if (queue.calls.size > 0) this.#rotation.add(queue.link)
    else this.#queues.delete(queue.caller)
    this.#permits -= 1
    call.run()
  }
}
