/** How much of one turn of the event loop is spent on beginning operations, in milliseconds. */
const mostMs = 50

export interface TurnBudget {
  /** Whether an operation should begin in a later turn, since others have used this one up or are waiting already. */
  isSpent(): boolean
  /** Begins an operation in a later turn, in order. */
  defer(begin: () => void): void
}

/**
 * Node reads from all sockets that have something before it does anything else, and an operation that needs no call is
 * answered while it is read: two hundred large ones at once would hold up everybody for seconds. So operations begin in later
 * turns once one turn has used its time. What they do in between, such as `/health`, isn't held up.
 * @param run calls a function, whose exception is nobody else's
 */
export function createTurnBudget(run: (begin: () => void) => void): TurnBudget {
  let startedAt: number | undefined
  let waiting: (() => void)[] = []

  const nextTurn = () => {
    startedAt = undefined
    if (waiting.length === 0) return
    start()
    let begun = 0
    while (begun < waiting.length && isOver() === false) {
      run(waiting[begun] as () => void)
      begun += 1
    }
    waiting = waiting.slice(begun)
  }

  function start() {
    startedAt = performance.now()
    setImmediate(nextTurn)
  }

  const isOver = () => startedAt !== undefined && performance.now() - startedAt > mostMs

  return {
    isSpent() {
      if (startedAt === undefined) start()
      return waiting.length > 0 || isOver()
    },
    defer(begin) {
      waiting.push(begin)
    },
  }
}
