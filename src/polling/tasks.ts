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
 * The longest that a task waits for another caller's task, in milliseconds. Then both run at once: a caller whose calls hang must
 * not hold up others.
 */
const maxWaitForOthersMs = 30_000

/** Work that is finished even if its client disconnects. */
export interface Tasks {
  /**
   * Runs the work. Tasks with the same key run one after another: two callers may be two tokens of one user. A call that wants the
   * same as the caller's last unfinished task shares its result.
   * Rejects with a GraphQLError if the caller has too many unfinished tasks.
   * @param caller whose task it is. Callers never share a task or a memo, and wait at most 30 seconds for one another
   * @param key what must not run twice at the same time
   * @param wanted what is to be done. Calls with an equal value share one task
   */
  run<T>(caller: string, key: string, wanted: string, work: (memo: TaskMemo) => Promise<T>): Promise<T>
  /** Resolves when all tasks are finished, or after this many milliseconds, with whether all are finished. */
  drain(withinMs: number): Promise<boolean>
  /** The number of keys with unfinished tasks. */
  readonly count: number
}

/** A string that a task leaves for the next task with the same caller and key. Lost when the process ends. */
export interface TaskMemo {
  read(): string | undefined
  write(text: string): void
}

export function createTasks(clock?: Clock): Tasks {
  const latest = new Map<string, { wanted: string; result: Promise<unknown> }>()
  /** The last unfinished task of each key, whoever its caller is. Never rejects. */
  const lastOfKey = new Map<string, Promise<void>>()
  const counts = new Map<string, number>()
  const memos = new LRUCache<string, string>({ max: maxMemos })

  return {
    run<T>(caller: string, key: string, wanted: string, work: (memo: TaskMemo) => Promise<T>) {
      const callerKey = `${caller}\n${key}`
      const previous = latest.get(callerKey)
      if (previous?.wanted === wanted) return previous.result as Promise<T>
      const count = counts.get(caller) ?? 0
      if (count >= maxTasksPerCaller) return Promise.reject(tooManyTasks())
      counts.set(caller, count + 1)
      // Keys can be long, and memos are kept for longer than tasks.
      const memoKey = hash("sha256", callerKey, "base64url")
      const memo: TaskMemo = { read: () => memos.get(memoKey), write: (text) => memos.set(memoKey, text) }
      const result = Promise.all([
        ended(previous?.result),
        settledWithin(maxWaitForOthersMs, lastOfKey.get(key), clock),
      ])
        .then(() => work(memo))
        .finally(() => {
          const left = (counts.get(caller) as number) - 1
          if (left > 0) counts.set(caller, left)
          else counts.delete(caller)
          if (latest.get(callerKey)?.result === result) latest.delete(callerKey)
          if (lastOfKey.get(key) === end) lastOfKey.delete(key)
        })
      const end = ended(result)
      latest.set(callerKey, { wanted, result })
      lastOfKey.set(key, end)
      return result
    },
    async drain(withinMs) {
      const deadline = performance.now() + withinMs
      while (latest.size > 0 && performance.now() < deadline) await sleep(20)
      return latest.size === 0
    },
    get count() {
      return latest.size
    },
  }
}

/** Resolves when the task has ended, even if it failed. */
async function ended(task: Promise<unknown> | undefined): Promise<void> {
  await task?.catch(() => undefined)
}

function tooManyTasks(): GraphQLError {
  const message = `You have ${maxTasksPerCaller} captures in progress, the maximum for one caller. Try again when some have finished.`
  return new GraphQLError(message, { extensions: { code: "RATE_LIMITED" satisfies ErrorCode, retryAfterSeconds: 1 } })
}
