import { hash } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { GraphQLError } from "graphql"
import { createMemory } from "../collections/memory.ts"
import type { ErrorCode } from "../errors.ts"

/** So many keys are remembered; whoever comes back after that has to be told by Code Ocean. */
const mostRemembered = 1000

/** The most pieces of work that one caller may have begun and not finished: they outlive the subscriptions that began them. */
const mostOfOneCaller = 1000

/** Work that is finished even if nobody waits for it any more. */
export interface Tasks {
  /**
   * Does the work, one at a time for each key of a caller: it begins when what was begun under the key before is over. Whoever
   * wants the same as the last one that was begun, and isn't over, shares its outcome.
   * Rejects with a GraphQLError where the caller has too much under way.
   * @param caller on whose behalf: nobody waits for another caller's work or shares it
   * @param key what must not be worked on twice at once
   * @param wanted what is wanted of it
   */
  run<T>(caller: string, key: string, wanted: string, work: (note: Note) => Promise<T>): Promise<T>
  /** Resolves when all work is over, or so many milliseconds have passed, with whether it is over. */
  over(withinMs: number): Promise<boolean>
  /** Keys that are worked on. */
  readonly count: number
}

/** What one piece of work leaves for the next one under its key, as long as the process remembers it. */
export interface Note {
  read(): string | undefined
  write(text: string): void
}

export function createTasks(): Tasks {
  const latest = new Map<string, { wanted: string; outcome: Promise<unknown> }>()
  const counts = new Map<string, number>()
  const notes = createMemory(mostRemembered)

  return {
    run<T>(caller: string, key: string, wanted: string, work: (note: Note) => Promise<T>) {
      const callersKey = `${caller}\n${key}`
      const before = latest.get(callersKey)
      if (before?.wanted === wanted) return before.outcome as Promise<T>
      const count = counts.get(caller) ?? 0
      if (count >= mostOfOneCaller) return Promise.reject(tooMuch())
      counts.set(caller, count + 1)
      // Keys may be long, and notes are kept for longer than anyone waits for the work.
      const name = hash("sha256", key, "base64url")
      const note: Note = { read: () => notes.get(caller, name), write: (text) => notes.remember(caller, name, text) }
      const outcome = Promise.resolve(before?.outcome)
        .catch(() => undefined)
        .then(() => work(note))
        .finally(() => {
          const left = (counts.get(caller) as number) - 1
          if (left > 0) counts.set(caller, left)
          else counts.delete(caller)
          if (latest.get(callersKey)?.outcome === outcome) latest.delete(callersKey)
        })
      latest.set(callersKey, { wanted, outcome })
      return outcome
    },
    async over(withinMs) {
      const deadline = performance.now() + withinMs
      while (latest.size > 0 && performance.now() < deadline) await sleep(20)
      return latest.size === 0
    },
    get count() {
      return latest.size
    },
  }
}

function tooMuch(): GraphQLError {
  const message = `${mostOfOneCaller} captures of yours are under way, the most that one caller may have: try again when some are finished.`
  return new GraphQLError(message, { extensions: { code: "RATE_LIMITED" satisfies ErrorCode, retryAfterSeconds: 1 } })
}
