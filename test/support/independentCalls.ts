/** What a request shows of one of its calls: where its response changes if the call fails, and which calls are made even then. */
export interface Effect {
  paths: readonly string[]
  calls: ReadonlySet<string>
}

/** The paths at which two JSON values differ. */
export function differences(before: unknown, after: unknown, path = ""): string[] {
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) {
    return before === after ? [] : [path]
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length !== after.length) return [path]
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>]
  return Object.keys({ ...old, ...now }).flatMap((key) => differences(old[key], now[key], `${path}.${key}`))
}

/**
 * The calls in groups. The calls of one group can all fail in one request, which then shows the same of each as if it failed alone: none
 * changes the response where another one does, and none keeps another one from being made.
 */
export function independentGroups(effects: ReadonlyMap<string, Effect>): string[][] {
  const groups: string[][] = []
  for (const [call, effect] of effects) {
    const isIndependent = (other: string) => {
      const others = effects.get(other) as Effect
      return effect.calls.has(other) && others.calls.has(call) && !meet(effect.paths, others.paths)
    }
    const group = groups.find((others) => others.every(isIndependent))
    if (group === undefined) groups.push([call])
    else group.push(call)
  }
  return groups
}

function meet(some: readonly string[], others: readonly string[]): boolean {
  const isWithin = (path: string, outer: string) => path === outer || path.startsWith(`${outer}.`)
  return some.some((path) => others.some((other) => isWithin(path, other) || isWithin(other, path)))
}
