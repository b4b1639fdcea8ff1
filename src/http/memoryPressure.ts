import { totalmem } from "node:os"
import { constants, PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Shares of what there may be, from 0 to 1. */
export interface MemoryReading {
  /** Of V8's old generation, garbage included that isn't collected yet. */
  heap: number
  /** Of the memory that the container may have, or that the machine has. */
  container: number
}

/** From which share on memory is short, and below which it no longer is. */
const shortFrom = 0.85
const enoughBelow = 0.8
/**
 * A full heap may be full of garbage: V8 collects it only when it must. So it counts as short only if the last collection left
 * so much behind.
 */
const leftFrom = 0.7
/** While memory is short little is allocated, so V8 sees no reason to collect: then it is asked to, less and less often. */
const collectedAfterMs = 5_000
const collectedAtLeastMs = 60_000

export interface MemoryPressure {
  /** To be told what was in use right after a full collection. */
  collected(reading: MemoryReading, at: number): void
  /** Takes a reading; a sentence while memory is short. */
  look(reading: MemoryReading, at: number): string | undefined
}

/** @param collect collects garbage */
export function createMemoryPressure(collect: () => void): MemoryPressure {
  let left = 0
  let collectedAt = Number.NEGATIVE_INFINITY
  let isShort = false
  let waitMs = collectedAfterMs
  return {
    collected({ heap }, at) {
      left = heap
      collectedAt = at
    },
    look({ heap, container }, at) {
      const share = Math.max(heap, container)
      if (isShort) {
        if (share < enoughBelow) {
          isShort = false
          waitMs = collectedAfterMs
        } else if (at - collectedAt > waitMs) {
          collectedAt = at
          waitMs = Math.min(2 * waitMs, collectedAtLeastMs)
          collect()
        }
      } else isShort = container >= shortFrom || (heap >= shortFrom && left >= leftFrom)
      if (!isShort) return undefined
      return `The gateway has ${Math.round(share * 100)} % of its memory in use, and takes one request at a time until it has less.`
    },
  }
}

/**
 * Measures this process's memory against what it may have.
 * @returns what tells, each time that it is called, whether memory is short
 */
export function measureMemory(): { shortage(): string | undefined; stop(): void } {
  const oldGeneration = getHeapStatistics().heap_size_limit - youngGeneration()
  const constrained = process.constrainedMemory()
  const container = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  let collectGarbage: (() => void) | undefined
  const pressure = createMemoryPressure(() => {
    if (collectGarbage === undefined) {
      setFlagsFromString("--expose-gc")
      collectGarbage = runInNewContext("gc") as () => void
    }
    collectGarbage()
  })

  const heapShare = () => {
    let used = 0
    for (const { space_name: name, space_used_size: size } of getHeapSpaceStatistics()) {
      if (!name.startsWith("new_")) used += size
    }
    return used / oldGeneration
  }

  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
      if (entry.detail.kind !== constants.NODE_PERFORMANCE_GC_MAJOR) continue
      pressure.collected({ heap: heapShare(), container: 0 }, performance.now())
      return
    }
  })
  observer.observe({ entryTypes: ["gc"] })

  return {
    shortage: () => pressure.look({ heap: heapShare(), container: containerShare(container) }, performance.now()),
    stop: () => observer.disconnect(),
  }
}

/** What of the memory is in use by this process, and not merely kept by V8 for later. */
function containerShare(container: number): number {
  try {
    const { rss, heapTotal, heapUsed } = process.memoryUsage()
    return (rss - (heapTotal - heapUsed)) / container
  } catch {
    // It is read from a file, for which there may be no descriptor left.
    return 0
  }
}

/** V8's limit is that of both generations, and tells neither: the young one has three times its flag's size. */
function youngGeneration(): number {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ")
  const [, mebibytes] = /--max[-_]semi[-_]space[-_]size[= ](\d+)/.exec(flags) ?? []
  return 3 * Number(mebibytes ?? 32) * 2 ** 20
}
