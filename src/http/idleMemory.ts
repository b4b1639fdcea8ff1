import { performance } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"
import { collectGarbage } from "./memoryPressure.ts"

/** The event loop is idle if less than this fraction of an interval is used. */
const idleFraction = 0.1
const checkIntervalMs = 1_000
/** How long the event loop must have been idle. After the start one interval is enough. */
const minIdleMs = 10_000
/** A collection pauses the process for 30 to 150 ms. */
const minIntervalMs = 60_000
/** The heap must have grown by this much since the last collection, in bytes. */
const minGrowth = 16 * 2 ** 20

export interface IdleMemory {
  /**
   * @param used the fraction of the time since the last call for which the event loop was in use
   * @param heapBytes the size of the heap, free parts included
   */
  evaluate(used: number, heapBytes: () => number, at: number): void
}

/** @param collect collects garbage and returns the free memory to the operating system */
export function createIdleMemory(collect: () => void): IdleMemory {
  let idleSince: number | undefined = Number.NEGATIVE_INFINITY
  let collectedAt = Number.NEGATIVE_INFINITY
  let bytesAfter = 0
  return {
    evaluate(used, heapBytes, at) {
      if (used >= idleFraction) {
        idleSince = undefined
        return
      }
      idleSince ??= at
      if (at - idleSince < minIdleMs || at - collectedAt < minIntervalMs) return
      if (heapBytes() - bytesAfter < minGrowth) return
      collect()
      collectedAt = at
      bytesAfter = heapBytes()
    },
  }
}

/**
 * Returns memory to the operating system after the start, and after load. V8 itself keeps what it has once needed: its memory
 * reducer does not run in Node (docs/decisions/idle-memory.md).
 */
export function releaseMemoryWhenIdle(): void {
  const idleMemory = createIdleMemory(() => collectGarbage({ type: "major", flavor: "last-resort" }))
  const heapBytes = () => getHeapStatistics().total_heap_size
  let last = performance.eventLoopUtilization()
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    idleMemory.evaluate(performance.eventLoopUtilization(now, last).utilization, heapBytes, performance.now())
    last = now
  }, checkIntervalMs)
  timer.unref()
}
