import { setTimeout as sleep } from "node:timers/promises"
import { GraphQLError } from "graphql"
import type { ErrorCode } from "../errors.ts"
import type { Store, StoreWait } from "../store/store.ts"
import { type Clock, settledWithin, systemClock } from "./clock.ts"
import { inTurn, type Turn } from "./turn.ts"

/** The most unfinished tasks of one caller. Tasks outlive the subscriptions that started them. */
const maxTasksPerCaller = 1000

/**
 * The longest that work waits for another caller's, in milliseconds. Then both run at once: a caller whose calls hang must not hold
 * up others.
 */
const maxWaitForOthersMs = 30_000

/** Work that is finished even if its client disconnects. */
export interface Tasks {
  /**
   * Runs the work. A call that wants the same as the caller's last task with this key shares its result while it is unfinished.
   * Rejects with a GraphQLError if the caller has too many unfinished tasks.
   * @param caller whose task it is. Callers never share a task or a note
   * @param key what is worked on
   * @param wanted what is to be done. Calls with an equal value share one task
   * @param storeWait how long the request has waited for the store
   */
  run<T>(
    caller: string,
    key: string,
    wanted: string,
    work: (task: Task) => Promise<T>,
    storeWait?: StoreWait,
  ): Promise<T>
  /** Resolves when all tasks are finished, or after this many milliseconds, with whether all are finished. */
  drain(withinMs: number): Promise<boolean>
  /** The number of unfinished tasks. */
  readonly count: number
}

/** What a task has of its key. */
export interface Task {
  /**
   * Runs a part of the task when no other task with the same key runs one, in any replica. In one process the parts run in the order
   * of these calls. The other may be another caller's, since two callers may be two tokens of one user; then this waits for at most
   * 30 seconds.
   */
  alone<T>(part: (turn: Turn) => Promise<T>): Promise<T>
}

/**
 * @param clock for tests
 * @param leaseMs for tests: how long others wait for a process that has died
 */
export function createTasks(store: Store, clock: Clock = systemClock, leaseMs?: number): Tasks {
  const latest = new Map<string, { wanted: string; result: Promise<unknown> }>()
  /** The last unfinished part of each key, and of each caller's key. Never rejects. */
  const lastParts = new Map<string, Promise<void>>()
  const counts = new Map<string, number>()
  let unfinished = 0

  function alone<T>(
    callerKey: string,
    key: string,
    part: (turn: Turn) => Promise<T>,
    storeWait: StoreWait | undefined,
  ): Promise<T> {
    const giveUpAt = clock.now() + maxWaitForOthersMs
    const others = settledWithin(maxWaitForOthersMs, lastParts.get(key), clock)
    const result = Promise.all([lastParts.get(callerKey), others]).then(() =>
      inTurn(store, { callerKey, key, waitMs: giveUpAt - clock.now(), leaseMs, storeWait }, part),
    )
    const end = ended(result)
    for (const name of [callerKey, key]) {
      lastParts.set(name, end)
      end.then(() => {
        if (lastParts.get(name) === end) lastParts.delete(name)
      })
    }
    return result
  }

  return {
    run<T>(caller: string, key: string, wanted: string, work: (task: Task) => Promise<T>, storeWait?: StoreWait) {
      const callerKey = `${caller}\n${key}`
      const previous = latest.get(callerKey)
      if (previous?.wanted === wanted) return previous.result as Promise<T>
      const count = counts.get(caller) ?? 0
      if (count >= maxTasksPerCaller) return Promise.reject(tooManyTasks())
      counts.set(caller, count + 1)
      unfinished += 1
      const task: Task = { alone: (part) => alone(callerKey, key, part, storeWait) }
      const result = Promise.resolve(task)
        .then(work)
        .finally(() => {
          unfinished -= 1
          const left = (counts.get(caller) as number) - 1
          if (left > 0) counts.set(caller, left)
          else counts.delete(caller)
          if (latest.get(callerKey)?.result === result) latest.delete(callerKey)
        })
      latest.set(callerKey, { wanted, result })
      return result
    },
    async drain(withinMs) {
      const deadline = performance.now() + withinMs
      while (unfinished > 0 && performance.now() < deadline) await sleep(20)
      return unfinished === 0
    },
    get count() {
      return unfinished
    },
  }
}

/** Resolves when the work has ended, even if it failed. */
async function ended(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined)
}

function tooManyTasks(): GraphQLError {
  const message = `You have ${maxTasksPerCaller} captures in progress, the maximum for one caller. Try again when some have finished.`
  return new GraphQLError(message, { extensions: { code: "RATE_LIMITED" satisfies ErrorCode, retryAfterSeconds: 1 } })
}
