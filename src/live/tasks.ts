import { setTimeout as sleep } from "node:timers/promises"
import { createMemory } from "../memory.ts"
import { hash } from "../search/cursor.ts"

/** So many keys are remembered; whoever comes back after that has to be told by Code Ocean. */
const mostRemembered = 1000

/** Work that is finished even if nobody waits for it any more. */
export interface Tasks {
  /**
   * Does the work, one at a time for each key: it begins when what was begun under the key before is over. Whoever wants
   * the same as the last one that was begun, and isn't over, shares its outcome.
   * @param key what must not be worked on twice at once
   * @param wanted what is wanted of it
   */
  run<T>(key: string, wanted: string, work: (note: Note) => Promise<T>): Promise<T>
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
  const notes = createMemory(mostRemembered)

  return {
    run<T>(key: string, wanted: string, work: (note: Note) => Promise<T>) {
      const before = latest.get(key)
      if (before?.wanted === wanted) return before.outcome as Promise<T>
      // A key may hold a token, and notes are kept for longer than anyone who has it is there.
      const name = hash(key, 43)
      const note: Note = { read: () => notes.get(name), write: (text) => notes.remember(name, text) }
      const outcome = Promise.resolve(before?.outcome)
        .catch(() => undefined)
        .then(() => work(note))
        .finally(() => {
          if (latest.get(key)?.outcome === outcome) latest.delete(key)
        })
      latest.set(key, { wanted, outcome })
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
