/** Remembers a short text for each key. */
export interface Memory {
  get(key: string): string | undefined
  remember(key: string, value: string): void
}

/** A memory that forgets what nobody has touched for longest, once it holds more than so many keys. */
export function createMemory(most: number): Memory {
  // A Map keeps the order in which its keys were set, so the first is the one that was touched longest ago.
  const values = new Map<string, string>()
  return {
    get(key) {
      const value = values.get(key)
      if (value !== undefined) this.remember(key, value)
      return value
    },
    remember(key, value) {
      values.delete(key)
      values.set(key, value)
      if (values.size > most) values.delete(values.keys().next().value as string)
    },
  }
}
