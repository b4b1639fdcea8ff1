/** How much time one turn of the event loop is spent on beginning operations, in milliseconds. */
const budgetMs = 50
/** Less than this is added up over several turns: to notice the end of each turn costs as much as a small operation. */
const noticedMs = 5

export interface TurnBudget {
  /** Whether an operation should begin in a later turn, since others have used this one up or are waiting already. */
  isSpent(): boolean
  /** Notes the time that it took to begin an operation. */
  spend(ms: number): void
  /** Begins an operation in a later turn, in order. */
  defer(begin: () => void): void
}

/**
 * Node reads from all sockets that have something before it does anything else, and an operation that needs no call is
 * answered while it is read: two hundred large ones at once would hold up everybody for seconds. So operations begin in later
 * turns once one turn has used its budget. Other requests, such as `/health`, are handled between the turns.
 * @param run calls a function, and catches what it throws
 */
export function createTurnBudget(run: (begin: () => void) => void): TurnBudget {
  let spentMs = 0
  let willReset = false
  let deferred: (() => void)[] = []

  function spend(ms: number) {
    spentMs += ms
    if (spentMs > noticedMs) resetLater()
  }

  function resetLater() {
    if (willReset) return
    willReset = true
    setImmediate(reset)
  }

  function reset() {
    willReset = false
    spentMs = 0
    let begun = 0
    while (begun < deferred.length && spentMs < budgetMs) {
      const startedAt = performance.now()
      run(deferred[begun] as () => void)
      spend(performance.now() - startedAt)
      begun += 1
    }
    deferred = deferred.slice(begun)
    if (deferred.length > 0) resetLater()
  }

  return {
    isSpent: () => spentMs > budgetMs || deferred.length > 0,
    spend,
    defer(begin) {
      deferred.push(begin)
      resetLater()
    },
  }
}
