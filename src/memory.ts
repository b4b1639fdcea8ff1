/** Remembers a short text for each key. */
export interface Memory {
  get(key: string): string | undefined
  remember(key: string, value: string): void
}

/**
 * A memory of so many keys at the most. When it is full it forgets those that nobody has touched for longest, up to half of
 * them at once, so that a key that is remembered again and again costs a look and nothing more.
 */
export function createMemory(most: number): Memory {
  let recent = new Map<string, string>()
  let before = new Map<string, string>()
  const memory: Memory = {
    get(key) {
      const value = recent.get(key)
      if (value !== undefined) return value
      const older = before.get(key)
      if (older !== undefined) memory.remember(key, older)
      return older
    },
    remember(key, value) {
      if (recent.get(key) === value) return
      if (recent.size >= most / 2) {
        before = recent
        recent = new Map()
      }
      recent.set(key, value)
    },
  }
  return memory
}
