import { hash } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { GraphQLError } from "graphql"
import { LRUCache } from "lru-cache"
import type { ErrorCode } from "../errors.ts"
import { type Clock, settledWithin } from "./clock.ts"

/** How many memos are kept, those of all callers together. A task without its memo calls Code Ocean again. */
const maxMemos = 1000

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
   * @param caller whose task it is. Callers never share a task or a memo
   * @param key what is worked on
   * @param wanted what is to be done. Calls with an equal value share one task
   */
  run<T>(caller: string, key: string, wanted: string, work: (task: Task) => Promise<T>): Promise<T>
  /** Resolves when all tasks are finished, or after this many milliseconds, with whether all are finished. */
  drain(withinMs: number): Promise<boolean>
  /** The number of unfinished tasks. */
  readonly count: number
}

/** What a task has of its key. */
export interface Task {
  /**
   * Runs a part of the task when no other task with the same key runs one, in order of these calls. The other may be another
   * caller's, since two callers may be two tokens of one user; then this waits for at most 30 seconds.
   */
  alone<T>(part: () => Promise<T>): Promise<T>
  /** A string that an earlier task with the same caller and key has left. Lost when the process ends. */
  recall(): string | undefined
  remember(text: string): void
}

export function createTasks(clock?: Clock): Tasks {
  const latest = new Map<string, { wanted: string; result: Promise<unknown> }>()
  /** The last unfinished part of each key, and of each caller's key. Never rejects. */
  const lastParts = new Map<string, Promise<void>>()
  const counts = new Map<string, number>()
  const memos = new LRUCache<string, string>({ max: maxMemos })
  let unfinished = 0

  function alone<T>(callerKey: string, key: string, part: () => Promise<T>): Promise<T> {
    const others = settledWithin(maxWaitForOthersMs, lastParts.get(key), clock)
    const result = Promise.all([lastParts.get(callerKey), others]).then(part)
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
    run<T>(caller: string, key: string, wanted: string, work: (task: Task) => Promise<T>) {
      const callerKey = `${caller}\n${key}`
      const previous = latest.get(callerKey)
      if (previous?.wanted === wanted) return previous.result as Promise<T>
      const count = counts.get(caller) ?? 0
      if (count >= maxTasksPerCaller) return Promise.reject(tooManyTasks())
      counts.set(caller, count + 1)
      unfinished += 1
      // Keys can be long, and memos are kept for longer than tasks.
      const memoKey = hash("sha256", callerKey, "base64url")
      const task: Task = {
        alone: (part) => alone(callerKey, key, part),
        recall: () => memos.get(memoKey),
        remember: (text) => memos.set(memoKey, text),
      }
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
