/** The time that operations may take in one iteration of the event loop, in milliseconds. */
const budgetMs = 50
/**
 * Below this time the end of an iteration is not detected, and the times of several iterations add up: detection costs as much as
 * a small operation.
 */
const minTrackedMs = 5

export interface EventLoopBudget {
  /** Whether an operation must be deferred because the budget of this iteration is spent or others are deferred already. */
  isSpent(): boolean
  /** Adds the time that an operation has taken in this iteration. */
  spend(ms: number): void
  /** Starts an operation in a later iteration. The operations of one caller keep their order. Callers are served round-robin. */
  defer(caller: string, start: () => void): void
}

/**
 * Limits the time for which operations block the event loop. In one iteration Node reads from all readable sockets, and an operation
 * without calls is answered as soon as it is read: two hundred large ones would block the event loop for seconds. Operations
 * beyond the budget are deferred to later iterations. Other requests, such as `/health`, are handled in between.
 * @param run calls a function and catches what it throws
 */
export function createEventLoopBudget(run: (start: () => void) => void): EventLoopBudget {
  let spentMs = 0
  let willReset = false
  /** The deferred operations by caller, served round-robin, so that many operations of one caller do not delay another's. */
  const deferred = new Map<string, (() => void)[]>()

  function spend(ms: number) {
    spentMs += ms
    if (spentMs > minTrackedMs) resetLater()
  }

  function resetLater() {
    if (willReset) return
    willReset = true
    setImmediate(reset)
  }

  function reset() {
    willReset = false
    spentMs = 0
    for (const [caller, operations] of deferred) {
      if (spentMs > budgetMs) break
      // A caller with more operations goes to the end of the map, and is visited again.
      deferred.delete(caller)
      const start = operations.shift()
      if (operations.length > 0) deferred.set(caller, operations)
      const startedAt = performance.now()
      if (start !== undefined) run(start)
      spend(performance.now() - startedAt)
    }
    if (deferred.size > 0) resetLater()
  }

  return {
    isSpent: () => spentMs > budgetMs || deferred.size > 0,
    spend,
    defer(caller, start) {
      const operations = deferred.get(caller)
      if (operations === undefined) deferred.set(caller, [start])
      else operations.push(start)
      resetLater()
    },
  }
}
