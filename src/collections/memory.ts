/** Remembers a short text for each key of each owner. */
export interface Memory {
  get(owner: string, key: string): string | undefined
  remember(owner: string, key: string, value: string): void
}

/**
 * A memory of so many keys at the most, those of all owners together. When it is full it forgets those that nobody has touched
 * for longest, up to half of them at once, so that a key that is remembered again and again costs a look and nothing more.
 */
export function createMemory(most: number): Memory {
  let recent = new Map<string, Map<string, string>>()
  let before = new Map<string, Map<string, string>>()
  let count = 0
  const memory: Memory = {
    get(owner, key) {
      const value = recent.get(owner)?.get(key)
      if (value !== undefined) return value
      const older = before.get(owner)?.get(key)
      if (older !== undefined) memory.remember(owner, key, older)
      return older
    },
    remember(owner, key, value) {
      if (recent.get(owner)?.get(key) === value) return
      if (count >= most / 2) {
        before = recent
        recent = new Map()
        count = 0
      }
      const own = recent.get(owner) ?? new Map<string, string>()
      if (own.size === 0) recent.set(owner, own)
      own.set(key, value)
      count += 1
    },
  }
  return memory
}
