/** Remembers of which GraphQL type an id is. */
export interface TypeMemory {
  get(id: string): string | undefined
  remember(id: string, typename: string): void
}

const mostIds = 100_000

/** A memory that forgets what nobody has touched for longest. */
export function createTypeMemory(most = mostIds): TypeMemory {
  // A Map keeps the order in which its keys were set, so the first is the one that was touched longest ago.
  const types = new Map<string, string>()
  return {
    get(id) {
      const typename = types.get(id)
      if (typename !== undefined) this.remember(id, typename)
      return typename
    },
    remember(id, typename) {
      types.delete(id)
      types.set(id, typename)
      if (types.size > most) types.delete(types.keys().next().value as string)
    },
  }
}
